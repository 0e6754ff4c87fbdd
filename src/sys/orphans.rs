//! Reaping as PID 1.

use rustix::process::{WaitOptions, wait};

/// Reaps all children that have ended, whoever's they were. Never waits.
/// Only for PID 1, to which orphans fall.
pub fn reap() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}
