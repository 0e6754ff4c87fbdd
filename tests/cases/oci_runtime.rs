//! Containers that another OCI runtime makes: runc, and runtimes that do
//! not behave.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::seccomp::{ALLOWED, REFUSED, calls};
use crate::harness::{Daemon, has, host, skip, until};

/// A daemon whose `runc` is runc, which is its default too.
fn with_runc() -> Option<Daemon> {
    if !has("runc") {
        skip("runc is not installed");
        return None;
    }
    let daemon =
        Daemon::with(&["--add-runtime=runc=runc", "--default-runtime=runc"]);
    daemon.import("busybox");
    Some(daemon)
}

/// A daemon with a runtime that is a script.
fn with_script(script: &str) -> Daemon {
    use std::os::unix::fs::PermissionsExt;
    let mut daemon = Daemon::prepare(&[]);
    let path = daemon.directory.join("runtime");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).expect("a mode");
    daemon.add_flag(&format!("--add-runtime=odd={}", path.display()));
    daemon.launch();
    daemon.import("busybox");
    daemon
}

fn pid_of(daemon: &Daemon, name: &str) -> i32 {
    daemon.inspect(name)["State"]["Pid"].as_i64().expect("a pid") as i32
}

/// Starts a container of the odd runtime; the error.
#[track_caller]
fn odd(daemon: &Daemon, status: u16) -> String {
    let host = json!({"Runtime": "odd", "NetworkMode": "none"});
    let body = json!({"Cmd": ["true"], "HostConfig": host});
    let id = daemon.create("odd", body);
    let reply = daemon.post(&format!("/containers/{id}/start")).is(status);
    let state = &daemon.inspect("odd")["State"];
    assert_eq!(state["Status"], "created");
    assert_eq!(state["Error"], reply.message());
    assert_eq!(host::names_in(daemon.exec().join("containers")).len(), 0);
    reply.message()
}

#[test]
fn streams_exit_code_user_and_limits_are_those_asked_for() {
    let Some(daemon) = with_runc() else { return };
    let body = json!({
        "User": "1000:7",
        "WorkingDir": "/tmp",
        "Hostname": "web",
        "Env": ["A=b"],
        "HostConfig": {
            "Memory": 64 << 20,
            "PidsLimit": 33,
            "GroupAdd": ["9"],
            "Ulimits": [{"Name": "nofile", "Soft": 55, "Hard": 66}],
            "CapAdd": ["SYS_TIME"],
        },
    });
    let line = "id -u; id -g; pwd; hostname; echo $A; ulimit -n; \
                grep CapBnd /proc/self/status; echo err >&2; exit 42";
    let (code, out, err) = daemon.shell(line, body.clone());
    assert_eq!((code, err.as_str()), (42, "err\n"));
    let wanted = "1000\n7\n/tmp\nweb\nb\n55\nCapBnd:\t00000000aa0425fb\n";
    assert_eq!(out, wanted);
    let id = daemon.run_with("limited", "sleep 1000", body);
    let groups = host::cgroups(&[id]);
    let read = |name: &str| {
        let files = groups.iter().map(|group| group.join(name));
        let mut texts = files.filter_map(|file| fs::read_to_string(file).ok());
        texts.next().unwrap_or_default()
    };
    assert_eq!(read("pids.max"), "33\n");
    let memory = read("memory.limit_in_bytes") + &read("memory.max");
    assert_eq!(memory, "67108864\n");
    // The engine's own figures come from the same groups.
    let stats = daemon.get("/containers/limited/stats?stream=0&one-shot=1");
    assert_eq!(stats.is(200).json()["memory_stats"]["limit"], 64 << 20);
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["DefaultRuntime"], "runc");
    assert_eq!(info["Runtimes"]["runc"]["path"], "runc");
    let runtime = &daemon.inspect("limited")["HostConfig"]["Runtime"];
    assert_eq!(*runtime, "runc");
}

#[test]
fn programs_that_are_missing_are_told_as_ever() {
    let Some(daemon) = with_runc() else { return };
    let front = "docker: Error response from daemon: failed to create task \
                 for container: failed to create shim task: OCI runtime \
                 create failed: runc create failed: unable to start \
                 container process: exec: "
        .replace("docker: ", "");
    let run = |program: &str| {
        daemon.skiff(&["run", "--rm", "--network=none", "busybox", program])
    };
    run("nosuch").exits(127).complains(&format!(
        "{front}\"nosuch\": executable file not found in $PATH: unknown"
    ));
    run("/etc")
        .exits(126)
        .complains(&format!("{front}\"/etc\": permission denied: unknown"));
    let body = json!({
        "HostConfig": {"Runtime": "nope"},
        "Image": "busybox",
        "Cmd": ["true"],
    });
    daemon
        .post_json("/containers/create", &body)
        .refuses(400, "unknown or invalid runtime name: nope");
}

