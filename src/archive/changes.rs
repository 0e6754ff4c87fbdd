//! What the read-write layer of an overlay changes in the layers below it,
//! as Docker tells it: parents before what is in them, of what is gone only
//! the topmost name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::parent::{OPAQUE, is_whiteout};
use super::{Error, Result};
use crate::sys::fs::{self, Kind as FileKind, Stat};
use crate::sys::{errno, xattr};

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It, or something in it, is another.
    Modified = 0,
    /// It is new.
    Added = 1,
    /// It is gone.
    Deleted = 2,
}

/// One change: an absolute path, and what became of it.
pub type Change = (Vec<u8>, Kind);

/// The deepest tree that is looked at.
const DEEPEST: usize = 512;

/// Compares the layer `upper` with those below, the topmost first.
pub fn changes(
    upper: BorrowedFd<'_>,
    lower: &[BorrowedFd<'_>],
    skip: &dyn Fn(&[u8], &Stat) -> bool,
) -> Result<Vec<Change>> {
    let open = |fd: &BorrowedFd<'_>| fs::open_dir_at(fd, ".");
    let lower: crate::sys::Result<Vec<OwnedFd>> =
        lower.iter().map(open).collect();
    let failed = || Error::file(b"/");
    let mut walk = Walk { found: Vec::new(), skip, path: Vec::new() };
    let upper = fs::open_dir_at(upper, ".").map_err(failed())?;
    walk.directory(&upper, &lower.map_err(failed())?, 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    found: Vec<Change>,
    skip: &'a dyn Fn(&[u8], &Stat) -> bool,
    /// Where it is: absolute, without a slash at the end.
    path: Vec<u8>,
}

impl Walk<'_> {
    /// Looks at one directory that is in both; true if something in it has
    /// changed.
    fn directory(
        &mut self,
        upper: &OwnedFd,
        lower: &[OwnedFd],
        depth: usize,
    ) -> Result<bool> {
        let before = self.found.len();
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(upper).map_err(self.failed())? {
            names.insert(entry.map_err(self.failed())?.name, true);
        }
        let value = xattr::value(upper, OPAQUE).map_err(self.failed())?;
        if value.is_some_and(|value| value == b"y") {
            // All that was below is gone, unless it is there anew.
            for name in visible(lower).map_err(self.failed())? {
                names.entry(name).or_insert(false);
            }
        }
        for (name, in_upper) in names {
            let length = self.path.len();
            self.path.push(b'/');
            self.path.extend_from_slice(name.as_bytes());
            match in_upper {
                true => self.name(upper, lower, &name, depth)?,
                false => self.tell(Kind::Deleted),
            }
            self.path.truncate(length);
        }
        Ok(self.found.len() > before)
    }

    fn name(
        &mut self,
        upper: &OwnedFd,
        lower: &[OwnedFd],
        name: &OsStr,
        depth: usize,
    ) -> Result<()> {
        let new = match fs::stat_at(upper, name) {
            Ok(stat) => stat,
            Err(error) if error.errno() == errno::ENOENT => return Ok(()),
            Err(error) => return Err(self.failed()(error)),
        };
        if (self.skip)(&self.path[1..], &new) {
            return Ok(());
        }
        let (old, below) = look(lower, name).map_err(self.failed())?;
        let Some(old) = old else {
            if !is_whiteout(&new) {
                self.tell(Kind::Added);
                self.descend(upper, name, &new, &[], depth)?;
            }
            return Ok(());
        };
        if is_whiteout(&new) {
            self.tell(Kind::Deleted);
            return Ok(());
        }
        // It is told before what is in it, once that is known.
        let place = self.found.len();
        let has_changed = self.descend(upper, name, &new, &below, depth)?;
        if has_changed || differ(&old, &new) {
            self.found.insert(place, (self.path.clone(), Kind::Modified));
        }
        Ok(())
    }

    fn descend(
        &mut self,
        upper: &OwnedFd,
        name: &OsStr,
        new: &Stat,
        below: &[OwnedFd],
        depth: usize,
    ) -> Result<bool> {
        if new.kind != FileKind::Dir {
            return Ok(false);
        }
        if depth >= DEEPEST {
            let cause =
                crate::sys::Error::new("openat(…)", errno::ENAMETOOLONG);
            return Err(self.failed()(cause));
        }
        match fs::open_dir_at(upper, name) {
            Ok(dir) => self.directory(&dir, below, depth + 1),
            Err(error) if error.errno() == errno::ENOENT => Ok(false),
            Err(error) => Err(self.failed()(error)),
        }
    }

    fn tell(&mut self, kind: Kind) {
        self.found.push((self.path.clone(), kind));
    }

    fn failed(&self) -> impl FnOnce(crate::sys::Error) -> Error + 'static {
        let path = self.path.clone();
        move |cause| Error::file(&path)(cause)
    }
}

