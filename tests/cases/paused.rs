//! Pause and unpause, rename, prune, and what top shows.

use serde_json::{Value, json};

use crate::harness::command::Run;
use crate::harness::{Daemon, until};

/// A filter, as the query of a request.
fn filter(value: Value) -> String {
    let text = value.to_string();
    let hex = text.bytes().map(|byte| format!("%{byte:02x}"));
    format!("filters={}", hex.collect::<String>())
}

/// What has happened to containers.
fn told(daemon: &Daemon) -> Vec<String> {
    let past = daemon.past_events(&filter(json!({"type": ["container"]})));
    let actions = past.iter().filter_map(|event| event["Action"].as_str());
    actions.map(str::to_string).collect()
}

const COUNTING: &str = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done";

#[test]
fn a_paused_container_stands_still_and_goes_on() {
    let daemon = Daemon::with_image();
    let id = daemon.run("web", COUNTING);
    daemon.until_logged("web", "3");
    daemon.post("/containers/web/pause").is(204);
    let state = daemon.inspect("web")["State"].clone();
    assert_eq!(state["Status"], "paused");
    assert_eq!(
        (&state["Paused"], &state["Running"]),
        (&json!(true), &json!(true))
    );
    daemon
        .post("/containers/web/pause")
        .refuses(409, &format!("Container {id} is already paused"));
    daemon
        .post("/containers/web/start")
        .refuses(409, "cannot start a paused container, try unpause instead");
    let list = daemon.get("/containers/json").is(200).json();
    let status = list[0]["Status"].as_str().expect("a status");
    assert!(status.ends_with(" (Paused)"), "{status}");
    let before = daemon.logs("web").0;
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert_eq!(daemon.logs("web").0, before);
    daemon.get("/containers/web/stats?stream=0&one-shot=1").is(200);
    daemon.post("/containers/web/unpause").is(204);
    until("more output", || (daemon.logs("web").0 != before).then_some(()));
    daemon
        .post("/containers/web/unpause")
        .refuses(500, &format!("Container {id} is not paused"));
    daemon.post("/containers/web/kill").is(204);
    daemon
        .post("/containers/web/pause")
        .refuses(409, &format!("container {id} is not running"));
    daemon
        .post("/containers/nosuch/pause")
        .refuses(404, "No such container: nosuch");
    let wanted = ["create", "start", "pause", "unpause", "kill", "die"];
    assert_eq!(told(&daemon), wanted);
}

#[test]
fn a_paused_container_can_be_stopped_killed_restarted_and_removed() {
    let daemon = Daemon::with_image();
    let line = "trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    daemon.run("web", line);
    let pause = || {
        let lines = daemon.logs("web").0.lines().count();
        until("the trap", || {
            (lines > 0 && daemon.logs("web").0.lines().count() >= lines)
                .then_some(())
        });
        daemon.post("/containers/web/pause").is(204);
    };
    daemon.until_logged("web", "ready");
    pause();
    daemon.post("/containers/web/stop").is(204);
    assert_eq!(daemon.inspect("web")["State"]["ExitCode"], 5);
    daemon.post("/containers/web/start").is(204);
    pause();
    daemon.post("/containers/web/kill").is(204);
    assert_eq!(daemon.inspect("web")["State"]["ExitCode"], 137);
    daemon.post("/containers/web/start").is(204);
    pause();
    daemon.post("/containers/web/restart?t=1").is(204);
    assert_eq!(daemon.inspect("web")["State"]["Status"], "running");
    pause();
    daemon.delete("/containers/web").refuses(
        409,
        "cannot remove container \"web\": container is paused: unpause and \
         then stop the container before removing or force remove",
    );
    daemon.delete("/containers/web?force=1").is(204);
    daemon.get("/containers/web/json").is(404);
    let told = told(&daemon);
    let last = &told[told.len() - 5..];
    assert_eq!(last, ["pause", "kill", "unpause", "die", "destroy"]);
}

#[test]
fn a_paused_container_is_paused_for_the_next_daemon_too() {
    let mut daemon = Daemon::with_image();
    daemon.run("web", COUNTING);
    daemon.until_logged("web", "3");
    daemon.post("/containers/web/pause").is(204);
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.inspect("web")["State"]["Status"], "paused");
    daemon.post("/containers/web/unpause").is(204);
    let before = daemon.logs("web").0;
    until("more output", || (daemon.logs("web").0 != before).then_some(()));
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.inspect("web")["State"]["Status"], "running");
}

