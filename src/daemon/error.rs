//! Why the daemon cannot run, in dockerd's words.

use std::fmt;
use std::path::PathBuf;

use crate::http::tls::ServerError;
use crate::server::accept::Lost;
use crate::server::listen;

/// Why the daemon cannot run.
#[derive(Debug)]
pub enum Error {
    /// An option makes no sense, or is not built.
    Option(String),
    /// A directory or file of the daemon's own cannot be made.
    Path(PathBuf, std::io::Error),
    /// Another daemon runs.
    Running(PathBuf, i32),
    /// TLS cannot be used with these files.
    Tls(Box<ServerError>),
    /// An address cannot be listened on.
    Listen(String, listen::Error),
    /// A thread or a signal descriptor cannot be made.
    System(String),
    /// The engine cannot open its state.
    Engine(crate::engine::Error),
    /// A listener failed.
    Lost(Lost),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Option(text) | Error::System(text) => f.write_str(text),
            Error::Path(path, e) => write!(f, "{}: {e}", path.display()),
            Error::Running(path, pid) => write!(
                f,
                "failed to start daemon, ensure docker is not running or \
                 delete {}: process with PID {pid} is still running",
                path.display()
            ),
            Error::Listen(host, e) => {
                write!(f, "failed to load listeners: {host}: {e}")
            }
            Error::Tls(e) => e.fmt(f),
            Error::Engine(e) => write!(f, "failed to start daemon: {e}"),
            Error::Lost(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Path(_, e) => Some(e),
            Error::Tls(e) => Some(&**e),
            Error::Listen(_, e) => Some(e),
            Error::Engine(e) => Some(e),
            Error::Lost(e) => Some(e),
            Error::Option(_) | Error::Running(..) | Error::System(_) => None,
        }
    }
}
