//! `POST /containers/{id}/pause` and `/unpause`.

use super::life::{Life, Phase};
use super::{Container, Record};
use crate::engine::{Engine, Error, Result};
use crate::runtime::cgroup::Group;
use crate::shim;

impl Engine {
    /// Freezes all processes of a container.
    pub fn pause(&self, name: &str) -> Result<()> {
        let container = self.container(name)?;
        let _operation = container.operate();
        let id = &container.id;
        match container.phase() {
            Phase::Running => {}
            Phase::Paused => {
                return Err(Error::Conflict(format!(
                    "Container {id} is already paused"
                )));
            }
            Phase::Restarting => {
                return Err(Error::Conflict(format!(
                    "Container {id} is restarting, wait until the container \
                     is running"
                )));
            }
            _ => return Err(Error::NotRunning(id.clone())),
        }
        shim::pause(&self.run_dir(id)).map_err(|error| match error {
            shim::Error::Gone => Error::NotRunning(id.clone()),
            error => {
                Error::Internal(format!("cannot pause container {id}: {error}"))
            }
        })?;
        self.set_phase(&container, Phase::Paused, "pause");
        Ok(())
    }

    /// Lets the processes of a paused container go on.
    pub fn unpause(&self, name: &str) -> Result<()> {
        let container = self.container(name)?;
        let _operation = container.operate();
        match container.phase() {
            Phase::Paused => self.resume(&container),
            // Docker's status is 500.
            _ => Err(Error::Internal(format!(
                "Container {} is not paused",
                container.id
            ))),
        }
    }

    /// Lets a paused container go on. Called under `operation`.
    pub(super) fn resume(&self, container: &Container) -> Result<()> {
        let id = &container.id;
        shim::resume(&self.run_dir(id)).map_err(|error| {
            Error::Internal(format!("cannot unpause container {id}: {error}"))
        })?;
        self.set_phase(container, Phase::Running, "unpause");
        Ok(())
    }

    /// Tells whether a container's processes are frozen: the daemon that
    /// froze them may have died before it could keep that.
    pub(super) fn is_frozen(&self, record: &Record) -> bool {
        let parent = self.cgroup_parent(record);
        Group::at(self.host.cgroups.clone(), &parent, &record.id).is_frozen()
    }

    fn set_phase(&self, container: &Container, phase: Phase, action: &str) {
        let snapshot = container.snapshot();
        let life = Life { phase, ..snapshot.life.clone() };
        self.save_life(container, &life);
        container.set_life(life);
        self.container_event(&snapshot.record, action, &[]);
    }
}
