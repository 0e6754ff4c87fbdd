//! Why the store could not do something.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::json;
use crate::oci::Digest;
use crate::sys;

/// A failure of the store.
#[derive(Debug)]
pub enum Error {
    /// Another process has the root.
    Locked {
        /// The root.
        root: PathBuf,
        /// Who holds it, as far as it can be told.
        holder: String,
    },
    /// A call on a file of the store failed.
    Io {
        /// What was done.
        call: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A record was written by a later version of this program.
    Newer {
        /// The record.
        path: PathBuf,
        /// Its format.
        format: u64,
        /// The newest format that is known here.
        known: u32,
    },
    /// A value could not be written as JSON.
    Encode(serde_json::Error),
    /// The bytes of a layer could not be read from where they come from.
    Read(io::Error),
    /// A layer could not be unpacked.
    Unpack(archive::Error),
    /// Bytes are not what their digest says.
    Digest {
        /// What the bytes are.
        what: &'static str,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of the bytes that came.
        actual: Digest,
    },
    /// More bytes than announced.
    Size {
        /// The announced number.
        expected: u64,
        /// The number that came.
        actual: u64,
    },
    /// An image's configuration makes no sense.
    Config(json::Error),
    /// A layer that is asked for is not here.
    NoLayer(Digest),
    /// An image that is asked for is not here.
    NoImage(Digest),
    /// A container that is asked for is not here.
    NoContainer(String),
    /// A reference without what it would be stored under.
    Reference(String),
    /// A volume of that name is there already.
    VolumeExists(String),
    /// What a volume would be filled with, or laid over, is no directory.
    NoDirectory(PathBuf),
}

/// The result of the store's work.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Returns whether the disk is full.
    pub fn is_disk_full(&self) -> bool {
        let number = match self {
            Error::Io { cause, .. } => number_of(cause),
            Error::Unpack(cause) => cause.errno(),
            _ => None,
        };
        number == Some(sys::errno::ENOSPC)
    }

    pub(super) fn io(
        call: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |cause| Error::Io { call, path, cause }
    }

    pub(super) fn sys(
        call: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(sys::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |cause| Error::Io {
            call,
            path,
            cause: io::Error::from_raw_os_error(cause.errno()),
        }
    }
}

fn number_of(cause: &io::Error) -> Option<i32> {
    cause.raw_os_error()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Locked { root, holder } => {
                write!(f, "{} is in use by {holder}", root.display())
            }
            Error::Io { call, path, cause } => {
                let number = cause.raw_os_error();
                let reason = match number {
                    Some(n) => sys::Error::new(*call, n).reason(),
                    None => cause.to_string(),
                };
                write!(f, "{call} {}: {reason}", path.display())
            }
            Error::Newer { path, format, known } => write!(
                f,
                "{} has format {format}, written by a later version; this \
                 one knows formats up to {known}",
                path.display()
            ),
            Error::Encode(cause) => write!(f, "encoding a record: {cause}"),
            Error::Read(cause) => cause.fmt(f),
            Error::Unpack(cause) => {
                write!(f, "failed to register layer: {cause}")
            }
            Error::Digest { what, expected, actual } => write!(
                f,
                "{what} verification failed for digest {expected}: the \
                 bytes have {actual}"
            ),
            Error::Size { expected, actual } => write!(
                f,
                "a blob of {expected} bytes came with {actual} or more"
            ),
            Error::Config(cause) => {
                write!(f, "invalid image configuration: {cause}")
            }
            Error::NoLayer(digest) => write!(f, "layer {digest} not found"),
            Error::NoImage(digest) => write!(f, "No such image: {digest}"),
            Error::NoContainer(id) => write!(f, "No such container: {id}"),
            Error::Reference(text) => {
                write!(f, "{text}: a tag or a digest is needed")
            }
            Error::VolumeExists(name) => {
                write!(f, "volume {name} exists already")
            }
            Error::NoDirectory(path) => {
                write!(f, "{} is no directory", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { cause, .. } | Error::Read(cause) => Some(cause),
            Error::Encode(cause) => Some(cause),
            Error::Config(cause) => Some(cause),
            Error::Unpack(cause) => Some(cause),
            _ => None,
        }
    }
}
