//! From files beneath a directory to a tar, in one pass and constant
//! memory. Names are sorted, so that the same tree gives the same tar.
//!
//! The tree may change meanwhile, and may be hostile: each file is opened
//! by its one name in its parent, no link is followed, and what is no plain
//! file by the time it is open is passed over. A file gets as many bytes as
//! its head says.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::parent::{OPAQUE, is_whiteout};
use super::read;
use super::tree::up;
use super::write::{self, Meta, flag};
use super::{Error, Result};
use crate::sys::fs::{self, OFlags};
pub use crate::sys::fs::{Kind, Stat};
use crate::sys::{errno, xattr};

/// What the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Files as they are.
    Plain,
    /// The read-write layer of an overlay: its whiteouts become those of a
    /// layer's tar.
    Layer,
}

/// What is packed.
pub struct Pack<'a> {
    /// What the tree is.
    pub form: Form,
    /// Tells by its path, clean and relative, what is left out.
    pub skip: &'a dyn Fn(&[u8], &Stat) -> bool,
    /// Reads files through this.
    buffer: Vec<u8>,
    /// The names of files that have several.
    linked: HashMap<(u64, u64), Vec<u8>>,
}

const BUFFER: usize = 256 << 10;

/// Permission bits and the type's bits (inode(7)).
fn mode(stat: &Stat) -> u32 {
    let kind = match stat.kind {
        Kind::Dir => 0o040_000,
        Kind::Symlink => 0o120_000,
        Kind::Char => 0o020_000,
        Kind::Block => 0o060_000,
        Kind::Fifo => 0o010_000,
        _ => 0o100_000,
    };
    kind | stat.mode
}

impl<'a> Pack<'a> {
    /// Prepares a pass.
    pub fn new(form: Form, skip: &'a dyn Fn(&[u8], &Stat) -> bool) -> Pack<'a> {
        Pack { form, skip, buffer: vec![0; BUFFER], linked: HashMap::new() }
    }

    /// Writes the one file `name` of a directory, under another name.
    pub fn file(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        shown: &[u8],
        out: &mut dyn Write,
    ) -> Result<()> {
        let stat = fs::stat_at(dir, name).map_err(Error::file(shown))?;
        self.entry(dir, name, &stat, shown, out)
    }

    /// Writes what is beneath a directory; `top` is what the directory
    /// itself is called, with a slash at its end, and `prefix` what goes
    /// before the names in it. Without a `top` it is left out.
    pub fn tree(
        &mut self,
        dir: BorrowedFd<'_>,
        top: Option<&[u8]>,
        prefix: &[u8],
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut here =
            fs::open_dir_at(dir, ".").map_err(Error::file(prefix))?;
        if let Some(top) = top {
            let stat = fs::stat(&here).map_err(Error::file(top))?;
            self.directory(&here, &stat, top, out)?;
        }
        // The names left at each level of the way down, and the directory
        // above.
        let mut way: Vec<(Vec<OsString>, Stat, usize)> = Vec::new();
        let mut path = Vec::new();
        let mut left = names(&here)?;
        loop {
            let Some(name) = left.pop() else {
                let Some((before, parent, length)) = way.pop() else {
                    return Ok(());
                };
                here = up(&here, &parent).map_err(Error::file(&path))?;
                path.truncate(length);
                left = before;
                continue;
            };
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            let shown = [prefix, &path].concat();
            match self.step(&here, &name, &path, &shown, out)? {
                Some(below) => {
                    let stat = fs::stat(&here).map_err(Error::file(&shown))?;
                    let next = names(&below)?;
                    let before = std::mem::replace(&mut left, next);
                    way.push((before, stat, length));
                    here = below;
                }
                None => path.truncate(length),
            }
        }
    }

    /// Writes one name; a directory is returned, to go down to.
    fn step(
        &mut self,
        here: &OwnedFd,
        name: &OsStr,
        path: &[u8],
        shown: &[u8],
        out: &mut dyn Write,
    ) -> Result<Option<OwnedFd>> {
        let stat = match fs::stat_at(here, name) {
            Ok(stat) => stat,
            Err(error) if error.errno() == errno::ENOENT => return Ok(None),
            Err(error) => return Err(Error::file(shown)(error)),
        };
        if (self.skip)(path, &stat) {
            return Ok(None);
        }
        if stat.kind != Kind::Dir {
            self.entry(here.as_fd(), name, &stat, shown, out)?;
            return Ok(None);
        }
        match fs::open_dir_at(here, name) {
            Ok(below) => {
                let shown = [shown, b"/"].concat();
                let stat = fs::stat(&below).map_err(Error::file(&shown))?;
                self.directory(&below, &stat, &shown, out)?;
                Ok((!is_kernels(&below)).then_some(below))
            }
            Err(error)
                if matches!(
                    error.errno(),
                    errno::ENOENT | errno::ENOTDIR | errno::ELOOP
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::file(shown)(error)),
        }
    }

    fn directory(
        &self,
        dir: &OwnedFd,
        stat: &Stat,
        shown: &[u8],
        out: &mut dyn Write,
    ) -> Result<()> {
        let mut meta = described(stat, shown, read::Kind::Dir);
        meta.xattrs = carried_by(dir).map_err(Error::file(shown))?;
        write::head(out, &meta).map_err(Error::Read)?;
        let is_opaque = self.form == Form::Layer
            && xattr::value(dir, OPAQUE)
                .map_err(Error::file(shown))?
                .is_some_and(|value| value == b"y");
        if is_opaque {
            let mark = [shown, b".wh..wh..opq"].concat();
            let meta = Meta {
                flag: b'0',
                name: mark,
                mode: stat.mode & 0o777,
                uid: stat.uid,
                gid: stat.gid,
                ..Meta::default()
            };
            write::head(out, &meta).map_err(Error::Read)?;
        }
        Ok(())
    }

    /// Writes what is no directory.
    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        stat: &Stat,
        shown: &[u8],
        out: &mut dyn Write,
    ) -> Result<()> {
        if self.form == Form::Layer && is_whiteout(stat) {
            let at = shown.iter().rposition(|byte| *byte == b'/');
            let (above, base) = shown.split_at(at.map_or(0, |at| at + 1));
            let meta = Meta {
                flag: b'0',
                name: [above, b".wh.", base].concat(),
                mode: 0o600,
                mtime: stat.mtime.0,
                ..Meta::default()
            };
            return write::head(out, &meta).map_err(Error::Read);
        }
        let kind = match stat.kind {
            Kind::File => return self.content(dir, name, shown, out),
            Kind::Symlink => read::Kind::Symlink,
            Kind::Char => read::Kind::Char,
            Kind::Block => read::Kind::Block,
            Kind::Fifo => read::Kind::Fifo,
            // A socket is nothing without who listens on it.
            _ => return Ok(()),
        };
        let mut meta = described(stat, shown, kind);
        if kind == read::Kind::Symlink {
            let link = fs::readlink_at(dir, name);
            let link = link.map_err(Error::file(shown))?;
            meta.link = link.as_bytes().to_vec();
        } else if self.is_linked(stat, shown, &mut meta) {
            return write::head(out, &meta).map_err(Error::Read);
        }
        meta.xattrs = carried(dir, name).map_err(Error::file(shown))?;
        write::head(out, &meta).map_err(Error::Read)
    }

