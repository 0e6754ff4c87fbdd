//! Import, list, inspect and removal of images.

use serde_json::json;

use crate::harness::daemon::IMAGE;
use crate::harness::image::{Kind, busybox_root, gzip, sha256, zstd};
use crate::harness::{Daemon, Reply, image};

#[track_caller]
fn import(daemon: &Daemon, query: &str, tar: &[u8]) -> Reply {
    let target = format!("/images/create?fromSrc=-&{query}");
    daemon.wire().exchange("POST", &target, &[], Some(tar))
}

#[test]
fn an_imported_image_can_be_seen_everywhere() {
    let daemon = Daemon::start();
    let id = daemon.import("demo");
    let list = daemon.get("/images/json").is(200).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list[0]["Id"], id.as_str());
    assert_eq!(list[0]["RepoTags"], json!(["demo:latest"]));
    assert_eq!(list[0]["Containers"], 0);
    assert_eq!(list[0]["SharedSize"], -1);
    assert_eq!(list[0]["ParentId"], "");
    assert!(list[0]["Size"].as_u64().unwrap_or(0) > 1_000_000, "{list}");
    let image = daemon.get("/images/demo/json").is(200).json();
    assert_eq!(image["Id"], id.as_str());
    assert_eq!(image["RepoTags"], json!(["demo:latest"]));
    assert_eq!(image["RepoDigests"], json!([]));
    assert_eq!(image["Os"], "linux");
    assert_eq!(image["Architecture"], "amd64");
    assert_eq!(image["RootFS"]["Type"], "layers");
    let diff_id = sha256(busybox_root());
    assert_eq!(image["RootFS"]["Layers"], json!([diff_id]));
    assert_eq!(image["GraphDriver"]["Name"], "overlay2");
}

#[test]
fn an_image_is_found_by_name_tag_id_and_prefix() {
    let daemon = Daemon::start();
    let id = daemon.import("some/where/demo");
    let hex = id.strip_prefix("sha256:").expect("an id");
    let names = [
        "some/where/demo",
        "some/where/demo:latest",
        "docker.io/some/where/demo:latest",
        id.as_str(),
        hex,
        &hex[..12],
        &hex[..4],
    ];
    for name in names {
        let seen = daemon.get(&format!("/images/{name}/json")).is(200).json();
        assert_eq!(seen["Id"], id.as_str(), "{name}");
    }
    daemon.get("/images/demo/json").refuses(404, "No such image: demo:latest");
    daemon
        .get("/images/some/where/demo:other/json")
        .refuses(404, "No such image: some/where/demo:other");
}

#[test]
fn import_takes_changes_message_tag_and_compression() {
    let daemon = Daemon::start();
    let query = "repo=x%2Fy&tag=v1&message=by+hand\
        &changes=CMD+%5B%22echo%22%2C%22hi%22%5D&changes=ENV+A%3D1\
        &changes=WORKDIR+%2Ftmp&changes=LABEL+k%3Dv";
    import(&daemon, query, &gzip(busybox_root())).is(200);
    let image = daemon.get("/images/x/y:v1/json").is(200).json();
    assert_eq!(image["Comment"], "by hand");
    assert_eq!(image["Config"]["Cmd"], json!(["echo", "hi"]));
    assert_eq!(image["Config"]["Env"], json!(["A=1"]));
    assert_eq!(image["Config"]["WorkingDir"], "/tmp");
    assert_eq!(image["Config"]["Labels"]["k"], "v");
    let diff_id = sha256(busybox_root());
    assert_eq!(image["RootFS"]["Layers"], json!([diff_id]));
    import(&daemon, "repo=z&tag=1", &zstd(busybox_root())).is(200);
    let image = daemon.get("/images/z:1/json").is(200).json();
    assert_eq!(image["RootFS"]["Layers"], json!([diff_id]));
}

#[test]
fn import_refuses_what_is_no_tar() {
    let daemon = Daemon::start();
    let before = image_files(&daemon);
    let noise = vec![0xa5u8; 4096];
    for bytes in [noise.as_slice(), &busybox_root()[..100_000]] {
        let reply = import(&daemon, "repo=bad&tag=1", bytes);
        let refused = reply.head.status >= 400
            || reply.json_lines().iter().any(|line| !line["error"].is_null());
        assert!(refused, "{reply:?}");
    }
    daemon.get("/images/bad:1/json").is(404);
    assert_eq!(image_files(&daemon), before, "half an image was kept");
}

/// Count of files below the data root, but for logs and locks.
fn image_files(daemon: &Daemon) -> usize {
    crate::harness::host::tree(&daemon.data()).len()
}

#[test]
fn import_refuses_a_bad_name() {
    let daemon = Daemon::start();
    let reply = import(&daemon, "repo=UPPER&tag=1", busybox_root());
    let text = reply.text();
    assert!(text.contains("must be lowercase"), "{reply:?}");
    let reply = import(&daemon, "repo=a&tag=b%20c", busybox_root());
    assert!(reply.text().contains("invalid"), "{reply:?}");
}

