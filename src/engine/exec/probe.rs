//! A program that the engine itself executes in a container, to look at its
//! output and its exit code.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::ExecOptions;
use crate::api::exec::ExecConfig;
use crate::engine::{Engine, Error, Result};
use crate::shim::{self, Attachment, Framing, Streams};
use crate::signal::SIGKILL;
use crate::wait::{self, Ready, Waiter};

/// How long the kernel has to end what was killed.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// What the next daemon knows them by: nobody waits for them then.
pub(super) const LABEL: &str = "probe";

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// Its exit code; `None`: it did not end in time, and was killed.
    pub code: Option<i32>,
    /// The first bytes of its output.
    pub output: Vec<u8>,
}

impl Engine {
    /// Executes a program in a container, and waits for its end: at most so
    /// long from its start on, then it is killed. Returns at most the first
    /// `most` bytes of its output.
    pub(in crate::engine) fn probe(
        &self,
        container: &str,
        command: Vec<String>,
        patience: Duration,
        most: usize,
    ) -> Result<Probed> {
        let config = ExecConfig {
            attach_stdout: true,
            attach_stderr: true,
            cmd: Some(command),
            ..ExecConfig::default()
        };
        let id = self.exec_create(container, config)?;
        let probed = self.run_probe(&id, patience, most);
        // Nobody asks for it, and the next ones are many.
        self.execs.remove(&id);
        probed
    }

    fn run_probe(
        &self,
        id: &str,
        patience: Duration,
        most: usize,
    ) -> Result<Probed> {
        let failed = |e| Error::internal("probe", e);
        let mut started = self.exec_start(id, ExecOptions::default())?;
        started.label = LABEL.into();
        let exec = self.exec(id)?;
        let waiter = Waiter::open().map_err(|e| Error::internal("probe", e))?;
        exec.ends.add(&waiter);
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let streams = Streams { stdin: false, stdout: true, stderr: true };
        let attachment = Attachment {
            socket: theirs.into(),
            early: Vec::new(),
            streams,
            framing: Framing::Raw,
            detach_keys: Vec::new(),
            greeting: Vec::new(),
        };
        self.begin(&started, Some(attachment))?;
        let mut deadline = Instant::now().checked_add(patience);
        let mut output = Vec::new();
        let (mut is_open, mut in_time) = (true, true);
        while is_open || waiter.value().is_none() {
            let left = deadline
                .map(|end| end.saturating_duration_since(Instant::now()));
            let fds = match (is_open, waiter.value()) {
                (true, Some(_)) => vec![ours.as_fd()],
                (true, None) => vec![ours.as_fd(), waiter.as_fd()],
                (false, _) => vec![waiter.as_fd()],
            };
            let ready = wait::first_ready(&fds, None, left)
                .map_err(|e| Error::internal("probe", e))?;
            if ready != Ready::TimedOut {
                is_open = is_open && take(&ours, &mut output, most);
                continue;
            }
            if waiter.value().is_some() || !in_time {
                // What it has started holds its output.
                break;
            }
            in_time = false;
            deadline = Instant::now().checked_add(KILL_PATIENCE);
            let run_dir = self.run_dir(&exec.container.id);
            // It may be ending just now.
            let _ = shim::signal(&run_dir, Some(id), SIGKILL);
            // Nothing of what it says from now on counts.
            is_open = false;
        }
        let code = waiter.value().copied().filter(|_| in_time);
        Ok(Probed { code, output })
    }
}

/// Reads what is there; false at the end. What is too much is dropped.
fn take(mut from: &UnixStream, output: &mut Vec<u8>, most: usize) -> bool {
    let mut block = [0; 4096];
    match from.read(&mut block) {
        Ok(0) => false,
        Ok(n) => {
            let room = most.saturating_sub(output.len());
            output.extend_from_slice(&block[..n.min(room)]);
            true
        }
        Err(error) => matches!(
            error.kind(),
            ErrorKind::WouldBlock | ErrorKind::Interrupted
        ),
    }
}
