//! `POST /containers/{id}/kill`.

use super::life::{EndedBy, Life, Phase};
use super::{Condition, Container};
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
        let exit = container.wait(Condition::NextExit)?;
        self.note_signal(&container, number);
        let result = match number {
            SIGKILL => self.kill_running(&container, &exit),
            number => self.send_signal(&container, number).inspect(|()| {
                let record = container.snapshot().record.clone();
                self.container_event(
                    &record,
                    "kill",
                    &[("signal", number.to_string())],
                );
            }),
        };
        result.map_err(|error| match error {
            Error::NotRunning(id) => Error::Conflict(format!(
                "cannot kill container: {name}: container {id} is not running"
            )),
            other => other,
        })
    }

    fn kill_running(
        &self,
        container: &Container,
        exit: &super::Wait,
    ) -> Result<()> {
        if !container.snapshot().life.has_process() {
            return Err(Error::NotRunning(container.id.clone()));
        }
        self.kill_and_wait(container, exit)
    }

    /// As Docker: a signal that may end the container keeps the policy
    /// from starting it again. That is any signal, unless the container
    /// names its own stop signal.
    fn note_signal(&self, container: &Container, number: i32) {
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let own = &snapshot.record.config.stop_signal;
        let ends = number == SIGKILL
            || own.is_empty()
            || signal::parse(own) == Some(number);
        if ends && snapshot.life.has_process() {
            let life = snapshot.life.clone();
            container.set_life(Life { ended_by: EndedBy::Client, ..life });
        }
    }

    /// Sends a signal to a container's first process.
    pub(super) fn send_signal(
        &self,
        container: &Container,
        number: i32,
    ) -> Result<()> {
        if !matches!(
            container.snapshot().life.phase,
            Phase::Running | Phase::Paused
        ) {
            return Err(Error::NotRunning(container.id.clone()));
        }
        shim::signal(&self.run_dir(&container.id), number).map_err(|error| {
            match error {
                shim::Error::Gone => Error::NotRunning(container.id.clone()),
                error => Error::internal("signal a container", error),
            }
        })
    }
}
