//! Files of containers: archive, copy, changes, export.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::harness::command::Run;
use crate::harness::image::{directory, file, hardlink, symlink as link, tar};
use crate::harness::{Daemon, Reply};

const TAR: [(&str, &str); 1] = [("Content-Type", "application/x-tar")];

impl Daemon {
    fn archive(&self, name: &str, path: &str) -> Reply {
        self.get(&format!("/containers/{name}/archive?path={path}"))
    }

    #[track_caller]
    fn put(&self, name: &str, query: &str, tar: &[u8]) -> Reply {
        let target = format!("/containers/{name}/archive?{query}");
        self.wire().exchange("PUT", &target, &TAR, Some(tar))
    }

    /// The listing of a tar, a line each: mode, owner, size, name.
    fn listing(&self, tar: &[u8]) -> Vec<String> {
        let mut command = std::process::Command::new("tar");
        let listed = Run::of(command.args(["-tvf", "-"]), tar).ok();
        listed.out().lines().map(str::to_string).collect()
    }

    fn names(&self, tar: &[u8]) -> Vec<String> {
        let mut command = std::process::Command::new("tar");
        let listed = Run::of(command.args(["-Ptf", "-"]), tar).ok();
        listed.out().lines().map(str::to_string).collect()
    }
}

fn stat(reply: &Reply) -> Value {
    let text = reply.header("X-Docker-Container-Path-Stat");
    let json = STANDARD.decode(text.expect("it is told")).expect("base64");
    serde_json::from_slice(&json).expect("JSON")
}

const TREE: &str = "mkdir -p /t/d; echo x >/t/d/f; chmod 4755 /t/d/f; \
                    ln -s d /t/l; ln -s /nosuch /t/broken; mkfifo /t/fifo";

#[test]
fn what_comes_out_is_named_as_by_docker_running_or_not() {
    let daemon = Daemon::with_image();
    daemon.run("web", &format!("{TREE}; echo made; sleep 1000"));
    daemon.until_logged("web", "made");
    for running in [true, false] {
        if !running {
            daemon.post("/containers/web/kill").is(204);
        }
        let whole = ["t/", "t/broken", "t/d/", "t/d/f", "t/fifo", "t/l"];
        let dotted = ["./", "./f"];
        for (path, name, names) in [
            ("/t", "t", &whole[..]),
            ("t/", "t", &whole),
            ("/t/d/f", "f", &["f"]),
            ("/t/l", "l", &["l"]),
            ("/t/l/", "l", &["l/", "l/f"]),
            ("/t/l/.", ".", &dotted),
            ("/t/fifo", "fifo", &["fifo"]),
            ("/x/../t/d/f", "f", &["f"]),
        ] {
            let reply = daemon.archive("web", path).is(200);
            assert_eq!(daemon.names(&reply.body), names, "{path} {running}");
            assert_eq!(stat(&reply)["name"], json!(name), "{path}");
        }
        let seen = stat(&daemon.archive("web", "/t/d/f"));
        assert_eq!(seen["mode"], json!((1u32 << 23) | 0o755));
        assert_eq!(seen["size"], json!(2));
        let target = "/containers/web/archive?path=/t/l";
        let head = daemon.wire().exchange("HEAD", target, &[], None).is(200);
        let seen = stat(&head);
        assert_eq!(seen["linkTarget"], json!("/t/d"), "{seen}");
        assert_eq!(seen["mode"], json!((1u32 << 27) | 0o777));
        let top = daemon.archive("web", "/").is(200);
        let names = daemon.names(&top.body);
        assert_eq!(names[0], "/");
        assert!(names.iter().any(|name| name == "/t/d/f"), "{names:?}");
        daemon
            .archive("web", "/no/such")
            .refuses(404, "Could not find the file /no/such in container web");
        daemon
            .get("/containers/web/archive")
            .refuses(400, "bad parameter: path cannot be empty");
    }
}

