//! Volumes: made, listed, used, filled and removed.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::image::{Entry, Kind, directory, file, hardlink};
use crate::harness::{Daemon, image, until};

/// Imports busybox with more entries, and settings as in a Dockerfile.
#[track_caller]
pub fn import(daemon: &Daemon, name: &str, more: &[Entry<'_>], changes: &str) {
    let root = image::busybox_root();
    let mut tar = root[..root.len() - 1024].to_vec();
    tar.extend(image::tar(more));
    let changes = changes.replace(' ', "%20");
    let target = format!(
        "/images/create?fromSrc=-&repo={name}&tag=latest&changes={changes}"
    );
    let kind = [("Content-Type", "application/x-tar")];
    daemon.wire().exchange("POST", &target, &kind, Some(&tar)).is(200);
}

/// Where a volume's files are on the host.
pub fn data(daemon: &Daemon, volume: &str) -> PathBuf {
    daemon.data().join("volumes").join(volume).join("_data")
}

#[track_caller]
fn names(daemon: &Daemon, query: &str) -> Vec<String> {
    let list = daemon.get(&format!("/volumes{query}")).is(200).json();
    let list = list["Volumes"].as_array().expect("a list").clone();
    let name = |volume: &Value| volume["Name"].as_str().map(str::to_string);
    list.iter().filter_map(name).collect()
}

fn filter(value: Value) -> String {
    let text = value.to_string();
    let hex = text.bytes().map(|byte| format!("%{byte:02x}"));
    format!("?filters={}", hex.collect::<String>())
}

#[test]
fn a_volume_is_made_told_of_and_removed_as_docker_does() {
    let mut daemon = Daemon::start();
    let body = json!({"Driver": "local", "Labels": {"a": "b"}, "Name": "vol1"});
    let made = daemon.post_json("/volumes/create", &body).is(201).json();
    let stamp = made["CreatedAt"].as_str().expect("a time").to_string();
    assert_eq!(stamp.len(), "2026-11-21T20:09:01Z".len(), "{stamp}");
    let path = data(&daemon, "vol1");
    let wanted = json!({
        "CreatedAt": stamp, "Driver": "local", "Labels": {"a": "b"},
        "Mountpoint": path, "Name": "vol1", "Options": null, "Scope": "local",
    });
    assert_eq!(made, wanted);
    let mode = fs::metadata(&path).expect("its directory").mode();
    assert_eq!(mode & 0o7777, 0o755);
    // Made again, it is the one that is there.
    let again = json!({"Name": "vol1", "Labels": {"c": "d"}});
    let again = daemon.post_json("/volumes/create", &again).is(201).json();
    assert_eq!(again, wanted);
    daemon.kill();
    daemon.launch();
    let seen = daemon.get("/volumes/vol1").is(200).json();
    assert_eq!(seen, wanted);
    let list = daemon.get("/volumes").is(200).json();
    assert_eq!(list, json!({"Volumes": [wanted], "Warnings": null}));
    daemon.delete("/volumes/vol1").is(204);
    assert!(!path.exists());
    daemon.delete("/volumes/vol1").refuses(404, "get vol1: no such volume");
    daemon.get("/volumes/vol1").refuses(404, "get vol1: no such volume");
    daemon.delete("/volumes/vol1?force=1").is(204);
    let own = daemon.post_json("/volumes/create", &json!({})).is(201).json();
    assert_eq!(own["Name"].as_str().map(str::len), Some(64));
    assert_eq!(own["Labels"], json!({"com.docker.volume.anonymous": ""}));
    for (body, status, words) in [
        (
            json!({"Name": "x"}),
            400,
            "create x: volume name is too short, names should be at least \
             two alphanumeric characters",
        ),
        (
            json!({"Name": "../etc"}),
            400,
            "create ../etc: \"../etc\" includes invalid characters for a \
             local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute \
             path",
        ),
        (
            json!({"Name": "vol2", "Driver": "flocker"}),
            404,
            "create vol2: error looking up volume plugin flocker: plugin \
             \"flocker\" not found",
        ),
    ] {
        daemon.post_json("/volumes/create", &body).refuses(status, words);
    }
}

#[test]
fn lists_and_prunes_take_dockers_filters() {
    let daemon = Daemon::with_image();
    for body in [
        json!({"Name": "web-data", "Labels": {"tier": "web"}}),
        json!({"Name": "web-logs", "Labels": {"tier": "log", "keep": ""}}),
        json!({"Name": "used"}),
        json!({}),
    ] {
        daemon.post_json("/volumes/create", &body).is(201);
    }
    daemon.create(
        "user",
        json!({"Cmd": ["true"],
        "HostConfig": {"Binds": ["used:/d"]}}),
    );
    let listed = |value: Value| names(&daemon, &filter(value));
    assert_eq!(listed(json!({"name": ["web"]})), ["web-data", "web-logs"]);
    assert_eq!(listed(json!({"label": ["tier=web"]})), ["web-data"]);
    assert_eq!(listed(json!({"dangling": ["false"]})), ["used"]);
    assert_eq!(listed(json!({"dangling": ["true"]})).len(), 3);
    assert_eq!(listed(json!({"driver": ["local"]})).len(), 4);
    assert!(listed(json!({"driver": ["nfs"]})).is_empty());
    daemon
        .get(&format!("/volumes{}", filter(json!({"colour": ["red"]}))))
        .refuses(400, "invalid filter 'colour'");

    let prune = |value: Value| {
        let target = format!("/volumes/prune{}", filter(value));
        daemon.post(&target).is(200).json()
    };
    fs::write(data(&daemon, "web-data").join("f"), "12345").expect("writes");
    // Those without a name of their own.
    let pruned = prune(json!({}));
    let gone = pruned["VolumesDeleted"].as_array().expect("a list");
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].as_str().map(str::len), Some(64));
    let pruned = prune(json!({"all": ["true"], "label!": ["keep"]}));
    let wanted = json!({"VolumesDeleted": ["web-data"], "SpaceReclaimed": 5});
    assert_eq!(pruned, wanted);
    // Before API 1.42 all that are unused.
    let pruned = daemon.post("/v1.41/volumes/prune").is(200).json();
    assert_eq!(pruned["VolumesDeleted"], json!(["web-logs"]));
    assert_eq!(names(&daemon, ""), ["used"]);
    let nothing = json!({"VolumesDeleted": null, "SpaceReclaimed": 0});
    assert_eq!(prune(json!({})), nothing);
}

