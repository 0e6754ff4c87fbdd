//! The directories that entries are put in: found beneath the root, made
//! where no entry described them.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::extract::Mode;
use crate::sys::errno;
use crate::sys::fs::{self, Kind, OFlags, Stat};
use crate::sys::resolve::{self, Scope};
use crate::sys::{Result, xattr};

/// The attribute that makes a directory of an overlay's layer hide the
/// layers below it.
pub const OPAQUE: &str = "trusted.overlay.opaque";
/// The mode of a directory that no entry describes.
pub const IMPLIED_MODE: u32 = 0o755;

/// A directory that entries are put in.
pub struct Parent {
    /// The directory, open for reading.
    pub fd: OwnedFd,
    /// Whether its path led through no link, so that the path finds it
    /// again later.
    pub direct: bool,
}

impl Parent {
    /// Opens the directory at a clean path beneath `root`.
    pub fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<Parent> {
        if path.is_empty() {
            let fd = fs::open_dir_at(root, ".")?;
            return Ok(Parent { fd, direct: true });
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let path = Path::new(OsStr::from_bytes(path));
        match resolve::open(root, path, flags, 0, Scope::NoLinks) {
            Ok(fd) => Ok(Parent { fd, direct: true }),
            Err(e) if e.errno() == errno::ELOOP => {
                resolve::open(root, path, flags, 0, Scope::InRoot)
                    .map(|fd| Parent { fd, direct: false })
            }
            Err(error) => Err(error),
        }
    }
}

/// Makes the directories of a clean path that are missing, one by one. In
/// a layer, one that an earlier entry hid is filled anew.
pub fn make(root: BorrowedFd<'_>, path: &[u8], mode: Mode) -> Result<()> {
    let mut above = fs::open_dir_at(root, ".")?;
    let mut end = 0;
    for part in path.split(|byte| *byte == b'/') {
        end += part.len() + usize::from(end > 0);
        let name = OsStr::from_bytes(part);
        above = match fs::open_dir_at(&above, name) {
            Ok(fd) => fd,
            Err(e) if e.errno() == errno::ENOENT => make_one(&above, name)?,
            Err(error) => {
                let stat = fs::stat_at(&above, name)?;
                if stat.kind == Kind::Symlink {
                    let so_far = Path::new(OsStr::from_bytes(&path[..end]));
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
                    resolve::open(root, so_far, flags, 0, Scope::InRoot)?
                } else if mode == Mode::Layer && is_whiteout(&stat) {
                    fs::unlink_at(&above, name)?;
                    let fd = make_one(&above, name)?;
                    set_opaque(&fd)?;
                    fd
                } else {
                    return Err(error);
                }
            }
        };
    }
    Ok(())
}

fn make_one(above: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    fs::mkdir_at(above, name, IMPLIED_MODE)?;
    let fd = fs::open_dir_at(above, name)?;
    fs::chmod(&fd, IMPLIED_MODE)?;
    Ok(fd)
}

/// Tells whether a file is overlayfs's whiteout.
pub fn is_whiteout(stat: &Stat) -> bool {
    stat.kind == Kind::Char && stat.rdev == (0, 0)
}

/// Makes a directory hide what lower layers have in its place.
pub fn set_opaque(dir: impl AsFd) -> Result<()> {
    xattr::set(dir, OPAQUE, b"y")
}
