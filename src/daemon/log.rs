//! The daemon's own log, on standard error.

use std::io::Write;

use log::LevelFilter;

use crate::cli::DaemonOptions;

/// Starts the log at the level that the options ask for.
pub(super) fn start(options: &DaemonOptions) {
    let level = match options.log_level.as_str() {
        _ if options.debug => LevelFilter::Debug,
        "debug" => LevelFilter::Debug,
        "warn" => LevelFilter::Warn,
        "error" | "fatal" => LevelFilter::Error,
        _ => LevelFilter::Info,
    };
    env_logger::Builder::new()
        .filter_level(level)
        .format(|out, record| {
            let now = crate::time::Timestamp::now();
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "{now} {level} {}", record.args())
        })
        .init();
}