    /// Writes a plain file.
    fn content(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &OsStr,
        shown: &[u8],
        out: &mut dyn Write,
    ) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match fs::open_at(dir, name, flags, 0) {
            Ok(fd) => fd,
            // It has gone, or has become something else.
            Err(error)
                if matches!(error.errno(), errno::ENOENT | errno::ELOOP) =>
            {
                return Ok(());
            }
            Err(error) => return Err(Error::file(shown)(error)),
        };
        let stat = fs::stat(&fd).map_err(Error::file(shown))?;
        if stat.kind != Kind::File {
            return Ok(());
        }
        let mut meta = described(&stat, shown, read::Kind::File);
        if self.is_linked(&stat, shown, &mut meta) {
            return write::head(out, &meta).map_err(Error::Read);
        }
        meta.size = stat.size;
        meta.xattrs = carried_by(&fd).map_err(Error::file(shown))?;
        write::head(out, &meta).map_err(Error::Read)?;
        let mut left = stat.size;
        let mut file = File::from(fd);
        while left > 0 {
            let want = left.min(BUFFER as u64) as usize;
            let count = match file.read(&mut self.buffer[..want]) {
                Ok(0) => {
                    // It has become shorter: its head is out already.
                    self.buffer[..want].fill(0);
                    want
                }
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let error = crate::sys::Error::from_io("read(…)", &error);
                    return Err(Error::file(shown)(error));
                }
            };
            out.write_all(&self.buffer[..count]).map_err(Error::Read)?;
            left -= count as u64;
        }
        write::pad(out, stat.size).map_err(Error::Read)
    }

    /// Makes a link of the further name of a file.
    fn is_linked(
        &mut self,
        stat: &Stat,
        shown: &[u8],
        meta: &mut Meta,
    ) -> bool {
        if stat.nlink < 2 {
            return false;
        }
        let id = (stat.dev, stat.ino);
        if let Some(first) = self.linked.get(&id) {
            meta.flag = flag(read::Kind::HardLink);
            meta.link.clone_from(first);
            return true;
        }
        self.linked.insert(id, shown.to_vec());
        false
    }
}

