//! Standing alone: what a process does so that nothing ties it to the one
//! that started it.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::{Error, Result, sigset};

/// Cuts the ties to the caller: a session of its own, the working directory
/// `/`, no descriptor but the one on descriptor 0, which is moved up and
/// returned, and descriptor 2, which stays (the process's own log); 0 and 1
/// become `/dev/null`. Signals that a host's shutdown or a broken pipe send
/// are ignored. For a process with one thread, first thing in `main`.
pub fn stand_alone(name: &str) -> Result<OwnedFd> {
    // The caller may have made us a leader already; then there is nothing
    // left to do.
    let _ = rustix::process::setsid();
    rustix::process::chdir("/")
        .map_err(|e| Error::from_rustix("chdir(\"/\")", e))?;
    // SAFETY: F_DUPFD_CLOEXEC has no memory preconditions; 3 is the lowest
    // number that the copy may get.
    let copy = unsafe { libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3) };
    if copy < 0 {
        return Err(Error::last("fcntl(0, F_DUPFD_CLOEXEC, 3)"));
    }
    // The one copy goes to 3 exactly, so that all others can go at once.
    if copy != 3 {
        // SAFETY: dup3 has no memory preconditions. Whatever was on 3 is
        // not used by this process, which has only begun.
        if unsafe { libc::dup3(copy, 3, libc::O_CLOEXEC) } < 0 {
            return Err(Error::last(format!("dup3({copy}, 3)")));
        }
    }
    close_from(4);
    // SAFETY: descriptor 3 was made above and nothing else owns it.
    let kept = unsafe { OwnedFd::from_raw_fd(3) };
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|e| Error::from_io("open(\"/dev/null\")", &e))?;
    replace(&null, 0)?;
    replace(&null, 1)?;
    for number in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGPIPE,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGTSTP,
    ] {
        sigset::ignore(number);
    }
    sigset::unblock_all()?;
    set_name(name);
    Ok(kept)
}

/// Returns the effective user id of the calling process.
pub fn user_id() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns the effective group id of the calling process.
pub fn group_id() -> u32 {
    rustix::process::getegid().as_raw()
}

/// Sets the name that `ps` shows (PR_SET_NAME; the first 15 bytes count).
pub fn set_name(name: &str) {
    let mut bytes = [0u8; 16];
    for (to, from) in bytes[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    // SAFETY: PR_SET_NAME reads 16 bytes that end with a zero.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, bytes.as_ptr());
    }
}

fn replace(source: impl AsFd, number: i32) -> Result<()> {
    // SAFETY: dup2 has no memory preconditions; std's streams use the
    // number, not what is behind it.
    let rc = unsafe { libc::dup2(source.as_fd().as_raw_fd(), number) };
    match rc {
        -1 => Err(Error::last(format!("dup2(…, {number})"))),
        _ => Ok(()),
    }
}

/// Closes all descriptors from `first` on (close_range(2), Linux 5.9; one
/// by one before).
fn close_from(first: u32) {
    // SAFETY: the caller is a process that has only begun: nothing owns
    // these descriptors, they were inherited.
    let rc = unsafe {
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0)
    };
    if rc == 0 {
        return;
    }
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|number| *number >= first as i32)
        .collect();
    for number in open {
        // SAFETY: as above; the directory's own descriptor is closed
        // already, which makes this one fail, harmlessly.
        unsafe {
            libc::close(number);
        }
    }
}
