//! Start, stop, kill, restart, wait, resize, removal, restart policies.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Daemon, host, until};

#[test]
fn start_is_idempotent() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let before = daemon.inspect("web")["State"]["Pid"].clone();
    daemon.post("/containers/web/start").is(304);
    assert_eq!(daemon.inspect("web")["State"]["Pid"], before);
    daemon
        .post("/containers/nosuch/start")
        .refuses(404, "No such container: nosuch");
}

#[test]
fn stop_is_idempotent() {
    let daemon = Daemon::with_image();
    daemon.run("web", "trap 'exit 5' TERM; while :; do sleep 0.05; done");
    daemon.until_state("web", "running");
    daemon.post("/containers/web/stop").is(204);
    let state = daemon.inspect("web")["State"].clone();
    assert_eq!(state["Status"], "exited");
    assert_eq!(state["Pid"], 0);
    daemon.post("/containers/web/stop").is(304);
    daemon
        .post("/containers/nosuch/stop")
        .refuses(404, "No such container: nosuch");
}

#[test]
fn stop_kills_what_does_not_listen() {
    let daemon = Daemon::with_image();
    daemon.run("deaf", "trap '' TERM; echo ready; while :; do sleep 1; done");
    daemon.until_logged("deaf", "ready");
    let began = Instant::now();
    daemon.post("/containers/deaf/stop?t=1").is(204);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(6), "{took:?}");
    assert_eq!(daemon.inspect("deaf")["State"]["ExitCode"], 137);
}

#[test]
fn stop_sends_the_signal_that_was_asked_for() {
    let daemon = Daemon::with_image();
    let line = "trap 'exit 21' USR1; trap 'exit 22' TERM; echo ready; \
                while :; do sleep 0.05; done";
    daemon.run_with("own", line, json!({"StopSignal": "SIGUSR1"}));
    daemon.until_logged("own", "ready");
    daemon.post("/containers/own/stop").is(204);
    assert_eq!(daemon.inspect("own")["State"]["ExitCode"], 21);
    daemon.run("asked", line);
    daemon.until_logged("asked", "ready");
    daemon.post("/containers/asked/stop?signal=USR1").is(204);
    assert_eq!(daemon.inspect("asked")["State"]["ExitCode"], 21);
}

#[test]
fn kill_sends_signals() {
    let daemon = Daemon::with_image();
    let line = "trap 'echo hup' HUP; trap 'exit 9' USR2; echo ready; \
                while :; do sleep 0.05; done";
    daemon.run("web", line);
    daemon.until_logged("web", "ready");
    for signal in ["HUP", "SIGHUP", "1"] {
        daemon.post(&format!("/containers/web/kill?signal={signal}")).is(204);
        daemon.until_logged("web", "hup");
        assert_eq!(daemon.inspect("web")["State"]["Running"], true);
    }
    daemon.post("/containers/web/kill?signal=nosuch").is(400);
    daemon.post("/containers/web/kill?signal=USR2").is(204);
    assert_eq!(daemon.wait("web"), 9);
}

#[test]
fn kill_alone_ends_at_once() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    daemon.post("/containers/web/kill").is(204);
    assert_eq!(daemon.wait("web"), 137);
    let state = daemon.inspect("web")["State"].clone();
    assert_eq!(state["ExitCode"], 137);
    assert_eq!(state["OOMKilled"], false);
}

#[test]
fn kill_of_a_stopped_container_is_409() {
    let daemon = Daemon::with_image();
    let id = daemon.run("web", "true");
    daemon.wait("web");
    daemon.until_state("web", "exited");
    let reply = daemon.post("/containers/web/kill").is(409);
    let message = reply.message();
    let wanted =
        format!("cannot kill container: web: container {id} is not running");
    assert_eq!(message, wanted);
    daemon.post("/containers/nosuch/kill").is(404);
}

