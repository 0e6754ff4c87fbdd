//! A real server against everything that clients must not send: what is
//! ambiguous is refused and ends the connection, what only has no answer
//! is refused and does not, and web pages are kept out.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::Settings;
use super::tests::{
    Running, eventually, read_to_end, read_until, start, start_with,
};

/// What a second request behind the first one is recognized by.
const MARK: &str = "GET /show/smuggled/json HTTP/1.1\r\nHost: x\r\n\r\n";

/// Sends a request with the mark behind it; returns its status and
/// whether the connection was kept.
#[track_caller]
fn outcome(server: &Running, request: &[u8]) -> (u16, bool) {
    let mut stream = server.connect();
    let _ = stream.write_all(&[request, MARK.as_bytes()].concat());
    let _ = stream.shutdown(Shutdown::Write);
    let text = read_to_end(&mut stream);
    let status = text.get(9..12).map_or(0, |s| s.parse().unwrap_or(0));
    let kept = text.contains("smuggled");
    if !kept && status != 0 {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nConnection: close"), "not told: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        if status >= 400 {
            assert!(head.contains("\r\nContent-Type: application/json"));
            assert!(body.starts_with("{\"message\":\""), "{text}");
        }
    }
    (status, kept)
}

#[track_caller]
fn all_come_out(tag: &str, cases: &[(String, u16, bool)]) {
    let server = start(tag);
    for (request, status, kept) in cases {
        let got = outcome(&server, request.as_bytes());
        assert_eq!(got, (*status, *kept), "{request:.200?}");
    }
    assert_eq!(server.ask("GET /_ping").0, 200);
}

/// Cases that are refused and closed.
fn closed(cases: &[(&str, u16)]) -> Vec<(String, u16, bool)> {
    cases
        .iter()
        .map(|(text, status)| (text.to_string(), *status, false))
        .collect()
}

#[test]
fn ambiguous_lengths_end_the_connection() {
    let lines = [
        ("Content-Length: 1\r\nContent-Length: 2", 400),
        ("Content-Length: 1\r\nContent-Length: 1", 400),
        ("Content-Length: 1, 1", 400),
        ("Content-Length: +1", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 1 1", 400),
        ("Content-Length: 0x1", 400),
        ("Content-Length: 1e1", 400),
        ("Content-Length:", 400),
        ("Content-Length : 1", 400),
        ("Content-Length: 9223372036854775808", 400),
        ("Content-Length: 99999999999999999999999999", 400),
        ("Content-Length: 9223372036854775807", 413),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0", 400),
        ("Transfer-Encoding: identity", 501),
        ("Transfer-Encoding: gzip, chunked", 501),
        ("Transfer-Encoding: chunked, gzip", 501),
        ("Transfer-Encoding: chunked, chunked", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 501),
        ("Transfer-Encoding: xchunked", 501),
        ("Transfer-Encoding: \"chunked\"", 501),
        ("Transfer-Encoding:\x0bchunked", 400),
        ("Transfer-Encoding:\r\n chunked", 400),
        ("Transfer-Encoding\t: chunked", 400),
        ("Expect: 100-continue, x", 417),
        ("Expect: 200-ok", 417),
    ];
    let cases = lines.iter().map(|(lines, status)| {
        let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\n{lines}");
        (format!("{head}\r\n\r\n"), *status, false)
    });
    let old = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    let cases = cases.chain([(old.to_string(), 400, false)]);
    all_come_out("lengths", &cases.collect::<Vec<_>>());
}

#[test]
fn malformed_chunks_end_the_connection() {
    let long = "x".repeat(300);
    let trailer = "x".repeat(9000);
    let post = "POST /echo HTTP/1.1\r\nHost: x\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let cases = [
        ("-1\r\nx\r\n0\r\n\r\n", 400),
        ("+1\r\nx\r\n0\r\n\r\n", 400),
        ("0x1\r\nx\r\n0\r\n\r\n", 400),
        (" 1\r\nx\r\n0\r\n\r\n", 400),
        ("1 1\r\nx\r\n0\r\n\r\n", 400),
        ("g\r\n", 400),
        ("\r\n", 400),
        ("ffffffffffffffff\r\n", 400),
        ("10000000000000001\r\nx\r\n0\r\n\r\n", 400),
        ("00000000000000001\r\nx\r\n0\r\n\r\n", 400),
        ("1\nx\r\n0\r\n\r\n", 400),
        ("1\r\nx\n0\r\n\r\n", 400),
        ("1\r\nxy\r\n0\r\n\r\n", 400),
        ("1\r\nx0\r\n\r\n", 400),
        ("1\rx\r\n0\r\n\r\n", 400),
        ("1;a\n\r\nx\r\n0\r\n\r\n", 400),
        ("1;\0\r\nx\r\n0\r\n\r\n", 400),
        ("0\r\nA: b\n\r\n", 400),
        ("0\r\nA: \0\r\n\r\n", 400),
        ("0\r\n\n", 400),
        (&format!("1;{long}\r\nx\r\n0\r\n\r\n"), 400),
        (&format!("0\r\nA: {trailer}\r\n\r\n"), 400),
        // A field of a trailer is no header.
        ("1\r\nx\r\n0\r\nContent-Length: 5\r\nHost: y\r\n\r\n", 200),
        ("1;a=\"b;\\\"c\"\r\nx\r\n0\r\n\r\n", 200),
        ("1 ;a\r\nx\r\n0\r\n\r\n", 200),
        ("001\r\nx\r\n0\r\n\r\n", 200),
    ];
    let cases = cases.iter().map(|(body, status)| {
        (format!("{post}{body}"), *status, *status == 200)
    });
    all_come_out("chunks-bad", &cases.collect::<Vec<_>>());
}

