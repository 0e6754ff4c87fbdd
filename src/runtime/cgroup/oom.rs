//! Learning that memory has run out in a group, at the time it happens: an
//! eventfd in v1, a change of `memory.events` in v2.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::Group;
use super::write;
use crate::sys::poll::{EventFd, PollFlags};

/// Watches one group.
#[derive(Debug)]
pub enum OomWatch {
    /// Told by the kernel; with what is there as long as the group is.
    V1(EventFd, PathBuf),
    /// The file that changes, and how many kills were seen in it.
    V2(File, Cell<u64>),
}

impl Group {
    /// Begins to watch; none where the kernel cannot tell.
    pub fn watch_oom(&self) -> Option<OomWatch> {
        if let Some(dir) = self.v2_dir() {
            let watch = File::open(dir.join("memory.events")).ok()?;
            let watch = OomWatch::V2(watch, Cell::new(0));
            watch.has_happened();
            return Some(watch);
        }
        let dir = self.controller_dir("memory").ok()?;
        let path = dir.join("memory.oom_control");
        let (event, file) = (EventFd::open().ok()?, File::open(&path).ok()?);
        let (told, of) = (event.as_fd().as_raw_fd(), file.as_raw_fd());
        let control = dir.join("cgroup.event_control");
        write::file(&control, &format!("{told} {of}")).ok()?;
        Some(OomWatch::V1(event, path))
    }
}

impl OomWatch {
    /// Returns what to poll, and for what.
    pub fn poll_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        match self {
            OomWatch::V1(event, _) => (event.as_fd(), PollFlags::IN),
            OomWatch::V2(file, _) => (file.as_fd(), PollFlags::PRI),
        }
    }

    /// Tells whether memory has run out since the last call.
    pub fn has_happened(&self) -> bool {
        match self {
            // The end of the group is told as well.
            OomWatch::V1(event, path) => event.drain() && path.exists(),
            OomWatch::V2(file, seen) => {
                let mut text = [0; 512];
                let len = file.read_at(&mut text, 0).unwrap_or(0);
                let text = String::from_utf8_lossy(&text[..len]);
                let kills = write::field(&text, "oom_kill").unwrap_or(0);
                seen.replace(kills) < kills
            }
        }
    }
}
