//! The monitor of one container (`skiff-shim`), and the protocol between it
//! and the daemon.
//!
//! A monitor is a process with one thread and one poll loop. It makes the
//! container, keeps its standard streams, writes its log, serves attached
//! clients, and reports how it ended. It is a child of the daemon but tied
//! to it by nothing: the daemon may die at any time.
//!
//! ```text
//!   daemon                                  monitor
//!   spawn ── start socket as descriptor 0 ─▶ stands alone, leaves cgroup
//!   begin ── Start, Attach* ───────────────▶ clones the container
//!     created ◀── Created [netns] ────────── builds the root
//!   (network)
//!   proceed ─ Proceed ─────────────────────▶ runs the program
//!     started ◀── Started ────────────────── serves until the end:
//!   Monitor ◀── Exit ─────────────────────── drained, logged, recorded
//!   Gone ◀── end of file ─────────────────── root and cgroup released
//! ```
//!
//! Until `Started`, the end of the start socket makes the monitor undo all
//! and leave; afterwards it means nothing. The start socket then goes on as
//! the first monitor connection; later daemons connect to the control
//! socket `shim.sock` in the container's run directory.
//!
//! Daemon's side: `client.rs` (calls over the control socket) and
//! `launch.rs` (start). Monitor's side: `role.rs` (entry, start),
//! `service.rs` (the loop), `session.rs` (a program's streams), `exec.rs`
//! (programs beside the container's own), `attached.rs` (one client),
//! `input.rs` (a standard input), `output.rs` (its outputs). Both:
//! `message.rs`, `channel.rs`, `record.rs`, `frame.rs`, `detach.rs`.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use crate::runtime::StartError;
use crate::sys;
use crate::time::Timestamp;

mod attached;
mod channel;
mod client;
pub mod detach;
mod exec;
pub mod frame;
mod input;
mod launch;
mod message;
mod output;
mod record;
mod role;
mod service;
mod session;

pub use channel::{OLDEST, VERSION};
pub use client::{
    Attachment, Gone, Monitor, Report, attach, exec, exec_state, pause,
    reconnect, resize, resume, signal,
};
pub use launch::{Created, Launch, spawn};
pub use message::{
    ExecState, Exit, Framing, Start, StartExec, State, Stdin, Streams,
};
pub use record::{boot_id, start_time};
pub use role::main;

/// The name under which `main` is executed as a monitor (`argv[0]`).
pub const ROLE: &str = "skiff-shim";

/// Writes a line to the monitor's own log.
fn note(text: &str) {
    // A full disk must not matter.
    let _ = writeln!(io::stderr(), "{} {text}", Timestamp::now());
}

/// What can go wrong between the daemon and a monitor.
#[derive(Debug)]
pub enum Error {
    /// The monitor's program cannot be executed.
    Spawn(PathBuf, io::Error),
    /// The run directory or the monitor's own log cannot be made.
    RunDir(PathBuf, io::Error),
    /// The container could not be started; carries Docker's words.
    Start(StartError),
    /// The monitor is not there, or ended in the middle.
    Gone,
    /// The monitor did not answer in time.
    Timeout,
    /// A message makes no sense.
    Protocol(String),
    /// The monitor does not do what was asked for.
    Refused(String),
    /// A record cannot be written.
    Record(PathBuf, io::Error),
    /// A system call failed.
    System(sys::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Spawn(path, e) => {
                write!(f, "executing the monitor {}: {e}", path.display())
            }
            Error::RunDir(path, e) => {
                write!(f, "making the run directory {}: {e}", path.display())
            }
            Error::Start(e) => e.fmt(f),
            Error::Gone => f.write_str("the container's monitor is gone"),
            Error::Timeout => {
                f.write_str("the container's monitor does not answer")
            }
            Error::Protocol(what) => {
                write!(f, "talking to the container's monitor: {what}")
            }
            Error::Refused(why) => f.write_str(why),
            Error::Record(path, e) => {
                write!(f, "writing the record {}: {e}", path.display())
            }
            Error::System(e) => e.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Spawn(_, e) | Error::RunDir(_, e) | Error::Record(_, e) => {
                Some(e)
            }
            Error::Start(e) => Some(e),
            Error::System(e) => Some(e),
            _ => None,
        }
    }
}
