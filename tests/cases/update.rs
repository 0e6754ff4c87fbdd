//! Changes of limits and restart policies, seen in the kernel's files.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Daemon, skip};

const MIB: i64 = 1 << 20;

/// The value of a container's cgroup file, by its names in both versions;
/// none where this host has no such file.
fn limit(id: &str, v1: &str, v2: &str) -> Option<String> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let controller = v1.split('.').next().unwrap_or_default();
    let path = match root.join("cgroup.controllers").exists() {
        true => root.join("skiff").join(id).join(v2),
        false => root.join(controller).join("skiff").join(id).join(v1),
    };
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_string())
}

#[track_caller]
fn update(daemon: &Daemon, name: &str, body: &Value) -> Value {
    let target = format!("/containers/{name}/update");
    daemon.post_json(&target, body).is(200).json()
}

#[test]
fn limits_of_a_running_container_change_in_the_kernel_and_are_kept() {
    let mut daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"Memory": 64 * MIB, "PidsLimit": 50}});
    let id = daemon.run_with("web", "sleep 1000", body);
    let memory = || limit(&id, "memory.limit_in_bytes", "memory.max");
    let Some(before) = memory() else {
        return skip("no memory cgroup");
    };
    assert_eq!(before, (64 * MIB).to_string());
    let answer = update(
        &daemon,
        "web",
        &json!({
            "Memory": 80 * MIB, "MemorySwap": 160 * MIB, "PidsLimit": 70,
            "CpuShares": 512, "CpusetCpus": "0",
            "MemoryReservation": 32 * MIB,
            "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        }),
    );
    assert_eq!(answer, json!({"Warnings": null}));
    let now = |v1, v2| limit(&id, v1, v2).unwrap_or_default();
    assert_eq!(memory(), Some((80 * MIB).to_string()));
    assert_eq!(now("pids.max", "pids.max"), "70");
    assert_eq!(now("cpuset.cpus", "cpuset.cpus"), "0");
    let shares = now("cpu.shares", "cpu.weight");
    assert!(shares == "512" || shares == "20", "{shares}");
    let swap = now("memory.memsw.limit_in_bytes", "memory.swap.max");
    let both = [(160 * MIB).to_string(), (80 * MIB).to_string()];
    assert!(swap.is_empty() || both.contains(&swap), "{swap}");
    // And down again, below what was there at first.
    let less = json!({"Memory": 32 * MIB, "MemorySwap": 40 * MIB,
        "MemoryReservation": 16 * MIB, "PidsLimit": -1});
    update(&daemon, "web", &less);
    assert_eq!(memory(), Some((32 * MIB).to_string()));
    assert_eq!(now("pids.max", "pids.max"), "max");
    daemon.kill();
    daemon.launch();
    let host = &daemon.inspect("web")["HostConfig"];
    assert_eq!(host["Memory"], 32 * MIB);
    assert_eq!(host["MemorySwap"], 40 * MIB);
    assert_eq!(host["CpuShares"], 512);
    assert_eq!(host["PidsLimit"], Value::Null);
    assert_eq!(memory(), Some((32 * MIB).to_string()));
}

#[test]
fn a_stopped_container_gets_its_new_limits_at_the_next_start() {
    let daemon = Daemon::with_image();
    let id = daemon.create("web", json!({"Cmd": ["sleep", "1000"]}));
    update(&daemon, "web", &json!({"PidsLimit": 33}));
    daemon.post("/containers/web/start").is(204);
    match limit(&id, "pids.max", "pids.max") {
        Some(most) => assert_eq!(most, "33"),
        None => skip("no pids cgroup"),
    }
}

#[test]
fn changes_are_refused_in_dockers_words() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"NanoCpus": 500_000_000}});
    let id = daemon.run_with("web", "sleep 1000", body);
    let once = json!({"HostConfig": {"AutoRemove": true}});
    let gone = daemon.run_with("once", "sleep 1000", once);
    let refuses = |name: &str, body: Value, status: u16, text: &str| {
        let target = format!("/containers/{name}/update");
        daemon.post_json(&target, &body).refuses(status, text);
    };
    refuses(
        "web",
        json!({"CpuQuota": 5000}),
        409,
        &format!(
            "Cannot update container {id}: Conflicting options: CPU Quota cannot \
         be updated as NanoCPUs has already been set"
        ),
    );
    refuses(
        "web",
        json!({"Memory": 64 * MIB}),
        409,
        &format!(
            "Cannot update container {id}: Memory limit should be smaller than \
         already set memoryswap limit, update the memoryswap at the same time"
        ),
    );
    let policy = json!({"RestartPolicy": {"Name": "always"}});
    refuses(
        "once",
        policy,
        409,
        &format!(
            "Cannot update container {gone}: Restart policy cannot be updated \
         because AutoRemove is enabled for the container"
        ),
    );
    let unknown = json!({"RestartPolicy": {"Name": "sometimes"}});
    refuses(
        "web",
        unknown,
        400,
        "invalid restart policy: unknown policy 'sometimes'; use one of \
         'no', 'always', 'on-failure', or 'unless-stopped'",
    );
    refuses(
        "web",
        json!({"Memory": 1}),
        400,
        "Minimum memory limit allowed is 6MB",
    );
    refuses(
        "web",
        json!({"Memory": 64 * MIB, "MemorySwap": 32 * MIB}),
        400,
        "Minimum memoryswap limit should be larger than memory limit, see \
         usage",
    );
    refuses("nosuch", json!({}), 404, "No such container: nosuch");
    let seen = daemon.inspect("web");
    assert_eq!(seen["HostConfig"]["Memory"], 0);
    assert_eq!(seen["HostConfig"]["CpuQuota"], 0);
}