#[test]
fn a_container_is_renamed_for_good() {
    let mut daemon = Daemon::with_image();
    let id = daemon.run("web", "sleep 1000");
    let other = daemon.create("other", json!({"Cmd": ["true"]}));
    daemon.post("/containers/web/rename?name=shop").is(204);
    daemon.get("/containers/web/json").is(404);
    assert_eq!(daemon.inspect("shop")["Id"], id.as_str());
    assert_eq!(daemon.inspect("shop")["Name"], "/shop");
    for (target, status, words) in [
        (
            "shop/rename?name=shop",
            400,
            "Renaming a container with the same name as its current name",
        ),
        ("shop/rename", 400, "Neither old nor new names may be empty"),
        (
            "shop/rename?name=a.b/c",
            400,
            "Error when allocating new name: Invalid container name \
             (a.b/c), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
        ),
        ("nosuch/rename?name=x", 404, "No such container: nosuch"),
    ] {
        daemon.post(&format!("/containers/{target}")).refuses(status, words);
    }
    let taken = format!(
        "Error when allocating new name: Conflict. The container name \
         \"/other\" is already in use by container \"{other}\". You have to \
         remove (or rename) that container to be able to reuse that name."
    );
    let target = "/containers/shop/rename?name=/other";
    daemon.post(target).refuses(409, &taken);
    let past = daemon.past_events(&filter(json!({"event": ["rename"]})));
    let attributes = &past[0]["Actor"]["Attributes"];
    assert_eq!(
        (&attributes["name"], &attributes["oldName"]),
        (&json!("shop"), &json!("/web"))
    );
    // The old name is free, now and after the next start.
    daemon.create("web", json!({"Cmd": ["true"]}));
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.inspect("shop")["Id"], id.as_str());
    assert_ne!(daemon.inspect("web")["Id"], id.as_str());
}

#[test]
fn a_prune_removes_what_does_not_run_and_passes() {
    let daemon = Daemon::with_image();
    let kept = daemon.run("runs", "sleep 1000");
    let gone = daemon.run_with(
        "big",
        "head -c 100000 /dev/zero > /x",
        json!({"Labels": {"a": "1"}}),
    );
    daemon.wait("big");
    daemon.create("made", json!({"Cmd": ["true"], "Labels": {"b": "2"}}));
    let prune = |what: Value| {
        let target = format!("/containers/prune?{}", filter(what));
        daemon.post(&target).is(200).json()
    };
    let none = json!({"ContainersDeleted": null, "SpaceReclaimed": 0});
    assert_eq!(prune(json!({"label": ["c"]})), none);
    assert_eq!(prune(json!({"until": ["1h"]})), none);
    assert_eq!(prune(json!({"label!": ["a", "b"]})), none);
    let pruned = prune(json!({"label": ["a=1"]}));
    assert_eq!(pruned["ContainersDeleted"], json!([gone]));
    assert_eq!(pruned["SpaceReclaimed"], 100_000);
    let past = daemon.past_events(&filter(json!({"event": ["prune"]})));
    let last = past.last().expect("an event");
    assert_eq!(last["Actor"]["Attributes"], json!({"reclaimed": "100000"}));
    for (what, words) in [
        (json!({"colour": ["x"]}), "invalid filter 'colour'"),
        (
            json!({"until": ["1h", "2h"]}),
            "more than one until filter specified",
        ),
    ] {
        let target = format!("/containers/prune?{}", filter(what));
        daemon.post(&target).refuses(400, words);
    }
    let said = daemon.skiff(&["container", "prune", "-f"]).ok().out();
    assert!(said.starts_with("Deleted Containers:\n"), "{said}");
    assert!(said.ends_with("\n\nTotal reclaimed space: 0B"), "{said}");
    let list = daemon.get("/containers/json?all=1").is(200).json();
    assert_eq!(list[0]["Id"], kept.as_str());
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    // Without a yes nothing is removed.
    let words = ["container", "prune"];
    let asked = Run::of(&mut daemon.client(&words), b"n\n");
    assert_eq!(asked.status, 1, "{asked:?}");
    assert_eq!(asked.err(), "container prune has been cancelled");
}

