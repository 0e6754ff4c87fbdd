//! Reaping as PID 1.

use rustix::process::{WaitOptions, wait};

/// Reaps all children that have ended, whoever's they were. Never waits.
/// Only for PID 1, to which orphans fall.
pub fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// Has a program killed when the thread that starts it ends, however that
/// comes about.
pub fn tie(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let ask = || {
        // SAFETY: plain numbers; a system call only.
        match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes one system call and touches no memory.
    unsafe { command.pre_exec(ask) };
}
