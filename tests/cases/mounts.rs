//! Mounts in all of Docker's forms, seen from inside of containers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::volumes::import;
use crate::harness::{Daemon, host, image, until};

/// A directory of the host; what is mounted at or beneath it is unmounted
/// at the end.
struct Folder(PathBuf);

impl Folder {
    #[track_caller]
    fn new(daemon: &Daemon, name: &str) -> Folder {
        let path = daemon.socket().with_file_name(name);
        fs::create_dir(&path).expect("a directory");
        Folder(path)
    }

    fn shown(&self) -> &str {
        self.0.to_str().expect("test paths are UTF-8")
    }

    /// Mounts a tmpfs here or beneath.
    #[track_caller]
    fn mount(&self, below: &str) -> PathBuf {
        let path = self.0.join(below);
        fs::create_dir_all(&path).expect("a directory");
        run("mount", &["-t", "tmpfs", "none"], &path);
        path
    }

    #[track_caller]
    fn make(&self, flag: &str) {
        run("mount", &[flag], &self.0);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for point in host::mounts(&self.0).iter().rev() {
            let mut command = Command::new("umount");
            let _ = command.args(["-l", point]).output();
        }
    }
}

#[track_caller]
fn run(program: &str, flags: &[&str], path: &Path) {
    let status = Command::new(program).args(flags).arg(path).status();
    assert!(status.expect(program).success(), "{program} {flags:?}");
}

/// The body of a container with these mounts.
fn with(mounts: Value) -> Value {
    json!({"HostConfig": {"Mounts": mounts}})
}

fn bind(source: &Folder, more: Value) -> Value {
    let mut mount = json!({"Type": "bind", "Source": source.0, "Target": "/m"});
    for (name, value) in more.as_object().into_iter().flatten() {
        mount[name] = value.clone();
    }
    with(json!([mount]))
}

#[test]
fn read_only_goes_down_to_mounts_beneath_unless_asked_otherwise() {
    let daemon = Daemon::with_image();
    let folder = Folder::new(&daemon, "ro");
    folder.mount("sub");
    let line = "touch /m/a && echo top; touch /m/sub/b && echo sub; true";
    let written = |body: Value| daemon.shell(line, body).1;
    assert_eq!(written(bind(&folder, json!({}))), "top\nsub\n");
    for more in [
        json!({"ReadOnly": true}),
        json!({"ReadOnly": true,
            "BindOptions": {"ReadOnlyForceRecursive": true}}),
    ] {
        assert_eq!(written(bind(&folder, more)), "");
    }
    let bound = format!("{}:/m:ro", folder.shown());
    assert_eq!(written(json!({"HostConfig": {"Binds": [bound]}})), "");
    let one = json!({"ReadOnly": true,
        "BindOptions": {"ReadOnlyNonRecursive": true}});
    assert_eq!(written(bind(&folder, one)), "sub\n");
    // Without what is mounted beneath, the directory there is the host's.
    let alone = json!({"BindOptions": {"NonRecursive": true}});
    let look = "grep -c ' /m' /proc/self/mountinfo";
    assert_eq!(daemon.shell(look, bind(&folder, alone)).1, "1\n");
    assert_eq!(daemon.shell(look, bind(&folder, json!({}))).1, "2\n");
}

#[test]
fn a_kernel_that_cannot_go_down_is_told_of_if_it_must() {
    let mut daemon = Daemon::prepare(&[]);
    daemon.environment("SKIFF_WITHOUT", "mount-setattr");
    daemon.launch();
    daemon.import("busybox");
    let folder = Folder::new(&daemon, "ro");
    folder.mount("sub");
    let line = "touch /m/a && echo top; touch /m/sub/b && echo sub; true";
    let plain = bind(&folder, json!({"ReadOnly": true}));
    assert_eq!(daemon.shell(line, plain).1, "sub\n");
    let mut must = bind(
        &folder,
        json!({"ReadOnly": true,
            "BindOptions": {"ReadOnlyForceRecursive": true}}),
    );
    must["Cmd"] = json!(["true"]);
    daemon.create("must", must);
    let reply = daemon.post("/containers/must/start").is(500);
    assert!(reply.message().contains("error mounting"), "{reply:?}");
}

