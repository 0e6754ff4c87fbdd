//! Ways out of a container that others have left open, each tried: what is
//! walled off must be refused, and the host must be as it was.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::image::{self, Entry, Kind};
use crate::harness::probe::{program, with_probe};
use crate::harness::{Daemon, host, until};

/// A daemon, and a directory that its containers share with an attacker.
fn with_shared() -> (Daemon, std::path::PathBuf) {
    let daemon = Daemon::with_image();
    let shared = daemon.directory.join("shared");
    fs::create_dir(&shared).unwrap();
    (daemon, shared)
}

/// Tries to start a container; the refusal.
#[track_caller]
fn refused(daemon: &Daemon, mut body: Value) -> String {
    if body["Cmd"].is_null() {
        body["Cmd"] = json!(["true"]);
    }
    let id = daemon.create("", body);
    let reply = daemon.post(&format!("/containers/{id}/start"));
    let message = match reply.head.status {
        204 => panic!("it starts: {:?}", daemon.logs(&id)),
        _ => reply.message(),
    };
    daemon.delete(&format!("/containers/{id}")).is(204);
    message
}

/// CVE-2019-5736: what is executed in a container as `/proc/self/exe` is the
/// engine's own file. One takes hold of it, and writes once nothing is
/// executed from it any more.
#[test]
fn the_engines_file_is_not_written_by_one_who_holds_it() {
    let mut daemon = Daemon::prepare(&[]);
    let copy = daemon.run_a_copy();
    let before = fs::read(&copy).unwrap();
    daemon.launch();
    daemon.import(crate::harness::daemon::IMAGE);
    daemon.may_leave_something();
    let shared = daemon.directory.join("shared");
    fs::create_dir(&shared).unwrap();
    let bind = format!("{}:/out", shared.display());
    let body = with_probe(json!({
        "HostConfig": {"PidMode": "host", "Binds": [bind]},
    }));
    daemon.run_with("web", "sleep 1000 | nc -l -p 2375 >/dev/null", body);
    // A client that waits for an answer: the engine's program, inside.
    let listens = "until grep -q :0947 /proc/net/tcp*; do sleep 0.01; done";
    daemon.exec_shell("web", listens, json!({}));
    let client = json!({
        "Cmd": ["/proc/self/exe", "-H", "tcp://127.0.0.1:2375", "ps"],
    });
    let made = daemon.post_json("/containers/web/exec", &client).is(201);
    let id = made.json()["Id"].as_str().expect("an id").to_string();
    let start = format!("/exec/{id}/start");
    daemon.post_json(&start, &json!({"Detach": true})).is(200);
    let pid = until("the client's process", || {
        let told = daemon.get(&format!("/exec/{id}/json")).is(200).json();
        told["Pid"].as_i64().filter(|pid| *pid > 0)
    }) as i32;
    let shown = fs::read_link(format!("/proc/{pid}/exe")).unwrap();
    assert!(!shown.ends_with("busybox"), "{}", shown.display());
    let line =
        format!("(setsid /probe hold /proc/{pid}/exe > /out/held 2>&1 &)");
    daemon.exec_shell("web", &line, json!({}));
    let held = || fs::read_to_string(shared.join("held")).unwrap_or_default();
    let first =
        until("a held file", || held().lines().next().map(str::to_owned));
    assert_eq!(first, "holding");
    let init = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    let shim = host::parent(init as i32).expect("a parent");
    daemon.kill();
    for pid in [shim, pid] {
        host::signal(pid, Signal::KILL);
    }
    let end = until("an outcome", || held().lines().nth(1).map(str::to_owned));
    // A read-only mount; before Linux 5.12 a copy in sealed memory.
    assert!(
        end.starts_with("refused: Read-only")
            || end.starts_with("written: Err"),
        "{end}"
    );
    assert!(fs::read(&copy).unwrap() == before, "it was overwritten");
}

