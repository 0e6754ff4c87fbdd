//! `wait`.

use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::{Error, Gathered};
use crate::cli::flag::Order;
use crate::cli::session::Session;
use crate::client::Condition;

/// `wait`.
pub static COMMAND: Command = Command {
    paths: &["container wait", "wait"],
    usage: "CONTAINER [CONTAINER...]",
    about: "Block until one or more containers stop, then print their exit \
            codes",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run },
};

fn run(
    session: &mut Session,
    (): (),
    names: Vec<String>,
) -> Result<i32, Error> {
    let mut failed = Gathered::default();
    for name in &names {
        let client = session.client()?;
        let ended = client
            .wait(name, Condition::NotRunning)
            .and_then(|waiting| waiting.finish());
        match ended {
            Ok(ended) => match ended.error {
                None => session.print_line(&ended.status_code.to_string())?,
                Some(error) => failed.push(Error::text(error.message)),
            },
            Err(error) => failed.push(error),
        }
    }
    failed.finish()
}