#[test]
fn what_is_put_is_there_with_owner_and_mode() {
    let daemon = Daemon::with_image();
    daemon.run("web", "mkdir -p /a/b; ln -s /a /l; echo made; sleep 1000");
    daemon.until_logged("web", "made");
    let tar = tar(&[
        directory("new"),
        file("new/file", "content"),
        hardlink("new/same", "new/file"),
        link("new/link", "file"),
    ]);
    let see = "cat /a/new/file /a/new/link /a/new/same";
    for running in [true, false] {
        daemon.put("web", "path=/l", &tar).is(200);
        if running {
            let out = daemon.skiff(&["exec", "web", "sh", "-c", see]).ok();
            assert_eq!(out.out(), "contentcontentcontent");
            daemon.post("/containers/web/kill").is(204);
        }
        let back = daemon.archive("web", "/a/new/file").is(200);
        assert!(daemon.listing(&back.body)[0].contains("7 "));
    }
    daemon
        .put("web", "path=/nosuch", &tar)
        .refuses(404, "Could not find the file /nosuch in container web");
    daemon
        .put("web", "path=/a/new/file", &tar)
        .refuses(400, "extraction point is not a directory");
    // What kind of thing a name is stays, if that is asked for.
    let other = crate::harness::image::tar(&[file("b", "no directory")]);
    let reply = daemon.put("web", "path=/a&noOverwriteDirNonDir=1", &other);
    reply.refuses(400, "cannot overwrite directory \"b\" with non-directory");
    daemon.put("web", "path=/a", &other).is(200);
    let body = json!({ "Cmd": ["true"], "User": "7:8" });
    daemon.create("user", body);
    daemon.put("user", "path=/tmp&copyUIDGID=1", &tar).is(200);
    let back = daemon.archive("user", "/tmp/new/file").is(200);
    assert!(daemon.listing(&back.body)[0].contains("7/8"));
}

#[test]
fn read_only_places_are_refused_and_binds_are_reached() {
    let daemon = Daemon::with_image();
    let (ro, rw) = (daemon.directory.join("ro"), daemon.directory.join("rw"));
    fs::create_dir_all(&ro).expect("it is ours");
    fs::create_dir_all(&rw).expect("it is ours");
    fs::write(rw.join("seen"), "x").expect("it is ours");
    let binds =
        [format!("{}:/ro:ro", ro.display()), format!("{}:/rw", rw.display())];
    let body = json!({
        "Cmd": ["sleep", "1000"],
        "HostConfig": { "ReadonlyRootfs": true, "Binds": binds },
    });
    daemon.create("web", body);
    let tar = tar(&[file("new", "content")]);
    for started in [false, true] {
        if started {
            daemon.post("/containers/web/start").is(204);
        }
        daemon
            .put("web", "path=/tmp", &tar)
            .refuses(403, "container rootfs is marked read-only");
        if !started {
            continue;
        }
        daemon
            .put("web", "path=/ro", &tar)
            .refuses(403, "mounted volume is marked read-only");
        daemon.put("web", "path=/rw", &tar).is(200);
        assert_eq!(fs::read(rw.join("new")).expect("it"), b"content");
        daemon.archive("web", "/rw/seen").is(200);
    }
    daemon.post("/containers/web/kill").is(204);
    fs::remove_file(rw.join("new")).expect("it is there");
    daemon.archive("web", "/rw/seen").is(200);
    daemon.put("web", "path=/rw", &tar).is(200);
    assert_eq!(fs::read(rw.join("new")).expect("it is there"), b"content");
}

