//! The daemon watched: `/debug/…` in debug mode, and the metrics.

use std::collections::HashMap;
use std::io::Read;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::command::{Run, text};
use crate::harness::registry::free_port;
use crate::harness::{Daemon, Wire, daemon, has, host, skip, until};

const PROFILES: [&str; 6] =
    ["cmdline", "heap", "allocs", "goroutine", "threadcreate", "symbol"];

#[test]
fn debug_routes_are_there_in_debug_mode_alone() {
    let daemon = Daemon::start();
    daemon.get("/debug/vars").is(200);
    let index = daemon.get("/debug/pprof/").is(200).text();
    assert!(index.contains("/debug/pprof/heap?debug=1"), "{index}");
    for name in PROFILES {
        daemon.get(&format!("/debug/pprof/{name}")).is(200);
    }
    let reply = daemon.get("/debug/pprof/nosuch").is(404);
    assert_eq!(reply.text(), "Unknown profile\n");
    assert_eq!(reply.header("X-Go-Pprof"), Some("1"));
    let plain = Daemon::with(&["--debug=false"]);
    for path in ["/debug/vars", "/debug/pprof/", "/debug/pprof/profile"] {
        let reply = plain.get(path).is(404);
        assert_eq!(reply.json()["message"], "page not found");
    }
}

#[test]
fn the_environment_asks_for_debug_mode_too() {
    for (value, status) in [("1", 200), ("", 404)] {
        let mut daemon = Daemon::prepare(&[]);
        daemon.environment("DEBUG", value);
        daemon.launch();
        daemon.get("/debug/vars").is(status);
        assert_eq!(daemon.get("/info").json()["Debug"], status == 200);
    }
}

#[test]
fn what_gos_tools_ask_for_is_answered_in_their_form() {
    let daemon = Daemon::start();
    let words = daemon.get("/debug/pprof/cmdline").is(200).text();
    let words: Vec<&str> = words.split('\0').collect();
    assert_eq!(words[1], "-d", "{words:?}");
    let symbols = daemon.post("/debug/pprof/symbol").is(200).text();
    assert_eq!(symbols, "num_symbols: 1\n");
    let heap = daemon.get("/debug/pprof/heap?debug=1").is(200).text();
    assert!(heap.starts_with("heap profile: "), "{heap}");
    assert!(heap.contains("\n# HeapAlloc = "), "{heap}");
    let threads = daemon.get("/debug/pprof/threadcreate?debug=1").is(200);
    let threads = threads.text();
    assert!(threads.starts_with("threadcreate profile: total "), "{threads}");
    let threads = daemon.get("/debug/pprof/goroutine?debug=2").is(200).text();
    assert!(threads.contains("goroutine "), "{threads}");
    assert!(threads.contains("\nthread accept\n"), "{threads}");
}

#[test]
fn vars_tell_threads_connections_and_requests() {
    let daemon = Daemon::start();
    let kept: Vec<Wire> = (0..3)
        .map(|_| {
            let mut wire = daemon.wire();
            wire.exchange("GET", "/version", &[], None).is(200);
            wire
        })
        .collect();
    daemon.get("/containers/none/json").is(404);
    daemon.get("/nosuch").is(404);
    let vars = until("three kept connections and our own", || {
        let vars = daemon.get("/debug/vars").is(200).json();
        let connections = vars["connections"].as_object().expect("a table");
        let (_, count) = connections.iter().next().expect("a listener");
        (count["open"] == 4).then_some(vars)
    });
    let threads = host::threads(daemon.pid());
    let told = vars["threads"].as_u64().expect("a number");
    assert!(told.abs_diff(threads.len() as u64) <= 2, "{threads:?}: {vars}");
    let requests = &vars["requests"];
    assert_eq!(requests["GET /version"]["count"], 3, "{vars}");
    assert_eq!(requests["GET /version"]["errors"], 0, "{vars}");
    let inspect = &requests["GET /containers/{id*}/json"];
    assert_eq!(inspect, &json!({"count": 1, "errors": 1}), "{vars}");
    assert_eq!(requests["no route"], json!({"count": 1, "errors": 1}));
    assert!(vars["resident_bytes"].as_u64() > Some(1 << 20), "{vars}");
    assert!(vars["memstats"]["HeapAlloc"].as_u64() > Some(0), "{vars}");
    assert!(vars["open_descriptors"].as_u64() > Some(4), "{vars}");
    assert!(vars["uptime_seconds"].as_f64() >= Some(0.0), "{vars}");
    assert_eq!(vars["cmdline"][1], "-d", "{vars}");
    assert_eq!(vars["version"], "28.5.2", "{vars}");
    drop(kept);
}