#[test]
fn a_volume_outlives_its_containers_and_is_kept_while_they_are_there() {
    let mut daemon = Daemon::with_image();
    let body = || json!({"HostConfig": {"Binds": ["data:/d"]}});
    let one = daemon.run_with("one", "echo kept > /d/f", body());
    assert_eq!(daemon.wait("one"), 0);
    let mounts = &daemon.inspect("one")["Mounts"];
    let wanted = json!([{
        "Type": "volume", "Name": "data", "Source": data(&daemon, "data"),
        "Destination": "/d", "Driver": "local", "Mode": "z", "RW": true,
        "Propagation": "",
    }]);
    assert_eq!(*mounts, wanted);
    let in_use = format!("remove data: volume is in use - [{one}]");
    daemon.delete("/volumes/data").refuses(409, &in_use);
    daemon.delete("/volumes/data?force=1").refuses(409, &in_use);
    daemon.kill();
    daemon.launch();
    daemon.delete("/volumes/data").refuses(409, &in_use);
    daemon.delete("/containers/one?v=1").is(204);
    let read = json!({"HostConfig": {"Binds": ["data:/d:ro"]}});
    let line = "cat /d/f; echo x > /d/g || echo refused";
    let (code, out, err) = daemon.shell(line, read);
    assert_eq!((code, out.as_str()), (0, "kept\nrefused\n"), "{err}");
    assert!(err.contains("Read-only file system"), "{err}");
    daemon.delete("/volumes/data").is(204);
    assert!(!data(&daemon, "data").exists());
}

