//! `rm`.

use super::each;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::Removal;

/// `rm`.
pub static COMMAND: Command = Command {
    paths: &["container rm", "container remove", "rm"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Remove one or more containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<Removal> = &[&[
    Flag::switch(
        "force",
        "Force the removal of a running container (uses SIGKILL)",
        |t: &mut Removal, on| t.force = on,
    )
    .short('f'),
    Flag::switch("link", "Remove the specified link", |t, on| {
        let t: &mut Removal = t;
        t.link = on;
    })
    .short('l'),
    Flag::switch(
        "volumes",
        "Remove anonymous volumes associated with the container",
        |t: &mut Removal, on| t.volumes = on,
    )
    .short('v'),
]];

fn run(
    session: &mut Session,
    how: Removal,
    names: Vec<String>,
) -> Result<i32, Error> {
    let bare: Vec<String> =
        names.iter().map(|name| name.trim_matches('/').to_owned()).collect();
    if bare.iter().any(String::is_empty) {
        return Err(Error::text("container name cannot be empty"));
    }
    let done =
        each::at_once(session, &bare, |client, name| client.remove(name, how));
    match done {
        // With --force the wish is fulfilled when there is none.
        Err(error) if how.force && is_missing(&error) => {
            session.warn(&error.to_string());
            Ok(0)
        }
        done => done,
    }
}

fn is_missing(error: &Error) -> bool {
    match error {
        Error::Client(error) => error.is_not_found(),
        Error::Many(errors) => errors.iter().all(is_missing),
        _ => false,
    }
}
