//! What goes out: heads with Docker's headers in its order, short bodies in
//! the same write, long ones and streams in chunks.
//!
//! The order is that of Go's server: the handler's headers sorted by name,
//! then `Date`, then what the framing needs. A body of up to 2048 bytes gets
//! a `Content-Length`, a longer one goes out chunked.

use std::borrow::Cow;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::http::{Stream, chunk};
use crate::time::Timestamp;

use super::error::reason;

/// Docker's media type for everything that is JSON.
pub const JSON: &str = "application/json";

/// Longer bodies go out chunked, as from Go's server.
const MAX_UNCHUNKED: usize = 2048;

/// Up to here a copy is cheaper than one more slice of a write.
const MAX_COPIED: usize = 16 * 1024;

/// The headers of every answer, sorted. A test holds the versions to those
/// of `api`.
const CONSTANT: [(&str, &str); 4] = [
    ("Api-Version", "1.51"),
    ("Docker-Experimental", "false"),
    ("Ostype", "linux"),
    ("Server", "Docker/28.5.2 (linux)"),
];

/// What a page of another site may send, where CORS is on.
const CORS: [(&str, &str); 2] = [
    (
        "Access-Control-Allow-Headers",
        "Origin, X-Requested-With, Content-Type, Accept",
    ),
    ("Access-Control-Allow-Methods", "GET, POST, DELETE, PUT, OPTIONS"),
];

/// Returns the header lines that let pages of `origin` read our answers.
pub(super) fn cors_headers(origin: &str) -> Arc<[u8]> {
    let mut lines = Vec::new();
    for (name, value) in CORS {
        push_header(&mut lines, name, value);
    }
    push_header(&mut lines, "Access-Control-Allow-Origin", origin);
    lines.into()
}

/// How the end of an answer's body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is no body, and nothing says so (204, 304).
    Bodiless,
    /// It has this many bytes.
    Length(usize),
    /// It is in chunks.
    Chunked,
    /// It ends with the connection (HTTP/1.0).
    UntilClose,
}

/// What the request says about its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The minor version of the protocol.
    pub minor: u8,
    /// The request is a HEAD: its answer has no body.
    pub head_only: bool,
    /// The connection is kept.
    pub keep_alive: bool,
}

/// The memory that answers are put together in, once for a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    buf: Vec<u8>,
    /// Where bodies are serialized.
    pub body: Vec<u8>,
    headers: Vec<(&'static str, Cow<'static, str>)>,
    date: Date,
    cors: Option<Arc<[u8]>>,
}

/// The text of a date header, good for one second.
#[derive(Debug, Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn text(&mut self) -> &str {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.map_or(0, |since| since.as_secs());
        if second != self.second || self.text.is_empty() {
            let seconds = i64::try_from(second).unwrap_or(i64::MAX);
            self.text = Timestamp::from_unix(seconds, 0).http_date();
            self.second = second;
        }
        &self.text
    }
}

impl Outgoing {
    /// Makes one whose answers begin with these header lines.
    pub fn with_cors(cors: Option<Arc<[u8]>>) -> Outgoing {
        Outgoing { cors, ..Outgoing::default() }
    }

    /// Forgets what was prepared for an answer.
    pub fn reset(&mut self) {
        self.buf.clear();
        self.headers.clear();
    }

    /// Gives back what one long answer made it grow by.
    pub fn shrink(&mut self) {
        for buf in [&mut self.buf, &mut self.body] {
            if buf.capacity() > 64 * 1024 {
                *buf = Vec::new();
            }
        }
    }

    /// Adds a header to the answer; a second one of a name replaces the
    /// first.
    pub fn set_header(
        &mut self,
        name: &'static str,
        value: impl Into<Cow<'static, str>>,
    ) {
        let value = value.into();
        match self.headers.binary_search_by(|header| header.0.cmp(name)) {
            Ok(at) => self.headers[at].1 = value,
            Err(at) => self.headers.insert(at, (name, value)),
        }
    }

