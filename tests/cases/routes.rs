//! The whole route table: no operation of Docker's references is unknown.

use serde_json::{Value, json};

use crate::harness::{Daemon, Wire};

const NOT_A_MANAGER: &str = "This node is not a swarm manager. Use \"docker \
    swarm init\" or \"docker swarm join\" to connect this node to swarm and \
    try again.";

/// Sends an operation without a body and asserts that it is known.
#[track_caller]
fn is_known(daemon: &Daemon, method: &str, target: &str) {
    let body = matches!(method, "POST" | "PUT").then_some(&b""[..]);
    let reply = daemon.wire().exchange(method, target, &[], body);
    let unknown = reply.text().contains("page not found");
    assert!(!unknown && reply.head.status != 405, "{reply:?}");
    // An answer to HEAD has no words to tell it by.
    let is_head = method == "HEAD" && reply.head.status == 404;
    assert!(!is_head || target.contains("nosuch"), "{reply:?}");
}

#[test]
fn every_operation_is_known_bare_and_under_its_version() {
    let daemon = Daemon::start();
    for (version, text) in [
        ("1.14", include_str!("../operations/v1.14.txt")),
        ("1.24", include_str!("../operations/v1.24.txt")),
        ("1.51", include_str!("../operations/v1.51.txt")),
    ] {
        for line in text.lines() {
            let [method, path, name] =
                line.split(' ').collect::<Vec<_>>().try_into().expect("three");
            let path = path.replace("{name}", "no/such").replace("{id}", "no");
            let query = match name {
                // It would wait for what is to come.
                "SystemEvents" => "?until=1",
                _ => "",
            };
            is_known(&daemon, method, &format!("/v{version}{path}{query}"));
            if version == "1.51" {
                is_known(&daemon, method, &format!("{path}{query}"));
            }
        }
    }
    let log = daemon.log();
    assert!(log.contains("Calling POST /containers/{id*}/start"), "{log}");
}

#[test]
fn what_is_not_built_says_so_by_its_name() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    let unbuilt = "DistributionInspect is not implemented by this engine yet";
    let target = "/distribution/a/b/json";
    wire.exchange("GET", target, &[], None).refuses(501, unbuilt);
    // The body is read away, and the connection stays good.
    let body = [b'x'; 10_000];
    let swarm = "swarm mode is not supported by this engine";
    wire.exchange("POST", "/swarm/init", &[], Some(&body)).refuses(501, swarm);
    wire.exchange("GET", "/_ping", &[], None).is(200);
    let reply = daemon.get("/v1.22/distribution/a/b/json").is(501);
    assert_eq!(reply.text(), format!("{unbuilt}\n"));
}

#[test]
fn a_node_without_a_swarm_answers_as_dockers() {
    let daemon = Daemon::start();
    let refuses = |method: &str, target: &str, status, words: &str| {
        let body = (method == "POST").then_some(&b"{}"[..]);
        let kind = [("Content-Type", "application/json")];
        let reply = daemon.wire().exchange(method, target, &kind, body);
        reply.refuses(status, words);
    };
    for target in ["/swarm", "/nodes", "/services", "/tasks", "/secrets"] {
        refuses("GET", target, 503, NOT_A_MANAGER);
    }
    for (kind, words) in [
        (
            "swarm",
            "invalid swarm version 'x': strconv.ParseUint: parsing \"x\": \
             invalid syntax",
        ),
        (
            "services/a",
            "invalid service version 'x': strconv.ParseUint: parsing \"x\": \
             invalid syntax",
        ),
        ("secrets/a", "invalid secret version"),
    ] {
        let target = format!("/{kind}/update?version");
        refuses("POST", &format!("{target}=x"), 400, words);
        refuses("POST", &format!("{target}=1"), 503, NOT_A_MANAGER);
    }
    let part = "This node is not part of a swarm";
    refuses("POST", "/swarm/leave?force=1", 503, part);
    let stream = "Bad parameters: you must choose at least one stream";
    refuses("GET", "/services/a/logs", 400, stream);
    refuses("GET", "/tasks/a/logs?stdout=1", 503, NOT_A_MANAGER);
    let cluster = "volume update only valid for cluster volumes, but swarm \
                   is unavailable";
    refuses("PUT", "/volumes/data", 503, cluster);
}

#[test]
fn there_are_no_plugins() {
    let daemon = Daemon::start();
    assert_eq!(daemon.get("/plugins").is(200).json(), json!([]));
    let words = "plugin \"a/b:c\" not found";
    daemon.get("/plugins/a/b:c/json").refuses(404, words);
    daemon.post("/plugins/a/b:c/enable?timeout=0").refuses(404, words);
    daemon.delete("/plugins/a/b:c").refuses(404, words);
    let words = "plugins are not supported by this engine";
    daemon.post_json("/plugins/pull?remote=x", &json!([])).refuses(501, words);
}

#[test]
fn buildkit_is_told_how_to_build_without_it() {
    let daemon = Daemon::start();
    for target in ["/session", "/grpc"] {
        let mut wire: Wire = daemon.wire();
        let upgrade = [("Connection", "Upgrade"), ("Upgrade", "h2c")];
        let reply = wire.exchange("POST", target, &upgrade, Some(b""));
        let reply: Value = reply.is(501).json();
        let words = reply["message"].as_str().unwrap_or_default();
        assert!(words.contains("DOCKER_BUILDKIT=0"), "{words}");
    }
}

#[test]
fn routes_of_other_versions_are_unknown() {
    let daemon = Daemon::start();
    let unknown = "page not found";
    daemon.post("/containers/web/copy").refuses(404, unknown);
    daemon.post("/v1.24/containers/web/copy").refuses(404, unknown);
    let reply = daemon.post("/v1.23/containers/web/copy");
    assert!(!reply.text().contains(unknown), "{reply:?}");
    daemon.get("/v1.25/plugins/x").refuses(404, unknown);
}
