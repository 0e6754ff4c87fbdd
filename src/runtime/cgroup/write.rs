//! Writes to cgroup files as data, what carries them out, and small reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Error, Result};

/// One value to be written to one file of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The controller whose directory has the file.
    pub controller: &'static str,
    /// The file.
    pub file: &'static str,
    /// The value.
    pub value: String,
    /// What is told if this host has no such file or controller; without
    /// it, the write is passed over.
    pub missing: Option<&'static str>,
}

impl Write {
    /// Makes one whose absence is told.
    pub fn new(
        controller: &'static str,
        file: &'static str,
        value: impl ToString,
        missing: &'static str,
    ) -> Write {
        let value = value.to_string();
        Write { controller, file, value, missing: Some(missing) }
    }
}

/// Carries the writes out, in order; returns what the host cannot do. A
/// file that stands in consecutive writes is opened once.
pub fn carry_out<'a>(
    writes: &[Write],
    dir_of: impl Fn(&str) -> Option<&'a Path>,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let mut open: Option<(&'static str, File)> = None;
    for write in writes {
        let warn = |list: &mut Vec<String>| {
            if let Some(text) = write.missing
                && !list.iter().any(|old| old == text)
            {
                list.push(text.to_string());
            }
        };
        let Some(dir) = dir_of(write.controller) else {
            warn(&mut warnings);
            continue;
        };
        let path = dir.join(write.file);
        if open.as_ref().is_none_or(|(name, _)| *name != write.file) {
            match OpenOptions::new().write(true).open(&path) {
                Ok(file) => open = Some((write.file, file)),
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    warn(&mut warnings);
                    continue;
                }
                Err(e) => return Err(Error::File(path, e)),
            }
        }
        let (_, file) = open.as_mut().expect("it has just been opened");
        if let Err(error) = file.write_all(write.value.as_bytes()) {
            return Err(Error::File(path, error));
        }
    }
    Ok(warnings)
}

/// Writes one value to one file.
pub fn file(path: &Path, value: &str) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| Error::File(path.to_path_buf(), error))
}

/// Reads a file.
pub fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::File(path.to_path_buf(), error))
}

/// The number behind a word: `oom_kill 3`.
pub fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (word, value) = line.split_once(' ')?;
        (word == name).then(|| value.trim().parse().ok()).flatten()
    })
}

/// The directory and those beneath, parents first, within a bound.
pub fn tree(dir: &Path) -> Vec<PathBuf> {
    const MOST: usize = 10_000;
    let mut all = vec![dir.to_path_buf()];
    let mut at = 0;
    while at < all.len() && all.len() < MOST {
        let entries = std::fs::read_dir(&all[at]).into_iter().flatten();
        let dirs = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|e| e.path());
        all.extend(dirs);
        at += 1;
    }
    all
}

/// Removes a group's directory and those beneath. A group whose last
/// process is just ending is busy: it is tried again within a bound.
pub fn remove_tree(dir: &Path) -> Result<()> {
    let mut pause = 1;
    loop {
        let error = match std::fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => error,
        };
        let below = tree(dir);
        if below.len() > 1 {
            for child in below.iter().skip(1).rev() {
                // The last try of the whole tells what is left.
                let _ = std::fs::remove_dir(child);
            }
            if std::fs::remove_dir(dir).is_ok() {
                return Ok(());
            }
        }
        if pause > 256 {
            return Err(Error::Remove(dir.to_path_buf(), error));
        }
        std::thread::sleep(Duration::from_millis(pause));
        pause *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn missing_files_are_told_once_and_the_rest_is_written() {
        let dir = TempDir::new("write");
        dir.file("there", "");
        let writes = [
            Write::new("x", "missing", 1, "no such thing"),
            Write::new("x", "missing", 2, "no such thing"),
            Write::new("x", "there", "a", "never"),
            Write::new("x", "there", "b", "never"),
        ];
        let warnings = carry_out(&writes, |_| Some(dir.path())).unwrap();
        assert_eq!(warnings, ["no such thing"]);
        assert_eq!(dir.read("there"), "ab");
        let warnings = carry_out(&writes, |_| None).unwrap();
        assert_eq!(warnings, ["no such thing", "never"]);
    }

    #[test]
    fn a_tree_of_groups_is_removed_from_its_leaves() {
        let dir = TempDir::new("remove");
        let top = dir.path().join("top");
        std::fs::create_dir_all(top.join("a/b")).unwrap();
        std::fs::create_dir_all(top.join("c")).unwrap();
        remove_tree(&top).unwrap();
        assert!(!top.exists());
        remove_tree(&top).unwrap();
    }

    #[test]
    fn counters_are_found_by_their_word() {
        let text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "missing"), None);
    }
}
