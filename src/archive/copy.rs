//! A whole tree copied into an empty directory, with owners, modes, times,
//! extended attributes, links, holes and special files. Like the others
//! that work on trees it needs a few descriptors for any depth.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use super::tree;
use crate::sys::fs::{self, Kind, OFlags, Stat};
use crate::sys::{Error, Result, errno, xattr};

/// Copies what is in `from`, which nobody changes meanwhile, into `to`, and
/// gives `to` the attributes of `from`. What is there when it fails stays.
pub fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let mut copy = Copy { to, linked: HashMap::new(), here: PathBuf::new() };
    // The directories left to do at each level of the way down, and what
    // the copy's directory there was.
    let mut way: Vec<(Vec<OsString>, Stat)> = Vec::new();
    let mut from = fs::open_dir_at(from, ".")?;
    let mut to = fs::open_dir_at(to, ".")?;
    let mut left = copy.files(&from, &to)?;
    loop {
        if let Some(name) = left.pop() {
            let stat = fs::stat(&to)?;
            fs::mkdir_at(&to, &name, 0o700)?;
            from = fs::open_dir_at(&from, &name)?;
            to = fs::open_dir_at(&to, &name)?;
            copy.here.push(&name);
            way.push((left, stat));
            left = copy.files(&from, &to)?;
            continue;
        }
        // Last, because all that was made in it has changed its times.
        attributes(&from, &to)?;
        let Some((before, parent)) = way.pop() else { return Ok(()) };
        from = fs::open_dir_at(&from, "..")?;
        to = tree::up(&to, &parent)?;
        copy.here.pop();
        left = before;
    }
}

struct Copy<'a> {
    /// The root of the copy.
    to: BorrowedFd<'a>,
    /// The first name of each file with several, in the copy.
    linked: HashMap<(u64, u64), PathBuf>,
    /// Where we are, from the root.
    here: PathBuf,
}

impl Copy<'_> {
    /// Copies all of a directory but its directories, which it returns.
    fn files(&mut self, from: &OwnedFd, to: &OwnedFd) -> Result<Vec<OsString>> {
        let mut dirs = Vec::new();
        for entry in fs::read_dir(from)? {
            let name = entry?.name;
            let stat = fs::stat_at(from, &name)?;
            if stat.kind == Kind::Dir {
                dirs.push(name);
            } else if stat.nlink < 2 || !self.link(&stat, to, &name)? {
                one(from, to, &name, &stat)?;
            }
        }
        Ok(dirs)
    }

    /// Gives a file that has been copied under another name this one too.
    /// False if it has not.
    fn link(
        &mut self,
        stat: &Stat,
        to: &OwnedFd,
        name: &OsStr,
    ) -> Result<bool> {
        let known = (stat.dev, stat.ino);
        let Some(first) = self.linked.get(&known) else {
            self.linked.insert(known, self.here.join(name));
            return Ok(false);
        };
        match fs::link_at(self.to, first, to, name) {
            Err(error) if error.errno() == errno::ENAMETOOLONG => Ok(false),
            done => done.map(|()| true),
        }
    }
}

fn one(from: &OwnedFd, to: &OwnedFd, name: &OsStr, stat: &Stat) -> Result<()> {
    match stat.kind {
        Kind::File => {
            let source = fs::open_at(from, name, OFlags::RDONLY, 0)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
            let target = fs::open_at(to, name, flags, 0o600)?;
            content(&source, &target, stat.size)?;
            return attributes(&source, &target);
        }
        Kind::Symlink => {
            fs::symlink_at(fs::readlink_at(from, name)?, to, name)?;
        }
        kind => fs::mknod_at(to, name, kind, 0o600, stat.rdev)?,
    }
    fs::chown_at(to, name, stat.uid, stat.gid)?;
    for key in xattr::list_at(from, name)? {
        if let Some(value) = xattr::value_at(from, name, &key)? {
            may_lack(xattr::set_at(to, name, &key, &value))?;
        }
    }
    if stat.kind != Kind::Symlink {
        fs::chmod_at(to, name, stat.mode)?;
    }
    fs::set_times_at(to, name, stat.mtime, stat.mtime)
}

/// Gives an open file or directory what another one has. Attributes come
/// after the owner, whose change takes capabilities away.
fn attributes(from: &OwnedFd, to: &OwnedFd) -> Result<()> {
    let stat = fs::stat(from)?;
    fs::chown(to, stat.uid, stat.gid)?;
    for key in xattr::list(from)? {
        if let Some(value) = xattr::value(from, &key)? {
            may_lack(xattr::set(to, &key, &value))?;
        }
    }
    fs::chmod(to, stat.mode)?;
    fs::set_times(to, stat.mtime, stat.mtime)
}