#[test]
fn top_shows_processes_as_ps_does() {
    let daemon = Daemon::with_image();
    let id = daemon.run("web", "sleep 1000 & sleep 2000; true");
    let top = |query: &str| {
        let target = format!("/containers/web/top{query}");
        daemon.get(&target).is(200).json()
    };
    let seen = until("the processes", || {
        let seen = top("");
        let rows = seen["Processes"].as_array().expect("rows").len();
        (rows == 3).then_some(seen)
    });
    let titles = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    assert_eq!(seen["Titles"], json!(titles));
    let pid = daemon.inspect("web")["State"]["Pid"].to_string();
    let first = &seen["Processes"][0];
    assert_eq!((&first[0], &first[1]), (&json!("root"), &json!(pid)));
    assert_eq!(first[5], "?");
    assert_eq!(first[7], "sh -c sleep 1000 & sleep 2000; true");
    assert_eq!(seen["Processes"][1][2], json!(pid));
    assert_eq!(top("?ps_args=aux")["Titles"][10], "COMMAND");
    let seen = top("?ps_args=-o%20pid,comm");
    assert_eq!(seen["Titles"], json!(["PID", "COMMAND"]));
    assert_eq!(seen["Processes"][0], json!([pid, "sh"]));
    for (options, words) in [
        ("-o%20comm", "Couldn't find PID field in ps output"),
        ("-o%20ppid=PID", "specifying \"ppid=PID\" is not allowed"),
        ("--nosuch", "error: unknown gnu long option"),
    ] {
        let target = format!("/containers/web/top?ps_args={options}");
        daemon.get(&target).refuses(500, words);
    }
    let said = daemon.skiff(&["top", "web", "-o", "pid,comm"]).ok().out();
    assert!(said.starts_with("PID                 COMMAND\n"), "{said}");
    assert!(told(&daemon).contains(&"top".to_string()));
    daemon.post("/containers/web/kill").is(204);
    daemon
        .get("/containers/web/top")
        .refuses(409, &format!("container {id} is not running"));
}

#[test]
fn memory_that_runs_out_is_told_at_once() {
    let daemon = Daemon::with_image();
    // The first process lives on.
    let line = "x=$(head -c 60000000 /dev/zero | tr '\\0' a; echo); \
                echo survived";
    let line = format!("sh -c \"{line}\"; echo over; sleep 1000")
        .replace("$(", "\\$(");
    let config = json!({"HostConfig": {"Memory": 16 << 20,
        "MemorySwap": 16 << 20}});
    daemon.run_with("big", &line, config);
    daemon.until_logged("big", "over");
    until("the event", || told(&daemon).contains(&"oom".into()).then_some(()));
    let state = daemon.inspect("big")["State"].clone();
    assert_eq!(state["Status"], "running", "{state}");
    assert_eq!(state["OOMKilled"], true, "{state}");
}

#[test]
fn the_client_shows_what_is_used() {
    let daemon = Daemon::with_image();
    let config = json!({"HostConfig": {"Memory": 64 << 20}});
    let id = daemon.run_with("web", "sleep 1000", config);
    let all = daemon.skiff(&["stats", "--no-stream"]).ok().out();
    let one = daemon.skiff(&["stats", "--no-stream", "web"]).ok().out();
    let head = "CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT";
    for said in [all, one] {
        assert!(said.starts_with(head), "{said}");
        assert!(said.contains(&format!("{}   web", &id[..12])), "{said}");
        assert!(said.contains("iB / 64MiB"), "{said}");
    }
    let format = "{{.Container}} {{.Name}} {{.PIDs}}";
    let words = ["stats", "--no-stream", "--format", format, "web"];
    assert_eq!(daemon.skiff(&words).ok().out(), "web web 1");
    let refused = daemon.skiff(&["stats", "nosuch"]);
    assert_eq!(
        refused.err(),
        "Error response from daemon: No such container: nosuch"
    );
    let mut live = daemon.beside(&["stats"]);
    live.line_with("web");
    live.line_with("web");
    daemon.post("/containers/web/kill").is(204);
    let words = ["stats", "-a", "--no-stream", "--format", "{{.MemUsage}}"];
    assert_eq!(daemon.skiff(&words).ok().out(), "0B / 0B");
}

#[test]
fn the_client_pauses_and_renames() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    assert_eq!(daemon.skiff(&["pause", "web"]).ok().out(), "web");
    assert_eq!(daemon.skiff(&["unpause", "web"]).ok().out(), "web");
    assert_eq!(daemon.skiff(&["rename", "web", "shop"]).ok().out(), "");
    let refused = daemon.skiff(&["container", "rename", "web", "x"]);
    assert_eq!(refused.status, 1);
    assert_eq!(
        refused.err(),
        "Error response from daemon: No such container: web\n\
         Error: failed to rename container named web"
    );
    assert_eq!(daemon.skiff(&["port", "shop"]).ok().out(), "");
    let refused = daemon.skiff(&["port", "shop", "80"]);
    assert_eq!(refused.err(), "no public port '80/tcp' published for shop");
}
