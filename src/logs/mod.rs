//! Container logs, written by the monitor and read by the engine: files in
//! the form of Docker's `json-file`, which the other drivers keep for
//! `docker logs` too, and lines sent to a logging service.
//!
//! A line of the program is one JSON line of the file, in Docker's form, so
//! that every collector made for Docker reads it:
//!
//! ```text
//! {"log":"text\n","stream":"stdout","time":"2024-05-01T10:00:00.1Z"}
//! ```
//!
//! Lines beyond 16 KiB are cut into parts; a part that is not the last ends
//! without a line feed, and all parts carry the first one's time. Files
//! rotate as `NAME`, `NAME.1`, `NAME.2`, …, the highest being the oldest; a
//! process of its own may compress those to `NAME.1.gz` and so on. A full
//! disk drops lines and counts them; it never blocks the program.
//!
//! - `entry.rs`: one line of the file, both directions.
//! - `lines.rs`: cuts a byte stream into lines and parts.
//! - `writer.rs`: appends, rotates, drops when the disk is full.
//! - `compress.rs`: rotated files, made small and read again.
//! - `remote.rs`: syslog and the journal.
//! - `tail.rs`: finds where the last N lines begin, reading backwards.
//! - `reader.rs`: tail, since, until and follow, as a pollable iterator.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::json::FromJson;
use crate::sys;

mod compress;
mod entry;
mod lines;
mod reader;
mod remote;
mod tail;
mod writer;

pub use compress::{COMPRESSOR, main as compressor};
pub use entry::Entry;
pub use lines::PART_LIMIT;
pub use reader::{Follow, Next, Query, Reader, Tail};
pub use remote::{Form, Remote};
pub use writer::Writer;

/// Which of the program's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Descriptor 1, or everything when there is a terminal.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Returns the name as it stands in the file.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }

    /// Reads the name.
    fn of(name: &str) -> Option<Stream> {
        let both = [Stream::Stdout, Stream::Stderr];
        both.into_iter().find(|stream| stream.name() == name)
    }
}

/// Whether a container's output is kept in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
pub enum Driver {
    /// It is, in the form of Docker's `json-file`.
    #[default]
    #[serde(rename = "json-file")]
    JsonFile,
    /// It is not.
    #[serde(rename = "none")]
    None,
}

/// How one container is logged. Travels to the monitor as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Config {
    /// The driver.
    pub driver: Driver,
    /// The newest file; its directory must exist.
    pub path: PathBuf,
    /// Size in bytes from which a file is rotated; `None`: never.
    pub max_size: Option<u64>,
    /// How many files are kept, the newest included; 0 counts as 1.
    pub max_file: u32,
    /// Whether rotated files are compressed.
    pub compress: bool,
    /// The service that gets the lines too.
    pub remote: Option<Remote>,
    /// Extra attributes that each line carries (labels, environment, tag).
    pub attrs: BTreeMap<String, String>,
}

impl Config {
    /// Returns the usual way to log: `json-file` at `path`, never rotated.
    pub fn json_file(path: impl Into<PathBuf>) -> Config {
        Config { path: path.into(), max_file: 1, ..Config::default() }
    }

    /// Removes all files of this log. A file that is not there is fine.
    pub fn remove(&self) -> Result<(), Error> {
        let mut paths = rotated(&self.path, self.max_file);
        paths.extend(
            rotated(&self.path, self.max_file).iter().map(|p| packed(p)),
        );
        paths.push(self.path.clone());
        for path in paths {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::Remove(path, e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the size of a file where none was asked for, so that no program
/// fills the disk: all files together take a tenth of the file system that
/// `directory` lies on, and at most 1 GB.
pub fn default_size(directory: &Path, max_file: u32) -> Option<u64> {
    let total = std::fs::File::open(directory)
        .ok()
        .and_then(|directory| sys::fs::space(directory).ok())
        .map_or(u64::MAX, |space| space.total / 10);
    let each = total.min(1_000_000_000) / u64::from(max_file.max(1));
    Some(each.max(100_000))
}

/// Returns the paths of the rotated files that a log may have, oldest first.
fn rotated(path: &Path, max_file: u32) -> Vec<PathBuf> {
    // More than a thousand files are not looked for.
    (1..max_file.min(1000)).rev().map(|n| numbered(path, n)).collect()
}

/// Returns the name of a rotated file once it is compressed.
fn packed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    PathBuf::from(name)
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    PathBuf::from(name)
}

/// What can go wrong with a log.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be opened.
    Open(PathBuf, io::Error),
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The files cannot be renamed for a rotation.
    Rotate(PathBuf, io::Error),
    /// A file cannot be removed.
    Remove(PathBuf, io::Error),
    /// The driver keeps nothing that could be read.
    NotReadable,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Open(path, e) => {
                write!(f, "opening the log {}: {e}", path.display())
            }
            Error::Read(path, e) => {
                write!(f, "reading the log {}: {e}", path.display())
            }
            Error::Rotate(path, e) => {
                write!(f, "rotating the log {}: {e}", path.display())
            }
            Error::Remove(path, e) => {
                write!(f, "removing the log {}: {e}", path.display())
            }
            // Docker's words.
            Error::NotReadable => f.write_str(
                "configured logging driver does not support reading",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Open(_, e)
            | Error::Read(_, e)
            | Error::Rotate(_, e)
            | Error::Remove(_, e) => Some(e),
            Error::NotReadable => None,
        }
    }
}
