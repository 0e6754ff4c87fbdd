//! Attach: hijacked streams, framed and raw, both ways, half-closed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, Wire};

const ALL: &str = "stream=1&stdin=1&stdout=1&stderr=1";

/// A create body with an open stdin.
fn open_stdin(command: &[&str]) -> Value {
    json!({
        "Cmd": command,
        "OpenStdin": true,
        "StdinOnce": true,
        "AttachStdin": true,
        "AttachStdout": true,
        "AttachStderr": true,
    })
}

#[test]
fn an_upgrade_is_answered_as_such() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["sh", "-c", "echo a; echo b >&2"]}));
    let (mut wire, head) = daemon.attach("web", "stream=1&stdout=1&stderr=1");
    assert_eq!((head.status, head.reason.as_str()), (101, "UPGRADED"));
    assert_eq!(head.header("Connection"), Some("Upgrade"));
    assert_eq!(head.header("Upgrade"), Some("tcp"));
    let kind = "application/vnd.docker.multiplexed-stream";
    assert_eq!(head.header("Content-Type"), Some(kind));
    daemon.post("/containers/web/start").is(204);
    assert_eq!(wire.frames(), ("a\n".into(), "b\n".into()));
}

#[test]
fn an_old_client_gets_the_raw_200() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["echo", "old"]}));
    let (mut wire, head) = daemon.open(
        "POST",
        "/v1.14/containers/web/attach?stream=1&stdout=1&stderr=1",
    );
    assert_eq!(head.status, 200);
    let kind = "application/vnd.docker.raw-stream";
    assert_eq!(head.header("Content-Type"), Some(kind));
    assert!(head.header("Content-Length").is_none(), "{head:?}");
    assert!(head.header("Transfer-Encoding").is_none(), "{head:?}");
    daemon.post("/containers/web/start").is(204);
    assert_eq!(wire.frames().0, "old\n");
}

#[test]
fn bytes_go_both_ways_and_half_close_ends_stdin() {
    let daemon = Daemon::with_image();
    daemon.create("cat", open_stdin(&["sh", "-c", "cat; echo end"]));
    let (mut wire, head) = daemon.attach("cat", ALL);
    assert_eq!(head.status, 101);
    daemon.post("/containers/cat/start").is(204);
    wire.write("first\n");
    assert_eq!(wire.frame(), Some((1, b"first\n".to_vec())));
    wire.write("second\n");
    assert_eq!(wire.frame(), Some((1, b"second\n".to_vec())));
    wire.half_close();
    assert_eq!(wire.frames().0, "end\n");
    assert_eq!(daemon.wait("cat"), 0);
}

#[test]
fn bytes_sent_with_the_request_are_not_lost() {
    let daemon = Daemon::with_image();
    daemon.create("cat", open_stdin(&["cat"]));
    let mut wire = daemon.wire();
    wire.write(format!(
        "POST /containers/cat/attach?{ALL} HTTP/1.1\r\nHost: d\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly bytes\n"
    ));
    wire.half_close();
    assert_eq!(wire.head().status, 101);
    daemon.post("/containers/cat/start").is(204);
    assert_eq!(wire.frames().0, "early bytes\n");
}

#[test]
fn much_data_passes_unharmed() {
    let daemon = Daemon::with_image();
    daemon.create("cat", open_stdin(&["cat"]));
    let (mut wire, _) = daemon.attach("cat", "stream=1&stdin=1");
    daemon.post("/containers/cat/start").is(204);
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let wanted = crate::harness::image::sha256(&bytes);
    let (mut back, _) = daemon.attach("cat", "stream=1&stdout=1");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wire.write(&bytes);
            wire.half_close();
        });
        let mut came = Vec::new();
        while let Some((_, part)) = back.frame() {
            came.extend_from_slice(&part);
        }
        assert_eq!(came.len(), bytes.len());
        assert_eq!(crate::harness::image::sha256(&came), wanted);
    });
    assert_eq!(daemon.wait("cat"), 0);
}

