//! Changes of files as a descriptor that can be polled (inotify(7)).

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use super::{Error, Result};

/// What to be told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Bytes written to a file, or the file cut.
    Content,
    /// Names that come, go and move in a directory.
    Names,
}

/// What happened, as far as readers here care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The watch that it belongs to, as [`Inotify::add`] returned it.
    pub watch: i32,
    /// The name in the watched directory, if it has one.
    pub name: Option<Vec<u8>>,
}

/// An inotify instance (close-on-exec, non-blocking).
#[derive(Debug)]
pub struct Inotify(OwnedFd);

impl Inotify {
    /// Opens an instance. The kernel bounds their number for each user
    /// (EMFILE), so a caller needs a way on without one.
    pub fn open() -> Result<Inotify> {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        match inotify::init(flags) {
            Ok(fd) => Ok(Inotify(fd)),
            Err(e) => Err(Error::from_rustix("inotify_init1(…)", e)),
        }
    }

    /// Watches a path; returns the number of the watch.
    pub fn add(&self, path: &Path, watch: Watch) -> Result<i32> {
        let flags = match watch {
            Watch::Content => WatchFlags::MODIFY,
            Watch::Names => {
                WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE
            }
        };
        inotify::add_watch(&self.0, path, flags).map_err(|e| {
            Error::from_rustix(
                format!("inotify_add_watch(…, \"{}\")", path.display()),
                e,
            )
        })
    }

    /// Takes what is pending, without waiting. `None` in place of events
    /// means that the kernel's queue overflowed and anything may have
    /// happened.
    pub fn drain(&self) -> Option<Vec<Event>> {
        let mut space = [MaybeUninit::<u8>::uninit(); 1024];
        let mut reader = inotify::Reader::new(&self.0, &mut space);
        let mut events = Vec::new();
        loop {
            match reader.next() {
                Ok(event)
                    if event.events().contains(ReadFlags::QUEUE_OVERFLOW) =>
                {
                    return None;
                }
                Ok(event) => events.push(Event {
                    watch: event.wd(),
                    name: event.file_name().map(|n| n.to_bytes().to_vec()),
                }),
                Err(Errno::INTR) => continue,
                // Nothing more for now.
                Err(_) => return Some(events),
            }
        }
    }
}

impl AsFd for Inotify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::poll;

    #[test]
    fn a_write_to_a_watched_file_is_seen() {
        let path = std::env::temp_dir()
            .join(format!("skiff-inotify-{}", std::process::id()));
        std::fs::write(&path, "a").unwrap();
        let watcher = Inotify::open().unwrap();
        let watch = watcher.add(&path, Watch::Content).unwrap();
        assert_eq!(watcher.drain(), Some(vec![]));
        std::fs::write(&path, "b").unwrap();
        let second = Some(Duration::from_secs(1));
        assert!(poll::wait_readable(&watcher, second).unwrap());
        let events = watcher.drain().unwrap();
        assert!(events.iter().all(|e| e.watch == watch));
        assert!(!poll::wait_readable(&watcher, Some(Duration::ZERO)).unwrap());
        std::fs::remove_file(&path).unwrap();
    }
}
