//! Volumes when things go wrong: crashes, full disks, races, and hands that
//! reach behind the daemon's back.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::volumes::{data, import};
use crate::harness::image::{Entry, Kind, directory, file};
use crate::harness::{Daemon, host};

/// How many files an image with many has.
const MANY: usize = 4000;

#[track_caller]
fn import_many(daemon: &Daemon) {
    let content = "x".repeat(8 << 10);
    let paths: Vec<String> =
        (0..MANY).map(|number| format!("srv/f{number}")).collect();
    let mut more = vec![directory("srv/")];
    more.extend(paths.iter().map(|path| file(path, &content)));
    import(daemon, "many", &more, "CMD true");
}

fn many(volume: &str) -> Value {
    json!({"Image": "many", "HostConfig": {
        "NetworkMode": "none", "Binds": [format!("{volume}:/srv")]}})
}

#[test]
fn a_volume_that_was_being_filled_at_a_crash_is_filled_anew() {
    let mut daemon = Daemon::prepare(&[]);
    daemon.launch();
    import_many(&daemon);
    let volumes = daemon.data().join("volumes");
    // Half of the files are there, under a name that nobody sees.
    let is_half_way = || {
        host::names_in(&volumes)
            .iter()
            .filter(|name| name.starts_with('.'))
            .any(|name| {
                let names = host::names_in(volumes.join(name));
                (1..MANY).contains(&names.len())
                    && !names.iter().any(|name| name == "_data")
            })
    };
    let mut wire = daemon.wire();
    let body = many("data").to_string();
    let kind = [("Content-Type", "application/json")];
    wire.send("POST", "/containers/create", &kind, Some(body.as_bytes()));
    let end = Instant::now() + Duration::from_secs(20);
    while !is_half_way() {
        assert!(Instant::now() < end, "it was too quick to be caught");
    }
    daemon.kill();
    assert_eq!(host::names_in(data(&daemon, "data")).len(), 0);
    daemon.launch();
    assert_eq!(host::names_in(&volumes), ["data"], "what was half is gone");
    let (code, out, err) = daemon.shell("ls /srv | wc -l", many("data"));
    assert_eq!((code, out.as_str()), (0, "4000\n"), "{err}");
}

#[test]
fn containers_that_race_for_a_volume_find_it_whole() {
    let daemon = Daemon::with_image();
    import_many(&daemon);
    std::thread::scope(|scope| {
        for number in 0..4 {
            let daemon = &daemon;
            scope.spawn(move || {
                let mut body = many("data");
                body["Volumes"] = json!({"/own": {}});
                let line = "ls /srv | wc -l";
                let name = format!("racer{number}");
                let id = daemon.run_with(&name, line, body);
                assert_eq!(daemon.wait(&id), 0);
                assert_eq!(daemon.logs(&id).0, "4000\n");
            });
        }
    });
    let made = daemon.past_events("");
    let made = made.iter().filter(|event| {
        event["Action"] == "create" && event["Actor"]["ID"] == "data"
    });
    assert_eq!(made.count(), 1);
    let volumes = host::names_in(daemon.data().join("volumes"));
    assert_eq!(volumes.len(), 5, "{volumes:?}");
}

#[test]
fn a_full_disk_refuses_a_container_and_leaves_nothing_of_it() {
    let mut daemon = Daemon::prepare(&[]);
    let root = daemon.data();
    fs::create_dir_all(&root).expect("a directory");
    let mount = |flags: &[&str]| {
        let mounted = Command::new("mount").args(flags).arg(&root).status();
        mounted.expect("mount").success()
    };
    if !mount(&["-t", "tmpfs", "-o", "size=24m", "none"]) {
        println!("skipped: no tmpfs can be mounted");
        return;
    }
    daemon.launch();
    let big = vec![7; 10 << 20];
    let more = [
        directory("srv/"),
        Entry { path: "srv/big", kind: Kind::File(&big), mode: 0o644 },
    ];
    import(&daemon, "big", &more, "CMD true");
    let big = |volume: &str| {
        let binds = [format!("{volume}:/srv")];
        json!({"Image": "big", "Cmd": ["true"], "HostConfig": {
            "NetworkMode": "none", "Binds": binds}})
    };
    let fill = root.join("fill");
    fs::write(&fill, vec![1; 6 << 20]).expect("room for this");
    let reply = daemon.post_json("/containers/create", &big("data"));
    let reply = reply.is(500);
    assert!(reply.message().contains("no space left"), "{reply:?}");
    assert!(host::names_in(root.join("volumes")).is_empty());
    assert_eq!(daemon.get("/containers/json?all=1").json(), json!([]));
    // One that was there before stays, empty.
    daemon.post_json("/volumes/create", &json!({"Name": "kept"})).is(201);
    daemon.post_json("/containers/create", &big("kept")).is(500);
    assert_eq!(host::names_in(root.join("volumes")), ["kept"]);
    assert_eq!(host::names_in(data(&daemon, "kept")).len(), 0);
    fs::remove_file(&fill).expect("it is there");
    let (code, out, err) = daemon.shell("ls /srv", big("kept"));
    assert_eq!((code, out.as_str()), (0, "big\n"), "{err}");
    assert!(daemon.terminate().success());
    let _ = Command::new("umount").arg(&root).status();
}

