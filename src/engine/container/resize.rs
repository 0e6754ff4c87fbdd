//! `POST /containers/{id}/resize`.

use crate::engine::{Engine, Error, Result};
use crate::shim;

impl Engine {
    /// Sets the size of a container's terminal.
    pub fn resize(&self, name: &str, rows: u16, columns: u16) -> Result<()> {
        let container = self.container(name)?;
        let snapshot = container.snapshot();
        if !snapshot.life.has_process() {
            return Err(Error::NotRunning(container.id.clone()));
        }
        shim::resize(&self.run_dir(&container.id), None, rows, columns)
            .map_err(|e| Error::internal("resize a terminal", e))?;
        self.container_event(
            &snapshot.record,
            "resize",
            &[("height", rows.to_string()), ("width", columns.to_string())],
        );
        Ok(())
    }
}