#[test]
fn mounts_travel_as_asked() {
    let daemon = Daemon::with_image();
    let folder = Folder::new(&daemon, "travel");
    folder.mount("");
    folder.make("--make-shared");
    let line = |name: &str| {
        format!(
            "mkdir -p /m/{name} && mount -t tmpfs none /m/{name} && \
             touch /m/{name}/in && echo up; while true; do sleep 1; done"
        )
    };
    let looks = |name: &str, path: &str| {
        let pid = daemon.inspect(name)["State"]["Pid"].as_i64();
        let path = format!("/proc/{}/root/m/{path}", pid.expect("a pid"));
        Path::new(&path).exists()
    };
    for (mode, in_, out) in [
        ("rshared", true, true),
        ("rslave", true, false),
        ("rprivate", false, false),
    ] {
        let bound = format!("{}:/m:{mode}", folder.shown());
        let host = json!({"Binds": [bound], "Privileged": true});
        daemon.run_with(mode, &line(mode), json!({"HostConfig": host}));
        daemon.until_logged(mode, "up");
        let seen = folder.0.join(mode).join("in").exists();
        assert_eq!(seen, out, "out of {mode}");
        let late = format!("late-{mode}");
        let path = folder.mount(&late);
        fs::write(path.join("f"), "x").expect("a file");
        assert_eq!(looks(mode, &format!("{late}/f")), in_, "into {mode}");
        let mount = &daemon.inspect(mode)["Mounts"][0];
        assert_eq!(mount["Propagation"], mode);
        daemon.delete(&format!("/containers/{mode}?force=1")).is(204);
    }
    folder.make("--make-private");
    for (mode, words) in [("shared", "shared"), ("rslave", "shared or slave")] {
        let mut body =
            bind(&folder, json!({"BindOptions": {"Propagation": mode}}));
        body["Cmd"] = json!(["true"]);
        daemon.create(mode, body);
        let start = format!("/containers/{mode}/start");
        let path = folder.shown();
        daemon.post(&start).refuses(
            500,
            &format!(
                "path {path} is mounted on {path} but it is not a {words} \
                 mount"
            ),
        );
    }
}

#[test]
fn file_systems_in_memory_have_what_was_asked_for() {
    let daemon = Daemon::with_image();
    let look = "grep ' /m ' /proc/mounts; stat -c %a /m; \
                cp /bin/busybox /m/true; /m/true && echo runs; true";
    let (_, out, err) = daemon.shell(
        look,
        with(json!([{"Type": "tmpfs", "Target": "/m", "TmpfsOptions":
            {"SizeBytes": 4 << 20, "Mode": 0o1750}}])),
    );
    for wanted in ["nosuid", "nodev", "noexec", "size=4096k", "1750\n"] {
        assert!(out.contains(wanted), "{wanted}: {out} {err}");
    }
    assert!(!out.contains("runs"), "{out}");
    let (_, out, _) = daemon.shell(
        look,
        with(json!([{"Type": "tmpfs", "Target": "/m", "TmpfsOptions":
            {"Options": [["exec"]]}}])),
    );
    assert!(out.contains("runs") && out.contains("1777"), "{out}");
    let tmpfs = json!({"Tmpfs": {"/m": "rw,exec,size=8m,uid=7,mode=700"}});
    let (_, out, _) = daemon.shell(look, json!({"HostConfig": tmpfs}));
    for wanted in ["size=8192k", "uid=7", "700\n", "runs"] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    let read_only = with(json!([{"Type": "tmpfs", "Target": "/m",
        "ReadOnly": true}]));
    let (_, out, _) = daemon.shell("touch /m/a || echo refused", read_only);
    assert_eq!(out, "refused\n");
    let body = json!({"Cmd": ["true"], "HostConfig": {
        "Tmpfs": {"/a": ""}, "Mounts": [{"Type": "tmpfs", "Target": "/b"}]}});
    daemon.create("shown", body);
    let seen = daemon.inspect("shown");
    assert_eq!(seen["HostConfig"]["Tmpfs"], json!({"/a": ""}));
    let wanted = json!([{"Type": "tmpfs", "Source": "", "Destination": "/b",
        "Mode": "", "RW": true, "Propagation": ""}]);
    assert_eq!(seen["Mounts"], wanted);
}

