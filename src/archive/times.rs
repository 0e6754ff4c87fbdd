//! The times of directories: set when nothing more is put into them.

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::read::Entry;
use super::{Error, Result};
use crate::sys::errno;
use crate::sys::fs::{self, OFlags};
use crate::sys::resolve::{self, Scope};

/// How much memory the list may take.
const MAX_PENDING: usize = 16 << 20;

/// Directories whose times are still to be set.
pub struct DirTimes<'a> {
    root: BorrowedFd<'a>,
    pending: Vec<Pending>,
    bytes: usize,
}

struct Pending {
    path: Vec<u8>,
    atime: (i64, u32),
    mtime: (i64, u32),
}

impl<'a> DirTimes<'a> {
    pub fn new(root: BorrowedFd<'a>) -> DirTimes<'a> {
        DirTimes { root, pending: Vec::new(), bytes: 0 }
    }

    /// Keeps the times of the directory at a clean path.
    pub fn remember(&mut self, path: &[u8], entry: &Entry) {
        self.bytes += path.len() + size_of::<Pending>();
        self.pending.push(Pending {
            path: path.to_vec(),
            atime: entry.atime,
            mtime: entry.mtime,
        });
        if self.bytes > MAX_PENDING {
            // Far beyond any real archive: times may be lost, memory not.
            if let Err(error) = self.apply() {
                log::warn!("times of directories: {error}");
            }
        }
    }

    /// Sets all times that were kept.
    pub fn apply(&mut self) -> Result<()> {
        self.bytes = 0;
        for pending in std::mem::take(&mut self.pending) {
            let path: &[u8] =
                if pending.path.is_empty() { b"." } else { &pending.path };
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let name = Path::new(OsStr::from_bytes(path));
            let fd = resolve::open(self.root, name, flags, 0, Scope::InRoot);
            let set = fd.and_then(|fd| {
                fs::set_times(&fd, pending.atime, pending.mtime)
            });
            match set {
                Ok(()) => {}
                Err(e) if is_replaced(e.errno()) => {}
                Err(cause) => return Err(Error::file(path)(cause)),
            }
        }
        Ok(())
    }
}

/// A later entry took the directory's place.
fn is_replaced(number: i32) -> bool {
    matches!(number, errno::ENOENT | errno::ENOTDIR | errno::ELOOP)
}
