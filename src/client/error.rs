//! Why a call did not succeed, in the words of Docker's client.

use std::fmt;
use std::io;

use super::host::Host;
use crate::http;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not succeed.
#[derive(Debug)]
pub enum Error {
    /// The address of the daemon makes no sense.
    Host(String),
    /// Nobody answers at the address.
    Unreachable(String),
    /// The socket may not be opened.
    Denied {
        /// The address.
        host: String,
        /// What was tried, and how it failed.
        detail: String,
    },
    /// The daemon answered with an error.
    Daemon {
        /// The status of the answer.
        status: u16,
        /// What the daemon says.
        message: String,
    },
    /// The exchange broke down.
    Http(http::Error),
    /// The answer is not what it should be.
    Answer(serde_json::Error),
    /// A stream broke down.
    Stream(io::Error),
}

impl Error {
    /// Sorts a failed exchange.
    pub(super) fn of_http(
        host: &Host,
        method: &str,
        target: &str,
        source: http::Error,
    ) -> Error {
        if let http::Error::Connect { source: cause, .. } = &source
            && cause.kind() == io::ErrorKind::PermissionDenied
        {
            let method = match method {
                "HEAD" => "Head",
                "POST" => "Post",
                "DELETE" => "Delete",
                _ => "Get",
            };
            let escaped = host.to_string().replace('/', "%2F");
            let escaped = escaped.trim_start_matches("unix:%2F%2F");
            let detail =
                format!("{method} \"http://{escaped}{target}\": {source}");
            return Error::Denied { host: host.to_string(), detail };
        }
        // Of a program that does not start, the reason tells more.
        let direct = !matches!(host, Host::Ssh(_));
        match direct && source.is_unreachable() {
            true => Error::Unreachable(host.to_string()),
            false => Error::Http(source),
        }
    }

    /// The status of the daemon's answer, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Daemon { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Tells whether the daemon knows no such object.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }
}

impl Error {
    /// Tells whether the daemon went away in the middle of an answer.
    pub fn is_broken_off(&self) -> bool {
        matches!(self, Error::Http(_) | Error::Stream(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Host(text) => f.write_str(text),
            Error::Unreachable(host) => write!(
                f,
                "Cannot connect to the Docker daemon at {host}. Is the \
                 docker daemon running?"
            ),
            Error::Denied { host, detail } => write!(
                f,
                "permission denied while trying to connect to the Docker \
                 daemon socket at {host}: {detail}"
            ),
            Error::Daemon { message, .. } => {
                write!(f, "Error response from daemon: {message}")
            }
            Error::Http(source) => write!(f, "error during connect: {source}"),
            Error::Answer(source) => write!(f, "invalid answer: {source}"),
            Error::Stream(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Http(source) => Some(source),
            Error::Answer(source) => Some(source),
            Error::Stream(source) => Some(source),
            _ => None,
        }
    }
}