#[test]
fn mounts_of_other_containers_are_had_in_order() {
    let daemon = Daemon::with_image();
    let folder = Folder::new(&daemon, "from");
    fs::write(folder.0.join("f"), "bound\n").expect("a file");
    let first = json!({"Cmd": ["true"], "Volumes": {"/own": {}},
        "HostConfig": {"Binds": [
            format!("{}:/bound:rslave", folder.shown()), "one1:/data"],
        "Mounts": [{"Type": "tmpfs", "Target": "/tmpfs"}]}});
    daemon.create("first", first);
    let second = json!({"Cmd": ["true"],
        "HostConfig": {"Binds": ["two2:/data:ro"]}});
    daemon.create("second", second);
    fs::write(super::volumes::data(&daemon, "one1").join("n"), "1")
        .expect("a file");
    fs::write(super::volumes::data(&daemon, "two2").join("n"), "2")
        .expect("a file");

    let from = |list: Value, more: Value| {
        let mut host = json!({"VolumesFrom": list});
        for (name, value) in more.as_object().into_iter().flatten() {
            host[name] = value.clone();
        }
        json!({"HostConfig": host})
    };
    let look = "cat /data/n; touch /data/w 2>/dev/null && echo w; \
                grep -c ' /tmpfs ' /proc/mounts; true";
    let ask = |list: Value, more: Value| daemon.shell(look, from(list, more)).1;
    // One that is read-only stays so; the later one wins.
    let folder_is_private = json!({});
    let only = ask(json!(["second"]), folder_is_private.clone());
    assert_eq!(only, "20\n");
    // A bind of one's own wins over all.
    let own = json!({"Binds": ["three:/data"]});
    assert_eq!(ask(json!(["second"]), own), "w\n0\n");

    let mut body = from(json!(["first:ro", "second"]), json!({}));
    body["Cmd"] = json!(["true"]);
    daemon.create("heir", body);
    let seen = daemon.inspect("heir");
    let sent = json!(["first:ro", "second"]);
    assert_eq!(seen["HostConfig"]["VolumesFrom"], sent);
    let mounts = seen["Mounts"].as_array().expect("a list").clone();
    let at = |place: &str| {
        let found = mounts.iter().find(|m| m["Destination"] == place);
        found.cloned().unwrap_or_else(|| panic!("{place}: {mounts:?}"))
    };
    assert_eq!(at("/data")["Name"], "two2");
    assert_eq!(at("/data")["RW"], false);
    assert_eq!(at("/own")["RW"], false);
    assert_eq!(at("/tmpfs")["Type"], "tmpfs");
    let bound = at("/bound");
    let wanted = json!(["bind", folder.0, "", false, "rslave"]);
    assert_eq!(
        json!([
            bound["Type"],
            bound["Source"],
            bound["Mode"],
            bound["RW"],
            bound["Propagation"]
        ]),
        wanted
    );

    for (list, status, words) in [
        (json!(["nosuch"]), 400, "No such container: nosuch"),
        (json!(["first:quick"]), 400, "invalid mode: quick"),
        (
            json!([""]),
            400,
            "volumes-from specification cannot be an empty string",
        ),
    ] {
        let mut body = from(list, json!({}));
        body["Image"] = "busybox".into();
        body["Cmd"] = json!(["true"]);
        daemon.post_json("/containers/create", &body).refuses(status, words);
    }
}

#[test]
fn mounts_nest_and_later_forms_win() {
    let daemon = Daemon::with_image();
    let folder = Folder::new(&daemon, "nest");
    let body = json!({
        "Volumes": {"/a": {}, "/a/b/c/": {}, "/a/t": {}, "/a/b": {}},
        "HostConfig": {
            "Binds": [format!("{}:/a/b/c/d", folder.shown()), "outer:/a"],
            "Tmpfs": {"/a/t": ""},
            "Mounts": [{"Type": "tmpfs", "Target": "/a/b/c/d/e"}],
        },
    });
    let line = "grep -o ' /a[^ ]* ' /proc/self/mountinfo | tr -d ' '";
    let (_, out, err) = daemon.shell(line, body);
    let wanted = "/a\n/a/b\n/a/t\n/a/b/c\n/a/b/c/d\n/a/b/c/d/e\n";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&out), sorted(wanted), "{err}");
    assert!(folder.0.join("e").is_dir(), "a mount point in the bind");
    for (host, words) in [
        (json!({"Binds": ["aa:/x", "bb:/x/"]}), "Duplicate mount point: /x"),
        (
            json!({"Binds": ["aa:/x"], "Tmpfs": {"/x": ""}}),
            "Duplicate mount point: /x",
        ),
        (
            json!({"Mounts": [{"Type": "volume", "Target": "/x"},
                {"Type": "tmpfs", "Target": "/x/."}]}),
            "Duplicate mount point: /x/.",
        ),
        (
            json!({"Binds": ["/srv:/"]}),
            "invalid volume specification: '/srv:/': invalid mount config \
             for type \"bind\": invalid specification: destination can't be \
             '/'",
        ),
        (
            json!({"Binds": ["no/slash:/x"]}),
            "create no/slash: \"no/slash\" includes invalid characters for \
             a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are \
             allowed. If you intended to pass a host directory, use absolute \
             path",
        ),
        (
            json!({"Mounts": [{"Type": "bind", "Target": "/x",
                "Source": "/nonexistent/skiff"}]}),
            "invalid mount config for type \"bind\": bind source path does \
             not exist: /nonexistent/skiff",
        ),
    ] {
        let body = json!({"Image": "busybox", "Cmd": ["true"],
            "HostConfig": host});
        daemon.post_json("/containers/create", &body).refuses(400, words);
    }
    // What was made for those that were refused is gone.
    let left = daemon.get("/volumes").is(200).json();
    let left = left["Volumes"].as_array().expect("a list").clone();
    let left = left.iter().filter_map(|v| v["Name"].as_str());
    let left: Vec<&str> = left.filter(|name| name.len() < 64).collect();
    assert_eq!(left, ["outer"]);
}