#[test]
fn input_and_terminal_go_through() {
    let Some(daemon) = with_runc() else { return };
    let body = json!({
        "Cmd": ["sh", "-c", "cat; exit 3"],
        "OpenStdin": true,
        "StdinOnce": true,
    });
    daemon.create("cat", body);
    let (mut wire, _) =
        daemon.attach("cat", "stream=1&stdin=1&stdout=1&stderr=1");
    daemon.post("/containers/cat/start").is(204);
    wire.write("through\n");
    assert_eq!(wire.frame(), Some((1, b"through\n".to_vec())));
    wire.half_close();
    assert_eq!(daemon.wait("cat"), 3);
    let body = json!({
        "Cmd": ["sh", "-c", "tty; read x; echo got $x"],
        "Tty": true,
        "OpenStdin": true,
    });
    daemon.create("tty", body);
    let (mut wire, _) =
        daemon.attach("tty", "stream=1&stdin=1&stdout=1&stderr=1");
    daemon.post("/containers/tty/start").is(204);
    wire.until("/dev/pts/0");
    daemon.post("/containers/tty/resize?h=33&w=44").is(200);
    wire.write("word\n");
    wire.until("got word");
    assert_eq!(daemon.wait("tty"), 0);
}

#[test]
fn the_filter_is_the_built_in_one() {
    let Some(daemon) = with_runc() else { return };
    // A call that the library of runc of today does not know.
    let is_known = |(line, _): &&(&str, &str)| !line.starts_with("call 452");
    let all = || REFUSED.iter().chain(&ALLOWED).filter(is_known);
    let lines: Vec<&str> = all().map(|(line, _)| *line).collect();
    let answers = calls(&daemon, &lines, json!({}));
    for ((line, wanted), answer) in all().zip(&answers) {
        assert_eq!(answer, wanted, "{line}");
    }
    // The kernel takes the lower half of a family.
    let answers = calls(&daemon, &["call 41 0x100000026 99 0"], json!({}));
    assert_eq!(answers, ["errno 1"]);
}

#[test]
fn programs_are_executed_beside_and_signals_go_through() {
    let Some(daemon) = with_runc() else { return };
    daemon.run("web", "trap 'exit 5' TERM; while :; do sleep 0.1; done");
    let exec = |words: &[&str]| {
        let front = ["exec", "-e", "B=c", "-w", "/tmp", "web"];
        daemon.skiff(&[&front[..], words].concat())
    };
    let run = exec(&["sh", "-c", "echo $B; pwd; echo err >&2; exit 9"]);
    let run = run.exits(9);
    assert_eq!((run.out(), run.err()), ("c\n/tmp".into(), "err".into()));
    let words = "OCI runtime exec failed: exec failed: unable to start \
                 container process: exec: \"nosuch\": executable file not \
                 found in $PATH: unknown\r";
    exec(&["nosuch"]).exits(127).says(words);
    daemon.skiff(&["exec", "-t", "web", "tty"]).ok().says("/dev/pts/0\r");
    // A signal goes through the runtime, and the trap is heard.
    daemon.post("/containers/web/stop?t=10").is(204);
    assert_eq!(daemon.inspect("web")["State"]["ExitCode"], 5);
}

#[test]
fn it_outlives_the_daemon_and_is_started_again_by_its_policy() {
    let Some(mut daemon) = with_runc() else { return };
    let policy = json!({"RestartPolicy": {"Name": "always"}});
    let line = "echo ready; exec sleep 1000";
    daemon.run_with("web", line, json!({"HostConfig": policy}));
    daemon.until_logged("web", "ready");
    let pid = pid_of(&daemon, "web");
    daemon.kill();
    assert!(host::is_alive(pid));
    daemon.launch();
    assert_eq!(pid_of(&daemon, "web"), pid);
    host::signal(pid, Signal::KILL);
    until("the next run", || {
        let state = daemon.inspect("web")["State"].clone();
        let next = state["Pid"].as_i64() != Some(i64::from(pid));
        (state["Status"] == "running" && next).then_some(())
    });
    daemon.until_logged("web", "ready\nready");
    daemon.post("/containers/web/stop?t=0").is(204);
    assert_eq!(daemon.inspect("web")["State"]["ExitCode"], 137);
}

