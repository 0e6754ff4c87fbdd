//! `POST /containers/{id}/stop`.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::life::{EndedBy, Life, Phase};
use super::start::stop_signal;
use super::{Condition, Container, Exit, Wait};
use crate::engine::{Engine, Error, Result};
use crate::signal::{self, SIGKILL};
use crate::wait::{self, Ready};

/// How long a container has to end, unless it or the client says else.
pub(super) const PATIENCE: i64 = 10;
/// How long the kernel has to end what was killed.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// How a container is stopped.
#[derive(Clone, Debug, Default)]
pub struct StopOptions {
    /// The signal, by name or number; empty: the container's own.
    pub signal: String,
    /// Seconds before it is killed; -1: never; `None`: its own figure.
    pub timeout: Option<i64>,
}

impl Engine {
    /// Stops a container: asks it to end, and kills it when its time is
    /// over. With an endless time, the wait ends when `client` hangs up.
    pub fn stop(
        &self,
        name: &str,
        options: &StopOptions,
        client: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let container = self.container(name)?;
        self.stop_found(&container, options, EndedBy::Client, client)
    }

    /// As [`Engine::stop`]; `by` is why.
    pub(super) fn stop_found(
        &self,
        container: &Container,
        options: &StopOptions,
        by: EndedBy,
        client: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let record = container.snapshot().record.clone();
        let number = match options.signal.as_str() {
            "" => stop_signal(&record),
            text => signal::parse(text).ok_or_else(|| {
                Error::Invalid(format!("invalid signal: {text}"))
            })?,
        };
        let timeout =
            options.timeout.or(record.config.stop_timeout).unwrap_or(PATIENCE);
        if let Some(exit) = self.request_end(container, by, number)? {
            self.await_end(container, &exit, timeout, client)?;
            if exit.outcome().is_none() {
                // The client has left: the container is not stopped yet.
                return Ok(());
            }
        }
        self.container_event(&record, "stop", &[]);
        Ok(())
    }

    /// Asks a container to end, with a signal, and not to be started again.
    /// Returns the wait for the end of this run; `None` if nothing runs any
    /// more: one between two runs just stays down.
    pub(super) fn request_end(
        &self,
        container: &Container,
        by: EndedBy,
        number: i32,
    ) -> Result<Option<Wait>> {
        let _operation = container.operate();
        match container.snapshot().life.phase {
            Phase::Running | Phase::Paused => {
                // Opened under the lock: no end of another run gets here.
                let exit = container.wait(Condition::NextExit)?;
                self.note_end(container, by);
                self.signal_for_end(container, number)?;
                Ok(Some(exit))
            }
            Phase::Restarting => {
                self.stay_down(container, by);
                Ok(None)
            }
            _ => Err(Error::NotModified),
        }
    }

    /// Keeps a container that is between two runs from being started again.
    /// Called under `operation`.
    pub(super) fn stay_down(&self, container: &Container, by: EndedBy) {
        let life = container.snapshot().life.clone();
        let life = Life { phase: Phase::Exited, ended_by: by, ..life };
        self.save_life(container, &life);
        let code = life.exit_code;
        container.set_life(life);
        container.interrupt.notify();
        container.exits.give(&Exit { code, error: None });
    }

    /// Waits for the end that was asked for; kills when the time is over.
    /// Without a bound the wait also ends when `client` hangs up.
    pub(super) fn await_end(
        &self,
        container: &Container,
        exit: &Wait,
        timeout: i64,
        client: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let failed = |e| Error::internal("wait for an exit", e);
        let fds = [exit.as_fd()];
        let Ok(seconds) = u64::try_from(timeout) else {
            wait::first_ready(&fds, client, None).map_err(failed)?;
            return Ok(());
        };
        let patience = Some(Duration::from_secs(seconds));
        let ready = wait::first_ready(&fds, None, patience).map_err(failed)?;
        if ready != Ready::TimedOut {
            return Ok(());
        }
        log::info!(
            "container {} did not end within {seconds} s: it is killed",
            container.id
        );
        self.kill_and_wait(container, exit)
    }

    /// Sends a signal that is to end a container. One that has just ended
    /// by itself is fine: its exit is told in a moment. Called under
    /// `operation`.
    fn signal_for_end(&self, container: &Container, number: i32) -> Result<()> {
        match self.send_signal(container, number) {
            Err(Error::NotRunning(_)) => Ok(()),
            sent => sent,
        }
    }

    /// Kills the run that `exit` waits for, and waits until it has ended.
    fn kill_and_wait(&self, container: &Container, exit: &Wait) -> Result<()> {
        let operation = container.operate();
        if exit.outcome().is_none() {
            self.signal_for_end(container, SIGKILL)?;
        }
        drop(operation);
        self.await_kill(container, exit)
    }

    /// Waits for the end of a run that was killed.
    pub(super) fn await_kill(
        &self,
        container: &Container,
        exit: &Wait,
    ) -> Result<()> {
        match wait::first_ready(&[exit.as_fd()], None, Some(KILL_PATIENCE)) {
            Ok(Ready::Fd(_) | Ready::HungUp) => Ok(()),
            Ok(Ready::TimedOut) => Err(Error::Internal(format!(
                "tried to kill container, but did not receive an exit event: \
                 {}",
                container.id
            ))),
            Err(e) => Err(Error::internal("wait for an exit", e)),
        }
    }
}
