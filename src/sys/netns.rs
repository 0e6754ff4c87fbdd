//! Network namespaces (network_namespaces(7)): opening them, and acting
//! inside one without ever moving the calling thread.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use super::{Error, Result};

/// Enough for a few system calls and small buffers.
const STACK: usize = 64 * 1024;

/// Opens the calling thread's own network namespace.
pub fn current() -> Result<OwnedFd> {
    open(Path::new("/proc/thread-self/ns/net"))
}

/// Opens a network namespace by its file.
pub fn open(path: &Path) -> Result<OwnedFd> {
    File::open(path).map(OwnedFd::from).map_err(|e| {
        Error::from_io(format!("open(\"{}\")", path.display()), &e)
    })
}

/// Runs `act` on a short-lived thread inside the namespace `netns` and
/// returns what it returned. What `act` opens there stays there: a socket
/// belongs to the namespace in which it was made.
pub fn inside<T: Send>(
    netns: BorrowedFd<'_>,
    act: impl FnOnce() -> T + Send,
) -> Result<T> {
    inside_while(netns, act, || ()).0
}

/// Does the same, and meanwhile runs `here` on the calling thread.
pub fn inside_while<T: Send, U>(
    netns: BorrowedFd<'_>,
    act: impl FnOnce() -> T + Send,
    here: impl FnOnce() -> U,
) -> (Result<T>, U) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".to_string())
            .stack_size(STACK)
            .spawn_scoped(scope, move || {
                enter(netns)?;
                Ok(act())
            });
        let near = here();
        let far = match thread.map(|thread| thread.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(e) => Err(Error::from_io("clone(thread)", &e)),
        };
        (far, near)
    })
}

/// Moves the calling thread, for good, into a new network namespace of its
/// own and returns that; only for threads that end soon after.
pub fn unshare() -> Result<OwnedFd> {
    // SAFETY: only the namespace is left; the table of descriptors, which
    // the function's contract is about, stays shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|e| Error::from_rustix("unshare(CLONE_NEWNET)", e))?;
    current()
}

fn enter(netns: impl AsFd) -> Result<()> {
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(netns.as_fd(), kind)
        .map_err(|e| Error::from_rustix("setns(…, CLONE_NEWNET)", e))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn inode(fd: &OwnedFd) -> u64 {
        File::from(fd.try_clone().unwrap()).metadata().unwrap().ino()
    }

    #[test]
    fn the_calling_thread_stays_where_it_is() {
        let before = inode(&current().unwrap());
        let other = std::thread::spawn(unshare).join().unwrap();
        let other = match other {
            Err(e) if e.errno() == libc::EPERM => {
                return println!("skipped: needs CAP_SYS_ADMIN");
            }
            other => other.unwrap(),
        };
        let there = inside(other.as_fd(), || inode(&current().unwrap()));
        assert_eq!(there.unwrap(), inode(&other));
        assert_ne!(inode(&other), before);
        assert_eq!(inode(&current().unwrap()), before);
    }
}
