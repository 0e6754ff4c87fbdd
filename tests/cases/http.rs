//! The server at the level of bytes: order, framing, versions, abuse.

use std::time::{Duration, Instant};

use crate::harness::{Daemon, Wire};

#[test]
fn a_connection_serves_many_requests() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    for _ in 0..20 {
        let reply = wire.exchange("GET", "/_ping", &[], None).is(200);
        assert_eq!(reply.text(), "OK");
        wire.exchange("GET", "/v1.51/version", &[], None).is(200);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    let mut all = String::new();
    for target in ["/_ping", "/containers/nosuch/json", "/version", "/_ping"] {
        all.push_str(&format!("GET {target} HTTP/1.1\r\nHost: d\r\n\r\n"));
    }
    wire.write(all);
    assert_eq!(wire.reply(false).is(200).text(), "OK");
    wire.reply(false).refuses(404, "No such container: nosuch");
    assert!(wire.reply(false).is(200).text().contains("ApiVersion"));
    assert_eq!(wire.reply(false).is(200).text(), "OK");
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    for byte in b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n" {
        wire.write([*byte]);
    }
    wire.reply(false).is(200);
}

#[test]
fn connection_close_is_honoured() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    let close = [("Connection", "close")];
    wire.exchange("GET", "/_ping", &close, None).is(200);
    assert!(wire.try_head().is_none(), "the connection stayed open");
}

#[test]
fn http_1_0_is_answered_and_closed() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    wire.write("GET /_ping HTTP/1.0\r\n\r\n");
    let reply = wire.reply(false).is(200);
    assert!(reply.header("Transfer-Encoding").is_none(), "{reply:?}");
    assert!(wire.try_head().is_none(), "the connection stayed open");
}

#[test]
fn head_is_answered_without_a_body() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    wire.exchange("HEAD", "/_ping", &[], None).is(200);
    // Bytes of a body would be taken for the next answer.
    wire.exchange("GET", "/_ping", &[], None).is(200);
}

#[test]
fn expect_continue_is_answered_before_the_body() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    let body = br#"{"Image":"nosuch","Cmd":["true"]}"#;
    wire.write(format!(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\nExpect: 100-continue\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    ));
    assert_eq!(wire.head().status, 100);
    wire.write(body);
    wire.reply(false).refuses(404, "No such image: nosuch:latest");
}

#[test]
fn a_chunked_body_is_read() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    wire.write(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         8;ext=1\r\n{\"Image\"\r\n19\r\n:\"nosuch\",\"Cmd\":[\"true\"]}\
         \r\n0\r\nTrailer: x\r\n\r\n",
    );
    wire.reply(false).refuses(404, "No such image: nosuch:latest");
    wire.exchange("GET", "/_ping", &[], None).is(200);
}

#[test]
fn an_unread_body_does_not_disturb_the_next_request() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    let body = vec![b'x'; 10_000];
    wire.exchange("POST", "/containers/nosuch/stop", &[], Some(&body)).is(404);
    wire.exchange("GET", "/_ping", &[], None).is(200);
}

/// Sends bytes that must be refused with a 4xx JSON error and a close.
#[track_caller]
fn refused(daemon: &Daemon, bytes: impl AsRef<[u8]>) -> u16 {
    let mut wire = daemon.wire();
    let _ = wire.try_write(bytes.as_ref());
    let reply = wire.reply(false);
    let status = reply.head.status;
    // 501 is what an unknown transfer coding gets.
    assert!((400..=501).contains(&status), "{reply:?}");
    assert_ne!(status, 500, "{reply:?}");
    assert!(!reply.message().is_empty(), "{reply:?}");
    assert!(wire.try_head().is_none(), "not closed after {reply:?}");
    status
}

#[test]
fn smuggling_is_refused() {
    let daemon = Daemon::start();
    let post = "POST /containers/create HTTP/1.1\r\nHost: d\r\n";
    let both =
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let two = "Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde";
    let same = "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}";
    let list = "Content-Length: 2, 2\r\n\r\n{}";
    let sign = "Content-Length: +2\r\n\r\n{}";
    let odd = "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n";
    let encoded = "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n";
    for headers in [both, two, same, list, sign, odd, encoded] {
        refused(&daemon, format!("{post}{headers}"));
    }
    refused(&daemon, "GET /_ping HTTP/1.1\nHost: d\n\n");
    refused(&daemon, "GET /_ping HTTP/1.1\r\nHost : d\r\n\r\n");
    refused(&daemon, "GET /_ping HTTP/1.1\r\nHost: d\r\n folded\r\n\r\n");
    refused(&daemon, "GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    refused(&daemon, "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n");
    daemon.get("/_ping").is(200);
}

#[test]
fn a_bad_chunk_size_costs_the_connection() {
    let daemon = Daemon::start();
    for size in ["zz", "-1", "fffffffffffffffff", ""] {
        let mut wire = daemon.wire();
        wire.write(format!(
            "POST /containers/create HTTP/1.1\r\nHost: d\r\n\
             Content-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\n\r\n{size}\r\n{{}}\r\n0\r\n\r\n"
        ));
        let reply = wire.reply(false);
        assert_eq!(reply.head.status, 400, "{size:?} {reply:?}");
        assert!(wire.try_head().is_none(), "{size:?}: not closed");
    }
}

#[test]
fn heads_have_limits() {
    let daemon = Daemon::start();
    let long = "a".repeat(256 * 1024);
    refused(&daemon, format!("GET /{long} HTTP/1.1\r\nHost: d\r\n\r\n"));
    refused(&daemon, format!("GET /_ping HTTP/1.1\r\nX: {long}\r\n\r\n"));
    let many: String = (0..2000).map(|n| format!("X-{n}: v\r\n")).collect();
    refused(&daemon, format!("GET /_ping HTTP/1.1\r\nHost: d\r\n{many}\r\n"));
}

#[test]
fn a_json_body_has_a_limit() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    wire.write(
        "POST /containers/create HTTP/1.1\r\nHost: d\r\n\
         Content-Type: application/json\r\n\
         Content-Length: 99999999999\r\n\r\n",
    );
    let piece = vec![b' '; 64 * 1024];
    for _ in 0..1024 {
        if wire.try_write(&piece).is_err() {
            break;
        }
    }
    if let Some(head) = wire.try_head() {
        assert!((400..500).contains(&head.status), "{head:?}");
    }
    daemon.get("/_ping").is(200);
}

