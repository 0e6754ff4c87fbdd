//! `kill -9` of the daemon: containers, attached clients, logs, exit codes,
//! names and addresses outlive it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Daemon, host, until, within};

/// A directory of the host that a container sees as /shared.
fn shared(daemon: &Daemon) -> (PathBuf, Value) {
    let path = daemon.directory.join("shared");
    fs::create_dir_all(&path).expect("a directory");
    let bind = format!("{}:/shared", path.display());
    (path, json!({"Binds": [bind], "NetworkMode": "none"}))
}

fn pid_of(seen: &Value) -> i32 {
    seen["State"]["Pid"].as_i64().expect("a pid") as i32
}

#[test]
fn containers_live_on_and_are_known_again() {
    let mut daemon = Daemon::with_image();
    let id = daemon.run("web", "echo ready; sleep 1000");
    daemon.until_logged("web", "ready");
    let before = daemon.inspect("web");
    let pid = pid_of(&before);
    daemon.kill();
    assert!(host::is_alive(pid), "the container ended with the daemon");
    daemon.launch();
    let after = daemon.inspect("web");
    assert_eq!(after["Id"], id.as_str());
    for key in ["Status", "Pid", "StartedAt", "ExitCode"] {
        assert_eq!(after["State"][key], before["State"][key], "{key}");
    }
    assert_eq!(daemon.inspect(&id[..12])["Name"], "/web");
    // All works again.
    daemon.post("/containers/web/stop?t=0").is(204);
    assert_eq!(daemon.inspect("web")["State"]["ExitCode"], 137);
    assert!(!host::is_alive(pid));
    daemon.post("/containers/web/start").is(204);
    daemon.delete("/containers/web?force=1").is(204);
}

#[test]
fn an_attached_client_never_notices() {
    let mut daemon = Daemon::with_image();
    daemon.create(
        "cat",
        json!({
            "Cmd": ["sh", "-c", "cat; exit 4"],
            "OpenStdin": true,
            "StdinOnce": true,
        }),
    );
    let (mut wire, head) =
        daemon.attach("cat", "stream=1&stdin=1&stdout=1&stderr=1");
    assert_eq!(head.status, 101);
    daemon.post("/containers/cat/start").is(204);
    wire.write("before\n");
    assert_eq!(wire.frame(), Some((1, b"before\n".to_vec())));
    daemon.kill();
    wire.write("while it is dead\n");
    assert_eq!(wire.frame(), Some((1, b"while it is dead\n".to_vec())));
    daemon.launch();
    wire.write("after\n");
    assert_eq!(wire.frame(), Some((1, b"after\n".to_vec())));
    // A second client can attach to the same container.
    let (mut second, head) = daemon.attach("cat", "stream=1&stdout=1");
    assert_eq!(head.status, 101);
    wire.write("both\n");
    assert_eq!(wire.frame(), Some((1, b"both\n".to_vec())));
    assert_eq!(second.frame(), Some((1, b"both\n".to_vec())));
    wire.half_close();
    assert_eq!(wire.frames().0, "");
    assert_eq!(daemon.wait("cat"), 4);
    assert_eq!(daemon.logs("cat").0, "before\nwhile it is dead\nafter\nboth\n");
}

#[test]
fn an_attached_program_gets_the_exit_code_of_the_next_daemon() {
    let mut daemon = Daemon::with_image();
    let (path, _) = shared(&daemon);
    let bind = format!("{}:/shared", path.display());
    let line = "echo up; until [ -e /shared/end ]; do sleep 0.02; done; \
                echo down; exit 6";
    let mut run = daemon.beside(&[
        "run", "--name", "web", "-v", &bind, "busybox", "sh", "-c", line,
    ]);
    assert_eq!(run.line().as_deref(), Some("up"));
    daemon.kill();
    daemon.launch();
    fs::write(path.join("end"), "").expect("a file");
    assert_eq!(run.line().as_deref(), Some("down"));
    assert_eq!(run.end().0, 6);
}

