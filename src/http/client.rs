//! The client's side of an exchange: one request, its answer, and then the
//! connection again, or the bare stream after an upgrade.
//!
//! ```text
//! Connection ─ send ─▶ Response ─ read to the end, finish ─▶ Connection
//!                         └────── into_upgraded ──────▶ (Stream, early bytes)
//! ```

use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, BorrowedFd};

pub use super::connect::{Address, Timeouts};
use super::head::{self, Framing};
use super::input::Input;
use super::stream::write_all_vectored;
use super::{Error, Phase, Result, Stream, body, chunk, connect};

/// How much of a request's body is read and sent at once.
const PIECE: usize = 64 * 1024;

/// A connection on which nothing is under way.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    input: Input,
    host: String,
}

/// The body of a request.
pub enum Body<'a> {
    /// None.
    Empty,
    /// These bytes.
    Bytes(&'a [u8]),
    /// This many bytes from a reader.
    Sized(u64, &'a mut dyn Read),
    /// All that a reader gives, in chunks.
    Chunked(&'a mut dyn Read),
}

/// A request. `Host`, `Content-Length` and `Transfer-Encoding` are added;
/// a `Host` among the headers takes the place of the connection's own.
pub struct Request<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// Path and query, already encoded.
    pub target: &'a str,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Body<'a>,
}

impl<'a> Request<'a> {
    /// Makes a request without a body and headers.
    pub fn new(method: &'a str, target: &'a str) -> Request<'a> {
        Request { method, target, headers: Vec::new(), body: Body::Empty }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Request<'a> {
        self.headers.push((name.to_string(), value.to_string()));
        self
    }

    /// Gives it a body.
    pub fn body(mut self, body: Body<'a>) -> Request<'a> {
        self.body = body;
        self
    }
}

/// An answer: its head, and its body through `Read`. Errors of the body are
/// [`Error`] inside of the `io::Error`.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    head: head::Response,
    stream: Stream,
    input: Input,
    host: String,
    decoder: body::Decoder,
    keep_alive: bool,
    failed: bool,
}

impl Connection {
    /// Connects to a server.
    pub fn connect(
        address: &Address,
        timeouts: &Timeouts,
    ) -> Result<Connection> {
        let stream = connect::open(address, timeouts)?;
        let host = match address {
            Address::Unix(_) | Address::Program(_) => "localhost".to_string(),
            Address::Tcp { host, port } | Address::Tls { host, port, .. } => {
                let default = match address {
                    Address::Tls { .. } => 443,
                    _ => 80,
                };
                let host = match host.contains(':') {
                    true => format!("[{host}]"),
                    false => host.clone(),
                };
                match *port == default {
                    true => host,
                    false => format!("{host}:{port}"),
                }
            }
        };
        Ok(Connection { stream, input: Input::new(), host })
    }

    /// Makes a connection of a stream that is connected already; `host` is
    /// what the `Host` header says.
    pub fn over(stream: Stream, host: &str) -> Connection {
        Connection { stream, input: Input::new(), host: host.to_string() }
    }

    /// Returns the stream, to poll it or to change its time-outs.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Returns whether the server closed the connection, or sent something
    /// that nobody asked for, while it was kept. Costs one call of `poll`.
    pub fn is_stale(&self) -> bool {
        let now = Some(std::time::Duration::ZERO);
        !self.input.is_empty()
            || self.stream.has_pending_input()
            || crate::sys::poll::wait_readable(&self.stream, now)
                .unwrap_or(true)
    }

    /// Sends a request and reads the head of its answer.
    pub fn send(mut self, request: Request<'_>) -> Result<Response> {
        let bodiless = request.method == "HEAD";
        let sent = self.write(request);
        if let Err(Error::Source(_) | Error::ShortSource) = sent {
            return sent.map(|()| unreachable!("the result is an error"));
        }
        // A server may refuse a body while it is being sent and close: then
        // its answer tells more than the failed write.
        let head = match (self.read_head(), sent) {
            (Err(refused @ Error::Tls { .. }), _) => return Err(refused),
            (Err(_), Err(sent)) => return Err(sent),
            (head, _) => head?,
        };
        let framing = if bodiless { Framing::Empty } else { head.framing };
        let keep_alive = head.keep_alive || (bodiless && head.status != 101);
        Ok(Response {
            status: head.status,
            decoder: body::Decoder::new(framing),
            keep_alive,
            head,
            stream: self.stream,
            input: self.input,
            host: self.host,
            failed: false,
        })
    }

