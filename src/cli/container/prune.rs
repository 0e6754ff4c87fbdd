//! `container prune`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::cli::{prune, value};
use crate::client::Filters;

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
    let warning = "This will remove all stopped containers";
    if !force && !prune::is_wanted(session, warning)? {
        return Err(Error::text("container prune has been cancelled"));
    }
    let pruned = session.client()?.prune(&filters)?;
    prune::report(
        session,
        "Containers",
        pruned.containers_deleted,
        pruned.space_reclaimed,
    )?;
    Ok(0)
}