#[test]
fn volumes_without_a_name_go_with_their_container_if_asked() {
    let daemon = Daemon::with_image();
    let body = || {
        json!({"Cmd": ["true"], "Volumes": {"/own": {}}, "HostConfig": {
            "Binds": ["named:/n"],
            "Mounts": [{"Type": "volume", "Target": "/long"}],
        }})
    };
    daemon.run_with("kept", "touch /own/a /long/b", body());
    assert_eq!(daemon.wait("kept"), 0);
    assert_eq!(names(&daemon, "").len(), 3);
    let mounts = daemon.inspect("kept")["Mounts"].clone();
    let own = mounts.as_array().expect("a list").iter();
    let own = own.clone().find(|mount| mount["Destination"] == "/own");
    let own = own.expect("its own volume");
    assert_eq!((&own["Mode"], &own["RW"]), (&json!(""), &json!(true)));
    let name = own["Name"].as_str().expect("a name").to_string();
    assert!(data(&daemon, &name).join("a").exists());
    daemon.delete("/containers/kept").is(204);
    assert_eq!(names(&daemon, "").len(), 3);

    // Asked for by its name, it is no volume without one.
    let named = json!({"Cmd": ["true"],
        "HostConfig": {"Binds": [format!("{name}:/x")]}});
    daemon.create("named", named);
    daemon.create("gone", body());
    assert_eq!(names(&daemon, "").len(), 5);
    // Used by another one, it stays.
    daemon.create(
        "heir",
        json!({"Cmd": ["true"],
        "HostConfig": {"VolumesFrom": ["gone"]}}),
    );
    daemon.delete("/containers/gone?v=1").is(204);
    assert_eq!(names(&daemon, "").len(), 5);
    daemon.delete("/containers/heir?v=1").is(204);
    daemon.delete("/containers/named?v=1").is(204);
    assert_eq!(names(&daemon, "").len(), 3);

    let mut body = body();
    body["HostConfig"]["AutoRemove"] = true.into();
    daemon.run_with("self", "true", body);
    until("the container to be gone", || {
        let status = daemon.get("/containers/self/json").head.status;
        (status == 404).then_some(())
    });
    assert_eq!(names(&daemon, "").len(), 3);
}

#[test]
fn an_empty_volume_gets_what_the_image_has() {
    let daemon = Daemon::with_image();
    let more = [
        Entry { path: "srv/", kind: Kind::Directory, mode: 0o2750 },
        file("srv/f", "image\n"),
        hardlink("srv/g", "srv/f"),
        image::symlink("srv/link", "/etc/passwd"),
        directory("srv/sub/"),
        Entry { path: "srv/pipe", kind: Kind::Fifo, mode: 0o622 },
        directory("opt/"),
        file("opt/f", "image\n"),
        image::symlink("via", "../../opt"),
    ];
    import(&daemon, "full", &more, "VOLUME /srv");
    let body = |host: Value| json!({"Image": "full", "HostConfig": host});
    let line = "stat -c '%a %Y' /srv; cat /srv/g; stat -c %h /srv/f; \
                readlink /srv/link; stat -c '%F %a' /srv/pipe; \
                echo mine > /srv/f; grep ' /srv ' /proc/self/mountinfo \
                | wc -l";
    let (code, out, err) = daemon.shell(line, body(json!({})));
    let wanted = "2750 1700000000\nimage\n2\n/etc/passwd\nfifo 622\n1\n";
    assert_eq!((code, out.as_str()), (0, wanted), "{err}");
    // The image is as it was.
    let (_, out, _) = daemon.shell("cat /srv/f", body(json!({})));
    assert_eq!(out, "image\n");

    // Through a link of the image, and only while it is empty.
    let named = |mode: &str| json!({"Binds": [format!("data:/via{mode}")]});
    let (_, out, err) =
        daemon.shell("cat /via/f; mv /via/f /via/g", body(named("")));
    assert_eq!(out, "image\n", "{err}");
    let (_, out, _) = daemon.shell("ls /opt/ /via/", body(named("")));
    assert!(!out.contains('f'), "{out}");
    for host in [
        json!({"Binds": ["bare:/srv:nocopy"]}),
        json!({"Mounts": [{"Type": "volume", "Source": "bare2",
            "Target": "/srv", "VolumeOptions": {"NoCopy": true}}]}),
    ] {
        let (_, out, _) = daemon.shell("ls /srv", body(host));
        assert_eq!(out, "");
    }
    // Onto a file nothing can be mounted that is a directory.
    let mut create = body(json!({"Binds": ["file:/srv/f"]}));
    create["Cmd"] = json!(["true"]);
    daemon
        .post_json("/containers/create?name=file", &create)
        .refuses(500, "source /srv/f is not directory");
    let mut own = body(json!({}));
    own["Cmd"] = json!(["true"]);
    own["Volumes"] = json!({"/srv/f": {}});
    daemon.post_json("/containers/create?name=file", &own).refuses(
        500,
        "cannot mount volume over existing file, file exists /srv/f",
    );
    daemon.get("/volumes/file").is(404);
    daemon.get("/containers/file/json").is(404);
}

