//! What a process finds inside its container: identity, files, limits,
//! walls.

use serde_json::json;

use crate::harness::{Daemon, host, until};

/// Runs a line and returns its output; the line must succeed.
#[track_caller]
fn says(daemon: &Daemon, line: &str, body: serde_json::Value) -> String {
    let (code, out, err) = daemon.shell(line, body);
    assert_eq!(code, 0, "{line}\n{out}\n{err}");
    out.trim_end().to_string()
}

#[test]
fn it_has_namespaces_of_its_own() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let pid = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    let pid = pid as i32;
    for kind in ["pid", "mnt", "ipc", "uts", "net"] {
        let own = host::namespace(std::process::id() as i32, kind);
        let theirs = host::namespace(pid, kind);
        assert!(theirs.is_some(), "{kind}");
        assert_ne!(own, theirs, "{kind}");
    }
    assert_eq!(says(&daemon, "echo $$", json!({})), "1");
    let processes = says(&daemon, "ls /proc | grep -c '^[0-9]'", json!({}));
    assert!(processes.parse::<u32>().expect("a count") <= 4, "{processes}");
}

#[test]
fn hostname_hosts_and_resolver_are_set() {
    let daemon = Daemon::with_image();
    let id = daemon.run("web", "hostname; cat /etc/hosts");
    daemon.wait("web");
    let out = daemon.logs("web").0;
    assert!(out.starts_with(&format!("{}\n", &id[..12])), "{out}");
    assert!(out.contains("127.0.0.1\tlocalhost"), "{out}");
    let named = json!({"Hostname": "named", "Domainname": "example.org"});
    let out = says(&daemon, "hostname; cat /etc/hostname", named);
    assert!(out.starts_with("named"), "{out}");
    let out = says(&daemon, "cat /etc/resolv.conf", json!({}));
    assert!(!out.contains("nameserver 127."), "{out}");
}

#[test]
fn environment_directory_and_user_are_as_asked() {
    let daemon = Daemon::with_image();
    let out = says(&daemon, "echo $PATH; echo $HOME; pwd; id -u", json!({}));
    assert_eq!(
        out,
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
         /root\n/\n0"
    );
    let body = json!({
        "Env": ["A=1", "EMPTY=", "SPACED=a b"],
        "WorkingDir": "/made/for/it",
        "User": "app",
    });
    let out = says(
        &daemon,
        "echo $A; echo [$EMPTY]; echo $SPACED; pwd; id; echo $HOME",
        body,
    );
    assert_eq!(
        out,
        "1\n[]\na b\n/made/for/it\n\
         uid=1000(app) gid=1000(app) groups=1000(app),2000(extra)\n/home/app"
    );
    let out = says(&daemon, "id -u; id -g", json!({"User": "1234:4321"}));
    assert_eq!(out, "1234\n4321");
    let out = says(
        &daemon,
        "id -G",
        json!({
            "User": "1000",
            "HostConfig": {"NetworkMode": "none", "GroupAdd": ["extra", "77"]},
        }),
    );
    assert!(out.contains("2000") && out.contains("77"), "{out}");
    daemon.create("bad", json!({"Cmd": ["true"], "User": "nosuch"}));
    let message = daemon.post("/containers/bad/start").message();
    assert!(
        message.contains(
            "unable to find user nosuch: no matching entries in passwd file"
        ),
        "{message}"
    );
}

#[test]
fn exit_codes_are_those_of_the_process() {
    let daemon = Daemon::with_image();
    assert_eq!(daemon.shell("exit 0", json!({})).0, 0);
    assert_eq!(daemon.shell("exit 255", json!({})).0, 255);
    assert_eq!(daemon.shell("sh -c 'kill -9 $$'; exit $?", json!({})).0, 137);
    let segv = "sh -c 'kill -SEGV $$'; exit $?";
    assert_eq!(daemon.shell(segv, json!({})).0, 139);
}

