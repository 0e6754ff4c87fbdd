//! The distribution client: gets manifests and blobs from registries
//! (OCI distribution specification, Docker Registry HTTP API V2).
//!
//! ```text
//! Client ── repository() ──▶ Repository ── manifest() ──▶ Fetched
//!   settings, tokens,          Remote ×N  ── blob() ──▶ BlobReader: Read
//!   remembered schemes           endpoint, connections, authorization
//! ```
//!
//! A [`Repository`] tries its endpoints in order (mirrors, TLS, plain text
//! where allowed) and stays with the one that answered. Everything that
//! comes in is bounded in size and time and checked against its digest; the
//! words of errors are Docker's. What an image is, and where it is kept, is
//! left to others.

mod answer;
mod auth;
mod blob;
mod cancel;
mod certs;
mod challenge;
mod connections;
mod endpoint;
mod error;
#[cfg(test)]
mod fake;
mod get;
mod manifest;
mod remote;
mod repository;
mod retry;
mod token;
mod url;

use std::path::PathBuf;

pub use blob::BlobReader;
pub use cancel::Cancel;
pub use error::{Error, Kind, Result};
pub use get::{GetError, Remote, get_url};
pub use manifest::Fetched;
pub use repository::{Client, Repository};
pub use retry::Pace;

/// What the daemon's configuration says about registries.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Hosts (`host[:port]`) and networks (`address/bits`) that may go
    /// without TLS or with a certificate that cannot be verified.
    pub insecure: Vec<String>,
    /// URLs of mirrors of Docker Hub, in the order to try them.
    pub mirrors: Vec<String>,
    /// Directories with a folder of certificates for each `host[:port]`.
    pub certs_dirs: Vec<PathBuf>,
    /// Time-outs and attempts.
    pub pace: Pace,
}

/// What a client proves itself with to one registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The user's password.
    pub password: String,
    /// A refresh token, used in place of the password.
    pub identity_token: String,
    /// A bearer token, sent as it is.
    pub registry_token: String,
}

impl Credentials {
    /// Whether there is nothing to prove anything with.
    pub fn is_empty(&self) -> bool {
        self.username.is_empty()
            && self.identity_token.is_empty()
            && self.registry_token.is_empty()
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Secrets must not end up in a log.
        write!(f, "Credentials({:?}, …)", self.username)
    }
}
