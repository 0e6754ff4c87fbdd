//! `pause` and `unpause`.

use super::each;
use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `pause`.
pub static PAUSE: Command = Command {
    paths: &["container pause", "pause"],
    usage: "CONTAINER [CONTAINER...]",
    about: "Pause all processes within one or more containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run: pause },
};

/// `unpause`.
pub static UNPAUSE: Command = Command {
    paths: &["container unpause", "unpause"],
    usage: "CONTAINER [CONTAINER...]",
    about: "Unpause all processes within one or more containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run: unpause },
};

fn pause(
    session: &mut Session,
    (): (),
    names: Vec<String>,
) -> Result<i32, Error> {
    each::at_once(session, &names, |client, name| client.pause(name))
}

fn unpause(
    session: &mut Session,
    (): (),
    names: Vec<String>,
) -> Result<i32, Error> {
    each::at_once(session, &names, |client, name| client.unpause(name))
}
