//! `logs`.

use std::io::Read;

use super::relay::{Framing, Sinks};
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::cli::value;
use crate::client::Logs;

/// `logs`.
pub static COMMAND: Command = Command {
    paths: &["container logs", "logs"],
    usage: "[OPTIONS] CONTAINER",
    about: "Fetch the logs of a container",
    words: Words::Exactly(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<Logs> = &[&[
    Flag::switch(
        "details",
        "Show extra details provided to logs",
        |t: &mut Logs, on| t.details = on,
    ),
    Flag::switch("follow", "Follow log output", |t: &mut Logs, on| {
        t.follow = on;
    })
    .short('f'),
    Flag::value(
        "since",
        "string",
        "Show logs since timestamp (e.g. \"2013-01-02T13:23:37Z\") or \
         relative (e.g. \"42m\" for 42 minutes)",
        |t: &mut Logs, word| set(&mut t.since, word),
    ),
    Flag::value(
        "tail",
        "string",
        "Number of lines to show from the end of the logs",
        |t: &mut Logs, word| set(&mut t.tail, word),
    )
    .short('n')
    .default("\"all\""),
    Flag::switch("timestamps", "Show timestamps", |t: &mut Logs, on| {
        t.timestamps = on;
    })
    .short('t'),
    Flag::value(
        "until",
        "string",
        "Show logs before a timestamp (e.g. \"2013-01-02T13:23:37Z\") or \
         relative (e.g. \"42m\" for 42 minutes)",
        |t: &mut Logs, word| set(&mut t.until, word),
    ),
]];

fn set(field: &mut String, word: &str) -> Result<(), String> {
    word.clone_into(field);
    Ok(())
}

fn run(
    session: &mut Session,
    mut which: Logs,
    words: Vec<String>,
) -> Result<i32, Error> {
    let client = session.client()?;
    let container = client.container(&words[0])?;
    for (name, field) in
        [("since", &mut which.since), ("until", &mut which.until)]
    {
        *field = value::moment(field).map_err(|reason| {
            Error::text(format!("invalid value for \"{name}\": {reason}"))
        })?;
    }
    if which.tail.is_empty() {
        which.tail = "all".to_owned();
    }
    let framing = match container.config.tty {
        true => Framing::Terminal,
        false => Framing::Frames,
    };
    let mut stream = client.logs(&container.id, &which)?;
    let mut out = Sinks::open()?;
    let mut piece = vec![0; 32 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(0),
            Ok(n) => out.show(framing, &piece[..n])?,
            Err(error) => return Err(Error::text(error.to_string())),
        }
    }
}
