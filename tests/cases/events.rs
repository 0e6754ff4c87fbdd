//! Events: live, replayed, filtered, in order.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, Wire};

#[track_caller]
fn next(wire: &mut Wire) -> Value {
    let chunk = wire.chunk().expect("an event");
    serde_json::from_slice(&chunk).unwrap_or_else(|cause| {
        panic!("{cause}: {:?}", String::from_utf8_lossy(&chunk))
    })
}

fn filters(value: Value) -> String {
    value.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// "type action" of each event.
fn shown(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| {
            let part = |key: &str| event[key].as_str().unwrap_or("?");
            format!("{} {}", part("Type"), part("Action"))
        })
        .collect()
}

#[test]
fn a_containers_life_is_told_in_order() {
    let daemon = Daemon::with_image();
    let (mut wire, head) = daemon.open("GET", "/events");
    assert_eq!(head.status, 200);
    assert_eq!(head.header("Content-Type"), Some("application/json"));
    let body = json!({
        "Cmd": ["sh", "-c", "exit 3"],
        "Labels": {"k": "v"},
        "HostConfig": {"AutoRemove": true, "NetworkMode": "none"},
    });
    let id = daemon.create("web", body);
    daemon.post("/containers/web/start").is(204);
    let mut seen = Vec::new();
    loop {
        let event = next(&mut wire);
        let last = event["Action"] == "destroy";
        seen.push(event);
        if last {
            break;
        }
    }
    let words = shown(&seen);
    let container: Vec<&String> =
        words.iter().filter(|word| word.starts_with("container")).collect();
    assert_eq!(
        container,
        [
            "container create",
            "container start",
            "container die",
            "container destroy"
        ],
        "{words:?}"
    );
    let die = seen.iter().find(|event| event["Action"] == "die");
    let die = die.expect("a die event");
    assert_eq!(die["Actor"]["ID"], id.as_str());
    assert_eq!(die["Actor"]["Attributes"]["exitCode"], "3");
    assert_eq!(die["Actor"]["Attributes"]["image"], "busybox");
    assert_eq!(die["Actor"]["Attributes"]["name"], "web");
    assert_eq!(die["Actor"]["Attributes"]["k"], "v");
    assert!(die["Actor"]["Attributes"]["execDuration"].is_string(), "{die}");
    assert_eq!(die["scope"], "local");
    assert_eq!(die["id"], id.as_str());
    assert_eq!(die["status"], "die");
    assert_eq!(die["from"], "busybox");
    let stamps: Vec<i64> = seen
        .iter()
        .map(|event| event["timeNano"].as_i64().expect("a stamp"))
        .collect();
    assert!(stamps.windows(2).all(|two| two[0] < two[1]), "{stamps:?}");
}

#[test]
fn since_and_until_replay_the_past() {
    let daemon = Daemon::with_image();
    daemon.run("web", "exit 0");
    daemon.wait("web");
    daemon.delete("/containers/web").is(204);
    let words = shown(&daemon.past_events(""));
    for wanted in ["container create", "container die", "container destroy"] {
        assert!(words.iter().any(|word| word == wanted), "{words:?}");
    }
    assert!(words.iter().any(|word| word.starts_with("image ")), "{words:?}");
    let none = daemon.get("/events?since=1000&until=2000").is(200);
    assert_eq!(none.json_lines(), Vec::<Value>::new());
}

#[test]
fn until_in_the_future_ends_by_itself() {
    let daemon = Daemon::start();
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let end = now + Duration::from_millis(1200);
    let target =
        format!("/events?until={}.{:09}", end.as_secs(), end.subsec_nanos());
    let began = std::time::Instant::now();
    daemon.get(&target).is(200);
    let took = began.elapsed();
    assert!(took > Duration::from_millis(500), "{took:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn filters_choose() {
    let daemon = Daemon::with_image();
    daemon.run_with("one", "true", json!({"Labels": {"k": "v"}}));
    daemon.run("two", "true");
    daemon.wait("one");
    daemon.wait("two");
    let count = |value: Value| {
        daemon.past_events(&format!("filters={}", filters(value))).len()
    };
    assert_eq!(count(json!({"container": ["one"], "event": ["start"]})), 1);
    assert_eq!(count(json!({"event": ["start"]})), 2);
    assert_eq!(count(json!({"event": ["start", "die"]})), 4);
    assert_eq!(count(json!({"type": ["container"], "event": ["pull"]})), 0);
    assert_eq!(count(json!({"label": ["k=v"], "event": ["die"]})), 1);
    assert_eq!(count(json!({"image": ["busybox"], "event": ["die"]})), 2);
}

#[test]
fn every_act_has_its_event() {
    let daemon = Daemon::with_image();
    let line = "trap : HUP; echo ready; while :; do sleep 0.05; done";
    daemon.run("web", line);
    daemon.until_logged("web", "ready");
    daemon.post("/containers/web/kill?signal=HUP").is(204);
    daemon.post("/containers/web/restart?t=0").is(204);
    daemon.post("/containers/web/stop?t=0").is(204);
    daemon.delete("/containers/web").is(204);
    daemon.delete("/images/busybox").is(200);
    let words = shown(&daemon.past_events(""));
    for wanted in [
        "container create",
        "container start",
        "container kill",
        "container die",
        "container stop",
        "container restart",
        "container destroy",
        "image untag",
        "image delete",
    ] {
        assert!(words.iter().any(|word| word == wanted), "{wanted} {words:?}");
    }
}

#[test]
fn a_reader_that_leaves_frees_its_thread() {
    let daemon = Daemon::start();
    let count = || crate::harness::host::threads(daemon.pid()).len();
    let idle = count();
    let open: Vec<_> = (0..20).map(|_| daemon.open("GET", "/events")).collect();
    assert!(count() >= 20);
    drop(open);
    crate::harness::until("the threads to go", || {
        (count() <= idle + 2).then_some(())
    });
}

#[test]
fn a_reader_that_does_not_read_holds_nobody_up() {
    let daemon = Daemon::with_image();
    let (_deaf, head) = daemon.open("GET", "/events");
    assert_eq!(head.status, 200);
    let name = "n".repeat(2000);
    for number in 0..120 {
        let body = json!({"Cmd": ["true"], "Labels": {"long": name}});
        let id = daemon.create(&format!("c{number}"), body);
        daemon.delete(&format!("/containers/{id}")).is(204);
    }
    daemon.get("/_ping").is(200);
}