#[test]
fn restart_gives_a_new_process() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo started; sleep 1000");
    daemon.until_logged("web", "started");
    let before = daemon.inspect("web");
    daemon.post("/containers/web/restart?t=0").is(204);
    let after = daemon.inspect("web");
    assert_eq!(after["State"]["Running"], true);
    assert_ne!(after["State"]["Pid"], before["State"]["Pid"]);
    assert_ne!(after["State"]["StartedAt"], before["State"]["StartedAt"]);
    assert_eq!(after["RestartCount"], 0);
    until("two lines", || {
        (daemon.logs("web").0 == "started\nstarted\n").then_some(())
    });
    daemon.post("/containers/nosuch/restart").is(404);
    // A stopped one is started.
    daemon.post("/containers/web/stop?t=0").is(204);
    daemon.post("/containers/web/restart").is(204);
    assert_eq!(daemon.inspect("web")["State"]["Running"], true);
}

#[test]
fn files_survive_a_restart_of_the_container() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo x >> /data; cat /data");
    daemon.wait("web");
    daemon.post("/containers/web/start").is(204);
    daemon.wait("web");
    until("three lines", || {
        (daemon.logs("web").0 == "x\nx\nx\n").then_some(())
    });
}

#[test]
fn wait_knows_its_three_conditions() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["sh", "-c", "exit 6"]}));
    // Not running: a created container is not.
    let reply = daemon.post("/containers/web/wait?condition=not-running");
    assert_eq!(reply.is(200).json()["StatusCode"], 0);
    let (mut next, head) =
        daemon.open("POST", "/containers/web/wait?condition=next-exit");
    assert_eq!(head.status, 200, "the head comes before the end");
    let (mut removed, removed_head) =
        daemon.open("POST", "/containers/web/wait?condition=removed");
    daemon.post("/containers/web/start").is(204);
    let body = next.body(&head);
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["StatusCode"], 6, "{body}");
    assert!(removed.is_quiet_for(Duration::from_millis(200)));
    daemon.delete("/containers/web").is(204);
    let body = removed.body(&removed_head);
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["StatusCode"], 6, "{body}");
    daemon.post("/containers/web/wait").refuses(404, "No such container: web");
    daemon.create("web", json!({"Cmd": ["true"]}));
    daemon
        .post("/containers/web/wait?condition=nosuch")
        .refuses(400, "invalid condition: \"nosuch\"");
}

#[test]
fn all_waits_end_with_the_removal() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["true"]}));
    let mut waits = ["next-exit", "removed"].map(|condition| {
        let target = format!("/containers/web/wait?condition={condition}");
        daemon.open("POST", &target)
    });
    daemon.delete("/containers/web").is(204);
    for (wire, head) in &mut waits {
        let body = wire.body(head);
        assert!(String::from_utf8_lossy(&body).contains("\"StatusCode\":0"));
    }
}

#[test]
fn wait_ends_with_its_client() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let threads = || host::threads(daemon.pid()).len();
    let idle = threads();
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(daemon.open("POST", "/containers/web/wait"));
    }
    assert!(threads() >= 20);
    drop(waiting);
    until("the threads to go", || (threads() <= idle + 2).then_some(()));
}

#[test]
fn removal_of_a_running_container_is_409() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    daemon.delete("/containers/web").refuses(
        409,
        "cannot remove container \"web\": container is running: stop the \
         container before removing or force remove",
    );
    daemon.delete("/containers/web?force=1").is(204);
    daemon.delete("/containers/web").refuses(404, "No such container: web");
}

#[test]
fn removal_leaves_nothing() {
    let daemon = Daemon::with_image();
    let files = || host::tree(&daemon.data());
    let before = files();
    let id = daemon.run("web", "echo x > /x; echo y");
    daemon.wait("web");
    let pattern = vec![id.clone()];
    assert!(host::tree(&daemon.data()).len() > before.len());
    daemon.delete("/containers/web").is(204);
    let after = files();
    let names = |list: &[std::path::PathBuf]| -> Vec<String> {
        list.iter().map(|path| path.display().to_string()).collect()
    };
    assert_eq!(names(&after), names(&before));
    assert_eq!(host::cgroups(&pattern), Vec::<std::path::PathBuf>::new());
    let run: Vec<_> = host::tree(&daemon.exec())
        .into_iter()
        .filter(|path| path.to_string_lossy().contains(&id))
        .collect();
    assert!(run.is_empty(), "{run:?}");
    // The name is free again.
    daemon.create("web", json!({"Cmd": ["true"]}));
}

