//! Attach over a WebSocket: handshake, frames of both kinds, limits.

use serde_json::json;

use crate::harness::{Daemon, Wire, until};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn open(daemon: &Daemon, target: &str) -> Wire {
    let mut wire = daemon.wire();
    let headers = [
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", KEY),
    ];
    wire.send("GET", target, &headers, None);
    let head = wire.head();
    assert_eq!(head.status, 101, "{head:?}");
    let answer = head.header("Sec-WebSocket-Accept");
    assert_eq!(answer, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    wire
}

/// Sends a frame as clients do: masked.
fn send(wire: &mut Wire, first: u8, payload: &[u8]) {
    let mask = [7, 1, 250, 3];
    let mut bytes = vec![first, 0x80 | 126];
    bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    if first & 8 != 0 {
        bytes.truncate(1);
        bytes.push(0x80 | payload.len() as u8);
    }
    bytes.extend_from_slice(&mask);
    let masked = payload.iter().enumerate();
    bytes.extend(masked.map(|(at, byte)| byte ^ mask[at % 4]));
    wire.write(bytes);
}

/// The kind of the next frame, and what it holds.
fn frame(wire: &mut Wire) -> Option<(u8, Vec<u8>)> {
    let head = wire.exactly(2)?;
    assert_eq!(head[0] & 0xf0, 0x80, "a whole frame");
    let length = match head[1] {
        126 => {
            let length = wire.exactly(2)?;
            usize::from(u16::from_be_bytes([length[0], length[1]]))
        }
        length => usize::from(length),
    };
    let payload = match length {
        0 => Vec::new(),
        _ => wire.exactly(length)?,
    };
    Some((head[0] & 15, payload))
}

/// All output up to the Close, and that one's code.
fn output(wire: &mut Wire, kind: u8) -> (String, u16) {
    let mut out = Vec::new();
    while let Some((code, payload)) = frame(wire) {
        if code == 8 {
            let code = u16::from_be_bytes([payload[0], payload[1]]);
            return (String::from_utf8(out).expect("text"), code);
        }
        assert_eq!(code, kind);
        out.extend(payload);
    }
    panic!("no Close came");
}

#[test]
fn bytes_go_both_ways_over_a_websocket() {
    let daemon = Daemon::with_image();
    let command = "cat; echo end; echo err >&2";
    daemon.create(
        "web",
        json!({
            "Cmd": ["sh", "-c", command], "OpenStdin": true, "StdinOnce": true,
        }),
    );
    let target = "/containers/web/attach/ws?stream=1&stdin=1&stdout=1&stderr=1";
    let mut wire = open(&daemon, target);
    daemon.post("/containers/web/start").is(204);
    // One message in two frames, with a ping between.
    send(&mut wire, 0x01, b"he");
    send(&mut wire, 0x89, b"there?");
    send(&mut wire, 0x80, b"llo\n");
    assert_eq!(frame(&mut wire), Some((10, b"there?".to_vec())));
    assert_eq!(frame(&mut wire), Some((2, b"hello\n".to_vec())));
    send(&mut wire, 0x88, &1000u16.to_be_bytes());
    assert_eq!(output(&mut wire, 2).1, 1000);
    assert_eq!(daemon.wait("web"), 0);
    let (out, err) = daemon.logs("web");
    assert_eq!((out.as_str(), err.as_str()), ("hello\nend\n", "err\n"));
}

#[test]
fn a_websockets_kind_and_streams_depend_on_the_version() {
    let daemon = Daemon::with_image();
    for (version, query, kind, wanted) in [
        ("/v1.27", "stream=1", 1, "a\nb\n"),
        ("/v1.41", "stream=1&stdout=1", 2, "a\nb\n"),
        ("/v1.42", "stream=1&stderr=1", 2, "b\n"),
        ("", "stream=1&stdout=1", 2, "a\n"),
    ] {
        let command = "echo a; sleep 0.1; echo b >&2";
        daemon.create("web", json!({"Cmd": ["sh", "-c", command]}));
        let target = format!("{version}/containers/web/attach/ws?{query}");
        let mut wire = open(&daemon, &target);
        daemon.post("/containers/web/start").is(204);
        let (out, code) = output(&mut wire, kind);
        assert_eq!((out.as_str(), code), (wanted, 1000), "{version}");
        daemon.delete("/containers/web?force=1").is(204);
    }
}

#[test]
fn a_websocket_that_breaks_the_rules_is_closed() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let target = "/containers/web/attach/ws?stream=1&stdin=1&stdout=1";
    let mut wire = open(&daemon, target);
    // Not masked.
    wire.write([0x82, 1, b'x']);
    assert_eq!(output(&mut wire, 2), (String::new(), 1002));
    let plain = daemon.get(target);
    plain.refuses(400, "not websocket protocol");
    let missing = "/containers/nosuch/attach/ws?stream=1";
    daemon.get(missing).refuses(404, "No such container: nosuch");
}

#[test]
fn a_closed_websocket_leaves_nothing_behind() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let threads = || {
        let all = crate::harness::host::threads(daemon.pid());
        all.iter().filter(|name| *name == "websocket").count()
    };
    let target = "/containers/web/attach/ws?stream=1&stdout=1";
    let wires: Vec<_> = (0..5).map(|_| open(&daemon, target)).collect();
    assert_eq!(threads(), 5);
    drop(wires);
    until("the threads to go", || (threads() == 0).then_some(()));
}
