//! Records: one JSON file each, `{"format":N,"record":…}`, replaced as a
//! whole or not at all.
//!
//! Written to a temporary name, synced, renamed, directory synced. One that
//! cannot be read is set aside as `NAME.damaged-TIME` with a line in the
//! log, and counts as not there; one of a later format is an error, because
//! dropping it would lose what the later version knows.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Error, Result};
use crate::id;
use crate::json::{self, FromJson, Value};
use crate::time::Timestamp;

/// Whether a change must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// It is on the disk when the call returns.
    Yes,
    /// It reaches the disk when the kernel writes it.
    No,
}

#[derive(Serialize)]
struct Written<'a, T> {
    format: u32,
    record: &'a T,
}

/// A record before its type is known. What it holds is read from a value,
/// as all of the API's types are: each type needs one reader only.
#[derive(FromJson)]
struct Whole {
    format: u64,
    record: Value,
}

/// Writes a record at `path`, in place of the one that may be there.
pub fn save<T: Serialize>(
    path: &Path,
    format: u32,
    record: &T,
    sync: Sync,
) -> Result<()> {
    let bytes = serde_json::to_vec(&Written { format, record })
        .map_err(Error::Encode)?;
    write(path, &bytes, sync)
}

/// Writes bytes at `path` as a whole or not at all. Leaves nothing when it
/// fails.
pub fn write(path: &Path, bytes: &[u8], sync: Sync) -> Result<()> {
    let temporary = temporary_beside(path);
    let result = write_new(&temporary, bytes, sync).and_then(|()| {
        fs::rename(&temporary, path).map_err(Error::io("rename", path))
    });
    if let Err(error) = result {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    match sync {
        Sync::Yes => sync_dir(parent(path)),
        Sync::No => Ok(()),
    }
}

fn write_new(path: &Path, bytes: &[u8], sync: Sync) -> Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(Error::io("create", path))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    match sync {
        Sync::Yes => file.sync_all().map_err(Error::io("fsync", path)),
        Sync::No => Ok(()),
    }
}

/// Reads the record at `path`; `None` if there is none, or if it was
/// damaged and is set aside now.
///
/// # Errors
/// Only [`Error::Newer`].
pub fn load<T: FromJson>(path: &Path, known: u32) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(error) => {
            set_aside(path, &error.to_string());
            return Ok(None);
        }
    };
    let whole: Whole = match json::from_slice(&bytes) {
        Ok(whole) => whole,
        Err(error) => {
            set_aside(path, &error.to_string());
            return Ok(None);
        }
    };
    if whole.format > u64::from(known) {
        let path = path.to_path_buf();
        return Err(Error::Newer { path, format: whole.format, known });
    }
    match json::from_value(whole.record) {
        Ok(record) => Ok(Some(record)),
        Err(error) => {
            set_aside(path, &error.to_string());
            Ok(None)
        }
    }
}

/// Removes the record at `path`; that there is none is no error.
pub fn remove(path: &Path, sync: Sync) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(Error::io("remove", path)(cause)),
        Ok(()) if sync == Sync::Yes => sync_dir(parent(path)),
        Ok(()) => Ok(()),
    }
}

/// Moves a damaged file out of the way, and says so.
pub fn set_aside(path: &Path, why: &str) {
    let now = Timestamp::now().seconds;
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".damaged-{now}"));
    match fs::rename(path, &name) {
        Ok(()) => log::error!(
            "{}: damaged, set aside as {}: {why}",
            path.display(),
            Path::new(&name).display()
        ),
        Err(cause) => log::error!(
            "{}: damaged ({why}), and it cannot be set aside: {cause}",
            path.display()
        ),
    }
}

/// Tells whether something of the name was set aside.
pub fn has_damaged(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let prefix = format!("{name}.damaged-");
    names(parent(path)).iter().any(|name| name.starts_with(&prefix))
}

/// Lists the names of a directory; empty if it cannot be read.
pub fn names(dir: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut names = Vec::new();
    for entry in entries.flatten() {
        if let Ok(name) = entry.file_name().into_string() {
            names.push(name);
        }
    }
    names
}

/// Removes what writes that were cut off have left in a directory. Only
/// for the time when nobody writes there.
pub fn sweep_temporary(dir: &Path) {
    for name in names(dir) {
        if name.starts_with('.') && name.contains(".tmp-") {
            let _ = fs::remove_file(dir.join(name));
        }
    }
}

/// Syncs a directory: the names in it survive a power cut.
pub fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("fsync", path))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = id::random();
    parent(path).join(format!(".{name}.tmp-{}", id::short(&random)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn a_record_is_replaced_as_a_whole() {
        let temp = TempDir::new("record");
        let path = temp.path().join("r.json");
        assert_eq!(load::<u32>(&path, 1).unwrap(), None);
        save(&path, 1, &5, Sync::Yes).unwrap();
        save(&path, 1, &6, Sync::No).unwrap();
        assert_eq!(load::<u32>(&path, 1).unwrap(), Some(6));
        assert_eq!(names(temp.path()), ["r.json"]);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, r#"{"format":1,"record":6}"#);
        remove(&path, Sync::Yes).unwrap();
        remove(&path, Sync::Yes).unwrap();
        assert!(names(temp.path()).is_empty());
    }

    #[test]
    fn a_damaged_record_is_set_aside() {
        let temp = TempDir::new("record-damaged");
        for (number, text) in [
            "",
            "{",
            "[]",
            r#"{"record":1}"#,
            r#"{"format":1,"record":"text"}"#,
            r#"{"format":1}"#,
            "\0\0\0\0",
        ]
        .iter()
        .enumerate()
        {
            let path = temp.path().join(format!("{number}.json"));
            fs::write(&path, text).unwrap();
            assert_eq!(load::<u32>(&path, 1).unwrap(), None, "{text}");
            assert!(!path.exists());
            assert!(has_damaged(&path), "{text}");
        }
    }

    #[test]
    fn a_later_format_is_refused_with_its_number() {
        let temp = TempDir::new("record-newer");
        let path = temp.path().join("r.json");
        fs::write(&path, r#"{"format":7,"record":{"new":true}}"#).unwrap();
        let error = load::<u32>(&path, 1).unwrap_err();
        assert!(matches!(error, Error::Newer { format: 7, known: 1, .. }));
        assert!(error.to_string().contains("format 7"), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn leftovers_of_a_cut_off_write_are_swept() {
        let temp = TempDir::new("record-sweep");
        let path = temp.path().join("r.json");
        save(&path, 1, &5, Sync::No).unwrap();
        fs::write(temporary_beside(&path), "half").unwrap();
        sweep_temporary(temp.path());
        assert_eq!(names(temp.path()), ["r.json"]);
    }
}
