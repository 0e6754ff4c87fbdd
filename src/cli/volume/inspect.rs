//! `volume inspect`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::format::only::{self, OnlyFormat};
use crate::cli::session::Session;
use crate::cli::system::inspect::Report;
use crate::client::{Object, Sizes};

/// `volume inspect`.
pub static COMMAND: Command = Command {
    paths: &["volume inspect"],
    usage: "[OPTIONS] VOLUME [VOLUME...]",
    about: "Display detailed information on one or more volumes",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: only::FLAGS, run },
};

fn run(
    session: &mut Session,
    typed: OnlyFormat,
    names: Vec<String>,
) -> Result<i32, Error> {
    let mut report = Report::parse(&typed.format)?;
    for name in &names {
        let client = session.client()?;
        report.add(client.inspect(Object::Volume, name, Sizes::Without))?;
    }
    report.finish(session)
}
