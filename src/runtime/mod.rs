//! Runs one container: what `runc` is to Docker, as a library. Knows no
//! images and no Docker types.
//!
//! The caller is a process with one thread (the monitor); it may clone.
//!
//! ```text
//!   caller                                   init (PID 1 of the container)
//!   1 create: clone3 into new namespaces ──▶ builds the root
//!   2 built: makes the cgroup
//!     Cgroup ──────────────────────────────▶ joins it, goes on
//!     ◀───────────── Warning*, Built [root, console] ── 3 waits
//!   4 start: Go ───────────────────────────▶ execve
//!     ◀── end of file: the program runs (or Failed, at any time)
//! ```
//!
//! [`Spec`] is the container as data; [`StartError`] carries the complete
//! text of the API's answer. The callable side is
//! `create(&Spec, Stdio) -> Result<Creating>`, `Creating::{pid, pidfd,
//! news_fd, built, take_console, take_root, warnings, start}` and
//! `Running { pid, pidfd, cgroup }`.

pub mod caps;
pub mod cgroup;
mod channel;
mod create;
pub mod defaults;
pub mod devices;
pub mod error;
pub mod exec;
pub mod exit;
pub mod features;
mod init;
pub mod oci;
pub mod options;
pub mod plan;
pub mod seccomp;
pub mod spec;

pub use create::{
    Creating, Running, Stdio, create, create_with, probe_overlay,
};
pub use error::{Result, StartError, StartErrorKind};
pub use exec::{Executing, Program, Step, exec};
pub use exit::Ended;
pub use init::view::{open_running, with_stopped};
pub use spec::Spec;