/// CVE-2024-21626: a working directory reached by a descriptor that the
/// engine has left open leads to the host.
#[test]
fn no_working_directory_leads_to_the_host() {
    let (daemon, shared) = with_shared();
    fs::write(shared.join("marker"), "").unwrap();
    let marker = shared.join("marker");
    let look = format!(
        "p=.; for i in 1 2 3 4 5 6 7 8 9; do \
         [ -e $p{0} ] && echo OUTSIDE; p=$p/..; done; echo done",
        marker.display()
    );
    for number in 0..24 {
        for directory in
            [format!("/proc/self/fd/{number}"), format!("/evil{number}")]
        {
            let body = json!({
                "Cmd": ["sh", "-c", look], "WorkingDir": directory,
            });
            let id = daemon.create("", body);
            let reply = daemon.post(&format!("/containers/{id}/start"));
            if reply.head.status == 204 {
                daemon.wait(&id);
                let (out, err) = daemon.logs(&id);
                assert_eq!(out, "done\n", "{directory}\n{err}");
            }
        }
    }
    daemon.run("web", "sleep 1000");
    for number in 0..24 {
        let link = format!("ln -s /proc/self/fd/{number} /evil{number}");
        daemon.exec_shell("web", &link, json!({}));
        for directory in
            [format!("/proc/self/fd/{number}"), format!("/evil{number}")]
        {
            let body = json!({
                "Cmd": ["sh", "-c", look], "WorkingDir": directory,
                "AttachStdout": true,
            });
            let made = daemon.post_json("/containers/web/exec", &body);
            let id = made.is(201).json()["Id"].as_str().unwrap().to_string();
            let start = format!("/exec/{id}/start");
            let reply = daemon.post_json(&start, &json!({}));
            let said = format!("{reply:?}");
            assert!(!said.contains("OUTSIDE"), "{directory}: {said}");
        }
    }
}

/// CVE-2025-31133: files are hidden behind the container's /dev/null, which
/// in a shared /dev can be a link to what is read-only.
#[test]
fn a_null_device_that_is_a_link_hides_as_well() {
    let (daemon, dev) = with_shared();
    symlink("/proc/sys/kernel/core_pattern", dev.join("null")).unwrap();
    let bind = format!("{}:/dev", dev.display());
    let body = json!({"HostConfig": {"Binds": [bind]}});
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    let line = "cat /proc/keys; echo :; cat /proc/timer_list; \
                stat -c '%t:%T' /proc/keys";
    let (_, out, err) = daemon.shell(line, body);
    assert!(!out.contains(pattern.trim()), "{out}");
    assert!(out.starts_with(":\n") && out.ends_with("1:3\n"), "{out}{err}");
}

/// CVE-2025-52565: the terminal is mounted on the container's /dev/console,
/// which in a shared /dev can be a link to anything.
#[test]
fn the_terminal_is_not_mounted_through_a_link() {
    let (daemon, dev) = with_shared();
    let target = "/proc/sys/net/ipv4/ip_forward";
    symlink(target, dev.join("console")).unwrap();
    let bind = format!("{}:/dev", dev.display());
    let body = json!({
        "Tty": true,
        "HostConfig": {
            "Binds": [bind], "Sysctls": {"net.ipv4.ip_forward": "1"},
        },
    });
    let message = refused(&daemon, body);
    assert!(message.contains("error setting up the terminal"), "{message}");
}

/// CVE-2019-16884, CVE-2019-19921, CVE-2025-52881: with a /proc that is not
/// the kernel's nothing is hidden, and what is written there goes elsewhere.
#[test]
fn proc_is_the_kernels() {
    let (daemon, fake) = with_shared();
    let source = fake.display();
    for target in ["/proc", "/proc/sys", "/proc/self/attr", "/proc/net"] {
        let binds = json!([format!("{source}:{target}")]);
        let message = refused(&daemon, json!({"HostConfig": {"Binds": binds}}));
        assert!(message.contains("cannot be mounted because"), "{message}");
    }
    for target in ["/proc", "/proc/sys"] {
        let tmpfs = json!({"Tmpfs": {target: ""}});
        let message = refused(&daemon, json!({"HostConfig": tmpfs}));
        assert!(message.contains("cannot be mounted because"), "{message}");
    }
    // What lxcfs makes up is fine.
    fs::write(fake.join("uptime"), "1 2\n").unwrap();
    let binds = json!([format!("{source}/uptime:/proc/uptime")]);
    let body = json!({"HostConfig": {"Binds": binds}});
    assert_eq!(daemon.shell("cat /proc/uptime", body).1, "1 2\n");
}

