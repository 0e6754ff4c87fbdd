//! `container prune`.

use std::io::{BufRead, stdin};

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::cli::value;
use crate::client::Filters;
use crate::units;

/// `container prune`.
pub static COMMAND: Command = Command {
    paths: &["container prune"],
    usage: "[OPTIONS]",
    about: "Remove all stopped containers",
    words: Words::AtMost(0),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    filters: Filters,
    force: bool,
}

const FLAGS: Table<Typed> = &[&[
    Flag::list(
        "filter",
        "filter",
        "Provide filter values (e.g. \"until=<timestamp>\")",
        |t: &mut Typed, word| {
            let (name, value) = value::filter(word)?;
            t.filters.add(&name, &value);
            Ok(())
        },
    ),
    Flag::switch(
        "force",
        "Do not prompt for confirmation",
        |t: &mut Typed, on| t.force = on,
    )
    .short('f'),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    _: Vec<String>,
) -> Result<i32, Error> {
    let Typed { filters, force } = typed;
    if !force && !is_wanted(session)? {
        return Err(Error::text("container prune has been cancelled"));
    }
    let pruned = session.client()?.prune(&filters)?;
    let gone = pruned.containers_deleted.unwrap_or_default();
    let mut text = String::new();
    if !gone.is_empty() {
        text = format!("Deleted Containers:\n{}\n\n", gone.join("\n"));
    }
    let size = units::human_size(pruned.space_reclaimed);
    session.print(&format!("{text}Total reclaimed space: {size}\n"))?;
    Ok(0)
}

/// Asks whether it is really meant.
fn is_wanted(session: &Session) -> Result<bool, Error> {
    session.print(
        "WARNING! This will remove all stopped containers.\nAre you sure you \
         want to continue? [y/N] ",
    )?;
    session.flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
