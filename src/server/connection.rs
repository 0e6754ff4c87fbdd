//! One connection: request after request in order, until one side has
//! enough.
//!
//! ```text
//! read a head ─▶ answer ─▶ keep ─▶ read the next head
//!      │            └────▶ close (the client may still be sending)
//!      ├─ end of file, evicted ─▶ close
//!      └─ malformed, too slow ─▶ 4xx ─▶ close
//! ```

use std::net::Shutdown;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::head::{self, Malformed, Request};
use crate::http::input::Input;
use crate::http::{Stream, stream::Peer};
use crate::sys;
use crate::sys::stream::{Moved, recv_now};

use super::budget::Seat;
use super::handshake;
use super::reply::{JSON, Outgoing, Terms};
use super::route::Access;
use super::wrapper::{self, Next, push_error_body};
use super::{Server, Settings};

/// How long a refused client is listened to, so that it can read the answer
/// before its own sending fails.
const LINGER: Duration = Duration::from_millis(500);

/// The most bytes that a refused client is listened to for.
const MAX_LINGER: usize = 256 * 1024;

/// What a connection owns.
pub(super) struct Wire {
    /// The stream; gone once it was hijacked.
    pub stream: Option<Arc<Stream>>,
    /// What was read ahead.
    pub input: Input,
    /// The head of the request at hand.
    pub head: Request,
    /// Its decoded path.
    pub path: String,
    /// The answer.
    pub out: Outgoing,
    /// The place among the listener's connections.
    pub seat: Arc<Seat>,
    /// A request of it was answered.
    is_known: bool,
}

/// What came instead of a head.
enum NoHead {
    /// The client went, or was evicted.
    Closed,
    /// A status and the words for it.
    Refused(u16, String),
}

/// Serves a connection to its end.
pub(super) fn serve<S>(
    server: &Server<S>,
    stream: Arc<Stream>,
    seat: Arc<Seat>,
    access: Access,
) {
    let mut wire = Wire {
        stream: Some(stream),
        input: Input::new(),
        head: Request::default(),
        path: String::new(),
        out: Outgoing::with_cors(server.cors.clone()),
        seat,
        is_known: false,
    };
    if let Err(e) = prepare(&wire, &server.settings) {
        log::debug!("a connection cannot be served: {e}");
        return;
    }
    let limit = server.settings.head_timeout;
    if !wire.stream.as_deref().is_some_and(|s| handshake::carry_out(s, limit)) {
        return;
    }
    loop {
        match read_head(&mut wire, &server.settings) {
            Ok(()) => {}
            Err(NoHead::Closed) => return,
            Err(NoHead::Refused(status, words)) => {
                return refuse(&mut wire, status, &words);
            }
        }
        if !wire.seat.begin_request() {
            return;
        }
        match wrapper::answer(server, &mut wire, access) {
            Next::Keep => {}
            Next::Close => return linger(&mut wire),
            Next::Gone => return,
        }
        wire.seat.begin_wait();
        wire.is_known = true;
        wire.input.shrink();
        wire.out.shrink();
    }
}

fn prepare(wire: &Wire, settings: &Settings) -> std::io::Result<()> {
    let Some(stream) = &wire.stream else { return Ok(()) };
    stream.set_write_timeout(Some(settings.write_timeout))?;
    // What is waited for is polled for before it is read, but for the first
    // byte of a request. Only within a record of TLS a read waits too, and
    // is bounded as a head is.
    if stream.is_tls() {
        stream.set_read_timeout(Some(settings.head_timeout))?;
    }
    Ok(())
}

/// Reads and parses one head. Silence before its first byte is not bounded:
/// clients keep connections for later, and the budget takes them away when
/// there are too many. From the first byte on the whole head has to come in
/// time.
fn read_head(wire: &mut Wire, settings: &Settings) -> Result<(), NoHead> {
    let stream = wire.stream.as_deref().ok_or(NoHead::Closed)?;
    let input = &mut wire.input;
    let (mut deadline, mut waiting) = (None, None);
    let mut seen = 0;
    loop {
        match head::find_request(input.bytes(), seen) {
            Ok(None) => wire.seat.go_on_waiting(waiting.take()),
            Ok(Some(place)) => {
                let end = place.end;
                let parsed = wire.head.parse(&input.bytes()[place]);
                input.consume(end);
                parsed.map_err(refused)?;
                return check_host(&wire.head, stream).map_err(refused);
            }
            Err(e) => return Err(refused(e)),
        }
        seen = input.bytes().len();
        let end = || Instant::now() + settings.head_timeout;
        if seen > 0 {
            deadline.get_or_insert_with(end);
        }
        // One call is enough for a client that is in nobody's way. In a
        // crowd the seat has to be held from before the read on: who was
        // heard is not closed to make room.
        let is_calm = wire.is_known && !wire.seat.is_crowded();
        let filled = if deadline.is_none() && is_calm && !stream.is_tls() {
            input.fill(stream)
        } else {
            let left = deadline
                .map(|end| end.saturating_duration_since(Instant::now()));
            if !has_input(stream, left) {
                let words = "the request's head took too long".to_string();
                return Err(NoHead::Refused(408, words));
            }
            waiting = Some(wire.seat.begin_read().ok_or(NoHead::Closed)?);
            input.fill(stream)
        };
        match filled {
            Ok(0) | Err(_) => return Err(NoHead::Closed),
            Ok(_) => deadline.get_or_insert_with(end),
        };
    }
}

