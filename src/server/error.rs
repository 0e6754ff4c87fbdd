//! From a failure to the answer that tells it: one table from kinds to
//! statuses.

use std::fmt;
use std::io;

use crate::engine::{self, Kind};
use crate::http;

use super::route::Access;

/// Why a handler gave up.
#[derive(Debug)]
pub enum Error {
    /// The client is told: a status, and Docker's words.
    Api {
        /// The status.
        status: u16,
        /// The words.
        message: String,
    },
    /// The stream to the client is broken: there is nobody to tell.
    Lost(http::Error),
}

impl Error {
    /// Makes an answer with a status and a message.
    pub fn new(status: u16, message: impl Into<String>) -> Error {
        Error::Api { status, message: message.into() }
    }

    /// Makes the answer to a request that cannot be understood (400).
    pub fn bad_request(message: impl Into<String>) -> Error {
        Error::new(400, message)
    }

    /// Makes the answer to an unknown path (404).
    pub fn no_page() -> Error {
        Error::new(404, "page not found")
    }

    /// Makes the answer to what the listener does not give access to (403).
    pub fn no_access(operation: &str, needed: Access, given: Access) -> Error {
        let (needed, given) = (needed.name(), given.name());
        Error::new(
            403,
            format!(
                "access denied: {operation} needs {needed} access, and this \
                 listener gives {given} access"
            ),
        )
    }

    /// Makes the answer for a write to the client that failed.
    pub fn lost(error: io::Error) -> Error {
        Error::Lost(http::Error::from_io(http::Phase::Send, error))
    }

    /// Makes the end of an answer whose client has hung up, or is to be
    /// let go of: it must not look complete.
    pub fn hung_up() -> Error {
        Error::Lost(http::Error::Closed(http::Phase::Send))
    }

    /// Returns the status; that of a lost client is never sent.
    pub fn status(&self) -> u16 {
        match self {
            Error::Api { status, .. } => *status,
            Error::Lost(_) => 499,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Api { message, .. } => f.write_str(message),
            Error::Lost(e) => write!(f, "the client is gone: {e}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Api { .. } => None,
            Error::Lost(e) => Some(e),
        }
    }
}

/// The table from the engine's kinds of errors to statuses.
impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Error {
        let status = match error.kind() {
            Kind::NotModified => 304,
            Kind::BadRequest => 400,
            Kind::Unauthorized => 401,
            Kind::Forbidden => 403,
            Kind::NotFound => 404,
            Kind::Conflict => 409,
            Kind::Internal => 500,
            Kind::NotImplemented => 501,
            Kind::Unavailable => 503,
        };
        Error::new(status, error.to_string())
    }
}

/// A body that cannot be read. What is the client's fault it is told; a
/// broken stream is not.
impl From<http::Error> for Error {
    fn from(error: http::Error) -> Error {
        let status = match &error {
            http::Error::TooLarge(_) => 413,
            http::Error::TimedOut(_) => 408,
            http::Error::Chunk(_) => 400,
            http::Error::Head(e) => e.status(),
            _ => return Error::Lost(error),
        };
        Error::new(status, error.to_string())
    }
}

/// Writes the reason phrase of a status, as Go does.
pub fn reason(status: u16) -> &'static str {
    match status {
        101 => "UPGRADED",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        414 => "Request URI Too Long",
        417 => "Expectation Failed",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Phase, chunk};

    #[test]
    fn what_is_the_clients_fault_it_is_told() {
        let status = |e: http::Error| Error::from(e).status();
        assert_eq!(status(http::Error::TooLarge(9)), 413);
        assert_eq!(status(http::Error::TimedOut(Phase::Body)), 408);
        assert_eq!(status(http::Error::Chunk(chunk::Malformed::Size)), 400);
        let closed = Error::from(http::Error::Closed(Phase::Body));
        assert!(matches!(closed, Error::Lost(_)));
    }
}