    /// Puts the head of an answer into the buffer.
    pub fn push_head(&mut self, status: u16, framing: Framing, terms: Terms) {
        let Outgoing { buf, headers, date, cors, .. } = self;
        buf.clear();
        let version: &[u8] = match terms.minor {
            0 => b"HTTP/1.0 ",
            _ => b"HTTP/1.1 ",
        };
        buf.extend_from_slice(version);
        push_number(buf, usize::from(status));
        buf.push(b' ');
        buf.extend_from_slice(reason(status).as_bytes());
        buf.extend_from_slice(b"\r\n");
        buf.extend_from_slice(cors.as_deref().unwrap_or(b""));
        let mut own = headers.iter().peekable();
        for (name, value) in CONSTANT {
            while let Some(header) = own.next_if(|h| h.0 < name) {
                push_header(buf, header.0, &header.1);
            }
            push_header(buf, name, value);
        }
        let mut has_length = false;
        for header in headers.iter() {
            has_length |= header.0 == "Content-Length";
        }
        for header in own {
            push_header(buf, header.0, &header.1);
        }
        push_header(buf, "Date", date.text());
        if let (Framing::Length(length), false) = (framing, has_length) {
            buf.extend_from_slice(b"Content-Length: ");
            push_number(buf, length);
            buf.extend_from_slice(b"\r\n");
        }
        match (terms.minor, terms.keep_alive) {
            (_, false) => push_header(buf, "Connection", "close"),
            (0, true) => push_header(buf, "Connection", "keep-alive"),
            _ => {}
        }
        if framing == Framing::Chunked {
            push_header(buf, "Transfer-Encoding", "chunked");
        }
        buf.extend_from_slice(b"\r\n");
    }

    /// Sends a whole answer with `self.body` as its body.
    pub fn send(
        &mut self,
        stream: &Stream,
        status: u16,
        terms: Terms,
    ) -> io::Result<()> {
        let length = self.body.len();
        let framing = match (status, terms.minor) {
            (204 | 304, _) => Framing::Bodiless,
            (_, 0) => Framing::Length(length),
            _ if length > MAX_UNCHUNKED => Framing::Chunked,
            _ => Framing::Length(length),
        };
        self.push_head(status, framing, terms);
        let Outgoing { buf, body, .. } = self;
        if terms.head_only || framing == Framing::Bodiless || length == 0 {
            return send_all(stream, &mut [IoSlice::new(buf)], Patience::One);
        }
        let mut tail: &[u8] = b"";
        if framing == Framing::Chunked {
            chunk::push_size(buf, length);
            tail = b"\r\n0\r\n\r\n";
        }
        if length <= MAX_COPIED {
            buf.extend_from_slice(body);
            buf.extend_from_slice(tail);
            return send_all(stream, &mut [IoSlice::new(buf)], Patience::One);
        }
        let mut slices = [buf, body, tail].map(IoSlice::new);
        send_all(stream, &mut slices, Patience::One)
    }

    /// Makes the head of a hijacked stream, which has neither Docker's
    /// headers nor a date.
    pub fn hijack_head(
        &mut self,
        upgrade: bool,
        content_type: &str,
    ) -> Vec<u8> {
        let mut buf = std::mem::take(&mut self.buf);
        buf.clear();
        buf.extend_from_slice(match upgrade {
            true => b"HTTP/1.1 101 UPGRADED\r\n",
            false => b"HTTP/1.1 200 OK\r\n".as_slice(),
        });
        buf.extend_from_slice(self.cors.as_deref().unwrap_or(b""));
        push_header(&mut buf, "Content-Type", content_type);
        if upgrade {
            push_header(&mut buf, "Connection", "Upgrade");
            push_header(&mut buf, "Upgrade", "tcp");
        }
        buf.extend_from_slice(b"\r\n");
        buf
    }

