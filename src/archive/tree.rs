//! Whole trees of files: removed, and measured. Both work on trees of any
//! depth with a few descriptors, and stay inside whatever another process
//! renames meanwhile: the way back up is checked by device and inode.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::errno;
use crate::sys::fs::{self, Kind, OFlags, Replace, Stat};
use crate::sys::{Error, Result};

/// Removes `name` beneath `dir` and all below it; that it is not there is
/// no error. Regular files are moved to `keep` instead, named after their
/// inode number, if it is given. Returns the bytes of the files that lost
/// their last name.
pub fn remove(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    keep: Option<BorrowedFd<'_>>,
) -> Result<u64> {
    let mut freed = 0;
    match remove_one(dir, name, keep, &mut freed) {
        Ok(Found::Removed) => return Ok(freed),
        Ok(Found::Dir) => {}
        Err(e) if e.errno() == errno::ENOENT => return Ok(0),
        Err(error) => return Err(error),
    }
    // From `dir` down to the directory that is being emptied: the name of
    // each, and what it was before we entered it.
    let mut way: Vec<(OsString, Stat)> = Vec::new();
    let mut here = fs::duplicate(dir)?;
    let mut next = Some(name.to_owned());
    loop {
        if let Some(name) = next.take() {
            let stat = fs::stat(&here)?;
            here = enter(&here, &name)?;
            way.push((name, stat));
        }
        next = empty(&here, keep, &mut freed)?;
        if next.is_some() {
            continue;
        }
        let Some((name, parent)) = way.pop() else { return Ok(freed) };
        here = if way.is_empty() {
            fs::duplicate(dir)?
        } else {
            up(&here, &parent)?
        };
        match fs::rmdir_at(&here, &name) {
            Ok(()) => {}
            Err(e) if e.errno() == errno::ENOENT => {}
            Err(error) => return Err(error),
        }
        if way.is_empty() {
            return Ok(freed);
        }
    }
}

enum Found {
    Removed,
    Dir,
}

fn remove_one(
    dir: BorrowedFd<'_>,
    name: &OsStr,
    keep: Option<BorrowedFd<'_>>,
    freed: &mut u64,
) -> Result<Found> {
    let stat = fs::stat_at(dir, name)?;
    match (stat.kind, keep) {
        (Kind::Dir, _) => return Ok(Found::Dir),
        (Kind::File, Some(keep)) => {
            let label = stat.ino.to_string();
            fs::rename_at(dir, name, keep, &label, Replace::Yes)?;
            // Between two names of one file rename(2) does nothing.
            match fs::unlink_at(dir, name) {
                Ok(()) => {}
                Err(e) if e.errno() == errno::ENOENT => {}
                Err(error) => return Err(error),
            }
        }
        _ => fs::unlink_at(dir, name)?,
    }
    if stat.nlink <= 1 && matches!(stat.kind, Kind::File | Kind::Symlink) {
        *freed += stat.size;
    }
    Ok(Found::Removed)
}

