//! `stop`.

use super::each;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::cli::value;

/// `stop`.
pub static COMMAND: Command = Command {
    paths: &["container stop", "stop"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Stop one or more running containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

/// What was typed; the same for `restart`.
#[derive(Default)]
pub struct Typed {
    /// The signal; empty: the container's own.
    pub signal: String,
    /// Seconds until it is killed; none: the container's own.
    pub seconds: Option<i64>,
}

/// The flags; the same for `restart`.
pub const FLAGS: Table<Typed> = &[&[
    Flag::value(
        "signal",
        "string",
        "Signal to send to the container",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.signal);
            Ok(())
        },
    )
    .short('s'),
    Flag::value(
        "timeout",
        "int",
        "Seconds to wait before killing the container",
        |t: &mut Typed, word| seconds(t, word),
    )
    .short('t'),
    Flag::value("time", "int", "", |t: &mut Typed, word| seconds(t, word))
        .hidden(),
]];

fn seconds(typed: &mut Typed, word: &str) -> Result<(), String> {
    typed.seconds = Some(value::integer(word)?);
    Ok(())
}

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    each::at_once(session, &names, |client, name| {
        client.stop(name, &typed.signal, typed.seconds)
    })
}
