//! Heads, errors and streams by version.

use serde_json::json;

use crate::harness::Daemon;
use crate::harness::hostile::{Fault, Hostile};
use crate::harness::image::{self, Image};

#[test]
fn errors_are_json_since_1_24() {
    let daemon = Daemon::start();
    for (minor, kind, body) in [
        (14, "text/plain; charset=utf-8", "No such container: x\n"),
        (23, "text/plain; charset=utf-8", "No such container: x\n"),
        (24, "application/json", "{\"message\":\"No such container: x\"}\n"),
    ] {
        let target = format!("/v1.{minor}/containers/x/json");
        let reply = daemon.get(&target).is(404);
        assert_eq!(reply.header("Content-Type"), Some(kind), "{reply:?}");
        assert_eq!(reply.text(), body);
    }
}

#[test]
fn pings_of_all_versions_have_the_same_headers() {
    let daemon = Daemon::start();
    let ping = |method: &str, version: &str| {
        let target = format!("{version}/_ping");
        let reply = daemon.wire().exchange(method, &target, &[], None).is(200);
        let names = [
            "Api-Version",
            "Builder-Version",
            "Cache-Control",
            "Docker-Experimental",
            "Pragma",
            "Swarm",
        ];
        names.map(|name| reply.header(name).expect(name).to_string())
    };
    let newest = ping("GET", "");
    for minor in 14..=51 {
        let version = format!("/v1.{minor}");
        assert_eq!(ping("GET", &version), newest, "{minor}");
        assert_eq!(ping("HEAD", &version), newest, "{minor}");
    }
}

#[test]
fn info_never_warns_of_bridge_nf_call() {
    let daemon = Daemon::start();
    for minor in [38, 46, 47, 51] {
        let info = daemon.get(&format!("/v1.{minor}/info")).is(200).json();
        let warnings = info["Warnings"].to_string();
        assert!(!warnings.contains("bridge-nf"), "{warnings}");
    }
}

#[test]
fn framed_streams_are_told_by_their_type_since_1_42() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    for (minor, wanted) in [
        (41, "application/vnd.docker.raw-stream"),
        (42, "application/vnd.docker.multiplexed-stream"),
    ] {
        let target = format!("/v1.{minor}/containers/web/logs?stdout=1");
        let (_, head) = daemon.open("GET", &target);
        assert_eq!(head.header("Content-Type"), Some(wanted));
        let mut wire = daemon.wire();
        wire.send(
            "POST",
            &format!("/v1.{minor}/containers/web/attach?stream=1&stdout=1"),
            &[("Connection", "Upgrade"), ("Upgrade", "tcp")],
            Some(b""),
        );
        assert_eq!(wire.head().header("Content-Type"), Some(wanted));
    }
}

#[test]
fn events_tell_the_same_to_all_versions() {
    let daemon = Daemon::with_image();
    let id = daemon.create("web", json!({ "Cmd": ["true"] }));
    for minor in [14, 20, 21, 22, 51] {
        let until = std::time::SystemTime::now();
        let until = until.duration_since(std::time::UNIX_EPOCH);
        let until = until.expect("after 1970").as_secs() + 1;
        let target = format!(
            "/v1.{minor}/events?since=1&until={until}\
             &filters=%7B%22type%22:%5B%22container%22%5D%7D"
        );
        let seen = daemon.get(&target).is(200).json_lines();
        assert_eq!(seen.len(), 1, "{seen:?}");
        // What clients know before 1.22, and since.
        assert_eq!(seen[0]["status"], "create");
        assert_eq!(seen[0]["id"], id.as_str());
        assert_eq!(seen[0]["from"], "busybox");
        assert_eq!(seen[0]["Action"], "create");
        assert_eq!(seen[0]["Actor"]["ID"], id.as_str());
        assert!(seen[0]["timeNano"].as_u64() > seen[0]["time"].as_u64());
    }
}

#[test]
fn a_failed_pull_tells_its_error_in_both_fields() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    registry.offer("x", &made);
    let layer = image::sha256(&made.layers[0].blob);
    registry.spoil(&layer, 1000, Fault::Swap);
    let name = registry.name("x");
    for minor in [14, 47, 48, 51] {
        let target =
            format!("/v1.{minor}/images/create?fromImage={name}&tag=latest");
        let reply = daemon.post(&target).is(200);
        let last = reply.json_lines().pop().expect("a message");
        assert!(last["error"].is_string(), "{last}");
        assert_eq!(last["errorDetail"]["message"], last["error"]);
    }
}