#[test]
fn malformed_heads_end_the_connection() {
    all_come_out(
        "heads",
        &closed(&[
            ("GET /_ping HTTP/1.1\nHost: x\n\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\n\n", 400),
            ("GET /_ping HTTP/1.1\rHost: x\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nA: b\x01c\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\n Host: x\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost : x\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\n\u{e9}: b\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
            ("GET /_ping HTTP/1.1\r\nHost: x\r\nhost:\r\n\r\n", 400),
            ("GET /_ping\r\n\r\n", 400),
            ("GET /_ping http/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET /_ping HTTP/1.10\r\nHost: x\r\n\r\n", 400),
            ("GET /_ping HTTP/1.2\r\nHost: x\r\n\r\n", 505),
            ("GET /_ping HTTP/2.0\r\nHost: x\r\n\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("GET  /_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET /_ping  HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET\t/_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET /_ping x HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (" GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("G(T /_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("G\u{e9}T /_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET /_ping#f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET /\u{e9} HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET _ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET ftp://x/_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET http:///_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("GET http://a@x/_ping HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            ("\r\n\r\n\r\n\r\n\r\n\r\n", 400),
            ("\x16\x03\x01\x02\n", 400),
        ]),
    );
}

#[test]
fn what_is_too_long_ends_the_connection() {
    let long = |n| "a".repeat(n);
    let many = "A: b\r\n".repeat(100);
    all_come_out(
        "long",
        &closed(&[
            (&format!("GET /{} HTTP/1.1\r\n", long(70_000)), 414),
            (&format!("GET /_ping?{} HTTP/1.1\r\n", long(200_000)), 414),
            (&format!("GET /_ping HTTP/1.1\r\nA: {}\r\n", long(140_000)), 431),
            (&format!("GET /_ping HTTP/1.1\r\n{}: b\r\n", long(140_000)), 431),
            (&format!("GET /_ping HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
            (
                &format!(
                    "GET /_ping HTTP/1.1\r\n{}",
                    format!("A: {}\r\n", long(20_000)).repeat(8)
                ),
                431,
            ),
        ]),
    );
}

#[test]
fn strange_requests_have_an_answer_and_keep_the_connection() {
    let host = "HTTP/1.1\r\nHost: x\r\n";
    let cases = [
        (format!("\r\nGET /_ping {host}\r\n"), 200),
        (format!("GET http://x/_ping {host}\r\n"), 200),
        ("GET /_ping HTTP/1.1\r\nHost:\r\n\r\n".to_string(), 200),
        (format!("GET //_ping {host}\r\n"), 200),
        (format!("OPTIONS * {host}\r\n"), 200),
        (format!("OPTIONS /nosuch {host}\r\n"), 200),
        (format!("OPTIONS /v1.51/_ping {host}\r\n"), 200),
        (format!("OPTIONS /v9.9/_ping {host}\r\n"), 400),
        (format!("TRACE /_ping {host}\r\n"), 404),
        (format!("get /_ping {host}\r\n"), 404),
        (format!("CONNECT /_ping {host}\r\n"), 404),
        (format!("GET /./_ping {host}\r\n"), 404),
        (format!("GET /x/../_ping {host}\r\n"), 404),
        (format!("GET /%5fping {host}\r\n"), 200),
        (format!("GET /_ping%2f {host}\r\n"), 200),
        (format!("GET /%00 {host}\r\n"), 400),
        (format!("GET /% {host}\r\n"), 400),
        (format!("GET /%f {host}\r\n"), 400),
        (format!("GET /%ff {host}\r\n"), 400),
        (format!("GET /_ping?a=%g0 {host}\r\n"), 400),
        (format!("GET /_ping?a=%00 {host}\r\n"), 400),
        (format!("GET /{} {host}\r\n", "a/".repeat(1000)), 404),
        (format!("GET /_ping {host}A: \u{e9}\r\n\r\n"), 200),
        (format!("GET /_ping {host}Content-Length: 3\r\n\r\nabc"), 200),
        (format!("POST /echo {host}Content-Length:\t3 \r\n\r\nabc"), 200),
        (format!("POST /echo {host}Content-Length: 003\r\n\r\nabc"), 200),
    ];
    let kept = cases.map(|(text, status)| (text, status, true));
    all_come_out("strange", &kept);
}

#[test]
fn nothing_is_answered_behind_a_last_request() {
    let server = start("last");
    for last in [
        "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n",
        // Whether this body comes nobody knows.
        "POST /ignore HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\
         Content-Length: 9\r\n\r\n",
    ] {
        let (status, kept) = outcome(&server, last.as_bytes());
        assert!((200..=204).contains(&status) && !kept, "{last}");
    }
    let old = server.talk(&format!("GET /_ping HTTP/1.0\r\n\r\n{MARK}"));
    assert!(old.ends_with("\r\n\r\nOK"), "{old}");
}

#[test]
fn a_client_that_goes_on_sending_can_read_why_it_was_refused() {
    let server = start("linger");
    let (_accepting, address) = server.open_tcp();
    let mut stream = connect(address);
    stream.write_all(b"GET /_ping HTTP/9.9\r\nHost: x\r\n\r\n").unwrap();
    // More than fits into the sockets would hang: this much is read away.
    stream.write_all(&[b'x'; 128 * 1024]).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("no reset");
    assert!(text.starts_with("HTTP/1.1 505 "), "{text}");
}

#[test]
fn a_client_that_does_not_read_frees_its_worker() {
    let settings = Settings {
        write_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    let server = start_with("dead-reader", settings);
    let mut stream = server.connect();
    let length = 1 << 20;
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; length]).unwrap();
    let budget = &server.accepting.budget;
    eventually("it is given up", || budget.len() == 0);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(bytes.starts_with(b"HTTP/1.1 200 ") && bytes.len() < length);
}

#[test]
fn a_body_that_stops_coming_frees_its_worker() {
    let settings = Settings {
        body_timeout: Duration::from_millis(100),
        ..Settings::default()
    };
    let server = start_with("dead-writer", settings);
    let mut stream = server.connect();
    let head = "Host: x\r\nContent-Length: 9\r\n\r\nabc";
    write!(stream, "POST /echo HTTP/1.1\r\n{head}").unwrap();
    let text = read_to_end(&mut stream);
    assert!(text.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(address: SocketAddr, line: &str, headers: &str) -> String {
    let mut stream = connect(address);
    let head = format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    read_to_end(&mut stream)
}

#[test]
fn web_pages_cannot_drive_the_daemon_over_tcp() {
    let settings = Settings {
        allowed_hosts: vec!["engine.example".to_string()],
        ..Settings::default()
    };
    let server = start_with("pages", settings);
    let (_accepting, address) = server.open_tcp();
    let own = format!("Host: {address}\r\n");
    let cases = [
        ("GET /_ping", own.clone(), 200),
        ("GET /_ping", "Host: engine.example:1\r\n".to_string(), 200),
        ("GET /_ping", "Host:\r\n".to_string(), 200),
        ("GET /_ping", "Host: a/b\r\n".to_string(), 400),
        ("GET /_ping", "Host: \u{e9}\r\n".to_string(), 400),
        ("GET /_ping", "Host: evil.example\r\n".to_string(), 403),
        ("GET /nosuch", "Host: evil.example\r\n".to_string(), 403),
        ("GET http://evil.example/_ping", own.clone(), 403),
        ("POST /echo", format!("{own}Origin: http://{address}\r\n"), 200),
        ("POST /echo", format!("{own}Origin: http://evil.example\r\n"), 403),
        ("POST /echo", format!("{own}Origin: null\r\n"), 403),
        ("OPTIONS /echo", format!("{own}Origin: http://b\r\n"), 403),
        ("OPTIONS /echo", own.clone(), 200),
        ("GET /_ping", format!("{own}Sec-Fetch-Site: cross-site\r\n"), 403),
    ];
    for (line, headers, status) in cases {
        let answer = ask(address, line, &headers);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{line} {headers}: {answer}");
        assert!(!answer.contains("Access-Control"), "{answer}");
        // What lets such a one in is told: a host's name, or all pages.
        if status == 403 {
            let is_page = ["Origin", "Sec-Fetch"].map(|n| headers.contains(n));
            let way_in = match is_page.contains(&true) {
                true => "--api-enable-cors",
                false => "--allowed-host",
            };
            assert!(answer.contains(way_in), "{answer}");
        }
    }
    // No browser can speak to a Unix socket.
    let strange = "Host: /run/a b.sock\r\nOrigin: http://evil.example\r\n";
    let answer = server.talk(&format!(
        "GET /_ping HTTP/1.1\r\n{strange}Connection: close\r\n\r\n"
    ));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn with_cors_every_answer_says_so() {
    let settings =
        Settings { cors: Some("*".to_string()), ..Settings::default() };
    let server = start_with("cors", settings);
    let (_accepting, address) = server.open_tcp();
    let lines = "\r\nAccess-Control-Allow-Headers: Origin, \
                 X-Requested-With, Content-Type, Accept\r\n\
                 Access-Control-Allow-Methods: GET, POST, DELETE, PUT, \
                 OPTIONS\r\nAccess-Control-Allow-Origin: *\r\n";
    let page = format!("Host: {address}\r\nOrigin: http://page.example\r\n");
    for (line, status) in [
        ("OPTIONS /containers/create", 200),
        ("GET /_ping", 200),
        ("GET /count", 200),
        ("GET /nosuch", 404),
        ("GET nosuch", 400),
        ("GET /early", 409),
        ("GET /v1.20/panics", 500),
    ] {
        let answer = ask(address, line, &page);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{line}: {answer}");
        assert_eq!(answer.matches(lines).count(), 1, "{answer}");
    }
    let mut stream = connect(address);
    let head = format!("POST /attach HTTP/1.1\r\n{page}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    assert!(read_until(&mut stream, "\r\n\r\n").contains(lines));
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(&mut stream);
    // The daemon's name is asked for all the same.
    let answer = ask(address, "GET /_ping", "Host: evil.example\r\n");
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains(lines));
}
