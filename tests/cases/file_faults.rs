//! Files of containers when things go wrong: clients that leave, full disks,
//! a daemon that is killed, containers that end meanwhile.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::command::Run;
use crate::harness::image::{Entry, Kind, file, tar};
use crate::harness::{Daemon, host, until};

/// A file that fits into no buffer on its way.
const BIG: &str = "dd if=/dev/zero of=/big bs=1M count=48 2>/dev/null";

fn big(daemon: &Daemon) {
    daemon.run("web", &format!("{BIG}; echo made; sleep 1000"));
    daemon.until_logged("web", "made");
}

#[track_caller]
fn listing(tar: &[u8]) -> String {
    Run::of(Command::new("tar").args(["-tf", "-"]), tar).ok().out()
}

#[test]
fn a_client_that_leaves_in_the_middle_holds_nothing() {
    let daemon = Daemon::with_image();
    big(&daemon);
    for target in ["/containers/web/export", "/containers/web/archive?path=/"] {
        for _ in 0..4 {
            let (mut wire, _) = daemon.open("GET", target);
            wire.exactly(100_000).expect("a beginning");
        }
    }
    let half = tar(&[file("half", "half")]);
    for _ in 0..4 {
        let mut wire = daemon.wire();
        wire.write(
            "PUT /containers/web/archive?path=/tmp HTTP/1.1\r\nHost: x\r\n\
             Content-Length: 100000000\r\n\r\n",
        );
        wire.write(&half[..700]);
    }
    let target = "/containers/web/archive?path=/tmp";
    daemon.wire().exchange("PUT", target, &[], Some(&half)).is(200);
    // None of them holds the container, or its mounts.
    daemon.delete("/containers/web?force=1").is(204);
    let containers = daemon.data().join("containers");
    until("nothing of the container is left", || {
        host::names_in(&containers).is_empty().then_some(())
    });
}

#[test]
fn a_container_that_ends_meanwhile_is_exported_whole() {
    let daemon = Daemon::with_image();
    big(&daemon);
    let (mut wire, head) = daemon.open("GET", "/containers/web/export");
    assert_eq!(head.status, 200);
    let mut tar = wire.chunk().expect("a beginning");
    daemon.post("/containers/web/kill").is(204);
    daemon.until_state("web", "exited");
    while let Some(chunk) = wire.chunk() {
        tar.extend(chunk);
    }
    let names = listing(&tar);
    for name in ["big", "bin/sh", "var/"] {
        assert!(names.lines().any(|line| line == name), "{names}");
    }
}

#[test]
fn a_commit_that_was_cut_off_by_a_crash_leaves_no_image() {
    let mut daemon = Daemon::with_image();
    big(&daemon);
    let layers = daemon.data().join("layers");
    let before = host::names_in(&layers).len();
    let mut wire = daemon.wire();
    wire.send("POST", "/commit?container=web&repo=half", &[], None);
    let end = Instant::now() + Duration::from_secs(20);
    while host::names_in(daemon.data().join("tmp")).is_empty() {
        assert!(Instant::now() < end, "it was too quick to be caught");
    }
    daemon.kill();
    drop(wire);
    daemon.launch();
    daemon.get("/images/half/json").is(404);
    assert_eq!(host::names_in(&layers).len(), before);
    assert!(host::names_in(daemon.data().join("tmp")).is_empty());
    // It does not stand still for ever.
    daemon.skiff(&["exec", "web", "true"]).ok();
    daemon.post("/commit?container=web&repo=whole").is(201);
    let body = json!({"Image": "whole", "Cmd": ["ls", "-l", "/big"]});
    daemon.create("again", body);
    daemon.post("/containers/again/start").is(204);
    assert_eq!(daemon.wait("again"), 0);
}

#[test]
fn a_full_disk_ends_a_copy_and_a_commit_and_leaves_no_image() {
    let mut daemon = Daemon::prepare(&[]);
    let root = daemon.data();
    fs::create_dir_all(&root).expect("a directory");
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=40m", "none"]).arg(&root);
    if !mount.status().expect("mount").success() {
        println!("skipped: no tmpfs can be mounted");
        return;
    }
    daemon.launch();
    daemon.import("busybox");
    daemon.run("web", "sleep 1000");
    let put = |length: usize| {
        let content = vec![7; length];
        let big =
            Entry { path: "big", kind: Kind::File(&content), mode: 0o644 };
        let target = "/containers/web/archive?path=/tmp";
        let tar = tar(&[big]);
        daemon.wire().exchange("PUT", target, &[], Some(&tar))
    };
    let reply = put(64 << 20);
    assert_eq!(reply.head.status, 500, "{reply:?}");
    assert!(reply.message().contains("no space left"), "{reply:?}");
    // There is room for one of it, and not for two.
    put(22 << 20).is(200);
    let layers = host::names_in(root.join("layers")).len();
    let reply = daemon.post("/commit?container=web&repo=full").is(500);
    assert!(reply.message().contains("no space left"), "{reply:?}");
    daemon.get("/images/full/json").is(404);
    assert_eq!(host::names_in(root.join("layers")).len(), layers);
    assert_eq!(daemon.inspect("web")["State"]["Status"], "running");
    put(1 << 20).is(200);
    daemon.post("/commit?container=web&repo=fits").is(201);
    daemon.delete("/containers/web?force=1").is(204);
    assert!(daemon.terminate().success());
    let _ = Command::new("umount").arg(&root).status();
}
