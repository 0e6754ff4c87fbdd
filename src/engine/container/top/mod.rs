//! `GET /containers/{id}/top`: what `ps` would show of a container's
//! processes, made of /proc alone.

mod columns;
mod process;

use std::fs;

use columns::Column;
use process::{Host, Process};

use super::life::Phase;
use crate::api::container::Top;
use crate::engine::{Engine, Error, Result};
use crate::runtime::cgroup::Group;

impl Engine {
    /// Lists a container's processes as `ps` does with these options.
    pub fn top(&self, name: &str, options: &str) -> Result<Top> {
        columns::check_heads(options).map_err(Error::Internal)?;
        let container = self.container(name)?;
        let snapshot = container.snapshot();
        let id = &container.id;
        match snapshot.life.phase {
            Phase::Running | Phase::Paused => {}
            Phase::Restarting => {
                return Err(Error::Conflict(format!(
                    "Container {id} is restarting, wait until the container \
                     is running"
                )));
            }
            _ => return Err(Error::NotRunning(id.clone())),
        }
        let columns = columns::parse(options).map_err(Error::Internal)?;
        if !columns.iter().any(|column| column.title == "PID") {
            return Err(Error::Internal(
                "Couldn't find PID field in ps output".into(),
            ));
        }
        let parent = self.cgroup_parent(&snapshot.record);
        let group = Group::at(self.host.cgroups.clone(), &parent, id);
        let pids = group.pids();
        let pids = pids.map_err(|e| Error::internal("list processes", e))?;
        let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let host = Host::now(&passwd, self.host.memory);
        let row = |process: Process| {
            let cell = |column: &Column| (column.show)(&process, &host);
            columns.iter().map(cell).collect()
        };
        // One that has ended meanwhile is left out.
        let processes = pids.into_iter().filter_map(Process::read);
        let top = Top {
            processes: processes.map(row).collect(),
            titles: columns.iter().map(|c| c.title.clone()).collect(),
        };
        self.container_event(&snapshot.record, "top", &[]);
        Ok(top)
    }
}
