//! The daemon's own log, on standard error.

use std::io::{self, Write};

use log::{LevelFilter, Record};
use serde_json::json;

use crate::cli::DaemonOptions;
use crate::time::Timestamp;

/// Starts the log in the form and at the level that the options ask for.
pub(super) fn start(options: &DaemonOptions) {
    let write = match options.log_format.as_str() {
        "json" => json,
        _ => text,
    };
    env_logger::Builder::new()
        // The level that counts is the one that can change.
        .filter_level(LevelFilter::Trace)
        .format(move |out, record| write(out, record))
        .init();
    set_level(options);
}

/// Sets how much is logged, now and from now on.
pub(super) fn set_level(options: &DaemonOptions) {
    let level = match options.log_level.to_ascii_lowercase().as_str() {
        "trace" => LevelFilter::Trace,
        _ if options.debug => LevelFilter::Debug,
        "debug" => LevelFilter::Debug,
        "warn" => LevelFilter::Warn,
        "error" | "fatal" | "panic" => LevelFilter::Error,
        _ => LevelFilter::Info,
    };
    log::set_max_level(level);
}

fn text(out: &mut dyn Write, record: &Record<'_>) -> io::Result<()> {
    let level = record.level().as_str().to_ascii_lowercase();
    writeln!(out, "{} {level} {}", Timestamp::now(), record.args())
}

/// Writes a line with the names that dockerd's lines have.
fn json(out: &mut dyn Write, record: &Record<'_>) -> io::Result<()> {
    let level = match record.level() {
        log::Level::Warn => "warning".to_owned(),
        level => level.as_str().to_ascii_lowercase(),
    };
    let line = json!({
        "level": level,
        "msg": record.args().to_string(),
        "time": Timestamp::now().to_string(),
    });
    writeln!(out, "{line}")
}