#[test]
fn a_volume_removed_behind_the_daemons_back_is_told_of() {
    let mut daemon = Daemon::with_image();
    let body = json!({"Cmd": ["true"], "HostConfig": {"Binds": ["data:/d"]}});
    daemon.create("one", body.clone());
    let dir = daemon.data().join("volumes/data");
    fs::remove_dir_all(&dir).expect("it is there");
    let start = || daemon.post("/containers/one/start");
    let reply = start().is(400);
    assert!(reply.message().contains("error mounting"), "{reply:?}");
    daemon.get("/volumes/data").is(200);
    daemon.kill();
    daemon.launch();
    assert!(daemon.log().contains("volume data is gone"), "{}", daemon.log());
    daemon.get("/volumes/data").is(404);
    daemon
        .post("/containers/one/start")
        .refuses(404, "get data: no such volume");
    assert_eq!(daemon.inspect("one")["Mounts"][0]["Name"], "data");
    daemon.delete("/containers/one?v=1").is(204);
    // Made again, all is well.
    daemon.create("two", body);
    daemon.post("/containers/two/start").is(204);
    assert_eq!(daemon.wait("two"), 0);
    fs::remove_dir_all(&dir).expect("it is there");
    daemon.delete("/containers/two").is(204);
    daemon.delete("/volumes/data").is(204);
}

#[test]
fn a_damaged_record_keeps_the_files_of_its_volume() {
    let mut daemon = Daemon::with_image();
    let line = "echo kept > /d/f";
    let body = || json!({"HostConfig": {"Binds": ["data:/d"]}});
    assert_eq!(daemon.shell(line, body()).0, 0);
    daemon.kill();
    let dir = daemon.data().join("volumes/data");
    fs::write(dir.join("volume.json"), "{").expect("a file");
    fs::create_dir(daemon.data().join("volumes/.half")).expect("a directory");
    daemon.launch();
    assert_eq!(daemon.shell("cat /d/f", body()).1, "kept\n");
    assert!(daemon.log().contains("set aside"), "{}", daemon.log());
    let names = host::names_in(&dir);
    let aside = names.iter().any(|name| name.contains(".damaged-"));
    assert!(aside, "{names:?}");
    assert!(!Path::new(&daemon.data().join("volumes/.half")).exists());
}

#[test]
fn the_ways_of_old_kernels_mount_volumes_too() {
    let mut daemon = Daemon::prepare(&[]);
    daemon.environment("SKIFF_WITHOUT", "all");
    daemon.launch();
    daemon.import("busybox");
    let volume = json!({"Name": "data"});
    daemon.post_json("/volumes/create", &volume).is(201);
    let path = data(&daemon, "data");
    fs::create_dir_all(path.join("a/b")).expect("a directory");
    fs::write(path.join("a/b/f"), "part\n").expect("a file");
    std::os::unix::fs::symlink("/etc", path.join("out")).expect("a link");
    let body = |subpath: &str| {
        json!({"Cmd": ["true"], "HostConfig": {"NetworkMode": "none",
            "Mounts": [{"Type": "volume", "Source": "data", "Target": "/m",
            "ReadOnly": true, "VolumeOptions": {"Subpath": subpath}}]}})
    };
    let line = "cat /m/f; touch /m/g || echo refused";
    let (_, out, err) = daemon.shell(line, body("a/b"));
    assert_eq!(out, "part\nrefused\n", "{err}");
    daemon.create("out", body("out"));
    daemon.post("/containers/out/start").is(500);
}

#[test]
fn the_next_daemon_knows_who_has_a_volume_mounted() {
    let mut daemon = Daemon::with_image();
    let body = json!({"Volumes": {"/own": {}}, "HostConfig": {
        "Binds": ["data:/d"]}});
    let line = "echo up; while true; do sleep 1; done";
    daemon.run_with("one", line, body);
    daemon.until_logged("one", "up");
    daemon.kill();
    daemon.launch();
    // Filled while it is mounted: the directory stays the one that it is.
    import(&daemon, "full", &[directory("srv/"), file("srv/f", "x")], "");
    let full = json!({"Image": "full", "Cmd": ["true"], "HostConfig": {
        "Binds": ["data:/srv"]}});
    daemon.create("two", full);
    let pid = daemon.inspect("one")["State"]["Pid"].as_i64();
    let path = format!("/proc/{}/root/d/f", pid.expect("a pid"));
    assert!(Path::new(&path).exists(), "{path}");
    daemon.delete("/containers/one?force=1&v=1").is(204);
    let told = daemon.past_events("");
    let told = told.iter().filter(|event| event["Type"] == "volume");
    let told: Vec<&str> =
        told.filter_map(|event| event["Action"].as_str()).collect();
    assert_eq!(told, ["unmount", "unmount", "destroy"]);
}