/// Removes what is no directory; returns the first directory that it
/// meets.
fn empty(
    here: &OwnedFd,
    keep: Option<BorrowedFd<'_>>,
    freed: &mut u64,
) -> Result<Option<OsString>> {
    for entry in fs::read_dir(here)? {
        let entry = entry?;
        match remove_one(here.as_fd(), &entry.name, keep, freed) {
            Ok(Found::Removed) => {}
            Ok(Found::Dir) => return Ok(Some(entry.name)),
            Err(e) if e.errno() == errno::ENOENT => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn enter(here: &OwnedFd, name: &OsStr) -> Result<OwnedFd> {
    fs::open_dir_at(here, name)
}

pub(super) fn up(here: &OwnedFd, expected: &Stat) -> Result<OwnedFd> {
    let parent = fs::open_dir_at(here, "..")?;
    let stat = fs::stat(&parent)?;
    if (stat.dev, stat.ino) != (expected.dev, expected.ino) {
        return Err(Error::new("openat(…, \"..\")", errno::EXDEV));
    }
    Ok(parent)
}

/// Returns the bytes of all files below `dir`, each file once however many
/// names it has; directories and devices count nothing. A tree that is
/// changed meanwhile gives a sum of some moments.
pub fn size(dir: BorrowedFd<'_>) -> Result<u64> {
    let (mut sum, mut seen) = (0u64, HashSet::new());
    // The directories left to visit at each level of the way down.
    let mut way: Vec<(Vec<OsString>, Stat)> = Vec::new();
    let mut here = fs::open_at(dir, ".", OFlags::DIRECTORY, 0)?;
    let mut left = list(&here, &mut sum, &mut seen)?;
    loop {
        if let Some(name) = left.pop() {
            let stat = fs::stat(&here)?;
            match fs::open_dir_at(&here, &name) {
                Ok(fd) => {
                    here = fd;
                    way.push((left, stat));
                    left = list(&here, &mut sum, &mut seen)?;
                }
                Err(e) if is_gone(&e) => {}
                Err(error) => return Err(error),
            }
            continue;
        }
        let Some((before, parent)) = way.pop() else { return Ok(sum) };
        match up(&here, &parent) {
            Ok(fd) => here = fd,
            // Moved or removed under our feet: what was counted stands.
            Err(_) => return Ok(sum),
        }
        left = before;
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error.errno(), errno::ENOENT | errno::ENOTDIR | errno::ELOOP)
}

fn list(
    here: &OwnedFd,
    sum: &mut u64,
    seen: &mut HashSet<(u64, u64)>,
) -> Result<Vec<OsString>> {
    let mut dirs = Vec::new();
    for entry in fs::read_dir(here)? {
        let entry = entry?;
        if entry.kind == Kind::Dir {
            dirs.push(entry.name);
            continue;
        }
        let stat = match fs::stat_at(here, &entry.name) {
            Ok(stat) => stat,
            Err(e) if is_gone(&e) => continue,
            Err(error) => return Err(error),
        };
        match stat.kind {
            Kind::Dir => dirs.push(entry.name),
            // Of a file with several names, the first one counts.
            Kind::File | Kind::Symlink
                if stat.nlink <= 1 || seen.insert((stat.dev, stat.ino)) =>
            {
                *sum = sum.saturating_add(stat.size);
            }
            _ => {}
        }
    }
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn a_tree_deeper_than_any_path_is_measured_and_removed() {
        let temp = TempDir::new("tree-deep");
        let dir = fs::open_dir(temp.path()).unwrap();
        let mut here = fs::duplicate(dir.as_fd()).unwrap();
        for _ in 0..800 {
            fs::mkdir_at(&here, "deeper", 0o700).unwrap();
            here = fs::open_dir_at(&here, "deeper").unwrap();
            fs::symlink_at("0123456789", &here, "link").unwrap();
        }
        drop(here);
        assert_eq!(size(dir.as_fd()).unwrap(), 8_000);
        let freed = remove(dir.as_fd(), OsStr::new("deeper"), None).unwrap();
        assert_eq!(freed, 8_000);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let temp = TempDir::new("tree-links");
        let outside = temp.path().join("outside");
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("f"), "kept").unwrap();
        let tree = temp.path().join("tree/sub");
        std::fs::create_dir_all(&tree).unwrap();
        std::os::unix::fs::symlink(&outside, tree.join("link")).unwrap();
        std::os::unix::fs::symlink("/nothing", tree.join("broken")).unwrap();
        let dir = fs::open_dir(temp.path()).unwrap();
        remove(dir.as_fd(), OsStr::new("tree"), None).unwrap();
        remove(dir.as_fd(), OsStr::new("tree"), None).unwrap();
        assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"kept");
        assert!(!temp.path().join("tree").exists());
    }

    #[test]
    fn files_are_kept_under_their_inode_numbers() {
        let temp = TempDir::new("tree-keep");
        std::fs::create_dir_all(temp.path().join("tree/sub")).unwrap();
        std::fs::create_dir(temp.path().join("keep")).unwrap();
        let file = temp.path().join("tree/sub/f");
        std::fs::write(&file, "12345").unwrap();
        std::fs::hard_link(&file, temp.path().join("tree/g")).unwrap();
        let dir = fs::open_dir(temp.path()).unwrap();
        assert_eq!(size(dir.as_fd()).unwrap(), 5);
        let ino = fs::stat_at(&dir, "tree").and_then(|_| {
            let sub = fs::open_dir_at(&dir, "tree")?;
            fs::stat_at(&sub, "g")
        });
        let ino = ino.unwrap().ino;
        let keep = fs::open_dir(&temp.path().join("keep")).unwrap();
        let keep_fd = Some(keep.as_fd());
        remove(dir.as_fd(), OsStr::new("tree"), keep_fd).unwrap();
        let kept = temp.path().join("keep").join(ino.to_string());
        assert_eq!(std::fs::read(kept).unwrap(), b"12345");
        assert_eq!(fs::read_dir(&keep).unwrap().count(), 1);
    }
}
