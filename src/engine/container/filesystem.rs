//! A container's file system as the engine looks at it: through the first
//! process where one runs, else mounted for the one who looks.

use std::os::fd::{AsFd, BorrowedFd};

use super::Container;
use super::life::Record;
use crate::engine::{Engine, Error, Result};
use crate::runtime::cgroup::Group;
use crate::runtime::{self, Spec};

/// What is to be done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    /// They are read.
    Read,
    /// They are written, too. Called under `operation`.
    Write,
}

/// What the runtime makes in every root as a place for its own mounts:
/// nothing that the container has changed.
const PLACES: [&[u8]; 7] = [
    b".dockerenv",
    b"dev",
    b"etc/hostname",
    b"etc/hosts",
    b"etc/resolv.conf",
    b"proc",
    b"sys",
];

/// Tells whether a path, clean and relative, is such a place.
pub(super) fn is_place(path: &[u8]) -> bool {
    PLACES.contains(&path)
}

impl Engine {
    /// Does some work with the root of a container, with all that is
    /// mounted in it.
    pub(super) fn with_root<T: Send>(
        &self,
        container: &Container,
        intent: Intent,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        if snapshot.life.has_process() {
            return self.with_running(record, snapshot.life.pid, work);
        }
        let mut spec = self.view_spec(record)?;
        spec.root.sealed = intent == Intent::Read;
        runtime::with_stopped(&spec, work)
            .map_err(|e| Error::internal("look at a container's files", e))?
    }

    /// As [`Engine::with_root`], with nothing mounted in it, and as what is
    /// written meanwhile leaves it.
    pub(super) fn with_layers<T: Send>(
        &self,
        record: &Record,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        let mut spec = self.view_spec(record)?;
        spec.root.sealed = true;
        spec.mounts.clear();
        runtime::with_stopped(&spec, work)
            .map_err(|e| Error::internal("look at a container's files", e))?
    }

    fn with_running<T>(
        &self,
        record: &Record,
        pid: i32,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T>,
    ) -> Result<T> {
        let ended = || Error::NotRunning(record.id.clone());
        let root = runtime::open_running(pid).map_err(|_| ended())?;
        // Looked at after the root was opened: then it was the container's,
        // even if its first process is just ending.
        let parent = self.cgroup_parent(record);
        let group = Group::at(self.host.cgroups.clone(), &parent, &record.id);
        match group.pids() {
            Ok(pids) if !pids.contains(&pid) => Err(ended()),
            _ => work(root.as_fd()),
        }
    }

    fn view_spec(&self, record: &Record) -> Result<Spec> {
        let files = self.store.container_dir(&record.id);
        let mut spec = self.spec(record, &files)?;
        spec.root.volatile = false;
        Ok(spec)
    }
}