#[test]
fn capabilities_are_dockers_defaults() {
    let daemon = Daemon::with_image();
    let line = "grep -E 'Cap(Prm|Eff|Bnd|Inh)|NoNewPrivs|Seccomp:' \
                /proc/self/status";
    let out = says(&daemon, line, json!({}));
    let value = |name: &str| {
        let line = out.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {out}"));
        line.split('\t').nth(1).unwrap_or_default().to_string()
    };
    assert_eq!(value("CapEff"), "00000000a80425fb");
    assert_eq!(value("CapBnd"), "00000000a80425fb");
    assert_eq!(value("CapPrm"), "00000000a80425fb");
    assert_eq!(value("CapInh"), "0000000000000000");
    assert_eq!(value("NoNewPrivs"), "0");
    assert_eq!(value("Seccomp"), "2");
    let less = json!({"HostConfig": {"CapDrop": ["ALL"], "CapAdd": ["CHOWN"]}});
    let out = says(&daemon, "grep CapEff /proc/self/status", less);
    assert!(out.ends_with("0000000000000001"), "{out}");
    let more = json!({"HostConfig": {"CapAdd": ["SYS_ADMIN"]}});
    let out = says(&daemon, "grep CapEff /proc/self/status", more);
    assert!(out.ends_with("00000000a82425fb"), "{out}");
    // A user has none of them in effect.
    let user = json!({"User": "app"});
    let out = says(&daemon, "grep CapEff /proc/self/status", user);
    assert!(out.ends_with("0000000000000000"), "{out}");
    let strict = json!({"HostConfig": {"SecurityOpt": ["no-new-privileges"]}});
    let out = says(&daemon, "grep NoNewPrivs /proc/self/status", strict);
    assert!(out.ends_with('1'), "{out}");
}

#[test]
fn the_kernels_files_are_walled_off() {
    let daemon = Daemon::with_image();
    let masked = "for f in /proc/kcore /proc/keys /proc/timer_list \
        /proc/latency_stats /proc/sched_debug; do [ ! -e $f ] || \
        head -c1 $f 2>/dev/null | wc -c; done; ls /proc/acpi /proc/scsi \
        /sys/firmware 2>/dev/null | grep -v ':$' | grep -c .";
    let (_, out, _) = daemon.shell(masked, json!({}));
    assert!(out.lines().all(|line| line == "0"), "{out}");
    for line in [
        "echo 1 > /proc/sys/kernel/hostname",
        "echo b > /proc/sysrq-trigger",
        "cd /sys/fs/cgroup; [ ! -d memory ] || cd memory; mkdir x",
        "mount -t tmpfs x /tmp",
        "mknod /tmp/sda b 8 0 && head -c1 /tmp/sda",
        "unshare -U true",
    ] {
        let (code, out, err) = daemon.shell(line, json!({}));
        assert_ne!(code, 0, "{line}\n{out}\n{err}");
    }
}

#[test]
fn dev_holds_dockers_nodes() {
    let daemon = Daemon::with_image();
    let line = "cd /dev; for n in null zero full random urandom tty; do \
                [ -c $n ] || echo no $n; done; \
                for l in fd stdin stdout stderr ptmx; do [ -L $l ] || \
                echo no $l; done; \
                for d in pts shm mqueue; do [ -d $d ] || echo no $d; done; \
                echo x > null; head -c4 zero | wc -c; \
                echo to stderr > stderr; df -k shm | tail -1";
    let (code, out, err) = daemon.shell(line, json!({}));
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(!out.contains("no "), "{out}");
    assert!(out.starts_with("4\n"), "{out}");
    assert!(out.contains(" 65536 "), "{out}");
    assert_eq!(err, "to stderr\n");
}

#[test]
fn stdio_can_be_reopened_by_a_user() {
    let daemon = Daemon::with_image();
    let line = "echo a > /dev/stdout; echo b > /proc/self/fd/2";
    let (code, out, err) = daemon.shell(line, json!({"User": "app"}));
    assert_eq!((code, out.as_str(), err.as_str()), (0, "a\n", "b\n"));
}

#[test]
fn no_descriptor_of_the_host_is_inherited() {
    let daemon = Daemon::with_image();
    // The fourth is the directory that ls itself reads.
    let out = says(&daemon, "exec ls /proc/self/fd", json!({}));
    assert_eq!(out, "0\n1\n2\n3");
    let out = says(&daemon, "ls -l /proc/1/fd/0", json!({}));
    assert!(out.ends_with("/dev/null"), "{out}");
}

