//! System calls: one safe function for each, `OwnedFd` in and out, no
//! policy. The only place of the crate with `unsafe`.

pub mod clock;
pub mod credentials;
pub mod descriptors;
pub mod environment;
pub mod errno;
mod error;
pub mod fs;
pub mod heap;
pub mod inotify;
pub mod memory;
pub mod mount;
pub mod netlink;
pub mod netns;
pub mod orphans;
pub mod overlay;
pub mod poll;
pub mod process;
pub mod random;
pub mod resolve;
pub mod sampling;
pub mod sealed;
pub mod seccomp;
pub mod session;
pub mod sigset;
pub mod socket;
pub mod stacks;
pub mod stream;
#[cfg(test)]
pub mod testing;
pub mod tty;
pub mod unwind;
pub mod xattr;

pub use error::{Error, Result};
