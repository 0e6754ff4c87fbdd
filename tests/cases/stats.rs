//! What a container uses, against what it was made to use.

use serde_json::{Value, json};

use crate::harness::wire::Wire;
use crate::harness::{Daemon, until};

/// Waits for the next sample of a stream.
#[track_caller]
fn sample(wire: &mut Wire) -> Value {
    let chunk = wire.chunk().expect("a sample");
    serde_json::from_slice(&chunk).expect("JSON")
}

fn number(value: &Value, path: &str) -> u64 {
    let found = value.pointer(path).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("{path} in {value:#}"))
}

#[test]
fn the_counters_are_those_of_the_work_that_was_done() {
    let daemon = Daemon::with_image();
    let line = "dd if=/dev/zero of=/dev/shm/x bs=1M count=20; \
                ping -c 1 -W 1 $(ip route | awk '/default/ { print $3 }'); \
                echo ready; while :; do :; done";
    let limits = json!({"HostConfig": {
        "Memory": 64 << 20, "PidsLimit": 50, "NetworkMode": "bridge",
    }});
    daemon.run_with("web", line, limits);
    daemon.until_logged("web", "ready");
    let two = daemon.get("/containers/web/stats?stream=0").is(200).json();
    let id = daemon.inspect("web")["Id"].clone();
    assert_eq!((&two["name"], &two["id"]), (&json!("/web"), &id));
    assert_eq!(number(&two, "/memory_stats/limit"), 64 << 20);
    assert!(number(&two, "/memory_stats/usage") > 20 << 20, "{two:#}");
    assert_eq!(number(&two, "/pids_stats/limit"), 50);
    assert!(number(&two, "/pids_stats/current") >= 1);
    let cpus = number(&two, "/cpu_stats/online_cpus");
    let cpu = |end: &str, part: &str| {
        let now = number(&two, &format!("/cpu_stats/{end}"));
        let before = number(&two, &format!("/precpu_stats/{part}"));
        now.checked_sub(before).expect("counters only rise")
    };
    let own = cpu("cpu_usage/total_usage", "cpu_usage/total_usage");
    let all = cpu("system_cpu_usage", "system_cpu_usage");
    // A loop of a shell has a processor, or what others leave of it.
    assert!(own > 50_000_000, "{own} of {all} on {cpus}: {two:#}");
    assert!(own <= all + all / 5 + 100_000_000, "{own} of {all}");
    let sent = number(&two, "/networks/eth0/tx_packets");
    let received = number(&two, "/networks/eth0/rx_bytes");
    assert!(sent >= 1 && received >= 64, "{two:#}");
    let stats = two["memory_stats"]["stats"].as_object().expect("parts");
    assert!(stats.contains_key("inactive_file"), "{stats:?}");
    let read = two["read"].as_str().expect("a time");
    let preread = two["preread"].as_str().expect("a time");
    assert!(preread < read && preread.starts_with("20"), "{preread}");
}

#[test]
fn one_shot_answers_at_once_with_one_sample() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let one = daemon.get("/containers/web/stats?stream=0&one-shot=1");
    let one = one.is(200).json();
    assert!(number(&one, "/memory_stats/usage") > 0);
    assert_eq!(one["preread"], "0001-01-01T00:00:00Z");
    assert_eq!(number(&one, "/precpu_stats/cpu_usage/total_usage"), 0);
    daemon
        .get("/containers/web/stats?one-shot=1")
        .refuses(400, "cannot have stream=true and one-shot=true");
    daemon
        .get("/containers/nosuch/stats")
        .refuses(404, "No such container: nosuch");
}

#[test]
fn a_container_that_does_not_run_has_no_figures() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["true"]}));
    let none = daemon.get("/containers/web/stats?stream=0").is(200).json();
    assert_eq!(none["read"], "0001-01-01T00:00:00Z");
    assert_eq!(none["memory_stats"], json!({}));
    assert_eq!(none["name"], "/web");
    assert_eq!(none.get("networks"), None);
}

#[test]
fn a_stream_goes_on_over_a_stop_and_ends_with_the_removal() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let (mut wire, head) = daemon.open("GET", "/containers/web/stats");
    assert_eq!(head.status, 200);
    let first = sample(&mut wire);
    let second = sample(&mut wire);
    assert!(number(&first, "/memory_stats/usage") > 0);
    assert_eq!(second["preread"], first["read"]);
    assert_ne!(second["read"], first["read"]);
    daemon.post("/containers/web/kill").is(204);
    until("an empty sample", || {
        let next = sample(&mut wire);
        (next["memory_stats"] == json!({})).then_some(())
    });
    daemon.delete("/containers/web").is(204);
    while wire.chunk().is_some() {}
}
