//! Names to addresses without the C library, whose static form would load
//! the host's name service modules: the message codec and a stub resolver.

pub mod config;
pub mod message;
pub mod resolver;

use std::fmt;
use std::net::SocketAddr;

pub use resolver::{Resolver, resolve};

/// Why a name has no address, in Go's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The name does not exist, or has no address.
    NotFound {
        /// The name that was looked up.
        host: String,
        /// The server that said so; `None` if none was asked.
        server: Option<SocketAddr>,
    },
    /// No server answered in time.
    TimedOut {
        /// The name that was looked up.
        host: String,
        /// The server that was asked last.
        server: Option<SocketAddr>,
    },
    /// The servers answered with a failure, or with rubbish.
    Failed {
        /// The name that was looked up.
        host: String,
        /// The server that was asked last.
        server: SocketAddr,
    },
    /// The text cannot be a name.
    BadName(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, server, why) = match self {
            Error::NotFound { host, server } => (host, *server, "no such host"),
            Error::TimedOut { host, server } => (host, *server, "i/o timeout"),
            Error::Failed { host, server } => {
                (host, Some(*server), "server misbehaving")
            }
            Error::BadName(host) => (host, None, "no such host"),
        };
        match server {
            Some(server) => write!(f, "lookup {host} on {server}: {why}"),
            None => write!(f, "lookup {host}: {why}"),
        }
    }
}

impl std::error::Error for Error {}
