//! `volume rm`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::{Error, Gathered};
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;

/// `volume rm`.
pub static COMMAND: Command = Command {
    paths: &["volume rm", "volume remove"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    about: "Remove one or more volumes",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    force: bool,
}

const FLAGS: Table<Typed> = &[&[Flag::switch(
    "force",
    "Force the removal of one or more volumes",
    |t: &mut Typed, on| t.force = on,
)
.short('f')]];

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    let mut failed = Gathered::default();
    for name in &names {
        match session.client()?.remove_volume(name, typed.force) {
            Ok(()) => session.print_line(name)?,
            Err(error) => failed.push(error),
        }
    }
    failed.finish()
}
