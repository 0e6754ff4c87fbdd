//! `POST /containers/{id}/restart`.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use super::life::EndedBy;
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
        // Not an end at which one with `--rm` removes itself.
        match self.stop_found(&container, options, EndedBy::Restart, client) {
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