/// The same, by links that an image brings.
#[test]
fn links_of_an_image_do_not_lead_mounts_into_proc() {
    let (daemon, source) = with_shared();
    let busybox = fs::read("/bin/busybox").unwrap();
    let import = |name: &str, links: &[(&str, &str)]| {
        let mut entries = vec![
            image::directory("bin/"),
            Entry { path: "bin/true", kind: Kind::File(&busybox), mode: 0o755 },
        ];
        let links = links.iter().map(|(path, to)| image::symlink(path, to));
        entries.extend(links);
        let target = format!("/images/create?fromSrc=-&repo={name}");
        let kind = [("Content-Type", "application/x-tar")];
        let tar = image::tar(&entries);
        let mut wire = daemon.wire();
        wire.exchange("POST", &target, &kind, Some(&tar)).is(200);
    };
    import("fakeproc", &[("proc", "/elsewhere")]);
    let message = refused(&daemon, json!({"Image": "fakeproc"}));
    assert!(
        message.contains("must be mounted on ordinary directory"),
        "{message}"
    );
    import("fakesys", &[("sys", "/elsewhere")]);
    let message = refused(&daemon, json!({"Image": "fakesys"}));
    assert!(message.contains("ordinary directory"), "{message}");
    import("links", &[("evil", "/proc/sys"), ("up", "../../../..")]);
    let binds = json!([format!("{}:/evil", source.display())]);
    let body = json!({"Image": "links", "HostConfig": {"Binds": binds}});
    let message = refused(&daemon, body);
    assert!(message.contains("is inside /proc"), "{message}");
    // A link that climbs ends at the container's root.
    let binds = json!([format!("{}:/up/data", source.display())]);
    let body = json!({
        "Image": "links", "Cmd": ["/bin/true"],
        "HostConfig": {"Binds": binds, "NetworkMode": "none"},
    });
    daemon.create("up", body);
    daemon.post("/containers/up/start").is(204);
    assert!(!std::path::Path::new("/data").exists());
}

/// CVE-2022-36109: a group that may do less than others is left by a program
/// that changes the group, unless it is among the further groups too.
#[test]
fn the_own_group_is_among_the_further_groups() {
    let daemon = Daemon::with_image();
    let prepare = "cp /bin/busybox /tmp/setgid; chgrp 3000 /tmp/setgid; \
                   chmod 2755 /tmp/setgid; echo secret > /tmp/closed; \
                   chgrp 2000 /tmp/closed; chmod 0604 /tmp/closed";
    daemon.run("web", &format!("{prepare}; echo ready; sleep 1000"));
    daemon.until_logged("web", "ready");
    let user = json!({"User": "1000:2000"});
    let groups = "grep Groups: /proc/self/status";
    let (_, out, _) = daemon.exec_shell("web", groups, user.clone());
    assert_eq!(out.split_whitespace().collect::<Vec<_>>()[1..], ["2000"]);
    let line = "/tmp/setgid cat /tmp/closed";
    let (code, out, _) = daemon.exec_shell("web", line, user.clone());
    assert!(code != 0 && out.is_empty(), "{out}");
    let (_, out, _) = daemon.shell(groups, user.clone());
    assert_eq!(out.split_whitespace().collect::<Vec<_>>()[1..], ["2000"]);
    // None of the daemon's own.
    let (_, out, _) = daemon.shell(groups, json!({"User": "1000:1000"}));
    assert!(!out.split_whitespace().any(|group| group == "0"), "{out}");
}

/// CVE-2022-24769: what can be inherited gives a user's program rights that
/// a file allows to be inherited.
#[test]
fn capabilities_are_not_inherited() {
    let daemon = Daemon::with_image();
    let prepare = "cp /bin/busybox /tmp/grep; chmod 755 /tmp/grep; \
                   /probe setcap /tmp/grep 0 0xa80425fb; echo ready; \
                   sleep 1000";
    daemon.run_with("web", prepare, with_probe(json!({})));
    assert!(daemon.until_logged("web", "ready").contains("ok 0"));
    let line = "/tmp/grep -E 'Cap(Inh|Prm|Eff|Amb)' /proc/self/status";
    for user in ["1000", "app"] {
        let body = json!({"User": user});
        let (_, out, _) = daemon.exec_shell("web", line, body);
        assert_eq!(out.lines().count(), 4, "{out}");
        for line in out.lines() {
            assert!(line.ends_with("0000000000000000"), "{line}");
        }
    }
    let line = "grep -E 'Cap(Inh|Amb)' /proc/self/status";
    let (_, out, _) = daemon.shell(line, json!({"User": "1000"}));
    assert_eq!(out.matches("0000000000000000").count(), 2, "{out}");
}