#[test]
fn there_is_one_cpu_profile_at_a_time_and_it_ends_with_its_client() {
    let daemon = Daemon::start();
    let path = "/debug/pprof/profile?seconds=200";
    let mut wire = daemon.wire();
    wire.send("GET", path, &[], None);
    let brief = "/debug/pprof/profile?seconds=1";
    until("the profile to begin", || {
        (daemon.get(brief).head.status == 500).then_some(())
    });
    let refused = daemon.get(brief).is(500);
    assert_eq!(
        refused.text(),
        "Could not enable CPU profiling: cpu profiling already in use\n"
    );
    drop(wire);
    until("the profile to end", || {
        (daemon.get(brief).head.status == 200).then_some(())
    });
    daemon.get("/debug/pprof/profile?seconds=301").is(400);
}

#[test]
fn asking_threads_where_they_are_disturbs_no_wait() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo up; sleep 1000");
    let id = daemon.create("ask", json!({"Cmd": ["sh", "-c", "exit 3"]}));
    let (mut events, head) = daemon.open("GET", "/events");
    assert_eq!(head.status, 200);
    let (mut waiter, head) = daemon
        .open("POST", &format!("/containers/{id}/wait?condition=next-exit"));
    assert_eq!(head.status, 200);
    let (_logs, head) =
        daemon.open("GET", "/containers/web/logs?follow=1&stdout=1");
    assert_eq!(head.status, 200);
    let profile = std::thread::scope(|scope| {
        let profile =
            scope.spawn(|| daemon.get("/debug/pprof/profile?seconds=1"));
        for _ in 0..30 {
            let threads = daemon.get("/debug/pprof/goroutine?debug=1").is(200);
            let threads = threads.text();
            assert!(threads.contains("\"thread\":\"worker\""), "{threads}");
            // All but the one that answers, or is about to go.
            let silent = threads.lines().filter(|l| l.ends_with(" @"));
            assert!(silent.count() <= 2, "{threads}");
        }
        profile.join().expect("an answer")
    });
    profile.is(200);
    daemon.post(&format!("/containers/{id}/start")).is(204);
    let exit = waiter.body(&head);
    let exit: Value = serde_json::from_slice(&exit).unwrap_or_default();
    assert_eq!(exit["StatusCode"], 3);
    events.until("\"die\"");
    daemon.until_state("web", "running");
}

#[test]
fn go_tool_pprof_names_what_is_hot() {
    if !has("go") {
        return skip("go is not installed");
    }
    let daemon = Daemon::start();
    // Each label is put into a sorted map.
    let labels: HashMap<String, String> =
        (0..40_000).map(|n| (format!("label-{n}"), "x".into())).collect();
    let body = json!({"Image": "none", "Labels": labels});
    let seconds = "/debug/pprof/profile?seconds=4";
    let profile = std::thread::scope(|scope| {
        let profile = scope.spawn(|| daemon.get(seconds).is(200));
        while !profile.is_finished() {
            daemon.post_json("/containers/create", &body).is(404);
        }
        profile.join().expect("an answer")
    });
    let allocated = daemon.get("/debug/pprof/allocs").is(200);
    for (name, reply, hot) in [
        ("profile", profile, ["search_tree", "find_key_index"]),
        ("allocs", allocated, ["insert_recursing", "split"]),
    ] {
        assert_eq!(
            reply.header("Content-Type"),
            Some("application/octet-stream")
        );
        let file = daemon.directory.join(name);
        std::fs::write(&file, reply.body).expect("/tmp is there");
        let mut command = Command::new("timeout");
        command.args(["300", "go", "tool", "pprof", "-top", "-cum"]);
        command.arg(daemon::program()).arg(&file);
        command.env("HOME", &daemon.directory);
        let output = command.output().expect("it starts");
        let shown = text(&output.stdout);
        let found = hot.iter().any(|wanted| {
            shown.lines().any(|line| line.ends_with(&format!(" {wanted}")))
        });
        assert!(found, "{shown}\n{}", text(&output.stderr));
    }
}

