//! `update`.

use super::each;
use super::settings::{self, LIMITS, Settings};
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;

/// `update`.
pub static COMMAND: Command = Command {
    paths: &["container update", "update"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Update configuration of one or more containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<Settings> = &[
    LIMITS,
    &[Flag::value(
        "restart",
        "string",
        "Restart policy to apply when a container exits",
        |t: &mut Settings, word| {
            t.restart = Some(word.to_owned());
            Ok(())
        },
    )
    .choices(&["no", "always", "on-failure", "unless-stopped"])],
];

fn run(
    session: &mut Session,
    typed: Settings,
    names: Vec<String>,
) -> Result<i32, Error> {
    let Some(change) = settings::change(typed).map_err(Error::text)? else {
        return Err(Error::text(
            "you must provide one or more flags when using this command",
        ));
    };
    let mut warnings = Vec::new();
    let told = std::cell::RefCell::new(&mut warnings);
    let code = each::in_turn(session, &names, |client, name| {
        told.borrow_mut().extend(client.update(name, &change)?);
        Ok(())
    });
    for warning in warnings {
        session.warn(&warning);
    }
    code
}
