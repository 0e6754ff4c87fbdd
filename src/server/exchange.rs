//! One request and its answer, as a handler sees them.
//!
//! ```text
//! Nothing ── json, empty, bytes ───────────────▶ Answered
//!    ├────── stream ─▶ Streaming ── handler ok ─▶ Answered
//!    │                    └── error, head sent ─▶ Broken: cut
//!    └────── hijack ─▶ Hijacked: the stream has left HTTP
//! ```

use std::borrow::Cow;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::http::body::{Incoming, Reader};
use crate::http::head::Request;
use crate::http::input::Input;
use crate::http::query::Query;
use crate::http::stream::Peer;
use crate::http::{self, Stream};
use crate::json::{self, FromJson};
use crate::wait::{self, Ready};

use super::budget::Seat;
use super::error::Error;
use super::hidden::hide_environment;
use super::media_type::check_json;
use super::reply::{Framing, JSON, Outgoing, Terms};
use super::route::{Access, Method, Variables};
use super::statistics::Statistics;
use super::version::{Version, answers, requests};

/// The most bytes of a JSON body.
pub(super) const MAX_JSON: u64 = 4 << 20;

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing was said.
    Nothing,
    /// A stream was begun; its head may still be in the buffer.
    Streaming { framing: Framing, head_sent: bool },
    /// The whole answer was sent.
    Answered,
    /// The answer was cut in the middle.
    Broken,
    /// The stream was given away.
    Hijacked,
}

/// How a wait together with the client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The descriptor is readable.
    Ready,
    /// The client is gone.
    HungUp,
    /// Neither, in the time given.
    TimedOut,
}

/// A request and its answer.
pub struct Exchange<'c> {
    pub(super) head: &'c Request,
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) operation: &'static str,
    pub(super) variables: Variables<'c>,
    pub(super) access: Access,
    pub(super) query: Query,
    pub(super) body: Incoming,
    pub(super) stream: &'c mut Option<Arc<Stream>>,
    pub(super) input: &'c mut Input,
    pub(super) out: &'c mut Outgoing,
    pub(super) seat: &'c Arc<Seat>,
    pub(super) statistics: &'c Statistics,
    pub(super) terms: Terms,
    pub(super) progress: Progress,
}

impl<'c> Exchange<'c> {
    /// Returns the method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns what Docker's reference calls the operation.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// Returns what the client may do.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Refuses what the listener does not give access to, for routes whose
    /// class depends on what is asked of them.
    pub fn require(&self, class: Access) -> Result<(), Error> {
        if class <= self.access {
            return Ok(());
        }
        // What is beside the API has a path alone.
        let what = match self.operation {
            "" => self.head.target(),
            operation => operation,
        };
        Err(Error::no_access(what, class, self.access))
    }

    /// Returns the API version that the client speaks.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns whether the client speaks 1.`minor` or later.
    pub fn speaks(&self, minor: u16) -> bool {
        self.version >= Version::of(1, minor)
    }

