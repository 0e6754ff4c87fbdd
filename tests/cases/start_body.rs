//! What clients of before API 1.24 send with a start, and those of before
//! 1.18 beside the host configuration.

use serde_json::{Value, json};

use crate::harness::{Daemon, Wire, until};

/// Makes a container as the client of 1.2 does: limits at create, the rest
/// at its start.
fn create_old(daemon: &Daemon, limits: &Value, line: &str) -> String {
    let mut body = json!({
        "Image": "busybox", "Cmd": ["sh", "-c", line], "Volumes": {},
    });
    for (name, value) in limits.as_object().expect("an object") {
        body[name] = value.clone();
    }
    let reply = daemon.post_json("/v1.14/containers/create?", &body).is(201);
    reply.json()["Id"].as_str().expect("an id").to_string()
}

#[test]
fn limits_of_the_create_hold_beside_what_the_start_brings() {
    let daemon = Daemon::with_image();
    let limits = json!({
        "Memory": 67108864, "MemorySwap": 0, "CpuShares": 512, "Cpuset": "0",
    });
    let id = create_old(&daemon, &limits, "hostname; cat /m/f; sleep 60");
    let folder = daemon.directory.join("bound");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("f"), "bound\n").expect("a file");
    let body = json!({
        "Binds": [format!("{}:/m", folder.display())],
        "LxcConf": [],
        "Privileged": false,
        "PortBindings": {},
        "NetworkMode": "none",
        "CapAdd": ["NET_ADMIN"],
        "Dns": null,
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 2},
    });
    let target = format!("/v1.14/containers/{id}/start");
    daemon.post_json(&target, &body).is(204);
    daemon.until_logged(&id, "bound");
    let limit = |controller: &str, v1: &str, v2: &str| {
        let one = format!("/sys/fs/cgroup/{controller}/skiff/{id}/{v1}");
        let two = format!("/sys/fs/cgroup/skiff/{id}/{v2}");
        let text = std::fs::read_to_string(one)
            .or_else(|_| std::fs::read_to_string(two));
        text.expect("the container's group").trim().to_string()
    };
    let memory = limit("memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, "67108864");
    assert_eq!(limit("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
    let seen = daemon.inspect(&id)["HostConfig"].clone();
    for (name, wanted) in [
        ("Memory", json!(67108864)),
        ("MemorySwap", json!(134217728)),
        ("CpuShares", json!(512)),
        ("CpusetCpus", json!("0")),
        ("NetworkMode", json!("none")),
        ("CapAdd", json!(["NET_ADMIN"])),
        (
            "RestartPolicy",
            json!({"Name": "on-failure", "MaximumRetryCount": 2}),
        ),
    ] {
        assert_eq!(seen[name], wanted, "{name} of {seen:#}");
    }
    daemon.delete(&format!("/containers/{id}?force=1")).is(204);
}

#[test]
fn what_a_start_brings_is_kept_by_the_next_daemon() {
    let mut daemon = Daemon::with_image();
    let id = create_old(&daemon, &json!({"Memory": 67108864}), "exit 0");
    let body = json!({"NetworkMode": "none", "ReadonlyRootfs": true});
    let target = format!("/v1.23/containers/{id}/start");
    daemon.post_json(&target, &body).is(204);
    until("its end", || {
        (daemon.inspect(&id)["State"]["Status"] == "exited").then_some(())
    });
    daemon.kill();
    daemon.launch();
    let seen = daemon.inspect(&id)["HostConfig"].clone();
    assert_eq!(seen["Memory"], 67108864);
    assert_eq!(seen["NetworkMode"], "none");
    assert_eq!(seen["ReadonlyRootfs"], true);
    daemon.delete(&format!("/containers/{id}")).is(204);
}

#[test]
fn a_start_that_is_refused_changes_nothing() {
    let daemon = Daemon::with_image();
    let id = create_old(&daemon, &json!({}), "sleep 60");
    let start = |version: &str, body: Value| {
        let target = format!("/v{version}/containers/{id}/start");
        daemon.post_json(&target, &body)
    };
    let gone = "starting container with non-empty request body was \
                deprecated since API v1.22 and removed in v1.24";
    start("1.24", json!({"Privileged": true})).refuses(400, gone);
    start("1.51", json!({"Privileged": true})).refuses(400, gone);
    let reply = start("1.23", json!({"Memory": 1000})).is(400);
    assert_eq!(reply.text(), "Minimum memory limit allowed is 6MB\n");
    let reply = start("1.23", json!({"CapAdd": ["FLY"]})).is(400);
    assert!(reply.text().contains("unknown capability"), "{reply:?}");
    let seen = daemon.inspect(&id);
    assert_eq!(seen["HostConfig"]["Memory"], 0);
    assert_eq!(seen["HostConfig"]["Privileged"], false);
    assert_eq!(seen["State"]["Status"], "created");
    // Bodies that say nothing are as good as none.
    start("1.51", json!({})).is(204);
    start("1.23", json!({"Memory": 67108864})).is(304);
    assert_eq!(daemon.inspect(&id)["HostConfig"]["Memory"], 0);
    daemon.delete(&format!("/containers/{id}?force=1")).is(204);
}

#[test]
fn a_listener_for_control_starts_nothing_that_owns_the_host() {
    let daemon = Daemon::prepare(&[]);
    let path = daemon.directory.join("control");
    let mut daemon = daemon;
    daemon.add_flag("-H");
    daemon.add_flag(&format!("unix://{}?access=control", path.display()));
    daemon.launch();
    daemon.import("busybox");
    let id = create_old(&daemon, &json!({}), "sleep 60");
    let target = format!("/v1.23/containers/{id}/start");
    let kind = [("Content-Type", "application/json")];
    let body = br#"{"Privileged":true}"#;
    let reply = Wire::unix(&path).exchange("POST", &target, &kind, Some(body));
    reply.is(403);
    Wire::unix(&path).exchange("POST", &target, &[], Some(b"")).is(204);
    daemon.delete(&format!("/containers/{id}?force=1")).is(204);
}
