//! The programs that an earlier daemon has started.

use std::sync::Arc;

use super::{Exec, Stage, probe};
use crate::api::exec::ExecConfig;
use crate::engine::Engine;
use crate::engine::container::Container;
use crate::json;
use crate::shim::{self, ExecState};
use crate::signal::SIGKILL;
use crate::time;

impl Engine {
    /// Knows the programs again that a container's monitor tells of.
    pub(in crate::engine) fn recover_execs(
        &self,
        container: &Arc<Container>,
        states: &[ExecState],
    ) {
        for state in states {
            if state.label == probe::LABEL {
                if state.exit_code.is_none() {
                    let run_dir = self.run_dir(&container.id);
                    // It may be ending just now.
                    let _ = shim::signal(&run_dir, Some(&state.id), SIGKILL);
                }
                continue;
            }
            let label = state.label.as_bytes();
            let Ok(config) = json::from_slice::<ExecConfig>(label) else {
                continue;
            };
            let stage = match state.exit_code {
                None => Stage::Running(state.pid),
                Some(code) => {
                    Stage::Ended { pid: state.pid, code, at: time::boottime() }
                }
            };
            let container = Arc::clone(container);
            let exec = Exec::new(state.id.clone(), container, config, stage);
            self.execs.add(Arc::new(exec));
        }
    }
}
