//! `kill`.

use super::each;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;

/// `kill`.
pub static COMMAND: Command = Command {
    paths: &["container kill", "kill"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Kill one or more running containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    signal: String,
}

const FLAGS: Table<Typed> = &[&[Flag::value(
    "signal",
    "string",
    "Signal to send to the container",
    |t: &mut Typed, word| {
        word.clone_into(&mut t.signal);
        Ok(())
    },
)
.short('s')]];

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    each::at_once(session, &names, |client, name| {
        client.kill(name, &typed.signal)
    })
}