#[test]
fn no_link_of_a_container_leads_out_of_it() {
    let daemon = Daemon::with_image();
    let secret = daemon.directory.join("secret");
    fs::create_dir_all(&secret).expect("it is ours");
    fs::write(secret.join("key"), "host").expect("it is ours");
    let line = format!(
        "ln -s {0} /abs; ln -s ../../../../../../../..{0} /rel; \
         ln -s /proc/1/root /magic; ln -s /proc/self/root /own; \
         echo made; sleep 1000",
        secret.display()
    );
    daemon.run("web", &line);
    daemon.until_logged("web", "made");
    let tar = tar(&[file("planted", "x")]);
    for running in [true, false] {
        if !running {
            daemon.post("/containers/web/kill").is(204);
        }
        for link in ["/abs", "/rel"] {
            daemon.archive("web", &format!("{link}/key")).is(404);
            daemon.put("web", &format!("path={link}"), &tar).is(404);
        }
        for link in ["magic", "own"] {
            let path = format!("/{link}{}/key", secret.display());
            daemon.archive("web", &path).is(404);
            let path = format!("path=/{link}{}", secret.display());
            daemon.put("web", &path, &tar).is(404);
        }
        // A link in the archive itself.
        let hostile = crate::harness::image::tar(&[
            link("way", secret.to_str().expect("text")),
            file("way/planted", "x"),
        ]);
        daemon.put("web", "path=/tmp", &hostile);
        let hostile = crate::harness::image::tar(&[file("../../out", "x")]);
        daemon.put("web", "path=/tmp", &hostile).is(400);
    }
    let left = fs::read_dir(&secret).expect("it is there").count();
    assert_eq!(left, 1, "something was planted");
}

#[test]
fn a_link_that_is_exchanged_all_the_time_never_leads_out() {
    let daemon = Daemon::with_image();
    let secret = daemon.directory.join("swap");
    fs::create_dir_all(&secret).expect("it is ours");
    fs::write(secret.join("key"), "host").expect("it is ours");
    // The path of the host is made in the container, too: with a key of
    // its own.
    let line = format!(
        "mkdir -p {0} /real; echo inside >{0}/key; echo inside >/real/key; \
         ln -s {0} /link; mkdir /dir; echo inside >/dir/key; echo made; \
         while true; do mv /dir /p; mv /link /dir; mv /p /link; done",
        secret.display()
    );
    daemon.run("web", &line);
    daemon.until_logged("web", "made");
    let tar = tar(&[file("planted", "x")]);
    for _ in 0..60 {
        let reply = daemon.archive("web", "/dir/key");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(!text.contains("host"), "{text}");
        daemon.put("web", "path=/dir", &tar);
    }
    assert_eq!(fs::read_dir(&secret).expect("it is there").count(), 1);
}

#[test]
fn what_is_broken_or_hostile_is_a_clear_refusal() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let tar = tar(&[file("f", &"x".repeat(5000))]);
    daemon.put("web", "path=/tmp", &tar[..2000]).is(400);
    daemon.put("web", "path=/tmp", b"no tar at all").is(400);
    daemon.put("web", "path=/tmp", &vec![b'x'; 2048]).is(400);
    // Half a body.
    let mut wire = daemon.wire();
    wire.write(format!(
        "PUT /containers/web/archive?path=/tmp HTTP/1.1\r\nHost: d\r\n\
         Content-Length: {}\r\n\r\n",
        tar.len()
    ));
    wire.write(&tar[..1000]);
    drop(wire);
    // A client that leaves in the middle of an answer.
    let big = ["exec", "web", "sh", "-c", "head -c 60000000 /dev/zero >/big"];
    daemon.skiff(&big).ok();
    let mut wire = daemon.wire();
    wire.write(
        "GET /containers/web/archive?path=/big HTTP/1.1\r\nHost: d\r\n\r\n",
    );
    assert_eq!(wire.head().status, 200);
    drop(wire);
    let whole = daemon.archive("web", "/big").is(200);
    assert_eq!(whole.body.len(), 512 + 60_000_256 + 1024);
    daemon.get("/_ping").is(200);
}

#[test]
fn compressed_archives_are_unpacked() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["true"] }));
    let plain = tar(&[file("one", "1")]);
    let gzip = crate::harness::image::gzip(&plain);
    daemon.put("web", "path=/tmp", &gzip).is(200);
    daemon.archive("web", "/tmp/one").is(200);
    let plain = tar(&[file("two", "1")]);
    let zstd = crate::harness::image::zstd(&plain);
    daemon.put("web", "path=/tmp", &zstd).is(200);
    daemon.archive("web", "/tmp/two").is(200);
}

