//! A real server over a Unix socket, with a state of its own in place of
//! the engine; also for the tests of `connection` and `accept`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use serde_json::{Value, json};

use super::accept::{self, Accepting, Lost};
use super::gate::{self, Opener};
use super::handlers::ping::ping;
use super::*;
use crate::sys::poll::EventFd;

/// What the handlers of these tests share.
#[derive(Default)]
pub(super) struct State {
    /// How many clients were seen to hang up.
    pub hung_up: AtomicU32,
    /// How many `/slow` requests are inside.
    pub inside: AtomicU32,
}

type Done = std::result::Result<(), Error>;

fn echo(_: &State, x: &mut Exchange<'_>) -> Done {
    let bytes = x.body_bytes(1 << 20)?;
    x.bytes(200, "application/octet-stream", &bytes)
}

fn show(_: &State, x: &mut Exchange<'_>) -> Done {
    let answer = json!({
        "name": x.var("name"),
        "q": x.query().get("q"),
        "version": x.version().to_string(),
        "header": x.header("x-test"),
    });
    x.json(200, &answer)
}

fn environment(_: &State, x: &mut Exchange<'_>) -> Done {
    x.json(200, &json!({ "Env": ["A=b"] }))
}

fn create(_: &State, x: &mut Exchange<'_>) -> Done {
    let body: Option<Value> = x.json_body()?;
    x.json(201, &json!({ "got": body }))
}

fn count(_: &State, x: &mut Exchange<'_>) -> Done {
    let mut out = x.stream(JSON);
    for n in 0..3 {
        out.json(&json!({ "n": n }), "\r\n")?;
    }
    Ok(())
}

fn fail_early(_: &State, x: &mut Exchange<'_>) -> Done {
    let _ = x.stream(JSON);
    Err(Error::new(409, "too early"))
}

fn fail_late(_: &State, x: &mut Exchange<'_>) -> Done {
    x.stream(JSON).write_all(b"{}")?;
    Err(Error::new(409, "too late"))
}

fn panics(_: &State, _: &mut Exchange<'_>) -> Done {
    panic!("on purpose")
}

fn ignore(_: &State, x: &mut Exchange<'_>) -> Done {
    x.empty(204)
}

fn not_modified(_: &State, _: &mut Exchange<'_>) -> Done {
    Err(Error::new(304, "container already stopped"))
}

fn slow(state: &State, x: &mut Exchange<'_>) -> Done {
    state.inside.fetch_add(1, Ordering::SeqCst);
    let never = EventFd::open().unwrap();
    let most = Some(Duration::from_secs(20));
    let waited = x.wait_with_peer(std::os::fd::AsFd::as_fd(&never), most)?;
    state.inside.fetch_sub(1, Ordering::SeqCst);
    if waited == Waited::HungUp {
        state.hung_up.fetch_add(1, Ordering::SeqCst);
    }
    x.empty(200)
}

fn attach(_: &State, x: &mut Exchange<'_>) -> Done {
    let Hijacked { socket, early, head } = x.hijack(Hijack::Multiplexed)?;
    let mut stream = UnixStream::from(socket);
    stream.write_all(&head)?;
    stream.write_all(b"early:").and_then(|()| stream.write_all(&early))?;
    let mut rest = String::new();
    stream.read_to_string(&mut rest)?;
    stream.write_all(format!(" rest:{rest}").as_bytes())?;
    Ok(())
}

static TABLE: &[Route<State>] = &[
    Route::read("/_ping", ping),
    Route::new(Method::Head, "/_ping", Access::Read, ping),
    Route::read("/show/{name*}/json", show),
    Route::new(Method::Post, "/echo", Access::Control, echo).named("Echo"),
    Route::read("/env", environment),
    Route::new(Method::Post, "/create", Access::Full, create),
    Route::read("/count", count),
    Route::read("/early", fail_early),
    Route::read("/late", fail_late),
    Route::read("/panics", panics),
    Route::new(Method::Post, "/ignore", Access::Full, ignore),
    Route::read("/same", not_modified),
    Route::read("/slow", slow),
    Route::new(Method::Post, "/attach", Access::Full, attach),
];

