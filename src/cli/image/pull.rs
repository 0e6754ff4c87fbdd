//! `pull`, and pulling for `run` and `create`.

use std::io;

use crate::cli::command::{Command, With, Words};
use crate::cli::credentials;
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::oci::reference::Reference;

/// `pull`.
pub static COMMAND: Command = Command {
    paths: &["image pull", "pull"],
    usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
    about: "Download an image from a registry",
    words: Words::Exactly(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    all_tags: bool,
    platform: String,
    quiet: bool,
    tag: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "all-tags",
        "Download all tagged images in the repository",
        |t: &mut Typed, on| t.all_tags = on,
    )
    .short('a'),
    Flag::switch(
        "disable-content-trust",
        "Skip image verification (default true)",
        |_, _| {},
    ),
    Flag::value(
        "platform",
        "string",
        "Set platform if server is multi-platform capable",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.platform);
            Ok(())
        },
    ),
    Flag::switch("quiet", "Suppress verbose output", |t: &mut Typed, on| {
        t.quiet = on;
    })
    .short('q'),
    // Docker 1.2 knew it; it was old then.
    Flag::value("tag", "string", "", |t: &mut Typed, word| {
        word.clone_into(&mut t.tag);
        Ok(())
    })
    .short('t')
    .hidden(),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    words: Vec<String>,
) -> Result<i32, Error> {
    let refused =
        |error: crate::oci::reference::Error| Error::text(error.to_string());
    let mut image = Reference::parse(&words[0]).map_err(refused)?;
    if !typed.tag.is_empty() && image.is_name_only() {
        image = image.with_tag(&typed.tag).map_err(refused)?;
    }
    let quiet = if typed.quiet { Quiet::Yes } else { Quiet::No };
    if typed.all_tags {
        if !image.is_name_only() {
            return Err(Error::text("tag can't be used with --all-tags/-a"));
        }
    } else if image.is_name_only() {
        image = image.or_latest();
        if !typed.quiet {
            let tag = image.tag().unwrap_or_default();
            session.print_line(&format!("Using default tag: {tag}"))?;
        }
    }
    transfer(session, &image, &typed.platform, quiet, Progress::to_stdout())?;
    let name = image.name();
    session.print_line(&match (image.tag(), image.digest()) {
        (Some(tag), Some(digest)) => format!("{name}:{tag}@{digest}"),
        (Some(tag), None) => format!("{name}:{tag}"),
        (None, Some(digest)) => format!("{name}@{digest}"),
        (None, None) => name,
    })?;
    Ok(0)
}

/// Whether a transfer shows its progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// It does not.
    Yes,
    /// It does.
    No,
}

/// Pulls an image for another command: progress goes to standard error.
pub fn pull(
    session: &mut Session,
    image: &Reference,
    platform: &str,
    quiet: Quiet,
) -> Result<(), Error> {
    transfer(session, image, platform, quiet, Progress::to_stderr())
}

fn transfer(
    session: &mut Session,
    image: &Reference,
    platform: &str,
    quiet: Quiet,
    progress: Progress<impl io::Write>,
) -> Result<(), Error> {
    let auth = credentials::header(session.config(), image.domain());
    let tag = match (image.digest(), image.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or_default().to_owned(),
    };
    let client = session.client()?;
    let stream = client.pull(&image.name(), &tag, platform, &auth)?;
    match quiet {
        Quiet::Yes => Progress::hidden().follow(stream),
        Quiet::No => progress.follow(stream),
    }
}
