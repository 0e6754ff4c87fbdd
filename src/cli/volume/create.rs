//! `volume create`.

use std::collections::BTreeMap;

use crate::api::volume::CreateVolume;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;

/// `volume create`.
pub static COMMAND: Command = Command {
    paths: &["volume create"],
    usage: "[OPTIONS] [VOLUME]",
    about: "Create a volume",
    words: Words::AtMost(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<CreateVolume> = &[&[
    Flag::value(
        "driver",
        "string",
        "Specify volume driver name",
        |t: &mut CreateVolume, word| {
            word.clone_into(&mut t.driver);
            Ok(())
        },
    )
    .default("\"local\"")
    .short('d'),
    Flag::list(
        "label",
        "list",
        "Set metadata for a volume",
        |t: &mut CreateVolume, word| pair(&mut t.labels, word),
    ),
    Flag::list(
        "opt",
        "map",
        "Set driver specific options",
        |t: &mut CreateVolume, word| pair(&mut t.driver_opts, word),
    )
    .short('o'),
]];

fn pair(
    map: &mut Option<BTreeMap<String, String>>,
    word: &str,
) -> Result<(), String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    map.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    Ok(())
}

fn run(
    session: &mut Session,
    mut wanted: CreateVolume,
    words: Vec<String>,
) -> Result<i32, Error> {
    wanted.name = words.into_iter().next().unwrap_or_default();
    if wanted.driver.is_empty() {
        wanted.driver = "local".to_owned();
    }
    let made = session.client()?.create_volume(&wanted)?;
    session.print_line(&made.name)?;
    Ok(0)
}
