//! `rmi`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::{Error, Gathered};
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::ImageRemoval;

/// `rmi`.
pub static COMMAND: Command = Command {
    paths: &["image rm", "image remove", "rmi"],
    usage: "[OPTIONS] IMAGE [IMAGE...]",
    about: "Remove one or more images",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<ImageRemoval> = &[&[
    Flag::switch("force", "Force removal of the image", |t, on| {
        let t: &mut ImageRemoval = t;
        t.force = on;
    })
    .short('f'),
    Flag::switch("no-prune", "Do not delete untagged parents", |t, on| {
        let t: &mut ImageRemoval = t;
        t.no_prune = on;
    }),
]];

fn run(
    session: &mut Session,
    how: ImageRemoval,
    names: Vec<String>,
) -> Result<i32, Error> {
    let mut failed = Gathered::default();
    let mut all_missing = true;
    for name in &names {
        match session.client()?.remove_image(name, how) {
            Ok(steps) => {
                for step in steps {
                    session.print_line(&match step.deleted.is_empty() {
                        true => format!("Untagged: {}", step.untagged),
                        false => format!("Deleted: {}", step.deleted),
                    })?;
                }
            }
            Err(error) => {
                all_missing &= error.is_not_found();
                failed.push(error);
            }
        }
    }
    match failed.finish() {
        // With --force the wish is fulfilled when there is none.
        Err(error) if how.force && all_missing => {
            session.warn(&error.to_string());
            Ok(0)
        }
        done => done,
    }
}