pub(super) struct Running {
    pub path: PathBuf,
    pub accepting: Accepting,
    pub server: Arc<Server<State>>,
    opener: Option<Opener<Arc<Server<State>>>>,
    pub lost: Receiver<Lost>,
}

pub(super) fn closed(
    tag: &str,
    adjust: impl FnOnce(&mut listen::Listener),
) -> Running {
    let head_timeout = Duration::from_millis(200);
    closed_with(tag, Settings { head_timeout, ..Settings::default() }, adjust)
}

pub(super) fn closed_with(
    tag: &str,
    settings: Settings,
    adjust: impl FnOnce(&mut listen::Listener),
) -> Running {
    let path = std::env::temp_dir()
        .join(format!("skiff-server-{}-{tag}", std::process::id()));
    let host = listen::Host::parse(&format!("unix://{}", path.display()));
    let mut listeners = listen::bind(&host.unwrap(), "").unwrap();
    let mut listener = listeners.remove(0);
    adjust(&mut listener);
    let (opener, gate) = gate::new();
    let (sender, lost) = unbounded();
    let accepting = accept::start(listener, gate, sender).unwrap();
    let server = Arc::new(Server::new(State::default(), TABLE, settings));
    Running { path, accepting, server, opener: Some(opener), lost }
}

/// Starts a server with these settings.
pub(super) fn start_with(tag: &str, settings: Settings) -> Running {
    let mut running = closed_with(tag, settings, |_| {});
    running.open();
    running
}

pub(super) fn start(tag: &str) -> Running {
    let mut running = closed(tag, |_| {});
    running.open();
    running
}

impl Running {
    pub fn open(&mut self) {
        self.opener.take().unwrap().open(self.server.clone());
    }

    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        let bound = Some(Duration::from_secs(20));
        stream.set_read_timeout(bound).unwrap();
        stream
    }

    /// Serves on a port of the loopback too.
    pub fn open_tcp(&self) -> (Accepting, SocketAddr) {
        let host = listen::Host::parse("tcp://127.0.0.1:0").unwrap();
        let listener = listen::bind(&host, "").unwrap().remove(0);
        let (opener, gate) = gate::new();
        let (lost, _) = unbounded();
        let accepting = accept::start(listener, gate, lost).unwrap();
        opener.open(self.server.clone());
        let address = accepting.address().strip_prefix("tcp://").unwrap();
        let address = address.parse().unwrap();
        (accepting, address)
    }

    /// Sends bytes, and reads until the server closes.
    pub fn talk(&self, text: &str) -> String {
        let mut stream = self.connect();
        // A server that refuses may close before it has read everything.
        let _ = stream.write_all(text.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        read_to_end(&mut stream)
    }

    /// Sends one request on a connection of its own; returns status and
    /// body.
    pub fn ask(&self, request: &str) -> (u16, String) {
        let (line, rest) = request.split_once("\r\n").unwrap_or((request, ""));
        let (headers, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
        let lines = match headers {
            "" => String::new(),
            headers => format!("{headers}\r\n"),
        };
        let answer = self.talk(&format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n\
             {body}"
        ));
        let status = answer.get(9..12).map_or(0, |s| s.parse().unwrap());
        let body = answer.split_once("\r\n\r\n").map_or("", |parts| parts.1);
        (status, body.to_string())
    }
}