    /// Makes the head of an answer after which WebSocket is spoken.
    pub fn websocket_head(&mut self, accept: &str) -> Vec<u8> {
        let mut buf = std::mem::take(&mut self.buf);
        buf.clear();
        buf.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        push_header(&mut buf, "Upgrade", "websocket");
        push_header(&mut buf, "Connection", "Upgrade");
        push_header(&mut buf, "Sec-WebSocket-Accept", accept);
        buf.extend_from_slice(b"\r\n");
        buf
    }

    /// Sends what the buffer holds.
    pub fn send_pending(&mut self, stream: &Stream) -> io::Result<()> {
        if self.buf.is_empty() {
            return Ok(());
        }
        let slices = &mut [IoSlice::new(&self.buf)];
        let sent = send_all(stream, slices, Patience::Endless);
        self.buf.clear();
        sent
    }

    /// Sends a piece of a stream, and the head that may still be pending.
    pub fn send_piece(
        &mut self,
        stream: &Stream,
        framing: Framing,
        data: &[u8],
    ) -> io::Result<()> {
        let buf = &mut self.buf;
        let mut tail: &[u8] = b"";
        if framing == Framing::Chunked {
            chunk::push_size(buf, data.len());
            tail = b"\r\n";
        }
        if data.len() <= MAX_COPIED {
            buf.extend_from_slice(data);
            buf.extend_from_slice(tail);
            return self.send_pending(stream);
        }
        let mut slices = [buf, data, tail].map(IoSlice::new);
        let sent = send_all(stream, &mut slices, Patience::Endless);
        self.buf.clear();
        sent
    }

    /// Ends a stream.
    pub fn send_end(
        &mut self,
        stream: &Stream,
        framing: Framing,
    ) -> io::Result<()> {
        if framing == Framing::Chunked {
            self.buf.extend_from_slice(chunk::LAST);
        }
        self.send_pending(stream)
    }
}

/// How long a client may take for an answer that is no stream, whatever it
/// reads in between: so long, and a second for each of so many bytes.
const SLOWEST: (Duration, usize) = (Duration::from_secs(60), 4096);

/// How often a client that does not read is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    /// For one time-out of the stream, and not for ever.
    One,
    /// Until it reads or goes: a reader of a stream may pause (`^S`).
    Endless,
}

