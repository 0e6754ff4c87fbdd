//! `diff`.

use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `diff`.
pub static COMMAND: Command = Command {
    paths: &["container diff", "diff"],
    usage: "CONTAINER",
    about: "Inspect changes to files or directories on a container's \
            filesystem",
    words: Words::Exactly(1),
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run },
};

fn run(
    session: &mut Session,
    (): (),
    words: Vec<String>,
) -> Result<i32, Error> {
    if words[0].is_empty() {
        return Err(Error::text("Container name cannot be empty"));
    }
    for change in session.client()?.changes(&words[0])? {
        let kind = ["C", "A", "D"].get(usize::from(change.kind));
        let kind = kind.unwrap_or(&"");
        session.print(&format!("{kind} {}\n", change.path))?;
    }
    Ok(0)
}
