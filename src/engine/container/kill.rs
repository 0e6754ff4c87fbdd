//! `POST /containers/{id}/kill`.

use super::life::{EndedBy, Life, Phase};
use super::{Condition, Container, Wait};
use crate::engine::{Engine, Error, Result};
use crate::shim;
use crate::signal::{self, SIGKILL};

impl Engine {
    /// Sends a signal to a container's first process; `text` is a name or
    /// a number, empty for SIGKILL. After SIGKILL, waits for the end.
    pub fn kill(&self, name: &str, text: &str) -> Result<()> {
        let number = match text {
            "" => SIGKILL,
            text => signal::parse(text).ok_or_else(|| {
                Error::Invalid(format!("invalid signal: {text}"))
            })?,
        };
        let container = self.container(name)?;
        let sent = self.send_kill(&container, number);
        let exit = sent.map_err(|error| match error {
            Error::NotRunning(id) => Error::Conflict(format!(
                "cannot kill container: {name}: container {id} is not running"
            )),
            other => other,
        })?;
        match number {
            SIGKILL => self.await_kill(&container, &exit),
            _ => Ok(()),
        }
    }

    /// Sends a client's signal; returns the wait for the end of this run.
    /// One between two runs gets none, and just stays down if the signal
    /// may end it.
    fn send_kill(&self, container: &Container, number: i32) -> Result<Wait> {
        let _operation = container.operate();
        let exit = container.wait(Condition::NextExit)?;
        let snapshot = container.snapshot();
        let ends = may_end(&snapshot.record.config.stop_signal, number);
        match snapshot.life.phase {
            Phase::Restarting if ends => {
                self.stay_down(container, EndedBy::Client);
            }
            Phase::Restarting => {}
            _ => {
                if ends && snapshot.life.has_process() {
                    self.note_end(container, EndedBy::Client);
                }
                self.send_signal(container, number)?;
            }
        }
        Ok(exit)
    }

    /// Notes who ends a run: the restart policies ask. Called under
    /// `operation`.
    pub(super) fn note_end(&self, container: &Container, by: EndedBy) {
        let life = container.snapshot().life.clone();
        let life = Life { ended_by: by, ..life };
        // The next daemon asks too, if this one does not see the end.
        self.save_life(container, &life);
        container.set_life(life);
    }

    /// Sends a signal to a container's first process, and tells of it
    /// before its end can be told. Called under `operation`.
    pub(super) fn send_signal(
        &self,
        container: &Container,
        number: i32,
    ) -> Result<()> {
        let snapshot = container.snapshot();
        if !snapshot.life.has_process() {
            return Err(Error::NotRunning(container.id.clone()));
        }
        shim::signal(&self.run_dir(&container.id), None, number).map_err(
            |error| match error {
                shim::Error::Gone => Error::NotRunning(container.id.clone()),
                error => Error::internal("signal a container", error),
            },
        )?;
        let signal = ("signal", number.to_string());
        self.container_event(&snapshot.record, "kill", &[signal]);
        // What is frozen can neither end nor see its signal.
        let own = &snapshot.record.config.stop_signal;
        match snapshot.life.phase == Phase::Paused && may_end(own, number) {
            true => self.resume(container),
            false => Ok(()),
        }
    }
}

/// Tells whether a signal keeps the policy from starting the container
/// again. As in Docker, that is any signal, unless the container names its
/// `own` stop signal: then that one, and SIGKILL.
fn may_end(own: &str, number: i32) -> bool {
    number == SIGKILL || own.is_empty() || signal::parse(own) == Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{SIGHUP, SIGTERM};

    #[test]
    fn only_its_own_stop_signal_ends_a_container_that_names_one() {
        for (own, number, wanted) in [
            ("", SIGHUP, true),
            ("SIGTERM", SIGTERM, true),
            ("SIGTERM", SIGHUP, false),
            ("SIGTERM", SIGKILL, true),
        ] {
            assert_eq!(may_end(own, number), wanted, "{own} {number}");
        }
    }
}
