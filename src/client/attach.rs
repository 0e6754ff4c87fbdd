//! Attaching to a container: after the upgrade, a bare stream.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use super::Client;
use super::error::Result;
use super::query::{Query, path_segment};
use crate::http::client::Body;
use crate::http::stream::Stream;

/// What to attach to.
#[derive(Clone, Debug, Default)]
pub struct AttachTo {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// The keys that detach, when they are not the usual ones.
    pub detach_keys: String,
}

/// The open stream to a container: with a terminal raw in both directions,
/// else framed towards us.
#[derive(Debug)]
pub struct Attached {
    stream: Stream,
    early: Vec<u8>,
}

impl Client {
    /// Attaches to a container.
    pub fn attach(&mut self, id: &str, to: &AttachTo) -> Result<Attached> {
        let query = Query::new()
            .flag("stream", true)
            .flag("stdin", to.stdin)
            .flag("stdout", to.stdout)
            .flag("stderr", to.stderr)
            .text("detachKeys", &to.detach_keys);
        let path = format!("/containers/{}/attach", path_segment(id));
        self.upgrade(&path, query, "text/plain", Body::Empty)
    }

    /// Posts a request whose answer is a stream in both directions.
    pub(super) fn upgrade(
        &mut self,
        path: &str,
        query: Query,
        kind: &str,
        body: Body<'_>,
    ) -> Result<Attached> {
        let headers = [
            ("Connection", "Upgrade"),
            ("Content-Type", kind),
            ("Upgrade", "tcp"),
        ];
        let answer = self.call("POST", path, query, &headers, body)?;
        let (stream, early) = answer.into_upgraded();
        Ok(Attached { stream, early })
    }
}

impl Attached {
    /// Tells whether a read gives something without the descriptor being
    /// readable.
    pub fn has_pending_input(&self) -> bool {
        !self.early.is_empty() || self.stream.has_pending_input()
    }

    /// Tells whether something that was written waits for room; a flush
    /// sends it on.
    pub fn wants_write(&self) -> bool {
        self.stream.wants_write()
    }

    /// Says that no more input comes; output still does. To be called again
    /// while there is no room (`WouldBlock`).
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown_write()
    }

    /// Makes reads and writes return at once.
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.stream.set_nonblocking(true)
    }
}

impl Read for Attached {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.early.is_empty() {
            return self.stream.read(into);
        }
        let n = self.early.len().min(into.len());
        into[..n].copy_from_slice(&self.early[..n]);
        self.early.drain(..n);
        Ok(n)
    }
}

impl Write for Attached {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.write(from)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl AsFd for Attached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