    /// Returns the value of a variable of the route's pattern; empty for a
    /// name that the pattern does not have. The text outlives the exchange,
    /// so it can be held while the answer is written.
    pub fn var(&self, name: &str) -> &'c str {
        self.variables.get(name).unwrap_or("")
    }

    /// Returns the decoded query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Returns the first value of a header of the request.
    pub fn header(&self, name: &str) -> Option<&'c str> {
        self.head.fields().get(name)
    }

    /// Returns the target as the client wrote it.
    pub fn target(&self) -> &'c str {
        self.head.target()
    }

    /// Returns who the client is.
    pub fn peer(&self) -> Peer {
        self.connection().peer()
    }

    /// Returns the request's body.
    pub fn body(&mut self) -> Reader<'_> {
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        Reader { body: &mut self.body, stream, input: self.input }
    }

    /// Sets how long the body may be; to be called before it is read.
    pub fn limit_body(&mut self, limit: u64) -> Result<(), Error> {
        Ok(self.body.set_limit(limit)?)
    }

    /// Returns whether the request has a body that was not read yet.
    pub fn has_body(&self) -> bool {
        !self.body.is_done()
    }

    /// Refuses a body that is not said to be JSON, in Docker's words.
    pub fn check_json(&self) -> Result<(), Error> {
        check_json(self.header("Content-Type").unwrap_or(""))
    }

    /// Reads a JSON body as the newest version would say it; `None` if
    /// there is none. A wrong media type and broken JSON are refused in
    /// Docker's words.
    pub fn json_body<T: FromJson>(&mut self) -> Result<Option<T>, Error> {
        if !self.has_body() {
            // Old clients send `plain/text` with nothing.
            return Ok(None);
        }
        self.check_json()?;
        let text = self.body_bytes(MAX_JSON)?;
        if text.trim_ascii().is_empty() {
            return Err(Error::bad_request(
                "invalid JSON: got EOF while reading request body",
            ));
        }
        let bad = |e| match e {
            json::Error::Trailing => Error::bad_request(e.to_string()),
            e => Error::bad_request(format!("invalid JSON: {e}")),
        };
        let mut body = json::parse(&text).map_err(bad)?;
        requests::rewrite(&mut body, self.operation, self.version)
            .map_err(Error::bad_request)?;
        json::from_value(body).map(Some).map_err(bad)
    }

    /// Reads the whole body, of at most `limit` bytes.
    pub fn body_bytes(&mut self, limit: u64) -> Result<Vec<u8>, Error> {
        self.limit_body(limit)?;
        let (mut bytes, mut part) = (Vec::new(), [0; 8192]);
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        loop {
            match self.body.read(stream, self.input, &mut part)? {
                0 => return Ok(bytes),
                n => bytes.extend_from_slice(&part[..n]),
            }
        }
    }

    /// Adds a header to the answer.
    pub fn set_header(
        &mut self,
        name: &'static str,
        value: impl Into<Cow<'static, str>>,
    ) {
        self.out.set_header(name, value);
    }

    /// Answers with JSON in the shape of the client's version and a line
    /// feed, as Docker does. A client that may only look does not see the
    /// values of environment variables.
    pub fn json(
        &mut self,
        status: u16,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), Error> {
        let body = &mut self.out.body;
        body.clear();
        answers::write(body, value, self.operation, self.version)
            .and_then(|()| match self.access {
                Access::Read => hide_environment(body),
                Access::Control | Access::Full => Ok(()),
            })
            .map_err(|e| Error::new(500, e.to_string()))?;
        self.out.body.push(b'\n');
        self.out.set_header("Content-Type", JSON);
        self.send(status)
    }

    /// Answers with nothing but a status.
    pub fn empty(&mut self, status: u16) -> Result<(), Error> {
        self.out.body.clear();
        self.send(status)
    }

    /// Answers with these bytes.
    pub fn bytes(
        &mut self,
        status: u16,
        content_type: &'static str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        self.out.body.clear();
        self.out.body.extend_from_slice(bytes);
        self.out.set_header("Content-Type", content_type);
        self.send(status)
    }

    fn send(&mut self, status: u16) -> Result<(), Error> {
        debug_assert_eq!(self.progress, Progress::Nothing);
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        self.terms.keep_alive &= self.body.can_drain();
        let sent = self.out.send(stream, status, self.terms);
        self.progress = match sent {
            Ok(()) => Progress::Answered,
            Err(_) => Progress::Broken,
        };
        sent.map_err(Error::lost)
    }

    /// Begins an answer of unknown length with status 200. The head goes out
    /// with the first write or flush; until then an error of the handler is
    /// still answered with its status.
    pub fn stream(&mut self, content_type: &'static str) -> ChunkedWriter<'_> {
        self.duplex(content_type).1
    }

    /// Begins an answer of unknown length while the body is still being
    /// read.
    pub fn duplex(
        &mut self,
        content_type: &'static str,
    ) -> (Reader<'_>, ChunkedWriter<'_>) {
        if self.progress == Progress::Nothing {
            let framing = match self.terms.minor {
                0 => Framing::UntilClose,
                _ => Framing::Chunked,
            };
            self.terms.keep_alive &= framing == Framing::Chunked;
            self.out.set_header("Content-Type", content_type);
            self.out.push_head(200, framing, self.terms);
            self.progress = Progress::Streaming { framing, head_sent: false };
        }
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        let body = &mut self.body;
        let reader = Reader { body, stream, input: &mut *self.input };
        let writer = ChunkedWriter {
            stream,
            out: self.out,
            progress: &mut self.progress,
            head_only: self.terms.head_only,
            operation: self.operation,
            version: self.version,
        };
        (reader, writer)
    }

    /// Returns the client's descriptor: it polls as `RDHUP`, `HUP` or `ERR`
    /// when the client is gone.
    pub fn peer_fd(&self) -> BorrowedFd<'_> {
        self.connection().as_fd()
    }

    /// Waits until `fd` is readable or the client is gone, at most for
    /// `timeout` (`None`: for ever).
    pub fn wait_with_peer(
        &self,
        fd: BorrowedFd<'_>,
        timeout: Option<Duration>,
    ) -> Result<Waited, Error> {
        wait_with(self.peer_fd(), fd, timeout)
    }

    fn connection(&self) -> &Stream {
        self.stream.as_deref().expect(NOT_HIJACKED)
    }
}

