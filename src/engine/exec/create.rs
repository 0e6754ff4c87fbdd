//! `POST /containers/{id}/exec`.

use std::sync::Arc;

use super::{Exec, Stage};
use crate::api::exec::ExecConfig;
use crate::engine::container::{Container, Phase};
use crate::engine::{Engine, Error, Result};
use crate::id;
use crate::shim::detach;
use crate::time::Timestamp;

impl Engine {
    /// Prepares a program for a running container; returns its id.
    pub fn exec_create(
        &self,
        name: &str,
        config: ExecConfig,
    ) -> Result<String> {
        let container = self.container(name)?;
        can_execute(&container, name)?;
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            return Err(Error::Invalid("No exec command specified".into()));
        }
        let keys = &config.detach_keys;
        if !keys.is_empty() && detach::parse_keys(keys).is_err() {
            let text = format!("Invalid escape keys ({keys}) provided");
            return Err(Error::Invalid(text));
        }
        let id = id::random();
        let exec = Exec::new(id.clone(), container, config, Stage::Created);
        let exec = Arc::new(exec);
        self.execs.add(Arc::clone(&exec));
        let action = format!("exec_create: {}", exec.command());
        self.exec_event(&exec, &action, Timestamp::now(), &[]);
        Ok(id)
    }
}

/// Checks that programs can be executed in a container; `shown` is what a
/// refusal calls it.
pub(super) fn can_execute(container: &Container, shown: &str) -> Result<()> {
    match container.snapshot().life.phase {
        Phase::Running => Ok(()),
        Phase::Paused => Err(Error::Conflict(format!(
            "Container {shown} is paused, unpause the container before exec"
        ))),
        Phase::Restarting => Err(Error::Conflict(format!(
            "Container {} is restarting, wait until the container is running",
            container.id
        ))),
        _ => Err(Error::NotRunning(container.id.clone())),
    }
}