#[test]
fn changes_are_added_modified_and_deleted() {
    let daemon = Daemon::with_image();
    let line = "echo x >/tmp/f; rm /bin/ls; mkdir -p /new/deep; \
                chmod 700 /root; echo made; sleep 1000";
    daemon.run("web", line);
    daemon.until_logged("web", "made");
    let wanted = json!([
        { "Path": "/bin", "Kind": 0 },
        { "Path": "/bin/ls", "Kind": 2 },
        { "Path": "/new", "Kind": 1 },
        { "Path": "/new/deep", "Kind": 1 },
        { "Path": "/root", "Kind": 0 },
        { "Path": "/tmp", "Kind": 0 },
        { "Path": "/tmp/f", "Kind": 1 },
    ]);
    assert_eq!(daemon.get("/containers/web/changes").is(200).json(), wanted);
    daemon.post("/containers/web/kill").is(204);
    assert_eq!(daemon.get("/containers/web/changes").is(200).json(), wanted);
    daemon.create("idle", json!({ "Cmd": ["true"] }));
    let none = daemon.get("/containers/idle/changes").is(200).json();
    assert_eq!(none, json!([]));
}

#[test]
fn export_has_the_files_and_not_the_mounts() {
    let daemon = Daemon::with_image();
    let bind = daemon.directory.join("bind");
    fs::create_dir_all(&bind).expect("it is ours");
    fs::write(bind.join("inside"), "x").expect("it is ours");
    symlink("/etc", bind.join("link")).expect("it is ours");
    let body = json!({
        "HostConfig": { "Binds": [format!("{}:/bind", bind.display())] },
    });
    let line = "echo x >/tmp/f; rm /bin/ls; echo made; sleep 1000";
    daemon.run_with("web", line, body);
    daemon.until_logged("web", "made");
    for _ in 0..2 {
        let reply = daemon.get("/containers/web/export").is(200);
        let kind = reply.header("Content-Type");
        assert_eq!(kind, Some("application/octet-stream"));
        let names = daemon.names(&reply.body);
        let has = |name: &str| names.iter().any(|other| other == name);
        assert!(has("tmp/f") && has("bin/sh") && has("bind/"), "{names:?}");
        assert!(!has("bin/ls") && !has("bind/inside") && !has("proc/1/"));
        // The second time it is paused.
        let id = daemon.inspect("web")["Id"].as_str().map(str::to_string);
        daemon.post(&format!("/containers/{}/pause", id.expect("an id")));
    }
    let events = daemon.past_events("");
    assert!(events.iter().any(|event| event["Action"] == "export"));
    daemon.get("/containers/nosuch/export").is(404);
}

#[test]
fn old_clients_copy() {
    let daemon = Daemon::with_image();
    daemon.run("web", &format!("{TREE}; echo made; sleep 1000"));
    daemon.until_logged("web", "made");
    let copy = |path: &str| {
        let target = "/v1.14/containers/web/copy";
        daemon.post_json(target, &json!({ "Resource": path }))
    };
    assert_eq!(daemon.names(&copy("/t/d/f").is(200).body), ["f"]);
    assert_eq!(daemon.names(&copy("/t/d").is(200).body), ["f"]);
    assert_eq!(copy("/nosuch").is(404).head.status, 404);
    assert_eq!(copy("").is(400).head.status, 400);
}

#[test]
fn fifos_and_devices_block_nobody() {
    let daemon = Daemon::with_image();
    daemon.run("web", "mkdir /t; mkfifo /t/a; echo made; sleep 1000");
    daemon.until_logged("web", "made");
    let began = std::time::Instant::now();
    daemon.archive("web", "/t").is(200);
    daemon.archive("web", "/dev/zero").is(200);
    daemon.get("/containers/web/export").is(200);
    assert!(began.elapsed() < Duration::from_secs(20), "something blocked");
}
