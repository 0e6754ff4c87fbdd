//! System calls: one safe function for each, `OwnedFd` in and out, no
//! policy. The only place of the crate with `unsafe`.

pub mod clock;
mod error;
pub mod fs;
pub mod inotify;
pub mod memory;
pub mod mount;
pub mod netlink;
pub mod netns;
pub mod poll;
pub mod process;
pub mod random;
pub mod seccomp;
pub mod sigset;
pub mod socket;
pub mod tty;

pub use error::{Error, Result};
