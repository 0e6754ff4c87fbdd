//! The lock of a root: one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Error, Result, make_dir};
use crate::sys::fs;

/// Holds a root until it is dropped, or its process ends in any way.
#[derive(Debug)]
pub struct Lock {
    root: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of a root, which is made if it is missing, without
    /// waiting.
    ///
    /// # Errors
    /// [`Error::Locked`] names the process that has it.
    pub fn take(root: &Path) -> Result<Lock> {
        make_dir(root)?;
        let path = root.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        if !fs::try_lock(&file).map_err(Error::sys("lock", &path))? {
            let mut text = String::new();
            let _ = (&mut file).take(32).read_to_string(&mut text);
            return Err(Error::Locked {
                root: root.to_path_buf(),
                holder: describe(text.trim()),
            });
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(pid.as_bytes()))
            .map_err(Error::io("write", &path))?;
        Ok(Lock { root: root.to_path_buf(), _file: file })
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        &self.root
    }
}

fn describe(pid: &str) -> String {
    let known = !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit());
    if !known {
        return "another process".to_string();
    }
    match std::fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim()),
        Err(_) => format!("process {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn the_second_one_is_told_who_holds_the_root() {
        let temp = TempDir::new("lock");
        let lock = Lock::take(temp.path()).unwrap();
        let error = Lock::take(temp.path()).unwrap_err().to_string();
        let pid = format!("process {}", std::process::id());
        assert!(error.contains(&pid), "{error}");
        drop(lock);
        Lock::take(temp.path()).unwrap();
    }
}
