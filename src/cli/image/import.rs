//! `import`.

use std::fs::File;
use std::io::{self, Read};

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::client::ImageSource;
use crate::oci::reference::Reference;

/// `import`.
pub static COMMAND: Command = Command {
    paths: &["image import", "import"],
    usage: "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    about: "Import the contents from a tarball to create a filesystem image",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    changes: Vec<String>,
    message: String,
    platform: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::list(
        "change",
        "list",
        "Apply Dockerfile instruction to the created image",
        |t: &mut Typed, word| {
            t.changes.push(word.to_owned());
            Ok(())
        },
    )
    .short('c'),
    Flag::value(
        "message",
        "string",
        "Set commit message for imported image",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.message);
            Ok(())
        },
    )
    .short('m'),
    Flag::value(
        "platform",
        "string",
        "Set platform if server is multi-platform capable",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.platform);
            Ok(())
        },
    ),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    words: Vec<String>,
) -> Result<i32, Error> {
    let source = words[0].as_str();
    let repository = words.get(1).map_or("", String::as_str);
    if !repository.is_empty() {
        Reference::parse(repository)
            .map_err(|error| Error::text(error.to_string()))?;
    }
    let mut reader: Box<dyn Read> = match source {
        "-" => Box::new(io::stdin()),
        url if is_url(url) => Box::new(io::empty()),
        path => Box::new(File::open(path).map_err(|error| {
            let code = error.raw_os_error().unwrap_or_default();
            let reason = crate::sys::Error::new("", code);
            Error::text(format!("open {path}: {}", reason.reason()))
        })?),
    };
    let from = match is_url(source) {
        true => ImageSource::Url(source),
        false => ImageSource::Reader(&mut reader),
    };
    let stream = session.client()?.import(
        from,
        repository,
        &typed.message,
        &typed.changes,
        &typed.platform,
    )?;
    Progress::to_stdout().follow(stream)?;
    Ok(0)
}

fn is_url(word: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| word.starts_with(scheme))
}
