//! Signals as data: blocked early, then read from a descriptor
//! (`signalfd(2)`), so that no code ever runs inside a handler.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;

use super::{Error, Result};

/// Signal numbers that programs of this crate wait for.
pub mod number {
    /// The terminal went away.
    pub const HUP: i32 = libc::SIGHUP;
    /// Ctrl-C.
    pub const INT: i32 = libc::SIGINT;
    /// Ctrl-\.
    pub const QUIT: i32 = libc::SIGQUIT;
    /// The plain request to end.
    pub const TERM: i32 = libc::SIGTERM;
    /// The end that cannot be refused.
    pub const KILL: i32 = libc::SIGKILL;
    /// A child ended or stopped.
    pub const CHLD: i32 = libc::SIGCHLD;
    /// The window changed its size.
    pub const WINCH: i32 = libc::SIGWINCH;
    /// A write to nobody.
    pub const PIPE: i32 = libc::SIGPIPE;
    /// User-defined.
    pub const USR1: i32 = libc::SIGUSR1;
    /// User-defined.
    pub const USR2: i32 = libc::SIGUSR2;
    /// Ctrl-Z.
    pub const TSTP: i32 = libc::SIGTSTP;
    /// Go on after a stop.
    pub const CONT: i32 = libc::SIGCONT;
    /// Reading the terminal from the background.
    pub const TTIN: i32 = libc::SIGTTIN;
    /// Writing to the terminal from the background.
    pub const TTOU: i32 = libc::SIGTTOU;
    /// Urgent data; used by the Go runtime, never passed on.
    pub const URG: i32 = libc::SIGURG;
}

/// Signals taken out of the normal delivery: blocked for the calling thread
/// and readable here. The mask stays blocked when this is dropped; a child
/// that execs another program must reset it ([`unblock_all`]).
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks the signals and opens a descriptor that receives them
    /// (close-on-exec, non-blocking). To be called early in `main`, before
    /// any thread: threads inherit the mask.
    pub fn block(numbers: &[i32]) -> Result<Signals> {
        let set = set_of(numbers);
        change_mask(libc::SIG_BLOCK, &set)?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: `set` is an initialised signal set.
        let fd = unsafe { libc::signalfd(-1, &set, flags) };
        if fd < 0 {
            return Err(Error::last("signalfd4(-1, …)"));
        }
        // SAFETY: the kernel just gave this descriptor to us alone.
        Ok(Signals(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Returns the number of the next pending signal without waiting.
    pub fn next(&self) -> Option<i32> {
        Some(self.next_info()?.number)
    }

    /// Returns the next pending signal with its sender, without waiting.
    pub fn next_info(&self) -> Option<Received> {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut bytes = [0u8; SIZE];
        loop {
            match rustix::io::read(&self.0, &mut bytes) {
                Err(Errno::INTR) => continue,
                Ok(SIZE) => break,
                _ => return None,
            }
        }
        // SAFETY: signalfd(2) filled all bytes of the plain C struct, and
        // the read is allowed to be unaligned.
        let info: libc::signalfd_siginfo =
            unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) };
        Some(Received { number: info.ssi_signo as i32, pid: info.ssi_pid })
    }

    /// Waits for the next signal.
    pub fn wait(&self) -> Result<i32> {
        loop {
            if let Some(number) = self.next() {
                return Ok(number);
            }
            super::poll::wait_readable(&self.0, None)?;
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A signal that was read from [`Signals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub number: i32,
    /// The process that sent it, 0 if the kernel did.
    pub pid: u32,
}

/// Blocks the signals for the calling thread.
pub fn block(numbers: &[i32]) -> Result<()> {
    change_mask(libc::SIG_BLOCK, &set_of(numbers))
}

/// Lets the signals through again.
pub fn unblock(numbers: &[i32]) -> Result<()> {
    change_mask(libc::SIG_UNBLOCK, &set_of(numbers))
}

/// Empties the calling thread's mask: for a child before it execs.
pub fn unblock_all() -> Result<()> {
    change_mask(libc::SIG_SETMASK, &set_of(&[]))
}

/// Gives every signal its default disposition: for a child before it execs.
/// (An exec resets handlers by itself but keeps what is ignored.)
pub fn reset_all() {
    for number in 1..=64 {
        // SIGKILL and SIGSTOP refuse (EINVAL), as do the two numbers that
        // the C library keeps for itself.
        set_disposition(number, libc::SIG_DFL);
    }
}

/// Ignores a signal for the whole process.
pub fn ignore(number: i32) {
    set_disposition(number, libc::SIG_IGN);
}

/// Gives a signal its default disposition for the whole process.
pub fn reset(number: i32) {
    set_disposition(number, libc::SIG_DFL);
}

/// Sends a signal to the calling process itself.
pub fn raise(number: i32) -> Result<()> {
    // SAFETY: raise(3) has no memory preconditions.
    match unsafe { libc::raise(number) } {
        0 => Ok(()),
        _ => Err(Error::last(format!("raise({number})"))),
    }
}

fn set_disposition(number: i32, to: libc::sighandler_t) {
    // SAFETY: an all-zero sigaction is valid: no flags, an empty mask; the
    // disposition is SIG_DFL or SIG_IGN, so no code of ours runs.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = to;
        libc::sigaction(number, &action, std::ptr::null_mut());
    }
}

fn set_of(numbers: &[i32]) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the whole set; sigaddset refuses
    // numbers that do not exist.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for number in numbers {
            libc::sigaddset(set.as_mut_ptr(), *number);
        }
        set.assume_init()
    }
}

fn change_mask(how: i32, set: &libc::sigset_t) -> Result<()> {
    // SAFETY: `set` is initialised; the old mask is not asked for.
    let rc = unsafe { libc::pthread_sigmask(how, set, std::ptr::null_mut()) };
    match rc {
        0 => Ok(()),
        errno => Err(Error::new("rt_sigprocmask(…)", errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_from_the_descriptor() {
        let signals = Signals::block(&[number::USR2]).unwrap();
        assert_eq!(signals.next(), None);
        // raise(3) sends to the calling thread, so other tests are safe.
        raise(number::USR2).unwrap();
        let got = signals.next_info().unwrap();
        assert_eq!(got.number, number::USR2);
        assert_eq!(got.pid, std::process::id());
        assert_eq!(signals.next(), None);
        unblock(&[number::USR2]).unwrap();
    }
}