#[test]
fn signals_are_at_their_defaults() {
    let daemon = Daemon::with_image();
    let line = "grep -E 'Sig(Blk|Ign)' /proc/self/status";
    let body = json!({});
    daemon.create("web", {
        let mut body = body;
        body["Cmd"] =
            json!(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]);
        body
    });
    daemon.post("/containers/web/start").is(204);
    daemon.wait("web");
    let out = until(line, || {
        let out = daemon.logs("web").0;
        (out.lines().count() == 2).then_some(out)
    });
    for line in out.lines() {
        assert!(line.ends_with("0000000000000000"), "{out}");
    }
}

#[test]
fn a_read_only_root_is_read_only() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"ReadonlyRootfs": true}});
    let (code, _, err) = daemon.shell("echo x > /x", body);
    assert_ne!(code, 0);
    assert!(err.contains("Read-only file system"), "{err}");
}

#[test]
fn binds_show_the_hosts_files() {
    let daemon = Daemon::with_image();
    let shared = daemon.directory.join("shared");
    std::fs::create_dir(&shared).expect("a directory");
    std::fs::write(shared.join("in"), "from the host").expect("a file");
    let at = shared.display();
    let body = json!({"HostConfig": {"Binds": [format!("{at}:/mnt/x")]}});
    let out = says(&daemon, "cat /mnt/x/in; echo back > /mnt/x/out", body);
    assert_eq!(out, "from the host");
    let back = std::fs::read_to_string(shared.join("out")).expect("a file");
    assert_eq!(back, "back\n");
    let body = json!({"HostConfig": {"Binds": [format!("{at}:/mnt/x:ro")]}});
    let (code, _, err) = daemon.shell("echo x > /mnt/x/no", body);
    assert_ne!(code, 0);
    assert!(err.contains("Read-only file system"), "{err}");
    let seen = {
        let body = json!({
            "Cmd": ["true"],
            "HostConfig": {"Binds": [format!("{at}:/mnt/x:ro")]},
        });
        let id = daemon.create("bound", body);
        daemon.inspect(&id)
    };
    assert_eq!(seen["Mounts"][0]["Type"], "bind");
    assert_eq!(seen["Mounts"][0]["Destination"], "/mnt/x");
    assert_eq!(seen["Mounts"][0]["RW"], false);
}

#[test]
fn umask_and_rlimits_are_sane() {
    let daemon = Daemon::with_image();
    assert_eq!(says(&daemon, "umask", json!({})), "0022");
    let body = json!({"HostConfig": {"Ulimits": [
        {"Name": "nofile", "Soft": 100, "Hard": 200},
    ]}});
    let out = says(&daemon, "ulimit -Sn; ulimit -Hn", body);
    assert_eq!(out, "100\n200");
}

#[test]
fn limits_reach_the_cgroup() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {
        "Memory": 33554432,
        "MemorySwap": 33554432,
        "NanoCpus": 500000000,
        "PidsLimit": 20,
        "CpuShares": 512,
    }});
    daemon.run_with("web", "sleep 1000", body);
    let pid = daemon.inspect("web")["State"]["Pid"].clone();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup"));
    let groups = groups.expect("it runs");
    let path_of = |controller: &str| -> std::path::PathBuf {
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':');
            let (_, names, path) = (parts.next(), parts.next(), parts.next());
            let names = names.unwrap_or_default();
            let path = path.unwrap_or_default().trim_start_matches('/');
            if names.split(',').any(|name| name == controller) {
                for at in [names, controller] {
                    let full = format!("/sys/fs/cgroup/{at}/{path}");
                    if std::path::Path::new(&full).exists() {
                        return full.into();
                    }
                }
            }
            if names.is_empty() && line.starts_with("0::") {
                let v2 = format!("/sys/fs/cgroup/{path}");
                if std::path::Path::new(&v2).join("cgroup.procs").exists() {
                    return v2.into();
                }
            }
        }
        panic!("no {controller} in {groups}")
    };
    let read = |controller: &str, v1: &str, v2: &str| {
        let group = path_of(controller);
        let text = std::fs::read_to_string(group.join(v1))
            .or_else(|_| std::fs::read_to_string(group.join(v2)));
        text.unwrap_or_else(|cause| panic!("{}: {cause}", group.display()))
            .trim()
            .to_string()
    };
    let memory = read("memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, "33554432");
    assert_eq!(read("pids", "pids.max", "pids.max"), "20");
    let quota = read("cpu", "cpu.cfs_quota_us", "cpu.max");
    assert!(quota == "50000" || quota == "50000 100000", "{quota}");
    let line = "i=0; while [ $i -lt 60 ]; do sleep 5 & i=$((i+1)); done; \
                echo all";
    let body = json!({"HostConfig": {"PidsLimit": 10}});
    let (code, out, err) = daemon.shell(line, body);
    assert!(code != 0 || !out.contains("all"), "{out}{err}");
    assert!(err.contains("can't fork"), "{err}");
}

