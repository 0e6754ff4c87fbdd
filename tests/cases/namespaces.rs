//! Namespaces that containers share: with each other, and with the host.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Daemon, host};

#[track_caller]
fn pid(daemon: &Daemon, name: &str) -> i32 {
    let pid = daemon.inspect(name)["State"]["Pid"].as_i64();
    i32::try_from(pid.expect("a pid")).expect("a pid")
}

#[track_caller]
fn start_refuses(daemon: &Daemon, host: Value, status: u16, text: &str) {
    let id = daemon.create("", json!({"Cmd": ["true"], "HostConfig": host}));
    daemon.post(&format!("/containers/{id}/start")).refuses(status, text);
    daemon.delete(&format!("/containers/{id}")).is(204);
}

#[test]
fn the_network_of_another_container_is_joined_with_its_name_and_files() {
    let daemon = Daemon::with_image();
    let body = json!({"Hostname": "donor", "HostConfig": {
        "NetworkMode": "bridge", "ExtraHosts": ["far:10.9.8.7"]}});
    let donor = daemon.run_with("web", "sleep 1000", body);
    let mode = json!({"NetworkMode": "container:web"});
    let line = "hostname; cat /etc/hosts; echo $HOSTNAME; ip -4 addr show \
                eth0; sleep 1000";
    let id = daemon.run_with("side", line, json!({"HostConfig": mode}));
    let (ours, theirs) = (pid(&daemon, "side"), pid(&daemon, "web"));
    assert_eq!(host::namespace(ours, "net"), host::namespace(theirs, "net"));
    for other in ["pid", "ipc", "uts", "mnt"] {
        let (a, b) =
            (host::namespace(ours, other), host::namespace(theirs, other));
        assert_ne!(a, b, "{other}");
    }
    let out = daemon.until_logged("side", "inet ");
    assert!(out.starts_with("donor\n"), "{out}");
    assert!(out.contains("10.9.8.7\tfar\n"), "{out}");
    assert!(out.contains(&format!("{}.2", daemon.subnet)), "{out}");
    let seen = daemon.inspect("side");
    let named = format!("container:{donor}");
    assert_eq!(seen["HostConfig"]["NetworkMode"], named.as_str());
    assert_eq!(seen["Config"]["Hostname"], "donor");
    assert_eq!(seen["NetworkSettings"]["Networks"], json!({}));
    assert_eq!(seen["HostsPath"], daemon.inspect("web")["HostsPath"]);
    assert_eq!(seen["Id"], id.as_str());
}

#[test]
fn processes_and_shared_memory_of_another_container_are_joined() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"IpcMode": "shareable"}});
    let line = "echo ours > /dev/shm/mark; exec sleep 1000";
    daemon.run_with("web", line, body);
    crate::harness::until("the mark", || {
        let root = format!("/proc/{}/root/dev/shm/mark", pid(&daemon, "web"));
        fs::metadata(root).ok().filter(|m| m.len() > 0)
    });
    let body = json!({"HostConfig": {
        "IpcMode": "container:web", "PidMode": "container:web"}});
    let line = "cat /dev/shm/mark; cat /proc/1/cmdline | tr '\\0' ' '; \
                echo; sleep 1000";
    daemon.run_with("side", line, body);
    let out = daemon.until_logged("side", "sleep");
    assert!(out.starts_with("ours\nsleep 1000"), "{out}");
    let (ours, theirs) = (pid(&daemon, "side"), pid(&daemon, "web"));
    for kind in ["ipc", "pid"] {
        let (a, b) =
            (host::namespace(ours, kind), host::namespace(theirs, kind));
        assert_eq!(a, b, "{kind}");
    }
    // It ends alone, and by a signal of its own.
    daemon.post("/containers/side/kill").is(204);
    assert_eq!(daemon.wait("side"), 137);
    daemon.until_state("web", "running");
}

#[test]
fn the_hosts_namespaces_are_joined() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"PidMode": "host", "IpcMode": "host",
        "UTSMode": "host", "NetworkMode": "host", "CgroupnsMode": "host",
        "UsernsMode": "host"}});
    daemon.run_with("web", "sleep 1000", body);
    let ours = pid(&daemon, "web");
    let own = i32::try_from(std::process::id()).expect("a pid");
    for kind in ["pid", "ipc", "uts", "net", "cgroup", "user"] {
        let (a, b) = (host::namespace(ours, kind), host::namespace(own, kind));
        assert_eq!(a, b, "{kind}");
    }
    let shm = fs::metadata(format!("/proc/{ours}/root/dev/shm"));
    use std::os::unix::fs::MetadataExt;
    let hosts = fs::metadata("/dev/shm").expect("the host's").dev();
    assert_eq!(shm.expect("the container's").dev(), hosts);
}

