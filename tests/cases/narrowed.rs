//! Listeners that give less than everything: `?access=read`, `control`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::harness::{Daemon, Reply, Wire, until};

struct Narrowed {
    daemon: Daemon,
    read: PathBuf,
    control: PathBuf,
}

impl Narrowed {
    fn start() -> Narrowed {
        let mut daemon = Daemon::prepare(&[]);
        let read = daemon.directory.join("read.sock");
        let control = daemon.directory.join("control.sock");
        let flag = |path: &PathBuf, class: &str| {
            format!("-H=unix://{}?access={class}", path.display())
        };
        daemon.add_flag(&flag(&read, "read"));
        daemon.add_flag(&flag(&control, "control"));
        daemon.launch();
        daemon.import("busybox");
        Narrowed { daemon, read, control }
    }

    fn ask(&self, socket: &Path, method: &str, target: &str) -> Reply {
        let body = (method != "GET").then_some(&b""[..]);
        Wire::unix(socket).exchange(method, target, &[], body)
    }
}

fn denied(operation: &str, needed: &str, given: &str) -> String {
    format!(
        "access denied: {operation} needs {needed} access, and this listener \
         gives {given} access"
    )
}

#[test]
fn a_read_socket_shows_everything_but_secrets() {
    let narrowed = Narrowed::start();
    narrowed.daemon.create(
        "web",
        json!({"Cmd": ["true"], "Env": ["TOKEN=secret=1", "PATH=/bin"]}),
    );
    let ask = |target| narrowed.ask(&narrowed.read, "GET", target);
    for target in [
        "/_ping",
        "/version",
        "/info",
        "/containers/json?all=1",
        "/images/json",
        "/events?since=0&until=1",
    ] {
        ask(target).is(200);
    }
    let seen = ask("/containers/web/json").is(200).json();
    let hidden = json!(["TOKEN=(hidden)", "PATH=(hidden)"]);
    assert_eq!(seen["Config"]["Env"], hidden);
    assert_eq!(seen["Config"]["Cmd"], json!(["true"]));
    let whole = narrowed.daemon.inspect("web");
    assert_eq!(whole["Config"]["Env"], json!(["TOKEN=secret=1", "PATH=/bin"]));
    let target = "/containers/web/json";
    let more = narrowed.ask(&narrowed.control, "GET", target).json();
    assert_eq!(more["Config"]["Env"], whole["Config"]["Env"]);
    let old = ask("/v1.14/containers/web/json").is(200).text();
    assert!(!old.contains("secret"), "{old}");
    ask("/images/busybox/json").is(200);
}

#[test]
fn a_read_socket_changes_nothing() {
    let narrowed = Narrowed::start();
    narrowed.daemon.run("web", "sleep 1000");
    for (method, target, operation, needed) in [
        ("POST", "/containers/web/stop", "ContainerStop", "control"),
        ("POST", "/v1.30/containers/web/kill", "ContainerKill", "control"),
        ("POST", "/containers/web/wait", "ContainerWait", "control"),
        ("GET", "/containers/web/logs?stdout=1", "ContainerLogs", "control"),
        ("POST", "/containers/web/attach", "ContainerAttach", "control"),
        ("POST", "/containers/create", "ContainerCreate", "full"),
        ("DELETE", "/containers/web?force=1", "ContainerDelete", "full"),
        ("POST", "/images/create", "ImageCreate", "full"),
        ("DELETE", "/images/busybox", "ImageDelete", "full"),
        ("POST", "/containers/web/exec", "ContainerExec", "full"),
        ("GET", "/containers/web/archive", "ContainerArchive", "full"),
        ("GET", "/containers/web/export", "ContainerExport", "full"),
        ("GET", "/images/busybox/get", "ImageGet", "full"),
        ("POST", "/build", "ImageBuild", "full"),
    ] {
        narrowed
            .ask(&narrowed.read, method, target)
            .refuses(403, &denied(operation, needed, "read"));
    }
    // What there is not, is not there for anybody.
    narrowed.ask(&narrowed.read, "POST", "/nosuch").is(404);
    let state = narrowed.daemon.inspect("web")["State"]["Status"].clone();
    assert_eq!(state, "running");
}

#[test]
fn a_control_socket_starts_and_stops_what_there_is() {
    let narrowed = Narrowed::start();
    let line = "trap 'exit 3' TERM; echo hello; while :; do sleep 0.05; done";
    let body = json!({"Cmd": ["sh", "-c", line], "OpenStdin": true});
    narrowed.daemon.create("web", body);
    let post = |target| narrowed.ask(&narrowed.control, "POST", target);
    post("/containers/web/start").is(204);
    narrowed.daemon.until_logged("web", "hello");
    let target = "/containers/web/logs?stdout=1";
    let logs = narrowed.ask(&narrowed.control, "GET", target).is(200);
    assert!(logs.text().contains("hello"));
    let attach = "/containers/web/attach?stream=1&stdout=1";
    let mut wire = Wire::unix(&narrowed.control);
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "tcp")];
    wire.send("POST", attach, &upgrade, Some(b""));
    assert_eq!(wire.head().status, 101);
    post("/containers/web/attach?stream=1&stdin=1&stdout=1")
        .refuses(403, &denied("ContainerAttach", "full", "control"));
    post("/containers/web/restart?t=5").is(204);
    // Its handler of the signal is there with the second line.
    until("a second line", || {
        let logs = narrowed.ask(&narrowed.control, "GET", target).text();
        (logs.matches("hello").count() == 2).then_some(())
    });
    post("/containers/web/stop?t=5").is(204);
    let waited = post("/containers/web/wait").is(200).json();
    assert_eq!(waited["StatusCode"], 3);
    for (method, target, operation) in [
        ("POST", "/containers/create", "ContainerCreate"),
        ("POST", "/containers/web/exec", "ContainerExec"),
        ("DELETE", "/containers/web", "ContainerDelete"),
        ("PUT", "/containers/web/archive", "PutContainerArchive"),
        ("POST", "/images/create", "ImageCreate"),
        ("POST", "/build", "ImageBuild"),
    ] {
        narrowed
            .ask(&narrowed.control, method, target)
            .refuses(403, &denied(operation, "full", "control"));
    }
}

#[test]
fn what_is_beside_the_api_is_refused_by_its_path() {
    let narrowed = Narrowed::start();
    let reply = narrowed.ask(&narrowed.read, "GET", "/debug/vars");
    reply.refuses(403, &denied("/debug/vars", "full", "read"));
}

#[test]
fn a_port_can_be_narrowed_too() {
    let daemon = Daemon::with(&["-H=tcp://127.0.0.1:0?access=read"]);
    let log = daemon.log();
    let at: SocketAddr = log
        .lines()
        .find_map(|line| line.split_once("API listen on tcp://"))
        .and_then(|(_, at)| at.parse().ok())
        .expect("its address");
    Wire::at(at).exchange("GET", "/info", &[], None).is(200);
    let message = denied("ContainerStart", "control", "read");
    Wire::at(at)
        .exchange("POST", "/containers/x/start", &[], Some(b""))
        .refuses(403, &message);
}