#[test]
fn no_log_line_is_lost() {
    let mut daemon = Daemon::with_image();
    let (path, host_config) = shared(&daemon);
    let line = "i=0; until [ -e /shared/end ]; do i=$((i+1)); echo $i; \
                sleep 0.001; done; echo $i > /shared/count";
    daemon.run_with("count", line, json!({"HostConfig": host_config}));
    for _ in 0..4 {
        let seen = daemon.logs("count").0.lines().count();
        daemon.kill();
        daemon.launch();
        until("more lines", || {
            (daemon.logs("count").0.lines().count() > seen + 20).then_some(())
        });
    }
    fs::write(path.join("end"), "").expect("a file");
    assert_eq!(daemon.wait("count"), 0);
    let wanted = fs::read_to_string(path.join("count")).expect("a count");
    let wanted: usize = wanted.trim().parse().expect("a number");
    let out = daemon.logs("count").0;
    let numbers: Vec<usize> =
        out.lines().map(|line| line.parse().expect("a number")).collect();
    let all: Vec<usize> = (1..=wanted).collect();
    assert_eq!(numbers, all);
}

#[test]
fn an_exit_in_between_is_reported_with_code_and_time() {
    let mut daemon = Daemon::with_image();
    let (path, host_config) = shared(&daemon);
    let line = "echo ready; until [ -e /shared/end ]; do sleep 0.02; done; \
                echo last words; exit 23";
    daemon.run_with("web", line, json!({"HostConfig": host_config}));
    daemon.until_logged("web", "ready");
    let pid = pid_of(&daemon.inspect("web"));
    daemon.kill();
    fs::write(path.join("end"), "").expect("a file");
    until("the end", || (!host::is_alive(pid)).then_some(()));
    let ended = now();
    // The time of the exit shall be told, not that of the next start.
    within(Duration::from_millis(1500), || None::<()>);
    daemon.launch();
    let seen = daemon.until_state("web", "exited");
    assert_eq!(seen["State"]["ExitCode"], 23);
    let finished = seen["State"]["FinishedAt"].as_str().expect("a time");
    let second = seconds_of_day(finished);
    assert!(
        (second - (ended % 86400.0)).abs() < 1.0,
        "{finished} is not {ended}"
    );
    assert_eq!(daemon.logs("web").0, "ready\nlast words\n");
    assert_eq!(daemon.wait("web"), 23);
    let past = daemon.past_events("");
    let die = past.iter().find(|event| event["Action"] == "die");
    let die = die.expect("a die event");
    assert_eq!(die["Actor"]["Attributes"]["exitCode"], "23");
    let told = die["timeNano"].as_f64().expect("a time") / 1e9;
    assert!((told - ended).abs() < 1.0, "{told} is not {ended}");
}

#[test]
fn an_exit_is_not_told_by_the_next_daemon_again() {
    let mut daemon = Daemon::with_image();
    daemon.run("gone", "exit 3");
    daemon.until_state("gone", "exited");
    daemon.run("killed", "sleep 1000");
    let pid = pid_of(&daemon.inspect("killed"));
    host::signal(host::parent(pid).expect("a parent"), Signal::KILL);
    daemon.until_state("killed", "exited");
    let states = |daemon: &Daemon| {
        ["gone", "killed"].map(|name| daemon.inspect(name)["State"].clone())
    };
    let before = states(&daemon);
    daemon.kill();
    daemon.launch();
    assert_eq!(states(&daemon), before);
    assert_eq!(daemon.past_events(""), Vec::<Value>::new());
}

fn now() -> f64 {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs_f64()
}

/// Seconds since midnight of an RFC 3339 stamp.
fn seconds_of_day(stamp: &str) -> f64 {
    let time = stamp.split('T').nth(1).expect("a time");
    let parts: Vec<f64> = time
        .trim_end_matches('Z')
        .split(':')
        .map(|part| part.parse().expect("a number"))
        .collect();
    parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]
}

#[test]
fn a_removal_is_finished() {
    let mut daemon = Daemon::with_image();
    let (path, host_config) = shared(&daemon);
    let mut host_config = host_config;
    host_config["AutoRemove"] = true.into();
    let line = "until [ -e /shared/end ]; do sleep 0.02; done";
    let id = daemon.run_with("once", line, json!({"HostConfig": host_config}));
    let pid = pid_of(&daemon.inspect("once"));
    daemon.kill();
    fs::write(path.join("end"), "").expect("a file");
    until("the end", || (!host::is_alive(pid)).then_some(()));
    daemon.launch();
    until("the removal", || {
        let status = daemon.get(&format!("/containers/{id}/json")).head.status;
        (status == 404).then_some(())
    });
}

