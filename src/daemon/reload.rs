//! The configuration, read again while the daemon runs (SIGHUP).

use std::path::Path;
use std::sync::Arc;

use super::configuration::Configuration;
use super::notify::Notifier;
use super::{log as daemon_log, settings};
use crate::engine::Engine;

/// What a new configuration is given to.
pub(super) struct Reloader<'a> {
    /// The configuration as it is.
    pub(super) configuration: Configuration,
    /// The engine that follows it.
    pub(super) engine: Arc<Engine>,
    /// The file of containers' monitors.
    pub(super) program: &'a Path,
    /// Who is told that it is under way.
    pub(super) notifier: &'a Notifier,
}

impl Reloader<'_> {
    /// Reads the file again and takes what can change. A file with an error
    /// changes nothing.
    pub(super) fn reload(&mut self) {
        self.notifier.reloading();
        self.take();
        self.notifier.ready();
    }

    fn take(&mut self) {
        let path = self.configuration.file.clone().unwrap_or_default();
        log::info!(
            "Got signal to reload configuration, reloading from: {}",
            path.display()
        );
        let new = match self.configuration.reload() {
            Ok(new) => new,
            Err(error) => return log::error!("{error}"),
        };
        daemon_log::set_level(&new.options);
        let told = settings::attributes(&new.options);
        log::info!("Reloaded configuration: {}", new.shown());
        new.log_remarks();
        let settings = settings::engine(&new.options, self.program);
        self.engine.reload(settings, told);
        self.configuration = new;
    }
}
