//! `restart`.

use super::each;
use super::stop::{FLAGS, Typed};
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `restart`.
pub static COMMAND: Command = Command {
    paths: &["container restart", "restart"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Restart one or more containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    each::in_turn(session, &names, |client, name| {
        client.restart(name, &typed.signal, typed.seconds)
    })
}