fn send_all(
    mut stream: &Stream,
    mut slices: &mut [IoSlice<'_>],
    patience: Patience,
) -> io::Result<()> {
    let may_retry = |e: &io::Error| match e.kind() {
        io::ErrorKind::Interrupted => true,
        io::ErrorKind::WouldBlock => patience == Patience::Endless,
        _ => false,
    };
    // Only known for one that does not take all at once.
    let mut deadline = None;
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match stream.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut slices, n),
            Err(e) if may_retry(&e) => {}
            Err(e) => return Err(e),
        }
        if patience == Patience::One && !slices.is_empty() {
            let left = slices.iter().map(|slice| slice.len()).sum::<usize>();
            let now = Instant::now();
            let end = *deadline.get_or_insert_with(|| now + time_for(left));
            if now >= end {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
    loop {
        match stream.flush() {
            Err(e) if may_retry(&e) => {}
            flushed => return flushed,
        }
    }
}

fn time_for(bytes: usize) -> Duration {
    let (least, rate) = SLOWEST;
    least + Duration::from_secs((bytes / rate) as u64)
}

fn push_header(buf: &mut Vec<u8>, name: &str, value: &str) {
    buf.extend_from_slice(name.as_bytes());
    buf.extend_from_slice(b": ");
    // A line break would begin a header of its own; a value from a
    // container's name or path may hold one.
    if value.bytes().any(|b| b < b' ') {
        buf.extend(value.bytes().filter(|b| *b >= b' '));
    } else {
        buf.extend_from_slice(value.as_bytes());
    }
    buf.extend_from_slice(b"\r\n");
}

fn push_number(buf: &mut Vec<u8>, number: usize) {
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    buf.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::api;

    const KEPT: Terms = Terms { minor: 1, head_only: false, keep_alive: true };

    fn sent(act: impl FnOnce(&mut Outgoing, &Stream)) -> String {
        let (near, mut far) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            far.read_to_string(&mut text).unwrap();
            text
        });
        let mut out = Outgoing::default();
        act(&mut out, &Stream::Unix(near));
        let text = reader.join().unwrap();
        let date = out.date.text;
        assert!(date.is_empty() || date.ends_with(" GMT"));
        match date.is_empty() {
            true => text,
            false => text.replace(&date, "DATE"),
        }
    }

    #[test]
    fn the_constant_headers_tell_the_apis_versions() {
        assert_eq!(CONSTANT[0].1, api::VERSION);
        let server = format!("Docker/{} (linux)", api::ENGINE_VERSION);
        assert_eq!(CONSTANT[3].1, server);
    }

    #[test]
    fn a_short_answer_looks_like_dockers() {
        let text = sent(|out, stream| {
            out.set_header("Content-Type", JSON);
            out.body.extend_from_slice(b"{\"message\":\"x\"}\n");
            out.send(stream, 404, KEPT).unwrap();
        });
        assert_eq!(
            text,
            "HTTP/1.1 404 Not Found\r\nApi-Version: 1.51\r\n\
             Content-Type: application/json\r\n\
             Docker-Experimental: false\r\nOstype: linux\r\n\
             Server: Docker/28.5.2 (linux)\r\nDate: DATE\r\n\
             Content-Length: 16\r\n\r\n{\"message\":\"x\"}\n"
        );
    }

    #[test]
    fn a_long_answer_is_one_chunk() {
        for length in [2048, 2049, 100_000] {
            let text = sent(|out, stream| {
                out.body.resize(length, b'x');
                out.send(stream, 200, KEPT).unwrap();
            });
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            if length == 2048 {
                assert!(head.ends_with("\r\nContent-Length: 2048"));
                assert_eq!(body.len(), 2048);
            } else {
                assert!(head.ends_with("\r\nTransfer-Encoding: chunked"));
                let data = "x".repeat(length);
                assert_eq!(body, format!("{length:x}\r\n{data}\r\n0\r\n\r\n"));
            }
        }
    }

    #[test]
    fn answers_without_a_body_say_nothing_of_it() {
        let head = "Api-Version: 1.51\r\nDocker-Experimental: false\r\n\
                    Ostype: linux\r\nServer: Docker/28.5.2 (linux)\r\n\
                    Date: DATE\r\n";
        let text = sent(|out, stream| out.send(stream, 204, KEPT).unwrap());
        assert_eq!(text, format!("HTTP/1.1 204 No Content\r\n{head}\r\n"));
        let text = sent(|out, stream| {
            let terms = Terms { head_only: true, keep_alive: false, ..KEPT };
            out.body.extend_from_slice(b"OK");
            out.send(stream, 200, terms).unwrap();
        });
        assert_eq!(
            text,
            format!(
                "HTTP/1.1 200 OK\r\n{head}Content-Length: 2\r\n\
                 Connection: close\r\n\r\n"
            )
        );
    }

    #[test]
    fn a_header_cannot_begin_another_one() {
        let text = sent(|out, stream| {
            out.set_header("X-Path", "a\r\nEvil: 1".to_string());
            out.send(stream, 200, KEPT).unwrap();
        });
        assert!(text.contains("\r\nX-Path: aEvil: 1\r\n"));
    }

    #[test]
    fn a_stream_is_in_chunks_and_ends() {
        let text = sent(|out, stream| {
            out.push_head(200, Framing::Chunked, KEPT);
            out.send_piece(stream, Framing::Chunked, b"hello").unwrap();
            let long = vec![b'x'; MAX_COPIED + 1];
            out.send_piece(stream, Framing::Chunked, &long).unwrap();
            out.send_end(stream, Framing::Chunked).unwrap();
        });
        let body = text.split_once("\r\n\r\n").unwrap().1;
        let long = "x".repeat(MAX_COPIED + 1);
        assert_eq!(body, format!("5\r\nhello\r\n4001\r\n{long}\r\n0\r\n\r\n"));
    }
}