    fn write(&mut self, request: Request<'_>) -> Result<()> {
        let mut out = Vec::with_capacity(512);
        for part in [request.method, " ", request.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        if !request.headers.iter().any(|h| h.0.eq_ignore_ascii_case("host")) {
            push_header(&mut out, "Host", &self.host);
        }
        for (name, value) in &request.headers {
            push_header(&mut out, name, value);
        }
        let wants_length = matches!(request.method, "POST" | "PUT" | "PATCH");
        match &request.body {
            Body::Empty if wants_length => {
                push_header(&mut out, "Content-Length", "0");
            }
            Body::Empty => {}
            Body::Bytes(bytes) => {
                let length = bytes.len().to_string();
                push_header(&mut out, "Content-Length", &length);
            }
            Body::Sized(length, _) => {
                push_header(&mut out, "Content-Length", &length.to_string());
            }
            Body::Chunked(_) => {
                push_header(&mut out, "Transfer-Encoding", "chunked");
            }
        }
        out.extend_from_slice(b"\r\n");
        match request.body {
            Body::Empty => self.write_all(&mut [IoSlice::new(&out)]),
            Body::Bytes(bytes) => {
                self.write_all(&mut [IoSlice::new(&out), IoSlice::new(bytes)])
            }
            Body::Sized(length, source) => {
                self.write_all(&mut [IoSlice::new(&out)])?;
                self.write_sized(length, source)
            }
            Body::Chunked(source) => {
                self.write_all(&mut [IoSlice::new(&out)])?;
                self.write_chunks(source)
            }
        }
    }

    fn write_sized(
        &mut self,
        length: u64,
        source: &mut dyn Read,
    ) -> Result<()> {
        let mut source = source.take(length);
        let (mut piece, mut left) = (vec![0; PIECE], length);
        while left > 0 {
            let n = read_source(&mut source, &mut piece)?;
            if n == 0 {
                return Err(Error::ShortSource);
            }
            left -= n as u64;
            self.write_all(&mut [IoSlice::new(&piece[..n])])?;
        }
        Ok(())
    }

    fn write_chunks(&mut self, source: &mut dyn Read) -> Result<()> {
        let (mut piece, mut size) = (vec![0; PIECE], Vec::new());
        loop {
            let n = read_source(source, &mut piece)?;
            if n == 0 {
                return self.write_all(&mut [IoSlice::new(chunk::LAST)]);
            }
            size.clear();
            chunk::push_size(&mut size, n);
            self.write_all(&mut [
                IoSlice::new(&size),
                IoSlice::new(&piece[..n]),
                IoSlice::new(b"\r\n"),
            ])?;
        }
    }

    fn write_all(&mut self, slices: &mut [IoSlice<'_>]) -> Result<()> {
        write_all_vectored(&self.stream, slices)
            .map_err(|e| Error::from_io(Phase::Send, e))
    }

    /// Reads the head of the answer; those of `1xx` are passed over, but
    /// for 101.
    fn read_head(&mut self) -> Result<head::Response> {
        // A bounded number of them: an endless row would wait for ever.
        for _ in 0..16 {
            let head = self.read_any_head()?;
            if head.status >= 200 || head.status == 101 {
                return Ok(head);
            }
        }
        Err(Error::Head(head::Malformed::StartLine))
    }

    fn read_any_head(&mut self) -> Result<head::Response> {
        let mut seen = 0;
        loop {
            if let Some(end) = head::find_end(self.input.bytes(), seen)? {
                let head = head::Response::parse(&self.input.bytes()[..end]);
                self.input.consume(end);
                return Ok(head?);
            }
            seen = self.input.bytes().len();
            let phase = if seen == 0 { Phase::Wait } else { Phase::Head };
            match self.input.fill(&self.stream) {
                Ok(0) => return Err(Error::Closed(phase)),
                Ok(_) => {}
                Err(e) => return Err(Error::from_io(phase, e)),
            }
        }
    }
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": "] {
        out.extend_from_slice(part.as_bytes());
    }
    // A line break in a value would begin a header, or a request, of its
    // own; none of our callers has one.
    let clean = value.bytes().filter(|b| !b"\r\n\0".contains(b));
    out.extend(clean);
    out.extend_from_slice(b"\r\n");
}

fn read_source(source: &mut dyn Read, piece: &mut [u8]) -> Result<usize> {
    loop {
        match source.read(piece) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            got => return got.map_err(Error::Source),
        }
    }
}

