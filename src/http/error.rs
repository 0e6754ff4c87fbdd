//! What can end an exchange, in the words that Docker's users know from
//! Go's `net` and `net/http`.

use std::fmt;
use std::io;

use super::{chunk, head, tls};
use crate::{dns, sys};

/// The result of an HTTP operation.
pub type Result<T> = std::result::Result<T, Error>;

/// What was under way when a connection ended or a time-out struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The connection was being made.
    Connect,
    /// The TLS handshake was under way.
    Handshake,
    /// The request was being sent.
    Send,
    /// No byte of the answer had come.
    Wait,
    /// The answer's head was incomplete.
    Head,
    /// The body was incomplete.
    Body,
}

/// A failed exchange, and why its connection was closed.
#[derive(Debug)]
pub enum Error {
    /// The host's name has no address.
    Resolve(dns::Error),
    /// No address of the peer took the connection.
    Connect {
        /// `tcp` or `unix`.
        network: &'static str,
        /// The address that was tried last.
        address: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The TLS session could not be made.
    Tls {
        /// Whom the session was for.
        host: String,
        /// What rustls said.
        source: io::Error,
    },
    /// The TLS settings could not be loaded.
    Settings(tls::Error),
    /// The peer did not answer in time.
    TimedOut(Phase),
    /// The peer closed the connection too early.
    Closed(Phase),
    /// Reading or writing failed.
    Io(Phase, io::Error),
    /// The head breaks HTTP's rules.
    Head(head::Malformed),
    /// The chunked body breaks HTTP's rules.
    Chunk(chunk::Malformed),
    /// The body is longer than its limit of this many bytes.
    TooLarge(u64),
    /// The source of a request's body ended before its announced length.
    ShortSource,
    /// The source of a request's body could not be read.
    Source(io::Error),
}

impl Error {
    /// Sorts a failed read or write into time-outs, closings and the rest.
    pub fn from_io(phase: Phase, error: io::Error) -> Error {
        // With TLS 1.3 a server's refusal comes after the handshake.
        if matches!(phase, Phase::Send | Phase::Wait)
            && matches!(
                tls::inner(&error),
                Some(rustls::Error::AlertReceived(_))
            )
        {
            return Error::Tls { host: String::new(), source: error };
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Error::TimedOut(phase)
            }
            io::ErrorKind::UnexpectedEof => Error::Closed(phase),
            _ => Error::Io(phase, error),
        }
    }

    /// Returns whether the peer went away before it answered anything, as a
    /// kept connection does when its time is over: the request may be tried
    /// once more on a new connection if it is idempotent.
    pub fn is_stale_connection(&self) -> bool {
        match self {
            Error::Closed(Phase::Send | Phase::Wait) => true,
            Error::Io(Phase::Send | Phase::Wait, e) => matches!(
                e.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
            _ => false,
        }
    }

    /// Returns whether the peer could not be reached at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Error::Resolve(_)
                | Error::Connect { .. }
                | Error::TimedOut(Phase::Connect)
        )
    }
}

/// Returns the kernel's words as Go prints them (`connection refused`).
pub fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => sys::Error::new("", errno).reason(),
        None => error.to_string(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Resolve(e) => write!(f, "dial tcp: {e}"),
            Error::Connect { network, address, source } => {
                let why = reason(source);
                write!(f, "dial {network} {address}: connect: {why}")
            }
            Error::Tls { host, source } => match tls::inner(source) {
                Some(e) => f.write_str(&tls::words(e, host)),
                None => write!(f, "tls: {host}: {}", reason(source)),
            },
            Error::Settings(e) => write!(f, "{e}"),
            Error::TimedOut(Phase::Connect) => f.write_str("i/o timeout"),
            Error::TimedOut(Phase::Handshake) => {
                f.write_str("net/http: TLS handshake timeout")
            }
            Error::TimedOut(Phase::Wait | Phase::Head) => {
                f.write_str("net/http: timeout awaiting response headers")
            }
            Error::TimedOut(_) => f.write_str("i/o timeout"),
            Error::Closed(Phase::Wait) => f.write_str("EOF"),
            Error::Closed(_) => f.write_str("unexpected EOF"),
            Error::Io(Phase::Send, e) => write!(f, "write: {}", reason(e)),
            Error::Io(_, e) => write!(f, "read: {}", reason(e)),
            Error::Head(e) => write!(f, "malformed HTTP head: {e}"),
            Error::Chunk(e) => write!(f, "malformed chunked encoding: {e}"),
            Error::TooLarge(_) => f.write_str("http: request body too large"),
            Error::ShortSource => {
                f.write_str("http: the body is shorter than its length")
            }
            Error::Source(e) => write!(f, "{}", reason(e)),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Resolve(e) => Some(e),
            Error::Connect { source, .. } | Error::Tls { source, .. } => {
                Some(source)
            }
            Error::Settings(e) => Some(e),
            Error::Io(_, e) | Error::Source(e) => Some(e),
            Error::Head(e) => Some(e),
            Error::Chunk(e) => Some(e),
            _ => None,
        }
    }
}

impl From<head::Malformed> for Error {
    fn from(error: head::Malformed) -> Error {
        Error::Head(error)
    }
}

impl From<chunk::Malformed> for Error {
    fn from(error: chunk::Malformed) -> Error {
        Error::Chunk(error)
    }
}

/// Lets a body be read through `std::io::Read`; [`Error`] stays inside and
/// is found again by `downcast`.
impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::TimedOut(_) => io::ErrorKind::TimedOut,
            Error::Closed(_) => io::ErrorKind::UnexpectedEof,
            Error::Io(_, e) => e.kind(),
            Error::Head(_) | Error::Chunk(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