#[test]
fn deep_json_costs_one_request() {
    let daemon = Daemon::start();
    let deep = format!("{{\"Image\":{}", "[".repeat(200_000));
    let kind = [("Content-Type", "application/json")];
    let reply = daemon.wire().exchange(
        "POST",
        "/containers/create",
        &kind,
        Some(deep.as_bytes()),
    );
    assert!((400..500).contains(&reply.head.status), "{reply:?}");
    daemon.get("/_ping").is(200);
}

#[test]
fn a_slow_head_holds_nobody_up() {
    let daemon = Daemon::start();
    let mut slow: Vec<Wire> = Vec::new();
    for _ in 0..50 {
        let mut wire = daemon.wire();
        wire.write("GET /_ping HTTP/1.1\r\nHost:");
        slow.push(wire);
    }
    let began = Instant::now();
    daemon.get("/_ping").is(200);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn more_connections_than_workers_are_still_served() {
    let daemon = Daemon::start();
    let mut idle = Vec::new();
    for _ in 0..700 {
        let mut wire = daemon.wire();
        let _ = wire.try_write(b"GET /_pi");
        idle.push(wire);
    }
    daemon.get("/_ping").is(200);
}

#[test]
fn every_supported_version_is_taken_in_the_path() {
    let daemon = Daemon::start();
    let mut wire = daemon.wire();
    for minor in 14..=51 {
        let target = format!("/v1.{minor}/_ping");
        wire.exchange("GET", &target, &[], None).is(200);
        let target = format!("/v1.{minor}/containers/json");
        wire.exchange("GET", &target, &[], None).is(200);
    }
}

#[test]
fn other_versions_are_refused_in_dockers_words() {
    let daemon = Daemon::start();
    daemon.get("/v1.99/version").refuses(
        400,
        "client version 1.99 is too new. Maximum supported API version is 1.51",
    );
    daemon.get("/v1.13/version").is(400);
    let old = daemon.get("/v1.24/nosuch");
    old.refuses(404, "page not found");
    let text = daemon.get("/v1.12/containers/json").is(400).text();
    assert!(
        text.contains(
            "client version 1.12 is too old. Minimum supported API version \
             is 1.14, please upgrade your client to a newer version"
        ),
        "{text}"
    );
}

#[test]
fn unknown_paths_and_methods_are_not_found() {
    let daemon = Daemon::start();
    daemon.get("/nosuch").refuses(404, "page not found");
    daemon.delete("/version").refuses(404, "page not found");
    daemon.post("/v1.51/_ping").refuses(404, "page not found");
}

#[test]
fn answers_carry_dockers_headers() {
    let daemon = Daemon::start();
    let reply = daemon.get("/v1.51/containers/json").is(200);
    assert_eq!(reply.header("Api-Version"), Some("1.51"));
    assert_eq!(reply.header("Docker-Experimental"), Some("false"));
    assert_eq!(reply.header("Ostype"), Some("linux"));
    assert_eq!(reply.header("Server"), Some("Docker/28.5.2 (linux)"));
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
    let date = reply.header("Date").expect("a date");
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
    // Errors carry them too.
    let reply = daemon.get("/containers/nosuch/json").is(404);
    assert_eq!(reply.header("Api-Version"), Some("1.51"));
    assert_eq!(reply.header("Content-Type"), Some("application/json"));
}

#[test]
fn names_are_percent_decoded() {
    let daemon = Daemon::start();
    daemon
        .get("/containers/no%73uch/json")
        .refuses(404, "No such container: nosuch");
    daemon.get("/containers/%zz/json").is(400);
}

#[test]
fn bad_json_is_a_bad_request() {
    let daemon = Daemon::start();
    let kind = [("Content-Type", "application/json")];
    for body in ["", "{", "[]", "{\"Image\": 5}", "{} trailing"] {
        let reply = daemon.wire().exchange(
            "POST",
            "/containers/create",
            &kind,
            Some(body.as_bytes()),
        );
        assert_eq!(reply.head.status, 400, "{body:?} {reply:?}");
    }
    let reply = daemon.wire().exchange(
        "POST",
        "/containers/create",
        &[("Content-Type", "text/plain")],
        Some(b"{}"),
    );
    reply.is(400);
}
