//! `DELETE /containers/{id}`.

use std::sync::Arc;

use super::life::{EndedBy, Life, Phase};
use super::{Condition, Container, Exit};
use crate::engine::{Engine, Error, Result};
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
    ) -> Result<()> {
        let container = self.container(name)?;
        if options == RemoveOptions::Force {
            let exit = container.wait(Condition::NextExit)?;
            let gone = container.wait(Condition::Removed)?;
            if let Ok(true) = self.request_end(&container, EndedBy::Client) {
                self.kill_and_wait(&container, &exit)?;
            }
            // One that removes itself may have done so by now.
            if gone.outcome().is_some() {
                return Ok(());
            }
        }
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let name = &snapshot.record.name;
        match snapshot.life.phase {
            Phase::Created | Phase::Exited | Phase::Dead => {}
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
        self.remove_from_disk(&container, snapshot.life.exit_code)
    }

    /// Removes a container that has ended. A failure is logged and leaves
    /// it dead. Called under `operation`.
    pub(super) fn remove_locked(&self, container: &Arc<Container>, code: i32) {
        if let Err(error) = self.remove_from_disk(container, code) {
            log::error!("container {}: remove: {error}", container.id);
        }
    }

    fn remove_from_disk(
        &self,
        container: &Arc<Container>,
        code: i32,
    ) -> Result<()> {
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
            return Err(Error::internal(
                format!("remove container {}", container.id),
                error,
            ));
        }
        let _ = std::fs::remove_dir_all(self.run_dir(&container.id));
        self.containers.remove(&container.id);
        self.container_event(&snapshot.record, "destroy", &[]);
        container.removal.give(&Exit { code, error: None });
        Ok(())
    }
}
