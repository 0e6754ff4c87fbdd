//! Container logs: the `json-file` driver's files, written by the monitor
//! and read by the engine, and the driver `none`.
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
//! rotate as `NAME`, `NAME.1`, `NAME.2`, …, the highest being the oldest. A
//! full disk drops lines and counts them; it never blocks the program.
//!
//! - `entry.rs`: one line of the file, both directions.
//! - `lines.rs`: cuts a byte stream into lines and parts.
//! - `writer.rs`: appends, rotates, drops when the disk is full.
//! - `tail.rs`: finds where the last N lines begin, reading backwards.
//! - `reader.rs`: tail, since, until and follow, as a pollable iterator.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::json::FromJson;

mod entry;
mod lines;
mod reader;
mod tail;
mod writer;

pub use entry::Entry;
pub use lines::PART_LIMIT;
pub use reader::{Follow, Next, Query, Reader, Tail};
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

/// Where a container's output is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
pub enum Driver {
    /// Docker's `json-file`.
    #[default]
    #[serde(rename = "json-file")]
    JsonFile,
    /// Nowhere.
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

/// Returns the paths of the rotated files that a log may have, oldest first.
fn rotated(path: &Path, max_file: u32) -> Vec<PathBuf> {
    // More than a thousand files are not looked for.
    (1..max_file.min(1000)).rev().map(|n| numbered(path, n)).collect()
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