#[test]
fn restart_policies_are_applied() {
    let mut daemon = Daemon::with_image();
    let (path, host_config) = shared(&daemon);
    let mut host_config = host_config;
    host_config["RestartPolicy"] = json!({"Name": "always"});
    let line = "echo run; until [ -e /shared/end ]; do sleep 0.02; done; \
                rm /shared/end";
    daemon.run_with("ever", line, json!({"HostConfig": host_config}));
    daemon.until_logged("ever", "run");
    let pid = pid_of(&daemon.inspect("ever"));
    daemon.kill();
    fs::write(path.join("end"), "").expect("a file");
    until("the end", || (!host::is_alive(pid)).then_some(()));
    daemon.launch();
    until("the second run", || {
        (daemon.logs("ever").0 == "run\nrun\n").then_some(())
    });
    assert_ne!(pid_of(&daemon.inspect("ever")), pid);
}

#[test]
fn a_stopped_container_is_not_restarted() {
    let mut daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"RestartPolicy":
        {"Name": "unless-stopped"}}});
    daemon.run_with("web", "sleep 1000", body);
    daemon.post("/containers/web/stop?t=0").is(204);
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.inspect("web")["State"]["Status"], "exited");
}

#[test]
fn a_container_without_its_monitor_is_ended() {
    let mut daemon = Daemon::with_image();
    let id = daemon.run("web", "sleep 1000");
    let pid = pid_of(&daemon.inspect("web"));
    let shim = host::parent(pid).expect("a parent");
    assert_eq!(host::process_name(shim), "skiff-shim");
    host::signal(shim, Signal::KILL);
    let seen = daemon.until_state("web", "exited");
    assert_eq!(seen["State"]["ExitCode"], 137);
    assert!(!host::is_alive(pid), "the container outlived its monitor");
    until("the cgroups to go", || {
        host::cgroups(std::slice::from_ref(&id)).is_empty().then_some(())
    });
    // The same while no daemon is there.
    daemon.post("/containers/web/start").is(204);
    let pid = pid_of(&daemon.inspect("web"));
    let shim = host::parent(pid).expect("a parent");
    daemon.kill();
    host::signal(shim, Signal::KILL);
    until("the end", || (!host::is_alive(pid)).then_some(()));
    daemon.launch();
    let seen = daemon.until_state("web", "exited");
    assert_eq!(seen["State"]["ExitCode"], 137);
    daemon.post("/containers/web/start").is(204);
}

#[test]
fn addresses_are_kept_and_not_given_twice() {
    let mut daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"NetworkMode": "bridge"}});
    daemon.run_with("one", "sleep 1000", body.clone());
    let once = json!({"HostConfig":
        {"NetworkMode": "bridge", "AutoRemove": true}});
    daemon.run_with("once", "sleep 1000", once);
    let address = |daemon: &Daemon, name: &str| {
        let seen = daemon.inspect(name);
        let network = &seen["NetworkSettings"]["Networks"]["bridge"];
        network["IPAddress"].as_str().expect("an address").to_string()
    };
    let before = address(&daemon, "one");
    let of_once = address(&daemon, "once");
    daemon.kill();
    daemon.launch();
    assert_eq!(address(&daemon, "one"), before);
    assert_eq!(address(&daemon, "once"), of_once);
    daemon.run_with("two", "sleep 1000", body);
    let second = address(&daemon, "two");
    assert_ne!(second, before);
    assert_ne!(second, of_once);
    let line = format!("ping -c1 -W2 {before} >/dev/null");
    let body = json!({"HostConfig": {"NetworkMode": "bridge"}});
    assert_eq!(daemon.shell(&line, body).0, 0, "{before} is not reached");
    daemon.post("/containers/one/stop?t=0").is(204);
    daemon.post("/containers/once/stop?t=0").is(204);
    until("one link", || {
        (host::ports(&daemon.bridge).len() == 1).then_some(())
    });
}