/// A handler uses its exchange up when it hijacks.
pub(super) const NOT_HIJACKED: &str =
    "a hijacked exchange is not used any more";

fn wait_with(
    peer: BorrowedFd<'_>,
    fd: BorrowedFd<'_>,
    timeout: Option<Duration>,
) -> Result<Waited, Error> {
    match wait::first_ready(&[fd], Some(peer), timeout) {
        Ok(Ready::Fd(_)) => Ok(Waited::Ready),
        Ok(Ready::HungUp) => Ok(Waited::HungUp),
        Ok(Ready::TimedOut) => Ok(Waited::TimedOut),
        Err(e) => Err(Error::new(500, e.to_string())),
    }
}

/// An answer of unknown length. Each write goes out at once.
pub struct ChunkedWriter<'a> {
    stream: &'a Stream,
    out: &'a mut Outgoing,
    progress: &'a mut Progress,
    head_only: bool,
    operation: &'static str,
    version: Version,
}

impl ChunkedWriter<'_> {
    /// Writes one JSON value, in the shape of the client's version, and
    /// what ends it (`"\n"`, `"\r\n"`).
    pub fn json(
        &mut self,
        value: &(impl Serialize + ?Sized),
        end: &str,
    ) -> io::Result<()> {
        let mut line = std::mem::take(&mut self.out.body);
        line.clear();
        answers::write(&mut line, value, self.operation, self.version)?;
        line.extend_from_slice(end.as_bytes());
        let written = self.write_all(&line);
        self.out.body = line;
        written
    }

    /// Waits until `fd` is readable or the client is gone, at most for
    /// `timeout` (`None`: for ever).
    pub fn wait_with_peer(
        &self,
        fd: BorrowedFd<'_>,
        timeout: Option<Duration>,
    ) -> Result<Waited, Error> {
        wait_with(self.stream.as_fd(), fd, timeout)
    }

    /// Returns the client's descriptor; see [`Exchange::peer_fd`].
    pub fn peer_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn act(
        &mut self,
        act: impl FnOnce(&mut Outgoing, &Stream, Framing) -> io::Result<()>,
    ) -> io::Result<()> {
        let Progress::Streaming { framing, head_sent } = self.progress else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        *head_sent = true;
        let done = act(self.out, self.stream, *framing);
        if done.is_err() {
            *self.progress = Progress::Broken;
        }
        done
    }
}

impl Write for ChunkedWriter<'_> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if !data.is_empty() && !self.head_only {
            self.act(|out, stream, framing| {
                out.send_piece(stream, framing, data)
            })?;
        }
        Ok(data.len())
    }

    /// Sends the head, if it has not gone out yet.
    fn flush(&mut self) -> io::Result<()> {
        self.act(|out, stream, _| out.send_pending(stream))
    }
}

/// A failed write to a [`ChunkedWriter`], or a failed read of a body.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.downcast::<http::Error>() {
            Ok(inner) => inner.into(),
            Err(other) => Error::lost(other),
        }
    }
}