#[test]
fn ipc_none_has_no_shared_memory() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"IpcMode": "none"}});
    let (code, out, _) = daemon.shell("grep /dev/shm /proc/mounts", body);
    assert_eq!((code, out.as_str()), (1, ""));
}

#[test]
fn what_cannot_be_joined_is_told_in_dockers_words() {
    let daemon = Daemon::with_image();
    let private = daemon.run("private", "sleep 1000");
    let still = daemon.create("still", json!({"Cmd": ["true"]}));
    start_refuses(
        &daemon,
        json!({"IpcMode": "container:private"}),
        500,
        &format!(
            "failed to join IPC namespace: container {private}: \
            non-shareable IPC (hint: use IpcMode:shareable for the donor \
            container)"
        ),
    );
    start_refuses(
        &daemon,
        json!({"PidMode": "container:still"}),
        500,
        &format!(
            "failed to join PID namespace: container {still} is not \
            running"
        ),
    );
    start_refuses(
        &daemon,
        json!({"NetworkMode": "container:still"}),
        409,
        "cannot join network namespace of a non running container: \
         container still is created",
    );
    start_refuses(
        &daemon,
        json!({"NetworkMode": "container:nosuch"}),
        500,
        "joining network namespace of container: No such container: nosuch",
    );
}

#[test]
fn contradictions_are_refused_in_dockers_words_and_nothing_is_left() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let joined = |mut more: Value| {
        more["NetworkMode"] = "container:web".into();
        json!({"HostConfig": more})
    };
    let mut named = joined(json!({}));
    named["Hostname"] = "x".into();
    let mut exposed = joined(json!({}));
    exposed["ExposedPorts"] = json!({"80/tcp": {}});
    let table = [
        (named, "conflicting options: hostname and the network mode"),
        (
            exposed,
            "conflicting options: port exposing and the container \
            type network mode",
        ),
        (
            joined(json!({"Dns": ["1.1.1.1"]})),
            "conflicting options: dns and the network mode",
        ),
        (
            joined(json!({"ExtraHosts": ["a:1.1.1.1"]})),
            "conflicting \
            options: custom host-to-IP mapping and the network mode",
        ),
        (
            joined(json!({"Links": ["web:db"]})),
            "conflicting options: \
            container type network can't be used with links. This would \
            result in undefined behavior",
        ),
        (
            joined(json!({"PublishAllPorts": true})),
            "conflicting options: \
            port publishing and the container type network mode",
        ),
        (
            json!({"Hostname": "x", "HostConfig": {"UTSMode": "host"}}),
            "conflicting options: hostname and the UTS mode",
        ),
        (
            json!({"HostConfig": {"NetworkMode": "container:"}}),
            "Invalid network mode: invalid container format \
             container:<name|id>",
        ),
        (json!({"HostConfig": {"IpcMode": "odd"}}), "invalid IPC mode: odd"),
        (json!({"HostConfig": {"PidMode": "odd"}}), "invalid PID mode: odd"),
        (json!({"HostConfig": {"UTSMode": "odd"}}), "invalid UTS mode: odd"),
        (
            json!({"HostConfig": {"UsernsMode": "odd"}}),
            "invalid user namespace mode: odd",
        ),
        (
            json!({"HostConfig": {"CgroupnsMode": "odd"}}),
            "invalid cgroup namespace mode: odd",
        ),
    ];
    for (mut body, text) in table {
        body["Image"] = "busybox".into();
        body["Cmd"] = json!(["true"]);
        daemon.post_json("/containers/create", &body).refuses(400, text);
    }
    let all = daemon.get("/containers/json?all=1").is(200).json();
    assert_eq!(all.as_array().map(Vec::len), Some(1));
    let dir = daemon.data().join("containers");
    let names = host::names_in(dir);
    assert_eq!(names.iter().filter(|name| name.len() == 64).count(), 1);
}
