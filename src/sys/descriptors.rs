//! The numbers of descriptors: copies at a chosen place, closing many.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::Result;
use super::process::check;

/// Puts a copy of `fd` at the number `at` (dup3(2)), or takes the flag
/// close-on-exec from it if it is there already.
pub fn place(fd: impl AsFd, at: RawFd) -> Result<()> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: plain numbers; what was at `at` is given up by the caller.
    let rc = unsafe {
        match fd == at {
            true => libc::fcntl(at, libc::F_SETFD, 0),
            false => libc::dup2(fd, at),
        }
    };
    check(rc.into(), || format!("dup2({fd}, {at})"))
}

/// Takes over a descriptor that the process was started with, and makes it
/// close-on-exec. To be called once for a number, before anything else is
/// opened: what this process opened itself has an owner already.
///
/// # Errors
/// EBADF if no descriptor has that number.
pub fn adopt(number: RawFd) -> Result<OwnedFd> {
    // SAFETY: plain numbers.
    let rc = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    check(rc.into(), || format!("fcntl({number}, F_SETFD)"))?;
    // SAFETY: it is open, and by the caller's word nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Copies `fd` to a number that is at least `least`, close-on-exec.
pub fn copy_above(fd: impl AsFd, least: RawFd) -> Result<OwnedFd> {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: plain numbers.
    let rc = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, least) };
    check(rc.into(), || format!("fcntl({fd}, F_DUPFD_CLOEXEC)"))?;
    // SAFETY: the call has returned a new descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(rc) })
}

/// Closes all descriptors from `first` to `last` (close_range(2), 5.9).
/// Whoever owned one must never use it again.
pub fn close_range(first: RawFd, last: RawFd) -> Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: plain numbers.
    let rc = unsafe {
        libc::syscall(libc::SYS_close_range, first as u32, last as u32, 0)
    };
    check(rc, || format!("close_range({first}, {last})"))
}

/// Closes one descriptor by its number; none there is no error.
pub fn close(fd: RawFd) {
    // SAFETY: plain number; the caller gives the descriptor up.
    unsafe { libc::close(fd) };
}
