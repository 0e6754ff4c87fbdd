//! `volume prune`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::cli::{prune, value};
use crate::client::Filters;

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
    let warning = format!(
        "This will remove {kind} local volumes not used by at least one \
         container"
    );
    if !force && !prune::is_wanted(session, &warning)? {
        return Err(Error::text("volume prune has been cancelled"));
    }
    let pruned = session.client()?.prune_volumes(&filters)?;
    prune::report(
        session,
        "Volumes",
        pruned.volumes_deleted,
        pruned.space_reclaimed,
    )?;
    Ok(0)
}
