//! `container inspect`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::FORMAT_HELP;
use crate::cli::session::Session;
use crate::cli::system::inspect::Report;
use crate::client::{Object, Sizes};

/// `container inspect`.
pub static COMMAND: Command = Command {
    paths: &["container inspect"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Display detailed information on one or more containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    format: String,
    size: bool,
}

const FLAGS: Table<Typed> = &[&[
    Flag::value("format", "string", FORMAT_HELP, |t: &mut Typed, word| {
        word.clone_into(&mut t.format);
        Ok(())
    })
    .short('f'),
    Flag::switch("size", "Display total file sizes", |t: &mut Typed, on| {
        t.size = on;
    })
    .short('s'),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    let sizes = if typed.size { Sizes::With } else { Sizes::Without };
    let mut report = Report::parse(&typed.format)?;
    for name in &names {
        let client = session.client()?;
        report.add(client.inspect(Object::Container, name, sizes))?;
    }
    report.finish(session)
}
