//! `POST /containers/{id}/restart`.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::stop::StopOptions;
use crate::engine::{Engine, Error, Result};

impl Engine {
    /// Stops a container, if it runs, and starts it.
    pub fn restart(
        self: &Arc<Engine>,
        name: &str,
        options: &StopOptions,
        client: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let container = self.container(name)?;
        match self.stop(&container.id, options, client) {
            Ok(()) | Err(Error::NotModified) => {}
            Err(error) => return Err(error),
        }
        match self.start(&container.id) {
            // Somebody else was quicker: it runs, as was asked for.
            Ok(()) | Err(Error::NotModified) => {}
            Err(error) => return Err(error),
        }
        self.container_event(&container.snapshot().record, "restart", &[]);
        Ok(())
    }
}