#[test]
fn the_heaps_profile_holds_what_was_allocated() {
    let daemon = Daemon::start();
    let body = json!({"Image": "none", "Labels": {"x": "y".repeat(3 << 20)}});
    for _ in 0..4 {
        daemon.post_json("/containers/create", &body).is(404);
    }
    let reply = daemon.get("/debug/pprof/heap").is(200);
    assert_eq!(
        reply.header("Content-Disposition"),
        Some("attachment; filename=\"heap\"")
    );
    let mut message = Vec::new();
    let mut zip = flate2::read::GzDecoder::new(&*reply.body);
    zip.read_to_end(&mut message).expect("gzip");
    let fields = fields(&message);
    let of =
        |wanted: u64| fields.iter().filter(move |(field, _)| *field == wanted);
    let strings: Vec<String> = of(6).map(|(_, b)| text(b)).collect();
    for name in ["alloc_objects", "alloc_space", "inuse_space", "bytes"] {
        assert!(strings.iter().any(|s| s == name), "{strings:?}");
    }
    assert_eq!(of(1).count(), 4, "kinds of values");
    assert_eq!(of(3).count(), 1, "mappings");
    // A sample's second field is its values, in the order of the kinds.
    let mut bytes = 0;
    for (_, sample) in of(2) {
        let parts = self::fields(sample);
        let values = parts.iter().find(|(field, _)| *field == 2);
        let mut values = &*values.expect("values").1;
        varint(&mut values);
        bytes += varint(&mut values);
    }
    assert!(bytes > 12 << 20, "{bytes} bytes in {} samples", of(2).count());
}

/// The fields of a protocol-buffers message that have a length.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let value = varint(&mut message);
        if key & 7 == 2 {
            let (inner, rest) = message.split_at(value as usize);
            fields.push((key >> 3, inner.to_vec()));
            message = rest;
        }
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// The values of a page of metrics, by name and labels.
fn metrics(port: u16) -> HashMap<String, f64> {
    let mut wire = Wire::tcp(port);
    let reply = wire.exchange("GET", "/metrics", &[], None).is(200);
    assert_eq!(
        reply.header("Content-Type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let page = reply.text();
    let mut kinds = HashMap::new();
    let mut values = HashMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(kinds.insert(name, kind).is_none(), "twice: {line}");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let value: f64 = value.parse().expect("a number");
            let old = values.insert(name.to_string(), value);
            assert!(old.is_none(), "twice: {line}");
            let family = name.split('{').next().expect("a name");
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| family.strip_suffix(end))
                .filter(|base| kinds.get(base) == Some(&"histogram"))
                .unwrap_or(family);
            assert!(kinds.contains_key(family), "no type: {line}");
        }
    }
    values
}

#[test]
fn metrics_are_served_on_an_address_of_their_own() {
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let daemon = Daemon::with(&["--metrics-addr", &address, "--debug=false"]);
    daemon.import("busybox");
    let before = metrics(port);
    let states = "engine_daemon_container_states_containers";
    assert_eq!(before[&format!("{states}{{state=\"running\"}}")], 0.0);
    daemon.run("web", "sleep 1000");
    let after = metrics(port);
    assert_eq!(after[&format!("{states}{{state=\"running\"}}")], 1.0);
    for action in ["create", "start"] {
        let name = "engine_daemon_container_actions_seconds";
        let count = format!("{name}_count{{action=\"{action}\"}}");
        assert_eq!(after[&count] - before[&count], 1.0, "{action}");
        let all = format!("{name}_bucket{{action=\"{action}\",le=\"+Inf\"}}");
        assert_eq!(after[&all], after[&count], "{action}");
        assert!(after[&format!("{name}_sum{{action=\"{action}\"}}")] > 0.0);
    }
    let events = "engine_daemon_events_total";
    assert!(after[events] >= before[events] + 2.0);
    assert!(after["engine_daemon_engine_cpus_cpus"] >= 1.0);
    assert!(after["process_resident_memory_bytes"] > 1e6);
    assert!(after["go_threads"] >= 4.0);
    let info =
        after.keys().find(|k| k.starts_with("engine_daemon_engine_info"));
    let info = info.expect("the engine is described");
    assert!(info.contains("version=\"28.5.2\""), "{info}");
    let create = "skiff_http_requests_total{method=\"POST\",\
                  route=\"/containers/create\"}";
    assert_eq!(after[create], 1.0);
    let mut wire = Wire::tcp(port);
    wire.exchange("GET", "/containers/json", &[], None).is(404);
}

#[test]
fn a_bad_address_for_metrics_is_told_at_the_start() {
    for address in ["nowhere", "127.0.0.1:x", "192.0.2.1:9323"] {
        let mut daemon = Daemon::prepare(&["--metrics-addr", address]);
        daemon.may_leave_something();
        let run = Run::of(&mut daemon.command(), b"");
        assert_ne!(run.status, 0, "{run:?}");
        assert!(run.err().contains(address), "{run:?}");
    }
}