#[test]
fn waits_and_kills_work_on_a_recovered_container() {
    let mut daemon = Daemon::with_image();
    let line = "trap 'exit 12' USR1; echo ready; while :; do sleep 0.05; done";
    daemon.run_with("web", line, json!({"Tty": true}));
    until("the shell", || {
        let reply = daemon.get("/containers/web/logs?stdout=1").is(200);
        reply.text().contains("ready").then_some(())
    });
    daemon.kill();
    daemon.launch();
    daemon.post("/containers/web/resize?h=20&w=30").is(200);
    let (mut wire, head) = daemon.open("POST", "/containers/web/wait");
    daemon.post("/containers/web/kill?signal=USR1").is(204);
    let body = wire.body(&head);
    assert!(String::from_utf8_lossy(&body).contains("\"StatusCode\":12"));
}

#[test]
fn a_daemon_killed_during_a_start_leaves_no_half_container() {
    let mut daemon = Daemon::with_image();
    for moment in 0..16u64 {
        let name = format!("c{moment}");
        let mut body = json!({"Cmd": ["sleep", "1000"]});
        if moment % 2 == 0 {
            body["HostConfig"] = json!({"NetworkMode": "bridge"});
        }
        daemon.create(&name, body);
        let mut wire = daemon.wire();
        let target = format!("/containers/{name}/start");
        wire.send("POST", &target, &[], Some(b""));
        within(Duration::from_micros(moment * 800), || None::<()>);
        daemon.kill();
        daemon.launch();
        let seen = daemon.inspect(&name);
        let status = seen["State"]["Status"].as_str().expect("a status");
        match status {
            "running" => {
                let pid = pid_of(&seen);
                assert!(host::is_alive(pid), "{seen}");
            }
            "created" | "exited" => {
                daemon.post(&target).is(204);
            }
            other => panic!("{moment}: {other}: {seen}"),
        }
        daemon.delete(&format!("/containers/{name}?force=1")).is(204);
    }
    // The kernel takes a dead namespace's links away in a while.
    until("no port on the bridge", || {
        host::ports(&daemon.bridge).is_empty().then_some(())
    });
}

#[test]
fn a_daemon_killed_during_a_create_leaves_all_or_nothing() {
    let mut daemon = Daemon::with_image();
    for moment in 0..10u64 {
        let name = format!("c{moment}");
        let body = json!({"Image": "busybox", "Cmd": ["sh", "-c", "exit 7"]});
        let bytes = body.to_string();
        let kind = [("Content-Type", "application/json")];
        let mut wire = daemon.wire();
        let target = format!("/containers/create?name={name}");
        wire.send("POST", &target, &kind, Some(bytes.as_bytes()));
        within(Duration::from_micros(moment * 400), || None::<()>);
        daemon.kill();
        daemon.launch();
        let found = daemon.get(&format!("/containers/{name}/json"));
        if found.head.status == 404 {
            // The name must be free.
            daemon.post_json(&target, &body).is(201);
        }
        daemon.post(&format!("/containers/{name}/start")).is(204);
        assert_eq!(daemon.wait(&name), 7);
        daemon.delete(&format!("/containers/{name}")).is(204);
    }
    let left = host::names_in(daemon.data().join("containers"));
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn what_ran_before_a_reboot_has_ended() {
    let mut daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let body = json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}});
    daemon.run_with("ever", "echo run; sleep 1000", body);
    daemon.until_logged("ever", "run");
    let seen = daemon.inspect("web");
    let pids = [pid_of(&seen), pid_of(&daemon.inspect("ever"))];
    daemon.kill();
    // A reboot ends all processes and empties the run directory.
    for pid in pids {
        let shim = host::parent(pid).expect("a parent");
        host::signal(shim, Signal::KILL);
        until("the end", || (!host::is_alive(pid)).then_some(()));
    }
    fs::remove_dir_all(daemon.exec()).expect("the run directory");
    for group in host::cgroups(&daemon.container_ids()) {
        until("an empty cgroup", || fs::remove_dir(&group).ok());
    }
    daemon.launch();
    let state = daemon.inspect("web")["State"].clone();
    assert_eq!(state["Status"], "exited", "{state}");
    until("the second run", || {
        (daemon.logs("ever").0 == "run\nrun\n").then_some(())
    });
}

#[test]
fn a_client_that_waits_sees_the_daemon_go() {
    let mut daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let (mut wire, _) = daemon.open("POST", "/containers/web/wait");
    daemon.kill();
    assert_eq!(wire.rest(), b"");
    daemon.launch();
}
