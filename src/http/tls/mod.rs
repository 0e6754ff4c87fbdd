//! TLS: whom to trust and which certificate to show, for both sides, and
//! what failures are called. The bytes themselves are the business of
//! [`Stream`](super::Stream).

mod client;
mod pem;
mod pinned;
mod server;
mod validity;
mod words;

use std::fmt;
use std::io;
use std::path::PathBuf;

pub use client::{Settings, SystemRoots, Verify, client};
pub use server::{ServerError, ServerSettings, server};
pub use words::{inner, words};

/// Why a file cannot be used.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// It has no PEM data in it.
    Empty(PathBuf),
    /// It has no certificate in it, but these sections.
    NoCertificate(PathBuf, String),
    /// It has no key in it, but these sections.
    NoKey(PathBuf, String),
    /// Its key wants a passphrase.
    Encrypted(PathBuf),
    /// A root cannot be used.
    Root(PathBuf, rustls::Error),
    /// The certificate and the key do not belong together, or one of them
    /// makes no sense.
    Identity(PathBuf, rustls::Error),
}

impl Error {
    /// Returns the file.
    pub fn path(&self) -> &PathBuf {
        match self {
            Error::Read(path, _)
            | Error::Empty(path)
            | Error::NoCertificate(path, _)
            | Error::NoKey(path, _)
            | Error::Encrypted(path)
            | Error::Root(path, _)
            | Error::Identity(path, _) => path,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Error::Read(_, e) => {
                write!(f, "open {path}: {}", super::error::reason(e))
            }
            Error::Empty(_) => {
                write!(f, "failed to find any PEM data in {path}")
            }
            Error::NoCertificate(_, found) => write!(
                f,
                "failed to find a certificate in {path}, which has: {found}"
            ),
            Error::NoKey(_, found) => write!(
                f,
                "failed to find a private key in {path}, which has: {found}"
            ),
            Error::Encrypted(_) => write!(
                f,
                "the private key in {path} is encrypted, which is not \
                 supported; decrypt it with `openssl pkey`"
            ),
            Error::Root(_, e) | Error::Identity(_, e) => {
                let words = words(e, "");
                let verified = "tls: failed to verify certificate: ";
                let words = words.strip_prefix(verified).unwrap_or(&words);
                write!(f, "{path}: {words}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read(_, e) => Some(e),
            Error::Root(_, e) | Error::Identity(_, e) => Some(e),
            _ => None,
        }
    }
}
