//! `POST /exec/{id}/resize`.

use super::Stage;
use crate::engine::{Engine, Error, Result};
use crate::shim;

impl Engine {
    /// Sets the size of a program's terminal.
    pub fn exec_resize(&self, id: &str, rows: u16, columns: u16) -> Result<()> {
        let exec = self.exec(id)?;
        if !matches!(exec.stage(), Stage::Starting | Stage::Running(_)) {
            return Err(Error::Conflict(format!(
                "exec process is not started: {id}"
            )));
        }
        let run_dir = self.run_dir(&exec.container.id);
        shim::resize(&run_dir, Some(id), rows, columns)
            .map_err(|e| Error::internal("resize a terminal", e))
    }
}
