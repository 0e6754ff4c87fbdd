//! The daemon as a program: flags, gate, lock, signals, its socket.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::command::Run;
use crate::harness::registry::free_port;
use crate::harness::{Daemon, Wire, daemon, host, until};

#[test]
fn a_second_daemon_on_the_same_root_refuses_to_start() {
    let daemon = Daemon::start();
    let mut command = Command::new(daemon::program());
    let elsewhere = daemon.directory.join("second");
    command
        .args(["-d", "-H"])
        .arg(format!("unix://{}", elsewhere.join("sock").display()))
        .arg("--data-root")
        .arg(daemon.data())
        .arg("--exec-root")
        .arg(elsewhere.join("exec"))
        .arg("-p")
        .arg(elsewhere.join("pid"))
        .args(["--bridge", "none"]);
    fs::create_dir(&elsewhere).expect("a directory");
    let run = Run::of(&mut command, b"");
    assert_ne!(run.status, 0, "{run:?}");
    let pid = daemon.pid().to_string();
    assert!(run.err().contains(&pid), "it does not say who: {run:?}");
    daemon.get("/_ping").is(200);
}

#[test]
fn a_live_daemons_socket_is_not_taken_away() {
    let daemon = Daemon::start();
    let mut other = Daemon::prepare(&[]);
    let mut command = Command::new(daemon::program());
    command
        .args(["-d", "-H"])
        .arg(format!("unix://{}", daemon.socket().display()))
        .arg("--data-root")
        .arg(other.data())
        .arg("--exec-root")
        .arg(other.exec())
        .arg("-p")
        .arg(other.directory.join("pid"))
        .args(["--bridge", "none"]);
    let run = Run::of(&mut command, b"");
    assert_ne!(run.status, 0, "{run:?}");
    daemon.get("/_ping").is(200);
    other.may_leave_something();
}

#[test]
fn a_stale_socket_is_replaced() {
    let mut daemon = Daemon::start();
    daemon.kill();
    assert!(daemon.socket().exists(), "a crash leaves the socket");
    daemon.launch();
    daemon.get("/_ping").is(200);
}

#[test]
fn the_socket_is_for_root_and_its_group() {
    let daemon = Daemon::start();
    let data = fs::metadata(daemon.socket()).expect("a socket");
    assert!(data.file_type().is_socket());
    assert_eq!(data.mode() & 0o777, 0o660);
    assert_eq!(data.uid(), 0);
}

#[test]
fn early_clients_wait_and_are_served() {
    let mut daemon = Daemon::prepare(&[]);
    daemon.launch_only();
    let socket = daemon.socket();
    let stream = until("the socket", || UnixStream::connect(&socket).ok());
    drop(stream);
    daemon.get("/_ping").is(200);
    daemon.get("/info").is(200);
}

#[test]
fn term_and_int_end_it_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::start();
        host::signal(daemon.pid(), signal);
        let status = daemon.ended();
        assert!(status.success(), "{signal:?}: {status}");
        assert!(!daemon.socket().exists(), "the socket stayed");
        assert!(!daemon.directory.join("pid").exists(), "the pid file stayed");
    }
}

#[test]
fn the_pid_file_holds_the_pid() {
    let daemon = Daemon::start();
    let text = fs::read_to_string(daemon.directory.join("pid"));
    let text = text.expect("a pid file");
    assert_eq!(text.trim(), daemon.pid().to_string());
}

#[test]
fn a_stopped_daemon_leaves_containers_running() {
    let mut daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let pid = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["LiveRestoreEnabled"], true);
    assert!(daemon.terminate().success());
    assert!(host::is_alive(pid as i32), "the container ended");
    daemon.launch();
    let state = daemon.inspect("web")["State"].clone();
    assert_eq!(state["Pid"], pid);
    assert_eq!(state["Status"], "running");
}

#[test]
fn without_live_restore_containers_are_stopped_first() {
    let mut daemon = Daemon::with(&["--live-restore=false"]);
    daemon.import("busybox");
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["LiveRestoreEnabled"], false);
    let line = "trap 'echo bye; exit 8' TERM; echo ready; \
                while :; do sleep 0.05; done";
    daemon.run("web", line);
    daemon.until_logged("web", "ready");
    let pid = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    assert!(daemon.terminate().success());
    assert!(!host::is_alive(pid as i32), "the container still runs");
    daemon.launch();
    let state = daemon.inspect("web")["State"].clone();
    assert_eq!(state["Status"], "exited");
    assert_eq!(state["ExitCode"], 8);
    assert_eq!(daemon.logs("web").0, "ready\nbye\n");
}