impl Response {
    /// Returns the first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.fields().get(name)
    }

    /// Returns all header lines.
    pub fn fields(&self) -> &head::Fields {
        self.head.fields()
    }

    /// Returns the length of the whole body, if the head announced it.
    pub fn content_length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Returns the stream, to poll it or to change its time-outs.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Returns whether a read can give bytes without the stream becoming
    /// readable; to be asked before polling.
    pub fn has_buffered(&self) -> bool {
        !self.input.is_empty() || self.stream.has_pending_input()
    }

    /// Reads the rest of the body, of at most `limit` bytes.
    pub fn read_to_limit(&mut self, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut bounded = self.by_ref().take(limit.saturating_add(1));
        bounded.read_to_end(&mut bytes).map_err(from_body)?;
        match bytes.len() as u64 > limit {
            true => Err(Error::TooLarge(limit)),
            false => Ok(bytes),
        }
    }

    /// Gives the connection back for a further request. `None` if the body
    /// was not read to its end (a short rest is read here), or if the
    /// server closes the connection.
    pub fn finish(mut self) -> Option<Connection> {
        let mut waste = [0; 4096];
        for _ in 0..4 {
            if self.decoder.is_done() || self.failed || !self.keep_alive {
                break;
            }
            // How much came does not matter, only whether the end did.
            let _rest = self.read(&mut waste).ok()?;
        }
        let usable = self.decoder.is_done()
            && self.keep_alive
            && !self.failed
            && self.status != 101;
        let Response { stream, input, host, .. } = self;
        usable.then_some(Connection { stream, input, host })
    }

    /// Gives the bare stream, with the bytes that were read already: after a
    /// 101, or after Docker's raw 200.
    pub fn into_upgraded(mut self) -> (Stream, Vec<u8>) {
        let early = self.input.take();
        (self.stream, early)
    }
}

/// Finds the [`Error`] in a failed read of a body again.
pub fn from_body(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(other) => Error::from_io(Phase::Body, other),
    }
}

impl Read for Response {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let got =
            self.decoder.read(&self.stream, &mut self.input, out, || Ok(()));
        got.map_err(|e| {
            self.failed = true;
            e.into()
        })
    }
}

impl AsFd for Response {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Answers `answer` to whatever comes until `until` has come.
    fn serve(
        until: &'static [u8],
        answer: &'static [u8],
    ) -> (Connection, thread::JoinHandle<Vec<u8>>) {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let server = thread::spawn(move || {
            let (mut seen, mut part) = (Vec::new(), [0; 4096]);
            while !seen.ends_with(until) {
                match far.read(&mut part).unwrap() {
                    0 => break,
                    n => seen.extend_from_slice(&part[..n]),
                }
            }
            far.write_all(answer).unwrap();
            seen
        });
        (Connection::over(Stream::Unix(near), "test"), server)
    }

    #[test]
    fn a_kept_connection_serves_again() {
        let (connection, server) = serve(
            b"\r\n\r\n",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\
              Content-Length: 5\r\n\r\nhello",
        );
        let mut response =
            connection.send(Request::new("GET", "/a?b").header("C", "d"));
        let response = response.as_mut().unwrap();
        assert_eq!((response.status, response.header("a")), (200, Some("b")));
        assert_eq!(response.content_length(), Some(5));
        assert_eq!(response.read_to_limit(5).unwrap(), b"hello");
        let seen = String::from_utf8(server.join().unwrap()).unwrap();
        assert_eq!(seen, "GET /a?b HTTP/1.1\r\nHost: test\r\nC: d\r\n\r\n");
    }

