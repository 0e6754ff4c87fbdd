//! `DELETE /containers/{id}`.

use std::sync::Arc;
use std::time::Instant;

use super::life::{EndedBy, Life, Phase};
use super::mounts::WithVolumes;
use super::{Container, Exit};
use crate::engine::{Action, Engine, Error, Result};
use crate::signal::SIGKILL;
use crate::store::Sync;

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RemoveOptions {
    /// Only if it does not run.
    #[default]
    Stopped,
    /// Killed first if it runs.
    Force,
}

impl Engine {
    /// Removes a container with its files and its log.
    pub fn remove(
        self: &Arc<Engine>,
        name: &str,
        options: RemoveOptions,
        volumes: WithVolumes,
    ) -> Result<()> {
        let container = self.container(name)?;
        if options == RemoveOptions::Force {
            match self.request_end(&container, EndedBy::Client, SIGKILL) {
                Ok(Some(exit)) => self.await_kill(&container, &exit)?,
                Ok(None) | Err(Error::NotModified) => {}
                Err(error) => return Err(error),
            }
        }
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let name = &snapshot.record.name;
        match snapshot.life.phase {
            Phase::Created | Phase::Exited | Phase::Dead => {}
            // One that removes itself may have done so by now.
            Phase::Removing => {
                if options == RemoveOptions::Force {
                    return Ok(());
                }
                return Err(Error::Conflict(format!(
                    "removal of container {name} is already in progress"
                )));
            }
            phase @ (Phase::Running | Phase::Paused | Phase::Restarting) => {
                let advice = match phase {
                    Phase::Paused => "unpause and then stop the container",
                    _ => "stop the container",
                };
                return Err(Error::Conflict(format!(
                    "cannot remove container \"{name}\": container is {}: \
                     {advice} before removing or force remove",
                    phase.as_str()
                )));
            }
        }
        self.remove_from_disk(&container, snapshot.life.exit_code, volumes)
    }

    /// Removes a container that has ended, with its own volumes. A failure
    /// is logged and leaves it dead. Called under `operation`.
    pub(super) fn remove_locked(&self, container: &Arc<Container>, code: i32) {
        let volumes = WithVolumes::Anonymous;
        if let Err(error) = self.remove_from_disk(container, code, volumes) {
            log::error!("container {}: remove: {error}", container.id);
        }
    }

    fn remove_from_disk(
        &self,
        container: &Arc<Container>,
        code: i32,
        volumes: WithVolumes,
    ) -> Result<()> {
        let began = Instant::now();
        let snapshot = container.snapshot();
        let life = Life { phase: Phase::Removing, ..snapshot.life.clone() };
        container.set_life(life.clone());
        drop(container.take_pending());
        let sync = match snapshot.record.host_config.auto_remove {
            true => Sync::No,
            false => Sync::Yes,
        };
        if let Err(error) = self.store.remove_container(&container.id, sync) {
            container.set_life(Life { phase: Phase::Dead, ..life });
            let step = format!("remove container {}", container.id);
            let error = Error::internal(step, error);
            let text = Some(error.to_string());
            container.removal.give(&Exit { code, error: text });
            return Err(error);
        }
        let _ = std::fs::remove_dir_all(self.run_dir(&container.id));
        self.leave_volumes(&snapshot.record, volumes, sync);
        self.containers.remove(&container.id);
        self.execs.remove_all(container);
        self.container_event(&snapshot.record, "destroy", &[]);
        // Nothing else can happen to it: who waits for the exit of one that
        // never ran is answered too.
        let exit = Exit { code, error: None };
        container.exits.give_last(&exit);
        container.removal.give_last(&exit);
        self.metrics.observe(Action::Delete, began.elapsed());
        Ok(())
    }
}