#[test]
fn several_addresses_are_served() {
    let port = free_port();
    let mut daemon = Daemon::prepare(&[]);
    let second = daemon.directory.join("second.sock");
    daemon.add_flag("-H");
    daemon.add_flag(&format!("unix://{}", second.display()));
    daemon.add_flag("-H");
    daemon.add_flag(&format!("tcp://127.0.0.1:{port}"));
    daemon.launch();
    daemon.get("/_ping").is(200);
    Wire::unix(&second).exchange("GET", "/_ping", &[], None).is(200);
    let mut tcp = Wire::tcp(port);
    tcp.exchange("GET", "/version", &[], None).is(200);
    tcp.exchange("GET", "/_ping", &[], None).is(200);
}

#[test]
fn attach_works_over_tcp() {
    let port = free_port();
    let flag = format!("-H=tcp://127.0.0.1:{port}");
    let daemon = Daemon::with(&[&flag]);
    daemon.import("busybox");
    daemon.create(
        "cat",
        json!({
            "Cmd": ["cat"], "OpenStdin": true, "StdinOnce": true,
        }),
    );
    let mut wire = Wire::tcp(port);
    wire.send(
        "POST",
        "/containers/cat/attach?stream=1&stdin=1&stdout=1",
        &[("Connection", "Upgrade"), ("Upgrade", "tcp")],
        Some(b""),
    );
    assert_eq!(wire.head().status, 101);
    daemon.post("/containers/cat/start").is(204);
    wire.write("over tcp\n");
    assert_eq!(wire.frame(), Some((1, b"over tcp\n".to_vec())));
    wire.half_close();
    wire.rest();
}

#[test]
fn bad_flags_are_told() {
    let cases: [&[&str]; 4] = [
        &["-d", "--nosuchflag"],
        &["-d", "-H", "bogus"],
        &["-d", "--bip", "nosuch"],
        &["-d", "--log-level", "nosuch"],
    ];
    for words in cases {
        let mut command = Command::new(daemon::program());
        let directory = std::env::temp_dir()
            .join(format!("skt-flags-{}", std::process::id()));
        command.args(words).arg("--data-root").arg(directory.join("data"));
        command.arg("--exec-root").arg(directory.join("exec"));
        command.arg("-p").arg(directory.join("pid"));
        let run = Run::of(&mut command, b"");
        assert_ne!(run.status, 0, "{run:?}");
        assert!(!run.err().is_empty(), "{run:?}");
        let _ = fs::remove_dir_all(&directory);
    }
}

#[test]
fn a_damaged_record_does_not_keep_it_from_starting() {
    let mut daemon = Daemon::with_image();
    daemon.create("good", json!({"Cmd": ["true"]}));
    let bad = daemon.create("bad", json!({"Cmd": ["true"]}));
    daemon.terminate();
    let files = host::tree(&daemon.data().join("containers"));
    let mut damaged = 0;
    for file in files {
        let is_record = file.extension().is_some_and(|end| end == "json");
        if is_record && file.to_string_lossy().contains(&bad) {
            fs::write(&file, "{ half a rec").expect("it can be written");
            damaged += 1;
        }
    }
    assert!(damaged > 0, "no record of {bad}");
    daemon.launch();
    let list = daemon.get("/containers/json?all=1").is(200).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
    assert_eq!(list[0]["Names"][0], "/good");
    daemon.post("/containers/good/start").is(204);
    assert_eq!(daemon.wait("good"), 0);
}

#[test]
fn a_long_exec_root_is_no_hindrance() {
    let mut daemon = Daemon::prepare(&[]);
    daemon.deepen_exec_root();
    daemon.launch();
    daemon.import("busybox");
    daemon.run("web", "echo deep; sleep 1000");
    daemon.until_logged("web", "deep");
    daemon.post("/containers/web/stop?t=0").is(204);
}

#[test]
fn idle_it_makes_no_system_call() {
    if !crate::harness::has("strace") {
        crate::harness::skip("strace is not installed");
        return;
    }
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    // The one that served the last request may still be on its way out.
    until("the end of all workers", || {
        let threads = host::threads(daemon.pid());
        (!threads.iter().any(|name| name == "worker")).then_some(())
    });
    let out = daemon.directory.join("strace");
    let mut command = Command::new("timeout");
    command.args(["-s", "INT", "5", "strace", "-f", "-o"]).arg(&out);
    command.arg("-p").arg(daemon.pid().to_string());
    Run::of(&mut command, b"");
    let calls = fs::read_to_string(&out).expect("strace wrote");
    // What was under way when strace came is shown as resumed, or as cut off.
    let made = calls
        .lines()
        .filter(|line| {
            !line.contains("strace:")
                && !line.contains("<unfinished")
                && !line.contains("<detached")
                && !line.contains("resumed")
                && !line.contains("restart_syscall")
        })
        .count();
    assert_eq!(made, 0, "{calls}");
}
