//! `export`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

use super::copying;
use super::output::reason;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::sys::tty;

/// `export`.
pub static COMMAND: Command = Command {
    paths: &["container export", "export"],
    usage: "[OPTIONS] CONTAINER",
    about: "Export a container's filesystem as a tar archive",
    words: Words::Exactly(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    output: String,
}

const FLAGS: Table<Typed> = &[&[Flag::value(
    "output",
    "string",
    "Write to a file, instead of STDOUT",
    |t: &mut Typed, word| {
        word.clone_into(&mut t.output);
        Ok(())
    },
)
.short('o')]];

fn run(
    session: &mut Session,
    typed: Typed,
    words: Vec<String>,
) -> Result<i32, Error> {
    if typed.output.is_empty() {
        if tty::is_terminal(io::stdout()) {
            return Err(Error::text(
                "cowardly refusing to save to a terminal. Use the -o flag or \
                 redirect",
            ));
        }
        let mut stream = session.client()?.export(&words[0])?;
        // Not locked: a buffer of lines would only be in the way.
        let out = io::stdout().as_fd().try_clone_to_owned()?;
        let mut out = fs::File::from(out);
        io::copy(&mut stream, &mut out)?;
        return Ok(0);
    }
    let failed = |text: String| {
        Error::text(format!("failed to export container: {text}"))
    };
    check(&typed.output).map_err(failed)?;
    let mut stream = session.client()?.export(&words[0])?;
    write_whole(&typed.output, &mut stream)
        .map_err(|e| failed(e.to_string()))?;
    Ok(0)
}

/// Refuses what cannot be replaced by a file.
fn check(path: &str) -> Result<(), String> {
    let above = copying::split(path).0;
    fs::metadata(&above).map_err(|error| {
        format!("invalid output path: stat {above}: {}", reason(&error))
    })?;
    let Ok(data) = fs::symlink_metadata(path) else { return Ok(()) };
    let kind = data.file_type();
    Err(match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "cannot write to a directory",
        () if kind.is_symlink() => "cannot write to a symbolic link directly",
        () if kind.is_fifo() => "cannot write to a named pipe (FIFO)",
        () if kind.is_socket() => "cannot write to a socket",
        () if kind.is_block_device() => "cannot write to a block device file",
        () => "cannot write to a character device file",
    }
    .to_owned())
}

/// Writes a file that is there when it is whole, and not before.
fn write_whole(path: &str, from: &mut dyn io::Read) -> io::Result<()> {
    let beside = format!("{path}.{}.part", std::process::id());
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(0o600);
    let mut file = options.open(&beside)?;
    let done = io::copy(from, &mut file)
        .and_then(|_| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    done
}