/// Not every file system knows attributes of every kind.
fn may_lack(set: Result<()>) -> Result<()> {
    match set {
        Err(error) if error.errno() == errno::EOPNOTSUPP => Ok(()),
        done => done,
    }
}

/// Copies the bytes; holes stay holes.
fn content(from: &OwnedFd, to: &OwnedFd, size: u64) -> Result<()> {
    let failed = |e| Error::from_io("copy_file_range(…)", &e);
    let mut source = File::from(fs::duplicate(from.as_fd())?);
    let mut target = File::from(fs::duplicate(to.as_fd())?);
    let mut at = 0;
    while at < size {
        let (start, end) = match fs::seek_data(from, at) {
            Ok(Some(start)) => (start, fs::seek_hole(from, start)?),
            Ok(None) => break,
            // A file system without holes.
            Err(_) => (at, size),
        };
        source.seek(SeekFrom::Start(start)).map_err(failed)?;
        target.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut part = (&mut source).take(end - start);
        std::io::copy(&mut part, &mut target).map_err(failed)?;
        at = end;
    }
    fs::truncate(to, size)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;

    use super::*;
    use crate::sys::testing::TempDir;

    fn copied(from: &Path, to: &Path) {
        std::fs::create_dir(to).unwrap();
        let (from, to) = (fs::open_dir(from), fs::open_dir(to));
        copy(from.unwrap().as_fd(), to.unwrap().as_fd()).unwrap();
    }

    #[test]
    fn a_copy_is_like_what_it_was_made_from() {
        let temp = TempDir::new("copy");
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        std::fs::create_dir_all(from.join("d/e")).unwrap();
        std::fs::write(from.join("d/f"), "text").unwrap();
        let mode = std::fs::Permissions::from_mode(0o4751);
        std::fs::set_permissions(from.join("d/f"), mode).unwrap();
        std::fs::hard_link(from.join("d/f"), from.join("d/e/g")).unwrap();
        symlink("/nowhere", from.join("s")).unwrap();
        let dir = fs::open_dir(&from).unwrap();
        fs::mknod_at(&dir, "pipe", Kind::Fifo, 0o640, (0, 0)).unwrap();
        xattr::set_at(&dir, "d", "user.x", b"y").unwrap();
        fs::chown_at(&dir, "d/f", 7, 8).unwrap();
        fs::chmod_at(&dir, "d/f", 0o4751).unwrap();
        let hole = File::create(from.join("hole")).unwrap();
        hole.set_len(8 << 20).unwrap();
        fs::set_times(&dir, (5, 6), (1_000_000_000, 7)).unwrap();
        copied(&from, &to);

        let read = std::fs::read_to_string(to.join("d/e/g")).unwrap();
        assert_eq!(read, "text");
        let stat = |path: &str| to.join(path).symlink_metadata().unwrap();
        assert_eq!(stat("d/f").ino(), stat("d/e/g").ino());
        assert_eq!(stat("d/f").mode() & 0o7777, 0o4751);
        assert_eq!((stat("d/f").uid(), stat("d/f").gid()), (7, 8));
        let link = std::fs::read_link(to.join("s")).unwrap();
        assert_eq!(link, Path::new("/nowhere"));
        assert_eq!(stat("pipe").mode(), 0o010_640);
        assert!(stat("hole").len() == 8 << 20 && stat("hole").blocks() < 64);
        assert_eq!(
            (stat("").mtime(), stat("").mtime_nsec()),
            (1_000_000_000, 7)
        );
        let value = xattr::value_at(fs::open_dir(&to).unwrap(), "d", "user.x");
        assert_eq!(value.unwrap(), Some(b"y".to_vec()));
    }

    #[test]
    fn a_deep_tree_needs_few_descriptors() {
        let temp = TempDir::new("copy-deep");
        let (from, to) = (temp.path().join("from"), temp.path().join("to"));
        std::fs::create_dir(&from).unwrap();
        let mut dir = fs::open_dir(&from).unwrap();
        for _ in 0..2500 {
            fs::mkdir_at(&dir, "d", 0o755).unwrap();
            dir = fs::open_dir_at(&dir, "d").unwrap();
        }
        copied(&from, &to);
        let mut dir = fs::open_dir(&to).unwrap();
        for _ in 0..2500 {
            dir = fs::open_dir_at(&dir, "d").unwrap();
        }
    }
}