#[test]
fn auto_remove_removes() {
    let daemon = Daemon::with_image();
    let body = json!({
        "Cmd": ["sh", "-c", "exit 3"],
        "HostConfig": {"AutoRemove": true},
    });
    daemon.create("once", body);
    let (mut wire, head) =
        daemon.open("POST", "/containers/once/wait?condition=removed");
    daemon.post("/containers/once/start").is(204);
    let said = wire.body(&head);
    assert!(String::from_utf8_lossy(&said).contains("\"StatusCode\":3"));
    daemon.get("/containers/once/json").is(404);
}

#[test]
fn failed_starts_say_why_and_give_the_code() {
    let daemon = Daemon::with_image();
    let cases = [
        (
            "nosuchcommand",
            127,
            "exec: \"nosuchcommand\": executable file not found in $PATH",
        ),
        ("/etc", 126, "exec: \"/etc\": permission denied"),
        ("/etc/notexec", 126, "exec: \"/etc/notexec\": permission denied"),
        (
            "/no/such",
            127,
            "exec: \"/no/such\": stat /no/such: no such file or directory",
        ),
    ];
    for (number, (command, code, words)) in cases.iter().enumerate() {
        let name = format!("bad{number}");
        daemon.create(&name, json!({"Cmd": [command]}));
        let reply = daemon.post(&format!("/containers/{name}/start")).is(400);
        let wanted = format!(
            "failed to create task for container: failed to create shim \
             task: OCI runtime create failed: runc create failed: unable to \
             start container process: {words}: unknown"
        );
        assert_eq!(reply.message(), wanted);
        let state = daemon.inspect(&name)["State"].clone();
        assert_eq!(state["ExitCode"], *code, "{state}");
        assert_eq!(state["Status"], "created", "{state}");
        assert_eq!(state["Error"], wanted.as_str(), "{state}");
    }
}

#[test]
fn a_restart_policy_starts_again() {
    let daemon = Daemon::with_image();
    let policy = |name: &str, count: u32| {
        json!({"HostConfig": {"RestartPolicy":
            {"Name": name, "MaximumRetryCount": count}}})
    };
    daemon.run_with("twice", "echo run; exit 4", policy("on-failure", 2));
    let seen = until("the last try", || {
        let seen = daemon.inspect("twice");
        let ended = seen["State"]["Status"] == "exited";
        (ended && seen["RestartCount"] == 2).then_some(seen)
    });
    assert_eq!(seen["State"]["ExitCode"], 4);
    assert_eq!(daemon.logs("twice").0, "run\nrun\nrun\n");
    daemon.run_with("good", "exit 0", policy("on-failure", 0));
    assert_eq!(daemon.wait("good"), 0);
    assert_eq!(daemon.inspect("good")["RestartCount"], 0);
    daemon.run_with("ever", "echo run; sleep 0.1", policy("always", 0));
    until("three runs", || {
        (daemon.logs("ever").0.lines().count() >= 3).then_some(())
    });
    // A stop holds.
    daemon.post("/containers/ever/stop?t=0").is(204);
    let state = daemon.inspect("ever")["State"].clone();
    assert_eq!(state["Status"], "exited", "{state}");
}