#[test]
fn a_missing_source_is_made_where_docker_makes_it() {
    let daemon = Daemon::with_image();
    let folder = Folder::new(&daemon, "made");
    let path = |name: &str| folder.0.join(name);
    let body = json!({"Cmd": ["true"], "HostConfig": {
        "Binds": [format!("{}/a/b:/a", folder.shown())],
        "Mounts": [{"Type": "bind", "Source": path("c"), "Target": "/c",
            "BindOptions": {"CreateMountpoint": true}}],
    }});
    daemon.create("", body);
    assert!(path("a/b").is_dir() && path("c").is_dir());
}

#[test]
fn links_at_a_destination_stay_in_the_container() {
    let daemon = Daemon::with_image();
    let folder = Folder::new(&daemon, "links");
    let outside = Folder::new(&daemon, "outside");
    let up = format!("../../../../../../../../..{}", outside.shown());
    let more = [
        image::symlink("abs", outside.shown()),
        image::symlink("up", &up),
        image::symlink("proc2", "/proc/self/root"),
    ];
    import(&daemon, "hostile", &more, "CMD sh");
    fs::write(folder.0.join("f"), "x").expect("a file");
    // In a volume a link may be changed by anybody who has it.
    let volume = json!({"Name": "swap"});
    daemon.post_json("/volumes/create", &volume).is(201);
    symlink(outside.shown(), super::volumes::data(&daemon, "swap").join("l"))
        .expect("a link");
    let body = json!({"Image": "hostile", "HostConfig": {"Binds": [
        format!("{}:/abs", folder.shown()),
        format!("{}:/up", folder.shown()),
        "swap:/swap",
        format!("{}:/swap/l/deep", folder.shown()),
    ]}});
    let (code, out, err) =
        daemon.shell("cat /abs/f /up/f /swap/l/deep/f", body);
    assert_eq!((code, out.as_str()), (0, "xxx"), "{err}");
    assert_eq!(fs::read_dir(&outside.0).expect("it is there").count(), 0);
    let mut body = json!({"Image": "hostile", "HostConfig": {"Binds": [
        format!("{}:/proc2/x", folder.shown())]}});
    body["Cmd"] = json!(["true"]);
    let id = daemon.create("", body);
    let reply = daemon.post(&format!("/containers/{id}/start"));
    assert!(reply.head.status >= 400, "{reply:?}");
}

#[test]
fn old_clients_see_volumes_as_two_maps() {
    let daemon = Daemon::with_image();
    let body = json!({"Cmd": ["true"], "HostConfig": {
        "Binds": ["data:/d", "logs:/l:ro"]}});
    daemon.create("old", body);
    let seen = daemon.get("/v1.19/containers/old/json").is(200).json();
    let data = |name| super::volumes::data(&daemon, name);
    assert_eq!(
        seen["Volumes"],
        json!({"/d": data("data"), "/l": data("logs")})
    );
    assert_eq!(seen["VolumesRW"], json!({"/d": true, "/l": false}));
    // What an old client asks for with the start.
    let bare = json!({"Image": "busybox", "Cmd": ["cat", "/d/f"],
        "Volumes": {"/own": {}}});
    let target = "/v1.14/containers/create?name=start";
    daemon.post_json(target, &bare).is(201);
    let own = |seen: &Value| seen["Volumes"]["/own"].clone();
    let inspect = "/v1.14/containers/start/json";
    let before = own(&daemon.get(inspect).is(200).json());
    fs::write(data("data").join("f"), "from\n").expect("a file");
    let start = json!({"VolumesFrom": ["old"]});
    daemon.post_json("/v1.14/containers/start/start", &start).is(204);
    assert_eq!(daemon.wait("start"), 0);
    assert_eq!(daemon.logs("start").0, "from\n");
    let after = daemon.get(inspect).is(200).json();
    assert_eq!(own(&after), before);
    assert_eq!(after["Volumes"]["/d"], json!(data("data")));
    until("the volume to be in use by both", || {
        let reply = daemon.delete("/volumes/data").is(409);
        reply.message().contains(", ").then_some(())
    });
}
