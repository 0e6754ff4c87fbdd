//! What all prune commands share: the question before, the report after.

use std::io::{BufRead, stdin};

use super::error::Error;
use super::session::Session;
use crate::units;

/// Asks whether what the warning says is really meant.
pub fn is_wanted(session: &Session, warning: &str) -> Result<bool, Error> {
    session.print(&format!(
        "WARNING! {warning}.\nAre you sure you want to continue? [y/N] "
    ))?;
    session.flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

/// Tells what is gone, and how many bytes that were.
pub fn report(
    session: &Session,
    what: &str,
    gone: Option<Vec<String>>,
    bytes: u64,
) -> Result<(), Error> {
    let gone = gone.unwrap_or_default();
    let mut text = String::new();
    if !gone.is_empty() {
        text = format!("Deleted {what}:\n{}\n\n", gone.join("\n"));
    }
    let size = units::human_size(bytes);
    session.print(&format!("{text}Total reclaimed space: {size}\n"))
}