pub(super) fn read_to_end(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) fn read_until(stream: &mut impl Read, end: &str) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(end.as_bytes()) {
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

pub(super) fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn pings_look_like_dockers() {
    let server = start("ping");
    let answer = server.talk("HEAD /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
    let (before, date) = answer.split_once("Date: ").unwrap();
    assert_eq!(
        before,
        "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nBuilder-Version: 1\r\n\
         Cache-Control: no-cache, no-store, must-revalidate\r\n\
         Content-Length: 0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Docker-Experimental: false\r\nOstype: linux\r\nPragma: no-cache\r\n\
         Server: Docker/28.5.2 (linux)\r\nSwarm: inactive\r\n"
    );
    assert!(date.ends_with(" GMT\r\n\r\n"));
    let answer = server.talk("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.ends_with(" GMT\r\nContent-Length: 2\r\n\r\nOK"));
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start("pipeline");
    let mut text = String::new();
    for n in 0..50 {
        text += &format!(
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{n:02}\
             \r\nGET /show/n{n}/json HTTP/1.1\r\nHost: x\r\n\r\n"
        );
    }
    let answer = server.talk(&text);
    let mut at = 0;
    for n in 0..50 {
        for expected in
            [format!("\r\n\r\n{n:02}"), format!("\"name\":\"n{n}\"")]
        {
            let found = answer[at..].find(&expected).expect("in order");
            at += found + expected.len();
        }
    }
}

#[test]
fn paths_queries_and_versions_reach_the_handler() {
    let server = start("paths");
    let (status, body) =
        server.ask("GET /v1.40//show/a%20b/c/json?q=%7B%7D&x\r\nX-Test: yes");
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"name": "a b/c", "q": "{}", "version": "1.40", "header": "yes"})
    );
    let (status, body) = server.ask("GET http://any/show/n/json");
    assert!(status == 200 && body.contains("\"version\":\"1.51\""));
    for (request, status, message) in [
        ("GET /nosuch", 404, "page not found"),
        ("POST /_ping", 404, "page not found"),
        ("BREW /_ping", 404, "page not found"),
        ("GET /v1.51", 404, "page not found"),
        (
            "GET /v1.99/_ping",
            400,
            "client version 1.99 is too new. Maximum supported API version \
             is 1.51",
        ),
        ("GET /_ping?a=%zz", 400, "invalid URL escape \\\"%zz\\\""),
        ("GET /%zz", 400, "invalid URL escape \\\"%zz\\\""),
    ] {
        let got = server.ask(request);
        let body = format!("{{\"message\":\"{message}\"}}\n");
        assert_eq!(got, (status, body), "{request}");
    }
    let (status, body) = server.ask("GET /v1.10/_ping");
    assert_eq!(status, 400);
    assert_eq!(
        body,
        "client version 1.10 is too old. Minimum supported API version is \
         1.14, please upgrade your client to a newer version\n"
    );
}