#[test]
fn too_much_memory_is_the_end() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {
        "Memory": 16777216, "MemorySwap": 16777216,
    }});
    // Doubles a string until it no longer fits.
    let line = "s=0123456789abcdef; while :; do s=$s$s; done";
    daemon.run_with("hungry", line, body);
    assert_eq!(daemon.wait("hungry"), 137);
    let state = daemon.inspect("hungry")["State"].clone();
    assert_eq!(state["OOMKilled"], true, "{state}");
}

#[test]
fn device_rules_bite() {
    let daemon = Daemon::with_image();
    let line = "mknod /tmp/kmsg c 1 11 && head -c1 /tmp/kmsg";
    let (code, _, err) = daemon.shell(line, json!({}));
    assert_ne!(code, 0);
    assert!(err.contains("not permitted"), "{err}");
    let line = "mknod /tmp/null c 1 3 && echo x > /tmp/null";
    assert_eq!(daemon.shell(line, json!({})).0, 0);
}

#[test]
fn privileged_lifts_the_walls() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"Privileged": true}});
    let line = "mount -t tmpfs x /tmp && grep CapEff /proc/self/status && \
                grep Seccomp: /proc/self/status && [ -e /dev/kmsg ] && echo ok";
    let out = says(&daemon, line, body);
    assert!(out.ends_with("ok"), "{out}");
    assert!(out.contains("Seccomp:\t0"), "{out}");
}

#[test]
fn an_init_reaps_and_passes_signals() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"Init": true}});
    let line = "trap 'exit 3' TERM; echo $$; (sleep 0.1 &); echo ready; \
                while :; do sleep 0.05; done";
    daemon.run_with("web", line, body);
    let out = daemon.until_logged("web", "ready");
    assert_ne!(out.lines().next(), Some("1"), "{out}");
    let pid = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    until("no zombie", || {
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let zombies = children
            .split_whitespace()
            .filter(|child| !host::is_alive(child.parse().unwrap_or(0)))
            .count();
        (zombies == 0).then_some(())
    });
    daemon.post("/containers/web/stop").is(204);
    assert_eq!(daemon.wait("web"), 3);
}

#[test]
fn changed_files_do_not_reach_the_image() {
    let daemon = Daemon::with_image();
    let line = "rm /etc/notexec; echo changed > /etc/group; mkdir /new; \
                ln /bin/busybox /new/hard; ls /new";
    says(&daemon, line, json!({}));
    let out = says(&daemon, "cat /etc/notexec; ls -d /new || :", json!({}));
    assert_eq!(out, "no program");
}

#[test]
fn the_engines_file_cannot_be_written_through_proc() {
    let daemon = Daemon::with_image();
    let program = crate::harness::daemon::program();
    let before = std::fs::metadata(&program).expect("it is there");
    let body = json!({"HostConfig": {"Privileged": true, "PidMode": "host"}});
    daemon.run("web", "sleep 1000");
    let pid = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    let shim = host::parent(pid as i32).expect("a parent");
    let line = format!("echo x > /proc/{shim}/exe");
    let (code, _, err) = daemon.shell(&line, body);
    assert_ne!(code, 0, "the engine's file was opened for writing");
    assert!(!err.is_empty());
    let after = std::fs::metadata(&program).expect("it is there");
    assert_eq!(before.len(), after.len());
}