/// Finds a name in the layers below: what it is, and if it is a directory
/// the directories that make it up.
fn look(
    lower: &[OwnedFd],
    name: &OsStr,
) -> crate::sys::Result<(Option<Stat>, Vec<OwnedFd>)> {
    let (mut first, mut dirs): (Option<Stat>, Vec<OwnedFd>) =
        (None, Vec::new());
    for layer in lower {
        let stat = match fs::stat_at(layer, name) {
            Ok(stat) => stat,
            Err(error) if error.errno() == errno::ENOENT => continue,
            Err(error) => return Err(error),
        };
        let is_dir = stat.kind == FileKind::Dir;
        if is_whiteout(&stat) || (first.is_some() && !is_dir) {
            break;
        }
        first.get_or_insert(stat);
        if !is_dir {
            break;
        }
        let dir = fs::open_dir_at(layer, name)?;
        let value = xattr::value(&dir, OPAQUE)?;
        dirs.push(dir);
        if value.is_some_and(|value| value == b"y") {
            break;
        }
    }
    Ok((first, dirs))
}

/// The names that show in the layers below.
fn visible(lower: &[OwnedFd]) -> crate::sys::Result<Vec<OsString>> {
    let mut names = BTreeMap::new();
    for layer in lower {
        for entry in fs::read_dir(layer)? {
            let name = entry?.name;
            let stat = fs::stat_at(layer, &name)?;
            // The topmost layer that has it decides.
            names.entry(name).or_insert(!is_whiteout(&stat));
        }
    }
    let shown = names.into_iter().filter(|(_, is_there)| *is_there);
    Ok(shown.map(|(name, _)| name).collect())
}

/// Tells whether something is another than before. Length and time of a
/// directory say nothing.
fn differ(old: &Stat, new: &Stat) -> bool {
    let same = (old.kind, old.mode, old.uid, old.gid, old.rdev)
        == (new.kind, new.mode, new.uid, new.gid, new.rdev);
    let is_dir = new.kind == FileKind::Dir;
    !same || (!is_dir && (old.mtime, old.size) != (new.mtime, new.size))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::path::Path;

    use super::*;
    use crate::sys::testing::TempDir;

    fn file(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let fd = std::fs::File::open(path).unwrap();
        fs::set_times(&fd, (1, 0), (1, 0)).unwrap();
    }

    #[test]
    fn changes_are_told_as_by_docker() {
        let temp = TempDir::new("changes");
        let [upper, top, low] =
            ["upper", "top", "low"].map(|name| temp.path().join(name));
        file(&low, "etc/kept", "1");
        file(&low, "etc/gone", "1");
        file(&low, "etc/same", "1");
        file(&low, "full/a", "1");
        file(&top, "full/b", "1");
        file(&upper, "etc/kept", "other");
        file(&upper, "etc/same", "1");
        file(&upper, "new/deep/file", "1");
        file(&upper, "full/b", "1");
        let dir = |path: &Path| fs::open_dir(path).unwrap();
        let etc = dir(&upper.join("etc"));
        let gone = fs::mknod_at(&etc, "gone", FileKind::Char, 0, (0, 0));
        if gone.is_err() {
            return;
        }
        let full = dir(&upper.join("full"));
        super::super::parent::set_opaque(&full).unwrap();
        let (upper, top, low) = (dir(&upper), dir(&top), dir(&low));
        let lower = [top.as_fd(), low.as_fd()];
        let skip = |path: &[u8], _: &Stat| path == b"new/deep/file";
        let found = changes(upper.as_fd(), &lower, &skip).unwrap();
        let shown: Vec<(String, Kind)> = found
            .into_iter()
            .map(|(path, kind)| (String::from_utf8(path).unwrap(), kind))
            .collect();
        let wanted = [
            ("/etc", Kind::Modified),
            ("/etc/gone", Kind::Deleted),
            ("/etc/kept", Kind::Modified),
            ("/full", Kind::Modified),
            ("/full/a", Kind::Deleted),
            ("/new", Kind::Added),
            ("/new/deep", Kind::Added),
        ];
        assert_eq!(shown, wanted.map(|(path, kind)| (path.to_string(), kind)));
    }
}