#[test]
fn the_end_of_its_monitor_leaves_nothing() {
    let Some(mut daemon) = with_runc() else { return };
    daemon.run("web", "sleep 1000 & sleep 1000");
    daemon.run("other", "sleep 1000");
    let (pid, other) = (pid_of(&daemon, "web"), pid_of(&daemon, "other"));
    let monitor = host::parent(pid).expect("a monitor");
    host::signal(monitor, Signal::KILL);
    daemon.until_state("web", "exited");
    assert!(!host::is_alive(pid));
    assert_eq!(daemon.inspect("web")["State"]["ExitCode"], 137);
    // The same while no daemon is there.
    daemon.kill();
    host::signal(host::parent(other).expect("a monitor"), Signal::KILL);
    daemon.launch();
    daemon.until_state("other", "exited");
    assert!(!host::is_alive(other));
    // Nothing of the old run is in the way of the next one.
    daemon.post("/containers/web/start").is(204);
}

#[test]
fn runtimes_come_and_go_with_a_reload() {
    if !has("runc") {
        return skip("runc is not installed");
    }
    let mut daemon = Daemon::prepare(&[]);
    let file = daemon.directory.join("daemon.json");
    let write = |value: Value| {
        fs::write(&file, value.to_string()).expect("a file");
    };
    write(json!({}));
    daemon.add_flag(&format!("--config-file={}", file.display()));
    daemon.launch();
    daemon.import("busybox");
    let create = || {
        let host = json!({"Runtime": "mine", "NetworkMode": "none"});
        let body =
            json!({"Image": "busybox", "Cmd": ["true"], "HostConfig": host});
        daemon.post_json("/containers/create", &body)
    };
    create().refuses(400, "unknown or invalid runtime name: mine");
    let args = json!(["--debug"]);
    write(json!({"runtimes": {"mine": {"path": "runc", "runtimeArgs": args}}}));
    host::signal(daemon.pid(), Signal::HUP);
    until("the runtime", || {
        let info = daemon.get("/info").is(200).json();
        info["Runtimes"]["mine"].is_object().then_some(())
    });
    let made = create().is(201).json();
    let id = made["Id"].as_str().expect("an id");
    daemon.post(&format!("/containers/{id}/start")).is(204);
    assert_eq!(daemon.wait(id), 0);
}

#[test]
fn a_runtime_that_is_missing_is_told() {
    let daemon = Daemon::with(&["--add-runtime=odd=/nonexistent/runtime"]);
    daemon.import("busybox");
    let error = odd(&daemon, 400);
    let wanted = "OCI runtime create failed: unable to retrieve OCI runtime \
                  error: exec: \"/nonexistent/runtime\": no such file or \
                  directory: unknown";
    assert!(error.ends_with(wanted), "{error}");
}

#[test]
fn a_runtime_that_fails_or_lies_is_told() {
    let daemon = with_script("echo garbage; echo more >&2; exit 3");
    let error = odd(&daemon, 500);
    assert!(error.contains("OCI runtime create failed: "), "{error}");
    assert!(error.ends_with("exit status 3: unknown"), "{error}");
    let daemon = with_script("exit 0");
    let error = odd(&daemon, 500);
    let wanted = "the runtime has told no process id: unknown";
    assert!(error.ends_with(wanted), "{error}");
    // It dies in the middle, and its log says why.
    let daemon = with_script(
        "while [ \"$1\" != --log ]; do shift; done\n\
         echo '{\"level\":\"error\",\"msg\":\"so it is\"}' >\"$2\"\n\
         kill -9 $$",
    );
    let error = odd(&daemon, 500);
    let wanted = "OCI runtime create failed: so it is: unknown";
    assert!(error.ends_with(wanted), "{error}");
}

#[test]
fn a_runtime_that_hangs_is_ended_with_all_it_started() {
    let daemon = with_script("sleep 1000 & sleep 1000");
    let began = Instant::now();
    let error = odd(&daemon, 500);
    assert!(began.elapsed() < Duration::from_secs(40));
    assert!(error.contains("has not answered within 20s"), "{error}");
    let left = host::holders(Path::new(&daemon.directory));
    let runtimes = left.iter().filter(|left| left.name == "sleep").count();
    assert_eq!(runtimes, 0, "{left:?}");
}
