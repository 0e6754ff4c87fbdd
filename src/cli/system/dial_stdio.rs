//! `system dial-stdio`: the far end of `ssh://`.

use std::io;

use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `system dial-stdio`.
pub static COMMAND: Command = Command {
    paths: &["system dial-stdio"],
    usage: "",
    about: "Proxy the stdio stream to the daemon connection",
    words: Words::None,
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run },
};

fn run(session: &mut Session, (): (), _: Vec<String>) -> Result<i32, Error> {
    let dialed = session.client()?.dial()?;
    dialed
        .relay(io::stdin(), io::stdout().lock())
        .map_err(|error| Error::text(error.to_string()))?;
    Ok(0)
}
