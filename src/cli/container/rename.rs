//! `rename`.

use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `rename`.
pub static COMMAND: Command = Command {
    paths: &["container rename", "rename"],
    usage: "CONTAINER NEW_NAME",
    about: "Rename a container",
    words: Words::Exactly(2),
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run },
};

fn run(
    session: &mut Session,
    (): (),
    names: Vec<String>,
) -> Result<i32, Error> {
    let (old, new) = (names[0].trim(), names[1].trim());
    if old.is_empty() || new.is_empty() {
        return Err(Error::text(
            "Error: Neither old nor new names may be empty",
        ));
    }
    match session.client()?.rename(old, new) {
        Ok(()) => Ok(0),
        Err(error) => {
            session.warn(&error.to_string());
            Err(Error::text(format!(
                "Error: failed to rename container named {old}"
            )))
        }
    }
}