#[test]
fn a_layer_cannot_climb_out() {
    let daemon = Daemon::start();
    let outside = daemon.directory.join("outside");
    std::fs::write(&outside, "untouched").expect("/tmp takes a file");
    let shown = outside.to_str().expect("UTF-8");
    let up = format!("../../../../../../../../../..{shown}");
    let link = "escape";
    let through = "escape/outside";
    let made = daemon.directory.join("made");
    let by_link = format!("a/b/../../../../../../../..{}", made.display());
    let target = daemon.directory.to_str().expect("UTF-8").to_string();
    let attempts = [
        vec![image::file(&up, "changed")],
        vec![image::file(shown, "changed")],
        vec![image::symlink(link, &target), image::file(through, "changed")],
        vec![image::hardlink("copy", &up), image::file("copy", "changed")],
        vec![image::hardlink("copy", shown), image::file("copy", "changed")],
        vec![
            image::symlink("a", "."),
            image::symlink("a/b", "/"),
            image::file(&by_link, "changed"),
        ],
    ];
    for (number, entries) in attempts.iter().enumerate() {
        let query = format!("repo=climb&tag=t{number}");
        import(&daemon, &query, &image::tar(entries));
        let text = std::fs::read_to_string(&outside).expect("still there");
        assert_eq!(text, "untouched", "attempt {number}");
    }
    assert!(!made.exists());
    daemon.get("/_ping").is(200);
}

#[test]
fn special_files_keep_their_kind_and_mode() {
    let daemon = Daemon::with_image();
    let mut tar = busybox_root()[..busybox_root().len() - 1024].to_vec();
    tar.extend_from_slice(&image::tar(&[
        image::directory("kinds/"),
        image::file("kinds/one", "1"),
        image::hardlink("kinds/two", "kinds/one"),
        image::Entry { path: "kinds/fifo", kind: Kind::Fifo, mode: 0o600 },
        image::Entry {
            path: "kinds/setuid",
            kind: Kind::File(b"x"),
            mode: 0o4755,
        },
        image::symlink("kinds/dangling", "/no/such"),
    ]));
    import(&daemon, "repo=kinds&tag=latest", &tar).is(200);
    let line = "cd /kinds; stat -c '%n %F %a %h %Y' *; readlink dangling";
    let body = json!({"Image": "kinds"});
    let (code, out, err) = daemon.shell(line, body);
    assert_eq!(code, 0, "{err}");
    assert_eq!(
        out,
        "dangling symbolic link 777 1 1700000000\n\
         fifo fifo 600 1 1700000000\n\
         one regular file 644 2 1700000000\n\
         setuid regular file 4755 1 1700000000\n\
         two regular file 644 2 1700000000\n/no/such\n"
    );
}

#[test]
fn list_takes_filters() {
    let daemon = Daemon::start();
    daemon.import("one");
    import(&daemon, "repo=two&tag=v2&changes=LABEL+color%3Dred", &{
        image::tar(&[image::directory("etc/"), image::file("etc/x", "2")])
    })
    .is(200);
    let count = |filters: serde_json::Value| {
        let text = filters.to_string();
        let mut query = String::new();
        for byte in text.bytes() {
            query.push_str(&format!("%{byte:02x}"));
        }
        let target = format!("/images/json?filters={query}");
        let list = daemon.get(&target).is(200).json();
        list.as_array().expect("a list").len()
    };
    assert_eq!(count(json!({"reference": ["one"]})), 1);
    assert_eq!(count(json!({"reference": ["two:v*"]})), 1);
    assert_eq!(count(json!({"reference": {"one": true, "two": true}})), 2);
    assert_eq!(count(json!({"label": ["color=red"]})), 1);
    assert_eq!(count(json!({"label": ["color=blue"]})), 0);
    assert_eq!(count(json!({"dangling": ["true"]})), 0);
    assert_eq!(count(json!({"dangling": ["false"]})), 2);
    assert_eq!(count(json!({"since": ["one"]})), 1);
    assert_eq!(count(json!({"before": ["two:v2"]})), 1);
    let bad = "/images/json?filters=%7B%22nosuch%22%3A%5B%22a%22%5D%7D";
    daemon.get(bad).refuses(400, "invalid filter 'nosuch'");
}

#[test]
fn removal_untags_and_deletes() {
    let daemon = Daemon::start();
    let id = daemon.import("demo");
    let gone = daemon.delete("/images/demo").is(200).json();
    assert_eq!(gone[0], json!({"Untagged": "demo:latest"}), "{gone}");
    assert_eq!(gone[1], json!({"Deleted": id}), "{gone}");
    daemon.get("/images/demo/json").is(404);
    daemon.delete("/images/demo").refuses(404, "No such image: demo:latest");
    let list = daemon.get("/images/json").is(200).json();
    assert_eq!(list, json!([]));
    // The same content can come again.
    assert_eq!(daemon.import("demo").len(), 71);
}

#[test]
fn an_image_in_use_is_kept() {
    let daemon = Daemon::with_image();
    let id = daemon.create("web", json!({"Cmd": ["true"]}));
    let image = daemon.get("/images/busybox/json").is(200).json();
    let image = image["Id"].as_str().expect("an id").to_string();
    let hex = &image["sha256:".len()..];
    // By name: the only name is taken by a container.
    let reply = daemon.delete("/images/busybox");
    if reply.head.status == 409 {
        let message = reply.message();
        assert!(message.contains(&id[..12]), "{message}");
    } else {
        reply.is(200);
    }
    let reply = daemon.delete(&format!("/images/{hex}"));
    let reply = reply.is(409);
    let message = reply.message();
    assert!(message.starts_with("conflict: unable to delete"), "{message}");
    assert!(message.contains(&id[..12]), "{message}");
    daemon.post("/containers/web/start").is(204);
    assert_eq!(daemon.wait("web"), 0);
}

#[test]
fn images_survive_a_restart() {
    let mut daemon = Daemon::with_image();
    let before = daemon.get("/images/json").is(200).json();
    daemon.terminate();
    daemon.launch();
    assert_eq!(daemon.get("/images/json").is(200).json(), before);
    daemon.kill();
    daemon.launch();
    assert_eq!(daemon.get("/images/json").is(200).json(), before);
    let (code, out, _) = daemon.shell("cat /etc/group", json!({}));
    assert_eq!((code, out.lines().count()), (0, 3), "{IMAGE}: {out}");
}
