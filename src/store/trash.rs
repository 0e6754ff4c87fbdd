//! Removing whole trees: renamed into the trash first, so that they are
//! gone in one step, then deleted there. What a crash leaves in the trash
//! is deleted when the root is opened again.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::{Error, Result};
use crate::archive::tree;
use crate::id;
use crate::sys;

/// The trash of a root.
#[derive(Debug)]
pub struct Trash {
    path: PathBuf,
}

impl Trash {
    /// Uses the directory `path`, which exists.
    pub fn new(path: PathBuf) -> Trash {
        Trash { path }
    }

    /// Takes `path` out of sight; returns the name to [`Trash::delete`].
    /// `None`: there was nothing.
    pub fn take(&self, path: &Path) -> Result<Option<String>> {
        let name = id::random();
        match fs::rename(path, self.path.join(&name)) {
            Ok(()) => Ok(Some(name)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(Error::io("rename", path)(cause)),
        }
    }

    /// Deletes what was taken. Its failure is logged only: it is out of
    /// sight, and the next start tries again.
    pub fn delete(&self, name: &str) {
        let deleted = self
            .open()
            .and_then(|dir| tree::remove(dir.as_fd(), OsStr::new(name), None));
        if let Err(error) = deleted {
            let path = self.path.join(name);
            log::warn!("{}: not deleted: {error}", path.display());
        }
    }

    /// Takes `path` out of sight and deletes it.
    pub fn discard(&self, path: &Path) -> Result<()> {
        if let Some(name) = self.take(path)? {
            self.delete(&name);
        }
        Ok(())
    }

    /// Deletes all that is there now, in a thread of its own: it may be
    /// gigabytes, and a start must not wait for them.
    pub fn empty(self: &std::sync::Arc<Self>) {
        let names = super::record::names(&self.path);
        if names.is_empty() {
            return;
        }
        let trash = std::sync::Arc::clone(self);
        let work = move || names.iter().for_each(|name| trash.delete(name));
        let thread = std::thread::Builder::new().name("trash".into());
        if let Err(error) = thread.spawn(work) {
            log::warn!("the trash is left for the next start: {error}");
        }
    }

    fn open(&self) -> sys::Result<OwnedFd> {
        sys::fs::open_dir(&self.path)
    }
}