#[test]
fn what_the_kernel_refuses_is_not_kept() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"Memory": 64 * MIB}});
    let id = daemon.run_with("web", "sleep 1000", body);
    if limit(&id, "memory.memsw.limit_in_bytes", "").is_none() {
        return skip("memory and swap is not limited together");
    }
    let body = json!({"MemorySwap": 32 * MIB, "PidsLimit": 40});
    let reply = daemon.post_json("/containers/web/update", &body).is(500);
    let begin = format!("Cannot update container {id}: ");
    assert!(reply.message().starts_with(&begin), "{reply:?}");
    let host = &daemon.inspect("web")["HostConfig"];
    assert_eq!(host["MemorySwap"], 128 * MIB);
    assert_eq!(host["PidsLimit"], Value::Null);
}

#[test]
fn a_changed_restart_policy_holds_at_the_next_exit() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let policy = json!({"Name": "on-failure", "MaximumRetryCount": 2});
    update(&daemon, "web", &json!({"RestartPolicy": policy}));
    let seen = daemon.inspect("web");
    assert_eq!(seen["HostConfig"]["RestartPolicy"], policy);
    let first = seen["State"]["Pid"].as_i64().expect("a pid");
    let pid = i32::try_from(first).expect("a pid");
    crate::harness::host::signal(pid, rustix::process::Signal::KILL);
    crate::harness::until("a second run", || {
        let seen = daemon.inspect("web");
        (seen["RestartCount"] == 1).then_some(())
    });
    let events =
        daemon.past_events("filters=%7B%22event%22%3A%5B%22update%22%5D%7D");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["Actor"]["Attributes"]["name"], "web");
}

#[test]
fn the_client_changes_several_containers() {
    let daemon = Daemon::with_image();
    daemon.run("one", "sleep 1000");
    daemon.create("two", json!({"Cmd": ["true"]}));
    let words = ["update", "--cpu-shares", "99", "--restart", "on-failure:3"];
    daemon.skiff(&[&words[..], &["one", "two"]].concat()).ok().says("one\ntwo");
    for name in ["one", "two"] {
        let host = &daemon.inspect(name)["HostConfig"];
        assert_eq!(host["CpuShares"], 99, "{name}");
        assert_eq!(host["RestartPolicy"]["MaximumRetryCount"], 3, "{name}");
    }
    daemon.skiff(&["update", "one"]).exits(1).complains(
        "you must provide one or more flags when using this command",
    );
}