/// Waits for bytes or the end; false when the time is over (`None`: never).
fn has_input(stream: &Stream, time: Option<Duration>) -> bool {
    stream.has_pending_input()
        || sys::poll::wait_readable(stream, time).unwrap_or(true)
}

fn refused(error: Malformed) -> NoHead {
    NoHead::Refused(error.status(), error.to_string())
}

/// A Unix client may send anything as its host (Docker 1.2 sends the path
/// of the socket); over TCP it has to be one.
fn check_host(head: &Request, stream: &Stream) -> Result<(), Malformed> {
    if matches!(stream, Stream::Unix(_)) {
        return Ok(());
    }
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._:[]%~".contains(b);
    let mut hosts = head.fields().iter().filter(|line| {
        line.0.eq_ignore_ascii_case("host") && !line.1.iter().all(allowed)
    });
    match hosts.next() {
        None => Ok(()),
        Some(_) => Err(Malformed::Host),
    }
}

/// Answers what is not even a request, and closes.
fn refuse(wire: &mut Wire, status: u16, words: &str) {
    if let Some(stream) = &wire.stream {
        let peer = stream.peer();
        match peer {
            Peer::Unix(_) | Peer::Unknown => {
                log::debug!("a request was refused: {words}");
            }
            Peer::Tcp(from) => {
                log::debug!("a request from {from} was refused: {words}");
            }
        }
        let _ = send_refusal(&mut wire.out, stream, status, words);
    }
    linger(wire);
}

/// Sends an error that belongs to no request.
pub(super) fn send_refusal(
    out: &mut Outgoing,
    stream: &Stream,
    status: u16,
    words: &str,
) -> std::io::Result<()> {
    out.reset();
    out.body.clear();
    push_error_body(&mut out.body, words);
    out.set_header("Content-Type", JSON);
    let terms = Terms { minor: 1, head_only: false, keep_alive: false };
    out.send(stream, status, terms)
}

/// Ends the connection so that the client can still read the answer: a
/// close with unread bytes would reset it.
fn linger(wire: &mut Wire) {
    let Some(stream) = wire.stream.take() else { return };
    // It may be closed for another from here on.
    wire.seat.begin_wait();
    if stream.shutdown_write().is_err() {
        return;
    }
    drain(&stream, LINGER, MAX_LINGER);
}

/// Throws away what a client still sends, until it closes or `patience` is
/// over, or it sent more than `most` bytes; then closes. The bytes are those
/// of the socket: nobody has to decrypt them.
pub(super) fn drain(stream: &Stream, patience: Duration, most: usize) {
    let end = Instant::now() + patience;
    let (mut waste, mut left) = ([0; 4096], most);
    loop {
        let time = end.saturating_duration_since(Instant::now());
        let ready = sys::poll::wait_readable(stream, Some(time));
        if !matches!(ready, Ok(true)) || time.is_zero() {
            break;
        }
        match recv_now(stream, &mut waste) {
            Moved::Bytes(n) if n <= left => left -= n,
            Moved::Nothing => {}
            _ => break,
        }
    }
    let _ = sys::socket::shutdown(stream, Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::server::tests::{read_to_end, read_until, start};

    #[test]
    fn malformed_requests_are_refused_and_closed() {
        let server = start("malformed");
        for (text, status) in [
            ("GET /_ping HTTP/1.1\nHost: x\n\n", "400"),
            ("GET /_ping HTTP/1.1\r\n\r\n", "400"),
            ("GET /_ping HTTP/3.0\r\nHost: x\r\n\r\n", "505"),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
            ("\x16\x03\x01\n", "400"),
            (
                "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\
                 Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "400",
            ),
            (
                "POST /echo HTTP/1.1\r\nHost: x\r\n\
                 Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                "400",
            ),
            (
                "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\
                 \r\n\r\n",
                "501",
            ),
            (
                &format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101)),
                "431",
            ),
            (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(200_000)), "414"),
        ] {
            let answer =
                server.talk(&format!("{text}GET /_ping HTTP/1.1\r\n\r\n"));
            let line = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&line), "{text:.60}: {answer}");
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
            assert!(answer.contains("{\"message\":\""));
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
    }

    #[test]
    fn empty_lines_before_a_request_do_no_harm() {
        let server = start("lines");
        let answer =
            server.talk("\r\n\r\nGET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.ends_with("OK"));
    }

    #[test]
    fn a_slow_head_is_refused_and_a_silent_connection_kept() {
        let server = start("slow");
        let mut silent = server.connect();
        let mut slow = server.connect();
        let start = Instant::now();
        slow.write_all(b"GET /_ping HTTP/1.1\r\nHost").unwrap();
        let answer = read_to_end(&mut slow);
        assert!(answer.starts_with("HTTP/1.1 408 Request Timeout"), "{answer}");
        assert!(start.elapsed() >= Duration::from_millis(200));
        let ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
        for _ in 0..2 {
            silent.write_all(ping).unwrap();
            read_until(&mut silent, "\r\n\r\nOK");
        }
    }
}