#[test]
fn links_of_an_image_fill_a_volume_from_the_image_alone() {
    let daemon = Daemon::with_image();
    let host = daemon.data().join("secret");
    fs::create_dir(&host).expect("a directory");
    fs::write(host.join("key"), "host").expect("a file");
    let target = host.to_str().expect("UTF-8").to_string();
    let up = format!("../../../../../../..{target}");
    let more = [image::symlink("abs", &target), image::symlink("up", &up)];
    import(&daemon, "hostile", &more, "CMD sh");
    let line = "ls /abs/ /up/";
    let body = json!({"Image": "hostile",
        "HostConfig": {"Binds": ["one1:/abs", "two2:/up"]}});
    let (_, out, err) = daemon.shell(line, body);
    assert!(!out.contains("key"), "{out} {err}");
    for name in ["one1", "two2"] {
        let files = fs::read_dir(data(&daemon, name)).expect("a directory");
        assert_eq!(files.count(), 0, "{name}");
    }
    // The mounts went upon what the links name inside.
    assert_eq!(fs::read_dir(&host).expect("a directory").count(), 1);
}

#[test]
fn a_part_of_a_volume_is_mounted_and_no_link_leads_out() {
    let daemon = Daemon::with_image();
    daemon.post_json("/volumes/create", &json!({"Name": "data"})).is(201);
    let path = data(&daemon, "data");
    fs::create_dir_all(path.join("a/b")).expect("a directory");
    fs::write(path.join("a/b/f"), "part").expect("a file");
    symlink("a/b", path.join("inner")).expect("a link");
    symlink("../../..", path.join("outer")).expect("a link");
    symlink("/etc", path.join("abs")).expect("a link");
    let body = |subpath: &str| {
        json!({"HostConfig": {"Mounts": [{"Type": "volume", "Source": "data",
            "Target": "/m", "VolumeOptions": {"Subpath": subpath}}]}})
    };
    for good in ["a/b", "inner", "./a/../a/b"] {
        let (_, out, err) = daemon.shell("cat /m/f; ls /m", body(good));
        assert_eq!(out, "partf\n", "{good}: {err}");
    }
    let (_, out, _) = daemon.shell("cat /m", body("a/b/f"));
    assert_eq!(out, "part");
    for bad in ["outer", "abs", "nosuch"] {
        let mut body = body(bad);
        body["Cmd"] = json!(["true"]);
        let id = daemon.create("", body);
        let start = format!("/containers/{id}/start");
        let reply = daemon.post(&start);
        assert!(reply.head.status >= 400, "{bad}: {reply:?}");
        assert!(reply.message().contains("error mounting"), "{reply:?}");
    }
    let mut body = body("../x");
    body["Image"] = "busybox".into();
    body["Cmd"] = json!(["true"]);
    daemon.post_json("/containers/create", &body).refuses(
        400,
        "invalid mount config for type \"volume\": subpath must be a \
         relative path within the volume",
    );
}

#[test]
fn events_tell_of_volumes_as_docker_does() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"Binds": ["data:/d:ro"]}});
    let id = daemon.run_with("one", "true", body);
    daemon.wait("one");
    daemon.delete("/containers/one").is(204);
    daemon.delete("/volumes/data").is(204);
    let told: Vec<Value> = daemon
        .past_events("")
        .iter()
        .filter(|event| event["Type"] != "image")
        .map(|e| json!([e["Type"], e["Action"], e["Actor"]["Attributes"]]))
        .filter(|event| event[0] == "volume" || event[1] != "disconnect")
        .map(|event| match event[0] == "volume" {
            true => event,
            false => event[1].clone(),
        })
        .collect();
    let local = json!({"driver": "local"});
    assert_eq!(
        json!(told),
        json!([
            ["volume", "create", local],
            "create",
            ["volume", "mount", {"container": id, "destination": "/d",
                "driver": "local", "propagation": "",
                "read/write": "false"}],
            "connect",
            "start",
            ["volume", "unmount", {"container": id, "driver": "local"}],
            "die",
            "destroy",
            ["volume", "destroy", local],
        ])
    );
}