    #[test]
    fn finish_reads_a_short_rest_and_keeps_the_connection() {
        let (connection, _server) = serve(
            b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
        );
        let response = connection.send(Request::new("GET", "/")).unwrap();
        assert!(response.finish().is_some());
        let (connection, _server) =
            serve(b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nhello");
        let mut response = connection.send(Request::new("GET", "/")).unwrap();
        assert_eq!(response.read_to_limit(100).unwrap(), b"hello");
        assert!(response.finish().is_none());
    }

    #[test]
    fn bodies_go_out_in_every_framing() {
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        let mut source = b"hello".as_slice();
        let bodies: [(Body<'_>, &[u8], &str); 4] = [
            (Body::Empty, b"0\r\n\r\n", "Content-Length: 0\r\n\r\n"),
            (Body::Bytes(b"hi"), b"hi", "Content-Length: 2\r\n\r\nhi"),
            (
                Body::Sized(5, &mut { source }),
                b"hello",
                "Content-Length: 5\r\n\r\nhello",
            ),
            (
                Body::Chunked(&mut source),
                b"0\r\n\r\n",
                "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ),
        ];
        for (body, until, expected) in bodies {
            let until: &'static [u8] = until.to_vec().leak();
            let (connection, server) = serve(until, answer);
            let request = Request::new("POST", "/").body(body);
            assert_eq!(connection.send(request).unwrap().status, 204);
            let seen = String::from_utf8(server.join().unwrap()).unwrap();
            assert!(seen.ends_with(expected), "{seen}");
        }
    }

    #[test]
    fn a_source_that_is_too_short_is_an_error() {
        let (connection, _server) = serve(b"never", b"");
        let mut source = b"abc".as_slice();
        let body = Body::Sized(5, &mut source);
        let got = connection.send(Request::new("PUT", "/").body(body));
        assert!(matches!(got, Err(Error::ShortSource)));
    }

    #[test]
    fn head_has_no_body_whatever_its_length_says() {
        let (connection, _server) = serve(
            b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
        );
        let mut response = connection.send(Request::new("HEAD", "/")).unwrap();
        assert_eq!(response.read_to_limit(0).unwrap(), b"");
        assert!(response.finish().is_some());
    }

    #[test]
    fn an_upgrade_gives_the_stream_and_the_early_bytes() {
        for head in [
            "HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\
             Content-Type: application/vnd.docker.raw-stream\r\n\r\n",
        ] {
            let answer = format!("{head}early").into_bytes();
            let (connection, server) = serve(b"\r\n\r\n", answer.leak());
            let response = connection.send(Request::new("POST", "/")).unwrap();
            server.join().unwrap();
            let (mut stream, mut bytes) = response.into_upgraded();
            stream.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, b"early");
        }
    }

    #[test]
    fn early_ends_have_names() {
        for (answer, expected) in [
            (b"".as_slice(), "EOF"),
            (b"HTTP/1.1 200", "unexpected EOF"),
            (b"HTTP/1.1 200 OK\n\n", "malformed HTTP head: bare line feed"),
        ] {
            let (connection, _server) = serve(b"\r\n\r\n", answer);
            let got = connection.send(Request::new("GET", "/"));
            assert_eq!(got.unwrap_err().to_string(), expected);
        }
        let (connection, _server) = serve(
            b"\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        );
        let mut response = connection.send(Request::new("GET", "/")).unwrap();
        let got = response.read_to_limit(100);
        assert!(matches!(got, Err(Error::Closed(Phase::Body))));
        assert!(response.finish().is_none());
    }

    #[test]
    fn an_unreachable_server_is_told_in_gos_words() {
        let address = Address::Unix("/nonexistent/docker.sock".into());
        let error =
            Connection::connect(&address, &Timeouts::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "dial unix /nonexistent/docker.sock: connect: \
             no such file or directory"
        );
        assert!(error.is_unreachable());
        let host = "127.0.0.1".to_string();
        let address = Address::Tcp { host, port: 1 };
        let error =
            Connection::connect(&address, &Timeouts::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "dial tcp 127.0.0.1:1: connect: connection refused"
        );
    }
}
