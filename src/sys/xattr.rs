//! Extended attributes (`xattr(7)`) of open files and of single names.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::{Error, Result};

/// The kernel's limit for a value and for a list of names
/// (`XATTR_SIZE_MAX`, `XATTR_LIST_MAX`).
pub const MAX_SIZE: usize = 65536;

fn failed<'a>(
    call: &'a str,
    name: &'a OsStr,
) -> impl FnOnce(Errno) -> Error + 'a {
    move |errno| Error::from_rustix(format!("{call}(…, {name:?}, …)"), errno)
}

/// The attribute calls take no directory descriptor; the way through /proc
/// is as safe: only the last component, never followed, is a name.
fn path_at(dir: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name)
}

/// Sets an attribute of an open file (not one opened with `O_PATH`).
pub fn set(fd: impl AsFd, name: impl AsRef<OsStr>, value: &[u8]) -> Result<()> {
    let name = name.as_ref();
    rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
        .map_err(failed("fsetxattr", name))
}

/// Sets an attribute of the file `file` itself beneath `dir`. Needs /proc.
pub fn set_at(
    dir: impl AsFd,
    file: impl AsRef<OsStr>,
    name: impl AsRef<OsStr>,
    value: &[u8],
) -> Result<()> {
    let name = name.as_ref();
    let path = path_at(dir.as_fd(), file.as_ref());
    rustix::fs::lsetxattr(&path, name, value, XattrFlags::empty())
        .map_err(failed("lsetxattr", name))
}

/// Reads an attribute of an open file; `None` if it has none of the name
/// or the file system knows none.
pub fn value(
    fd: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<Option<Vec<u8>>> {
    let name = name.as_ref();
    let mut buffer = vec![0; MAX_SIZE];
    let got = rustix::fs::fgetxattr(fd, name, buffer.as_mut_slice());
    found(got, buffer).map_err(failed("fgetxattr", name))
}

/// Reads an attribute of the file `file` itself beneath `dir`. Needs /proc.
pub fn value_at(
    dir: impl AsFd,
    file: impl AsRef<OsStr>,
    name: impl AsRef<OsStr>,
) -> Result<Option<Vec<u8>>> {
    let name = name.as_ref();
    let path = path_at(dir.as_fd(), file.as_ref());
    let mut buffer = vec![0; MAX_SIZE];
    let got = rustix::fs::lgetxattr(&path, name, buffer.as_mut_slice());
    found(got, buffer).map_err(failed("lgetxattr", name))
}

fn found(
    got: std::result::Result<usize, Errno>,
    mut buffer: Vec<u8>,
) -> std::result::Result<Option<Vec<u8>>, Errno> {
    match got {
        Ok(length) => {
            buffer.truncate(length);
            Ok(Some(buffer))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Lists the attributes of an open file; empty if the file system knows
/// none.
pub fn list(fd: impl AsFd) -> Result<Vec<OsString>> {
    let mut buffer = vec![0; MAX_SIZE];
    let got = rustix::fs::flistxattr(fd, buffer.as_mut_slice());
    names(got, &buffer).map_err(failed("flistxattr", OsStr::new("")))
}

/// Lists the attributes of the file `file` itself beneath `dir`. Needs
/// /proc.
pub fn list_at(
    dir: impl AsFd,
    file: impl AsRef<OsStr>,
) -> Result<Vec<OsString>> {
    let file = file.as_ref();
    let path = path_at(dir.as_fd(), file);
    let mut buffer = vec![0; MAX_SIZE];
    let got = rustix::fs::llistxattr(&path, buffer.as_mut_slice());
    names(got, &buffer).map_err(failed("llistxattr", file))
}

fn names(
    got: std::result::Result<usize, Errno>,
    buffer: &[u8],
) -> std::result::Result<Vec<OsString>, Errno> {
    let length = match got {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno),
    };
    Ok(buffer[..length]
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| OsStr::from_bytes(name).to_owned())
        .collect())
}

/// Removes an attribute of an open file; none of the name is no error.
pub fn remove(fd: impl AsFd, name: impl AsRef<OsStr>) -> Result<()> {
    let name = name.as_ref();
    match rustix::fs::fremovexattr(fd, name) {
        Ok(()) | Err(Errno::NODATA) => Ok(()),
        Err(errno) => Err(failed("fremovexattr", name)(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs;
    use crate::sys::testing::TempDir;

    #[test]
    fn attributes_are_set_on_directories_links_and_read_back() {
        let temp = TempDir::new("xattr");
        let dir = fs::open_dir(temp.path()).unwrap();
        set(&dir, "trusted.overlay.opaque", b"y").unwrap();
        let got = value(&dir, "trusted.overlay.opaque").unwrap();
        assert_eq!(got.as_deref(), Some(&b"y"[..]));
        assert_eq!(list(&dir).unwrap(), ["trusted.overlay.opaque"]);
        remove(&dir, "trusted.overlay.opaque").unwrap();
        remove(&dir, "trusted.overlay.opaque").unwrap();
        assert_eq!(value(&dir, "trusted.overlay.opaque").unwrap(), None);
        fs::symlink_at("/nowhere", &dir, "link").unwrap();
        set_at(&dir, "link", "trusted.x", b"1").unwrap();
        let got = value_at(&dir, "link", "trusted.x").unwrap();
        assert_eq!(got.as_deref(), Some(&b"1"[..]));
        assert_eq!(list_at(&dir, "link").unwrap(), ["trusted.x"]);
    }
}
