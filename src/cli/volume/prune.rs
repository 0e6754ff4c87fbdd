//! `volume prune`.

use std::io::{BufRead, stdin};

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::cli::value;
use crate::client::Filters;
use crate::units;

/// `volume prune`.
pub static COMMAND: Command = Command {
    paths: &["volume prune"],
    usage: "[OPTIONS]",
    about: "Remove unused local volumes",
    words: Words::AtMost(0),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    all: bool,
    filters: Filters,
    force: bool,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "all",
        "Remove all unused volumes, not just anonymous ones",
        |t: &mut Typed, on| t.all = on,
    )
    .short('a'),
    Flag::list(
        "filter",
        "filter",
        "Provide filter values (e.g. \"label=<label>\")",
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
    let Typed { all, mut filters, force } = typed;
    let kind = if all { "all" } else { "anonymous" };
    if all {
        filters.add("all", "true");
    }
    if !force && !is_wanted(session, kind)? {
        return Err(Error::text("volume prune has been cancelled"));
    }
    let pruned = session.client()?.prune_volumes(&filters)?;
    let gone = pruned.volumes_deleted.unwrap_or_default();
    let mut text = String::new();
    if !gone.is_empty() {
        text = format!("Deleted Volumes:\n{}\n\n", gone.join("\n"));
    }
    let size = units::human_size(pruned.space_reclaimed);
    session.print(&format!("{text}Total reclaimed space: {size}\n"))?;
    Ok(0)
}

/// Asks whether it is really meant.
fn is_wanted(session: &Session, kind: &str) -> Result<bool, Error> {
    session.print(&format!(
        "WARNING! This will remove {kind} local volumes not used by at least \
         one container.\nAre you sure you want to continue? [y/N] "
    ))?;
    session.flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}