#[test]
fn a_restart_is_not_the_end_that_removes() {
    let daemon = Daemon::with_image();
    let config = json!({"HostConfig": {"AutoRemove": true}});
    daemon.run_with("web", "sleep 1000", config);
    let before = daemon.inspect("web")["State"]["Pid"].clone();
    daemon.post("/containers/web/restart?t=0").is(204);
    let after = daemon.inspect("web");
    assert_eq!(after["State"]["Status"], "running");
    assert_ne!(after["State"]["Pid"], before);
    daemon.post("/containers/web/stop?t=0").is(204);
    until("the removal", || {
        (daemon.get("/containers/web/json").head.status == 404).then_some(())
    });
}

#[test]
fn restarting_is_a_state_of_its_own() {
    let daemon = Daemon::with_image();
    let policy = json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}});
    daemon.run_with("ever", "exit 1", policy);
    let seen = daemon.until_state("ever", "restarting");
    assert_eq!(seen["State"]["Restarting"], true);
    assert_eq!(seen["State"]["Running"], true);
    daemon.post("/containers/ever/stop").is(204);
    daemon.until_state("ever", "exited");
    // A kill keeps it down as well.
    daemon.post("/containers/ever/start").is(204);
    daemon.until_state("ever", "restarting");
    daemon.post("/containers/ever/kill").is(204);
    let seen = daemon.inspect("ever");
    assert_eq!(seen["State"]["Status"], "exited", "{seen}");
}

#[test]
fn a_kill_is_told_before_its_end() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["sleep", "1000"]}));
    for _ in 0..10 {
        daemon.post("/containers/web/start").is(204);
        daemon.post("/containers/web/kill").is(204);
    }
    let filters = "filters={\"event\":[\"kill\",\"die\"]}"
        .replace('"', "%22")
        .replace('{', "%7B")
        .replace('}', "%7D");
    let past = daemon.past_events(&filters);
    let told: Vec<&str> =
        past.iter().filter_map(|event| event["Action"].as_str()).collect();
    assert_eq!(told, ["kill", "die"].repeat(10));
}

#[test]
fn a_stop_may_be_as_patient_as_a_number_can_say() {
    let daemon = Daemon::with_image();
    let line = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    daemon.run("web", line);
    daemon.until_logged("web", "ready");
    daemon.post(&format!("/containers/web/stop?t={}", i64::MAX)).is(204);
    assert_eq!(daemon.wait("web"), 5);
}

#[test]
fn list_and_inspect_do_not_wait_for_a_long_stop() {
    let daemon = Daemon::with_image();
    daemon.run("deaf", "trap '' TERM; echo ready; while :; do sleep 1; done");
    daemon.until_logged("deaf", "ready");
    let mut stopping = daemon.wire();
    stopping.send("POST", "/containers/deaf/stop?t=600", &[], Some(b""));
    assert!(stopping.is_quiet_for(Duration::from_millis(200)));
    let began = Instant::now();
    daemon.get("/containers/json?all=1").is(200);
    daemon.inspect("deaf");
    daemon.get("/info").is(200);
    assert!(began.elapsed() < Duration::from_secs(1));
    daemon.post("/containers/deaf/kill").is(204);
    assert_eq!(stopping.head().status, 204);
}

#[test]
fn resize_reaches_the_terminal() {
    let daemon = Daemon::with_image();
    let line = "trap 'stty size' WINCH; stty size; echo ready; \
                while :; do sleep 0.05; done";
    daemon.run_with("tty", line, json!({"Tty": true}));
    let read = || {
        let target = "/containers/tty/logs?stdout=1";
        String::from_utf8_lossy(&daemon.get(target).is(200).body).into_owned()
    };
    until("the shell", || read().contains("ready").then_some(()));
    daemon.post("/containers/tty/resize?h=33&w=77").is(200);
    until("the new size", || read().contains("33 77").then_some(()));
    daemon.post("/containers/tty/resize?h=a&w=b").is(400);
    daemon.post("/containers/tty/kill").is(204);
    daemon.until_state("tty", "exited");
    let reply = daemon.post("/containers/tty/resize?h=1&w=1");
    assert_eq!(reply.head.status, 409, "{reply:?}");
}
