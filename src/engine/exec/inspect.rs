//! `GET /exec/{id}/json`.

use std::time::Duration;

use super::{Exec, Stage};
use crate::api::exec::{ExecInspect, ProcessConfig};
use crate::engine::container::Container;
use crate::engine::{Engine, Result};
use crate::wait::{self, Waiter};

/// How long the word of an end may be on its way.
const SETTLING: Duration = Duration::from_secs(2);

impl Engine {
    /// Tells what is known of a program. Who has seen its output end is told
    /// its exit code, never that it still runs.
    pub fn exec_inspect(&self, id: &str) -> Result<ExecInspect> {
        let exec = self.exec(id)?;
        if matches!(exec.stage(), Stage::Starting | Stage::Running(_))
            && self.ask_monitor(&exec).is_none()
        {
            // Its monitor is on its way out, or has not begun it yet.
            exec.settle();
        }
        let (running, pid, exit_code) = match exec.stage() {
            Stage::Created => (false, 0, None),
            Stage::Starting => (true, 0, None),
            Stage::Running(pid) => (true, pid, None),
            Stage::Ended { pid, code, .. } => (false, pid, Some(code)),
        };
        let config = &exec.config;
        let mut words = config.cmd.iter().flatten().cloned();
        Ok(ExecInspect {
            id: exec.id.clone(),
            running,
            exit_code,
            process_config: ProcessConfig {
                tty: config.tty,
                entrypoint: words.next().unwrap_or_default(),
                arguments: words.collect(),
                privileged: Some(config.privileged),
                user: config.user.clone(),
            },
            open_stdin: config.attach_stdin,
            open_stderr: config.attach_stderr,
            open_stdout: config.attach_stdout,
            can_remove: false,
            container_id: exec.container.id.clone(),
            detach_keys: config.detach_keys.clone(),
            pid,
        })
    }

    /// The ids of a container's programs that have not ended.
    pub(in crate::engine) fn exec_ids(
        &self,
        container: &Container,
    ) -> Option<Vec<String>> {
        let ids: Vec<String> =
            self.execs.of(container).iter().map(|e| e.id.clone()).collect();
        (!ids.is_empty()).then_some(ids)
    }
}

impl Exec {
    /// Waits a little for the word of its end.
    fn settle(&self) {
        let Ok(waiter) = Waiter::open() else { return };
        self.ends.add(&waiter);
        let fds = [std::os::fd::AsFd::as_fd(&*waiter)];
        // Whatever comes of it, the stage is looked at next.
        let _ = wait::first_ready(&fds, None, Some(SETTLING));
    }
}