#[test]
fn json_bodies_are_checked() {
    let server = start("json");
    let json = "Content-Type: application/json";
    for (headers, body, status, answer) in [
        (json, "{\"a\":1}", 201, "{\"got\":{\"a\":1}}\n"),
        (json, "", 201, "{\"got\":null}\n"),
        ("Content-Type: plain/text", "", 201, "{\"got\":null}\n"),
        (
            "Content-Type: text/plain",
            "{}",
            400,
            "{\"message\":\"unsupported Content-Type header (text/plain): \
             must be 'application/json'\"}\n",
        ),
        (
            json,
            "  ",
            400,
            "{\"message\":\"invalid JSON: got EOF while reading request \
             body\"}\n",
        ),
    ] {
        let length = body.len();
        let got = server.ask(&format!(
            "POST /create\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert_eq!(got, (status, answer.to_string()));
    }
    let deep = "[".repeat(100_000);
    let length = deep.len();
    let (status, body) = server.ask(&format!(
        "POST /create\r\n{json}\r\nContent-Length: {length}\r\n\r\n{deep}"
    ));
    assert_eq!(status, 400);
    assert!(body.starts_with("{\"message\":\"invalid JSON: "), "{body}");
    let (status, _) = server
        .ask(&format!("POST /create\r\n{json}\r\nContent-Length: 99999999"));
    assert_eq!(status, 413);
}

#[test]
fn chunks_are_understood_both_ways() {
    let server = start("chunks");
    let answer = server.talk(
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: r\r\n\r\n\
         GET /count HTTP/1.1\r\nHost: x\r\n\r\n\
         GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(answer.contains("Content-Length: 11\r\n\r\nhello world"));
    assert!(answer.contains(
        "Transfer-Encoding: chunked\r\n\r\n9\r\n{\"n\":0}\r\n\r\n\
         9\r\n{\"n\":1}\r\n\r\n9\r\n{\"n\":2}\r\n\r\n0\r\n\r\nHTTP/1.1 200"
    ));
    let answer = server.talk("GET /count HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"));
    assert!(answer.contains("\r\nConnection: close\r\n"));
    assert!(
        answer.ends_with("\r\n\r\n{\"n\":0}\r\n{\"n\":1}\r\n{\"n\":2}\r\n")
    );
}

#[test]
fn a_client_that_asks_is_told_to_continue() {
    let server = start("continue");
    let mut stream = server.connect();
    let head = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    write!(stream, "POST /echo HTTP/1.1\r\n{head}").unwrap();
    let told = read_until(&mut stream, "\r\n\r\n");
    assert_eq!(told, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hi").unwrap();
    assert!(read_until(&mut stream, "hi").starts_with("HTTP/1.1 200 OK"));
    // Who reads no body does not ask for it; the client may or may not send
    // it, so the connection ends.
    write!(stream, "POST /ignore HTTP/1.1\r\n{head}").unwrap();
    assert!(read_to_end(&mut stream).starts_with("HTTP/1.1 204"));
}

#[test]
fn errors_and_panics_cost_one_request() {
    let server = start("errors");
    let answer = server.talk(
        "GET /early HTTP/1.1\r\nHost: x\r\n\r\n\
         GET /same HTTP/1.1\r\nHost: x\r\n\r\n\
         GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 409 Conflict\r\n"));
    assert!(answer.contains("\r\n\r\n{\"message\":\"too early\"}\n"));
    let (_, same) = answer.split_once("HTTP/1.1 304 Not Modified").unwrap();
    let (same, _) = same.split_once("\r\n\r\n").unwrap();
    assert!(!same.contains("Content-"), "{same}");
    assert!(answer.ends_with("OK"));
    // An answer that has begun is cut: no last chunk.
    let (status, body) = server.ask("GET /late");
    assert_eq!((status, &*body), (200, "2\r\n{}\r\n"));
    let (status, _) = server.ask("GET /panics");
    assert_eq!(status, 500);
    assert_eq!(server.ask("GET /_ping").0, 200);
}

#[test]
fn a_client_that_leaves_frees_its_worker() {
    let server = start("leaves");
    let mut stream = server.connect();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let state = &server.server.state;
    eventually("the request is inside", || {
        state.inside.load(Ordering::SeqCst) == 1
    });
    drop(stream);
    eventually("the worker is free", || {
        state.hung_up.load(Ordering::SeqCst) == 1
    });
}

#[test]
fn a_hijacked_stream_keeps_its_early_bytes() {
    let server = start("hijack");
    for (upgrade, path, head) in [
        (
            "Connection: Upgrade\r\nUpgrade: tcp\r\n",
            "/attach",
            "HTTP/1.1 101 UPGRADED\r\n\
             Content-Type: application/vnd.docker.multiplexed-stream\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        ),
        (
            "Connection: Upgrade\r\nUpgrade: tcp\r\n",
            "/v1.41/attach",
            "HTTP/1.1 101 UPGRADED\r\n\
             Content-Type: application/vnd.docker.raw-stream\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        ),
        (
            "",
            "/attach",
            "HTTP/1.1 200 OK\r\n\
             Content-Type: application/vnd.docker.raw-stream\r\n\r\n",
        ),
    ] {
        let mut stream = server.connect();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{upgrade}\
             \r\nabc"
        )
        .unwrap();
        assert_eq!(read_until(&mut stream, "\r\n\r\n"), head);
        read_until(&mut stream, "early:abc");
        stream.write_all(b"def").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut stream), " rest:def");
    }
}

#[test]
fn a_narrowed_listener_refuses_what_is_beyond_it() {
    let mut server = closed("narrow", |listener| {
        listener.access = Access::Read;
    });
    server.open();
    assert_eq!(server.ask("GET /_ping").0, 200);
    let (status, body) = server.ask("POST /echo\r\nContent-Length: 0");
    assert_eq!(status, 403);
    assert_eq!(
        body,
        "{\"message\":\"access denied: Echo needs control access, and this \
         listener gives read access\"}\n"
    );
    assert_eq!(server.ask("POST /nosuch").0, 404);
}

#[test]
fn only_a_read_listener_hides_values_of_variables() {
    for (access, shown) in
        [(Access::Read, "A=(hidden)"), (Access::Control, "A=b")]
    {
        let mut server = closed(access.name(), |l| l.access = access);
        server.open();
        let (_, body) = server.ask("GET /env");
        assert_eq!(body, format!("{{\"Env\":[\"{shown}\"]}}\n"));
    }
}