#[test]
fn a_volume_may_stand_for_a_directory_of_the_host() {
    let daemon = Daemon::with_image();
    let host = daemon.socket().with_file_name("host");
    fs::create_dir(&host).expect("a directory");
    let make = |name: &str, o: &str, device: &PathBuf| {
        let options = json!({"type": "none", "o": o, "device": device});
        let body = json!({"Name": name, "DriverOpts": options});
        let made = daemon.post_json("/volumes/create", &body).is(201).json();
        assert_eq!(made["Options"], options);
    };
    make("rw", "bind", &host);
    make("ro", "bind,ro", &host);
    make("none", "bind", &host.join("none"));
    let body = |name: &str| {
        json!({"Cmd": ["true"],
            "HostConfig": {"Binds": [format!("{name}:/root")]}})
    };
    let (_, _, err) = daemon.shell("echo in > /root/f", body("rw"));
    let text = fs::read_to_string(host.join("f"));
    assert_eq!(text.expect("it was written"), "in\n", "{err}");
    let line = "cat /root/f; touch /root/g || echo refused";
    assert_eq!(daemon.shell(line, body("ro")).1, "in\nrefused\n");
    let reply = daemon.post_json("/containers/create", &{
        let mut body = body("none");
        body["Image"] = "busybox".into();
        body
    });
    let reply = reply.is(500);
    assert!(
        reply.message().contains("failed to mount local volume"),
        "{reply:?}"
    );
    daemon.delete("/volumes/rw").is(204);
    assert!(host.join("f").exists());
    let body = json!({"Name": "tm", "DriverOpts": {"type": "tmpfs"}});
    daemon
        .post_json("/volumes/create", &body)
        .refuses(400, "create tm: missing required option: \"device\"");
}

#[test]
fn the_client_prints_what_dockers_prints() {
    let daemon = Daemon::with_image();
    let skiff = |words: &[&str]| daemon.skiff(words);
    skiff(&["volume", "create", "--label", "a=b", "vol1"]).ok().says("vol1");
    skiff(&["volume", "create", "data"]).ok().says("data");
    let list = "DRIVER    VOLUME NAME\nlocal     data\nlocal     vol1";
    skiff(&["volume", "ls"]).ok().says(list);
    skiff(&["volume", "ls", "-q", "-f", "label=a"]).ok().says("vol1");
    let seen = daemon.get("/volumes/vol1").is(200).json();
    let text = |name: &str| seen[name].as_str().expect("text").to_string();
    let wanted = format!(
        "[\n    {{\n        \"CreatedAt\": \"{}\",\n        \
         \"Driver\": \"local\",\n        \"Labels\": {{\n            \
         \"a\": \"b\"\n        }},\n        \"Mountpoint\": \"{}\",\n        \
         \"Name\": \"vol1\",\n        \"Options\": null,\n        \
         \"Scope\": \"local\"\n    }}\n]",
        text("CreatedAt"),
        text("Mountpoint")
    );
    skiff(&["volume", "inspect", "vol1"]).ok().says(&wanted);
    skiff(&["volume", "inspect", "-f", "{{.Name}}", "data"]).says("data");
    skiff(&["volume", "rm", "vol1"]).ok().says("vol1");
    let missing = "Error response from daemon: get vol1: no such volume";
    skiff(&["volume", "rm", "vol1"]).exits(1).complains(missing);
    skiff(&["volume", "rm", "-f", "vol1"]).ok().says("vol1");

    let run = ["run", "--rm", "--network=none", "-v", "data:/d", "-v", "/own"];
    let words = ["busybox", "sh", "-c", "echo 12345 > /d/f; ls -d /own"];
    skiff(&[&run[..], &words[..]].concat()).ok().says("/own");
    skiff(&["volume", "ls", "-q"]).ok().says("data");
    let asked = skiff(&["volume", "prune"]).exits(1);
    assert_eq!(
        asked.out(),
        "WARNING! This will remove anonymous local volumes not used by at \
         least one container.\nAre you sure you want to continue? [y/N] "
    );
    let none = "Total reclaimed space: 0B";
    skiff(&["volume", "prune", "-f"]).ok().says(none);
    let all = "Deleted Volumes:\ndata\n\nTotal reclaimed space: 6B";
    skiff(&["volume", "prune", "-af"]).ok().says(all);
}