#[test]
fn a_slow_reader_slows_the_container_and_loses_nothing() {
    let daemon = Daemon::with_image();
    let body = json!({
        "Cmd": ["sh", "-c", "seq 1 600000; echo done >&2"],
        "HostConfig": {"LogConfig": {"Type": "none"}},
    });
    daemon.create("web", body);
    let (mut wire, _) = daemon.attach("web", "stream=1&stdout=1&stderr=1");
    daemon.post("/containers/web/start").is(204);
    // 4 MB do not fit into the buffers on the way.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.inspect("web")["State"]["Running"], true);
    let (out, err) = wire.frames();
    assert_eq!(err, "done\n");
    assert_eq!(out.lines().count(), 600_000);
    assert!(out.ends_with("\n599999\n600000\n"));
}

#[test]
fn a_terminal_is_raw() {
    let daemon = Daemon::with_image();
    let mut body = open_stdin(&["sh", "-c", "trap 'exit 130' INT; tty; cat"]);
    body["Tty"] = true.into();
    daemon.create("tty", body);
    let (mut wire, head) = daemon.attach("tty", ALL);
    let kind = "application/vnd.docker.raw-stream";
    assert_eq!(head.header("Content-Type"), Some(kind));
    daemon.post("/containers/tty/start").is(204);
    wire.until("/dev/pts/0\r\n");
    wire.write("word\n");
    // Once from the echo, once from cat.
    let seen = wire.until("word\r\nword\r\n");
    assert!(!seen.contains('\0'), "{seen:?}");
    wire.write([3]);
    wire.rest();
    assert_eq!(daemon.wait("tty"), 130);
}

#[test]
fn logs_of_an_attach_are_the_backlog() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo before; until [ -e /go ]; do sleep 0.05; done");
    daemon.until_logged("web", "before");
    let (mut wire, head) = daemon.attach("web", "logs=1&stdout=1&stderr=1");
    assert!([101, 200].contains(&head.status), "{head:?}");
    assert_eq!(wire.frames().0, "before\n");
    let (mut wire, _) =
        daemon.attach("web", "logs=1&stream=1&stdout=1&stderr=1");
    assert_eq!(wire.frame(), Some((1, b"before\n".to_vec())));
    assert!(wire.is_quiet_for(Duration::from_millis(100)));
}

#[test]
fn detach_keys_leave_the_container_running() {
    let daemon = Daemon::with_image();
    let mut body = open_stdin(&["cat"]);
    body["Tty"] = true.into();
    body["StdinOnce"] = false.into();
    daemon.create("tty", body);
    let (mut wire, _) = daemon.attach("tty", ALL);
    daemon.post("/containers/tty/start").is(204);
    wire.write("x\n");
    wire.until("x\r\nx\r\n");
    // Ctrl-P Ctrl-Q.
    wire.write([16, 17]);
    wire.rest();
    assert_eq!(daemon.inspect("tty")["State"]["Running"], true);
    let query = format!("{ALL}&detachKeys=ctrl-a,b");
    let (mut wire, _) = daemon.attach("tty", &query);
    wire.write("y\n");
    wire.until("y\r\ny\r\n");
    wire.write([1, b'b']);
    wire.rest();
    assert_eq!(daemon.inspect("tty")["State"]["Running"], true);
    let (_, head) = daemon.attach("tty", &format!("{ALL}&detachKeys=nosuch"));
    assert_eq!(head.status, 400);
}

#[test]
fn several_clients_see_the_same() {
    let daemon = Daemon::with_image();
    daemon.create("cat", open_stdin(&["cat"]));
    let (mut first, _) = daemon.attach("cat", ALL);
    let mut others: Vec<Wire> =
        (0..4).map(|_| daemon.attach("cat", "stream=1&stdout=1").0).collect();
    daemon.post("/containers/cat/start").is(204);
    first.write("all\n");
    assert_eq!(first.frame(), Some((1, b"all\n".to_vec())));
    for other in &mut others {
        assert_eq!(other.frame(), Some((1, b"all\n".to_vec())));
    }
    // One that leaves disturbs nobody.
    others.pop();
    first.write("rest\n");
    for other in &mut others {
        assert_eq!(other.frame(), Some((1, b"rest\n".to_vec())));
    }
    first.half_close();
    assert_eq!(daemon.wait("cat"), 0);
}

#[test]
fn attach_refuses_before_it_upgrades() {
    let daemon = Daemon::with_image();
    let (mut wire, head) = daemon.attach("nosuch", ALL);
    assert_eq!(head.status, 404);
    let body = String::from_utf8(wire.body(&head)).expect("JSON");
    assert!(body.contains("No such container: nosuch"), "{body}");
}