/// Tells whether a directory is one of the kernel's own views, which hold
/// no files to keep: of processes, devices, groups and the like.
fn is_kernels(dir: &OwnedFd) -> bool {
    // proc, sysfs, cgroup, cgroup2, devpts, mqueue, debugfs, tracefs,
    // securityfs, bpf (statfs(2)).
    const MAGICS: [u64; 10] = [
        0x9fa0,
        0x6265_6572,
        0x0027_e0eb,
        0x6367_7270,
        0x1cd1,
        0x1980_0202,
        0x6462_6720,
        0x7472_6163,
        0x7363_6673,
        0xcafe_4a11,
    ];
    fs::space(dir).is_ok_and(|space| MAGICS.contains(&space.magic))
}

fn described(stat: &Stat, shown: &[u8], kind: read::Kind) -> Meta {
    Meta {
        flag: flag(kind),
        name: shown.to_vec(),
        mode: mode(stat),
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime.0,
        device: stat.rdev,
        ..Meta::default()
    }
}

/// The attributes that an archive carries: those of programs and users, not
/// those of this host's own mounts and modules.
fn is_carried(name: &OsStr) -> bool {
    name == "security.capability"
        || name.as_bytes().starts_with(b"user.")
            && !name.as_bytes().starts_with(b"user.overlay.")
}

/// Those of an open file or directory.
fn carried_by(file: &OwnedFd) -> crate::sys::Result<Vec<(OsString, Vec<u8>)>> {
    let mut all = Vec::new();
    for name in xattr::list(file)?.into_iter().filter(|n| is_carried(n)) {
        let value = xattr::value(file, &name)?;
        all.extend(value.map(|value| (name, value)));
    }
    Ok(all)
}

/// Those of what is not to be opened.
fn carried(
    dir: BorrowedFd<'_>,
    file: &OsStr,
) -> crate::sys::Result<Vec<(OsString, Vec<u8>)>> {
    let mut all = Vec::new();
    for name in xattr::list_at(dir, file)?.into_iter().filter(|n| is_carried(n))
    {
        let value = xattr::value_at(dir, file, &name)?;
        all.extend(value.map(|value| (name, value)));
    }
    Ok(all)
}

/// The names in a directory, the first one last.
fn names(dir: &OwnedFd) -> Result<Vec<OsString>> {
    let list = || -> crate::sys::Result<Vec<OsString>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.name)).collect()
    };
    let mut list = list().map_err(Error::file(b""))?;
    list.sort_unstable_by(|a, b| b.cmp(a));
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::extract::{Mode, extract};
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir()
            .join(format!("skiff-pack-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("from/d/e")).unwrap();
        std::fs::create_dir_all(dir.join("to")).unwrap();
        dir
    }

    fn pack_all(dir: &std::path::Path, form: Form) -> Vec<u8> {
        let fd = fs::open_dir(&dir.join("from")).unwrap();
        let mut tar = Vec::new();
        let nothing = |_: &[u8], _: &Stat| false;
        let mut pack = Pack::new(form, &nothing);
        pack.tree(fd.as_fd(), Some(b"./"), b"./", &mut tar).unwrap();
        write::end(&mut tar).unwrap();
        tar
    }

    #[test]
    fn a_tree_comes_back_as_it_was() {
        let dir = scratch("round");
        let from = dir.join("from");
        std::fs::write(from.join("d/file"), vec![7; 300_000]).unwrap();
        std::fs::hard_link(from.join("d/file"), from.join("d/e/same")).unwrap();
        symlink("d/file", from.join("link")).unwrap();
        std::fs::write(from.join("z"), b"").unwrap();
        let tar = pack_all(&dir, Form::Plain);
        let to = fs::open_dir(&dir.join("to")).unwrap();
        extract(&tar[..], to.as_fd(), Mode::Plain).unwrap();
        let to = dir.join("to");
        assert_eq!(std::fs::read(to.join("d/file")).unwrap(), vec![7; 300_000]);
        let link = std::fs::read_link(to.join("link")).unwrap();
        assert_eq!(link, std::path::Path::new("d/file"));
        let stat =
            |name: &str| fs::stat_at(fs::open_dir(&to).unwrap(), name).unwrap();
        assert_eq!(stat("d/file").ino, stat("d/e/same").ino);
        // The same tree gives the same bytes.
        assert_eq!(tar, pack_all(&dir, Form::Plain));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn whiteouts_become_those_of_a_layer() {
        let dir = scratch("white");
        let fd = fs::open_dir(&dir.join("from/d")).unwrap();
        if fs::mknod_at(&fd, "gone", Kind::Char, 0, (0, 0)).is_err() {
            return;
        }
        super::super::parent::set_opaque(&fd).unwrap();
        let tar = pack_all(&dir, Form::Layer);
        let text = String::from_utf8_lossy(&tar).into_owned();
        assert!(text.contains("./d/.wh.gone\0"), "a whiteout");
        assert!(text.contains("./d/.wh..wh..opq\0"), "an opaque directory");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
