//! `commit`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::Commit;
use crate::oci::reference::Reference;

/// `commit`.
pub static COMMAND: Command = Command {
    paths: &["container commit", "commit"],
    usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    about: "Create a new image from a container's changes",
    words: Words::Between(1, 2),
    order: Order::FlagsFirst,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<Commit> = &[&[
    Flag::value(
        "author",
        "string",
        "Author (e.g., \"John Hannibal Smith\n<hannibal@a-team.com>\")",
        |t: &mut Commit, word| {
            word.clone_into(&mut t.author);
            Ok(())
        },
    )
    .short('a'),
    Flag::list(
        "change",
        "list",
        "Apply Dockerfile instruction to the created image",
        |t: &mut Commit, word| {
            t.changes.push(word.to_owned());
            Ok(())
        },
    )
    .short('c'),
    Flag::value(
        "message",
        "string",
        "Commit message",
        |t: &mut Commit, word| {
            word.clone_into(&mut t.comment);
            Ok(())
        },
    )
    .short('m'),
    Flag::switch(
        "pause",
        "Pause container during commit",
        |t: &mut Commit, on| t.no_pause = !on,
    )
    .short('p')
    .default("true"),
]];

fn run(
    session: &mut Session,
    mut how: Commit,
    words: Vec<String>,
) -> Result<i32, Error> {
    if let Some(name) = words.get(1).filter(|name| !name.is_empty()) {
        let name = Reference::parse(name)
            .map_err(|error| Error::text(error.to_string()))?;
        if name.digest().is_some() {
            return Err(Error::text(
                "refusing to create a tag with a digest reference",
            ));
        }
        how.repository = name.name();
        name.tag().unwrap_or("latest").clone_into(&mut how.tag);
    }
    let id = session.client()?.commit(&words[0], &how)?;
    session.print(&format!("{id}\n"))?;
    Ok(0)
}
