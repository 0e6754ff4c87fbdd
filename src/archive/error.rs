//! Why an archive could not be read or unpacked.

use std::fmt;
use std::io;

use crate::sys;

/// A failure on the way of an archive.
#[derive(Debug)]
pub enum Error {
    /// The bytes could not be read, or could not be decompressed.
    Read(io::Error),
    /// The archive ends in the middle.
    Truncated,
    /// A header makes no sense.
    Header {
        /// What is wrong.
        why: &'static str,
        /// Where the header begins in the tar.
        offset: u64,
    },
    /// A name leads out of the directory.
    Outside {
        /// The name as the archive has it.
        name: String,
    },
    /// An entry of a kind that has no meaning here.
    Kind {
        /// The entry's name.
        name: String,
        /// The type flag.
        flag: u8,
    },
    /// A compression that is not supported.
    Compression(&'static str),
    /// An entry could not be made.
    File {
        /// The entry's name.
        name: String,
        /// The call that failed.
        cause: sys::Error,
    },
    /// The framing could not be written or read.
    Framing(io::Error),
    /// A file is not what the framing says.
    Changed {
        /// The file's path in its layer.
        name: String,
    },
}

/// The result of archive work.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns the error number where a call to the system failed.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Error::File { cause, .. } => Some(cause.errno()),
            Error::Read(cause) | Error::Framing(cause) => cause.raw_os_error(),
            _ => None,
        }
    }

    pub(super) fn file(name: &[u8]) -> impl FnOnce(sys::Error) -> Error + '_ {
        move |cause| Error::File { name: lossy(name), cause }
    }
}

pub(super) fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Read(cause) => write!(f, "reading the archive: {cause}"),
            Error::Truncated => f.write_str("unexpected EOF"),
            Error::Header { why, offset } => {
                write!(f, "invalid tar header at byte {offset}: {why}")
            }
            Error::Outside { name } => {
                write!(f, "{name:?} is outside of the archive's directory")
            }
            Error::Kind { name, flag } => {
                write!(f, "{name:?}: unhandled tar header type {flag}")
            }
            Error::Compression(name) => {
                write!(f, "{name} compression is not supported")
            }
            Error::File { name, cause } => {
                write!(f, "{name:?}: {cause}: {}", cause.reason())
            }
            Error::Framing(cause) => write!(f, "tar framing: {cause}"),
            Error::Changed { name } => {
                write!(f, "{name:?} is not what it was when unpacked")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Read(cause) | Error::Framing(cause) => Some(cause),
            Error::File { cause, .. } => Some(cause),
            _ => None,
        }
    }
}