/// CVE-2022-0492 and what is like it: files of the kernel that make the host
/// execute something, or change for all.
#[test]
fn the_kernels_files_are_not_written() {
    let daemon = Daemon::with_image();
    let line = "for f in /proc/sys/kernel/core_pattern \
        /proc/sys/kernel/modprobe /proc/sys/vm/swappiness \
        /proc/sysrq-trigger /proc/irq/default_smp_affinity \
        /sys/kernel/uevent_helper /sys/kernel/mm/ksm/run \
        /sys/fs/cgroup/release_agent /sys/fs/cgroup/*/release_agent \
        /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs \
        /sys/fs/cgroup/*/notify_on_release; do \
        [ -e $f ] && (: >> $f) 2>/dev/null && echo opened $f; done; \
        mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x 2>/dev/null && echo made; \
        mount -o remount,rw /sys 2>/dev/null && echo remounted; \
        mount -o remount,rw /proc/sys 2>/dev/null && echo remounted; \
        umount /proc/sys 2>/dev/null && echo unmounted; \
        umount /proc/kcore 2>/dev/null && echo unmounted; \
        unshare -Ur true 2>/dev/null && echo unshared; \
        mount -t cgroup -o rdma x /tmp 2>/dev/null && echo mounted; \
        echo done";
    let (_, out, err) = daemon.shell(line, json!({}));
    assert_eq!(out, "done\n", "{err}");
    // Without the filter the capabilities and mounts hold.
    let open = json!({"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}});
    let (_, out, err) = daemon.shell(line, open);
    let out = out.replace("unshared\n", "");
    assert_eq!(out, "done\n", "{err}");
    daemon.run("web", "sleep 1000");
    let (_, out, err) = daemon.exec_shell("web", line, json!({}));
    assert_eq!(out, "done\n", "{err}");
}

#[test]
fn devices_that_are_not_given_are_not_opened() {
    let daemon = Daemon::with_image();
    let disks = fs::read_to_string("/proc/partitions").unwrap();
    let disk = disks.lines().nth(2).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        format!("b {} {}", words[0], words[1])
    });
    let mut nodes = vec!["c 1 1".into(), "c 1 11".into(), "c 10 200".into()];
    nodes.extend(disk);
    for node in nodes {
        let line = format!(
            "mknod /tmp/node {node} && head -c1 /tmp/node; echo $?; \
             (: > /tmp/node); echo $?"
        );
        let (_, out, err) = daemon.shell(&line, json!({}));
        assert_eq!(out, "1\n1\n", "{node}: {err}");
        assert!(err.contains("Operation not permitted"), "{node}: {err}");
    }
    let write = json!({"HostConfig": {"CapDrop": ["MKNOD"]}});
    assert_ne!(daemon.shell("mknod /tmp/null c 1 3", write).0, 0);
}

#[test]
fn the_hosts_keys_are_not_found() {
    if !std::path::Path::new("/proc/keys").exists() {
        return crate::harness::skip("this kernel has no keys");
    }
    let key = format!("skiff-test-{}", std::process::id());
    // add_key("user", …) to root's session keyring, which is that of all of
    // root's processes that have joined none.
    let host = |words: &[&str]| {
        let out = std::process::Command::new(program()).args(words).output();
        String::from_utf8(out.expect("it runs").stdout).unwrap()
    };
    let (at, text) = (format!("@{key}"), "@secret");
    let added = host(&["call", "248", "@user", &at, text, "6", "-5"]);
    let search = ["call", "250", "10", "-3", "@user", &at, "0"];
    let found = host(&search);
    if !added.starts_with("ok") || !found.starts_with("ok") {
        return crate::harness::skip("there is no session keyring");
    }
    let daemon = Daemon::with_image();
    let open = json!({"HostConfig": {"SecurityOpt": ["seccomp=unconfined"]}});
    let line = format!("/probe {}", search.join(" "));
    let (_, own, _) = daemon.attack(&line, open.clone());
    daemon.run_with("web", "sleep 1000", with_probe(open));
    let (_, executed, _) = daemon.exec_shell("web", &line, json!({}));
    // KEYCTL_UNLINK, of what the host has found.
    let number = found.trim_start_matches("ok ").trim();
    host(&["call", "250", "9", number, "-5"]);
    // ENOKEY
    assert_eq!(own, "errno 126\n", "the host has {found}");
    assert_eq!(executed, "errno 126\n", "the host has {found}");
}

#[test]
fn processes_of_the_host_are_neither_seen_nor_traced() {
    let daemon = Daemon::with_image();
    let own = std::process::id();
    let line = format!(
        "[ -d /proc/{own} ] && echo seen; kill -0 {own} 2>/dev/null && echo \
         reached; /probe call 101 16 {own} 0 0; /probe call 434 {own} 0"
    );
    // ptrace(PTRACE_ATTACH), pidfd_open: no such process.
    let (_, out, _) = daemon.attack(&line, json!({}));
    assert_eq!(out, "errno 3\nerrno 3\n");
    // With the host's processes they are.
    let shared = json!({"HostConfig": {"PidMode": "host"}});
    let (_, out, _) = daemon.attack(&line, shared);
    assert!(out.starts_with("seen\nreached\n"), "{out}");
}
