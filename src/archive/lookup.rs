//! Paths of a container, looked up beneath its root by the kernel: what is
//! there, and where a link leads.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::path;
use crate::sys::fs::{self, Kind, OFlags, Stat};
use crate::sys::resolve::{self, Scope};
use crate::sys::{Error, Result, errno};

/// The most links on one path, as in the kernel.
const MOST_LINKS: u32 = 40;

/// What stands at a path.
#[derive(Debug)]
pub struct Found {
    /// The last part as the client wrote it; `.` and `/` stay.
    pub name: Vec<u8>,
    /// What it is; of a link the link itself, unless a slash stood behind.
    pub stat: Stat,
    /// Of a link: where it leads in the end, as an absolute path.
    pub target: Vec<u8>,
    /// The directory that it is in, and its name there; of a directory the
    /// directory itself, and none.
    pub dir: OwnedFd,
    /// See [`Found::dir`].
    pub base: Option<Vec<u8>>,
}

/// Looks a path up. Parts of `..` go by the text, as in Docker.
pub fn find(root: BorrowedFd<'_>, text: &[u8]) -> Result<Found> {
    let absolute = [b"/", text].concat();
    let clean = path::clean(&absolute).unwrap_or_default();
    let (parent, base) = path::split(&clean);
    let dotted = text.ends_with(b"/.") || text == b".";
    let as_dir = clean.is_empty() || text.ends_with(b"/") || dotted;
    let name = match (dotted && !clean.is_empty(), clean.is_empty()) {
        (true, _) => b".".to_vec(),
        (false, true) => b"/".to_vec(),
        (false, false) => base.to_vec(),
    };
    if as_dir {
        let dir = open_dir(root, &clean)?;
        let stat = fs::stat(&dir)?;
        return Ok(Found { name, stat, target: Vec::new(), dir, base: None });
    }
    let above = open_dir(root, parent)?;
    let stat = fs::stat_at(&above, OsStr::from_bytes(base))?;
    if stat.kind == Kind::Dir {
        let dir = fs::open_dir_at(&above, OsStr::from_bytes(base))?;
        let stat = fs::stat(&dir)?;
        return Ok(Found { name, stat, target: Vec::new(), dir, base: None });
    }
    let target = match stat.kind {
        Kind::Symlink => evaluate(root, &clean)?,
        _ => Vec::new(),
    };
    let base = Some(base.to_vec());
    Ok(Found { name, stat, target, dir: above, base })
}

/// Finds the directory at a path, through links; returns its path without
/// any, clean and relative.
pub fn directory(root: BorrowedFd<'_>, text: &[u8]) -> Result<Vec<u8>> {
    let absolute = [b"/", text].concat();
    let clean = path::clean(&absolute).unwrap_or_default();
    open_dir(root, &clean)?;
    let real = evaluate(root, &clean)?;
    Ok(real[1..].to_vec())
}

/// Reads a plain file of at most so many bytes; what is none is empty.
pub fn read(root: BorrowedFd<'_>, clean: &[u8], most: u64) -> String {
    let path = Path::new(OsStr::from_bytes(clean));
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = resolve::open(root, path, flags, 0, Scope::InRoot);
    let is_plain =
        |fd: &OwnedFd| fs::stat(fd).is_ok_and(|stat| stat.kind == Kind::File);
    let Some(fd) = file.ok().filter(is_plain) else { return String::new() };
    let mut bytes = Vec::new();
    match File::from(fd).take(most).read_to_end(&mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}

fn open_dir(root: BorrowedFd<'_>, clean: &[u8]) -> Result<OwnedFd> {
    if clean.is_empty() {
        return fs::open_dir_at(root, ".");
    }
    let path = Path::new(OsStr::from_bytes(clean));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    resolve::open(root, path, flags, 0, Scope::InRoot)
}

/// Follows all links of a clean path, as far as it exists; the rest is kept
/// as it is. Returns an absolute path.
pub fn evaluate(root: BorrowedFd<'_>, clean: &[u8]) -> Result<Vec<u8>> {
    let split = |text: &[u8]| -> Vec<Vec<u8>> {
        text.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()
    };
    let mut left: VecDeque<Vec<u8>> = split(clean).into();
    let mut real: Vec<Vec<u8>> = Vec::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        match part.as_slice() {
            b"" | b"." => continue,
            b".." => {
                real.pop();
                continue;
            }
            _ => {}
        }
        let Some(link) = read_link(root, &real, &part)? else {
            real.push(part);
            continue;
        };
        links += 1;
        if links > MOST_LINKS {
            return Err(Error::new("readlink(…)", errno::ELOOP));
        }
        if link.starts_with(b"/") {
            real.clear();
        }
        for part in split(&link).into_iter().rev() {
            left.push_front(part);
        }
    }
    Ok([b"/", real.join(&b'/').as_slice()].concat())
}

/// Reads a link; what is none, or is not there, leads nowhere.
fn read_link(
    root: BorrowedFd<'_>,
    above: &[Vec<u8>],
    name: &[u8],
) -> Result<Option<Vec<u8>>> {
    let is_none = |error: &Error| {
        matches!(error.errno(), errno::ENOENT | errno::ENOTDIR | errno::EINVAL)
    };
    let look = || {
        let dir = open_dir(root, &above.join(&b'/'))?;
        fs::readlink_at(dir.as_fd(), OsStr::from_bytes(name))
    };
    match look() {
        Ok(link) => Ok(Some(link.as_bytes().to_vec())),
        Err(error) if is_none(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The bits of Go's `os.FileMode`, in which Docker tells modes.
pub fn go_mode(stat: &Stat) -> u32 {
    let kind = match stat.kind {
        Kind::Dir => 1 << 31,
        Kind::Symlink => 1 << 27,
        Kind::Block => 1 << 26,
        Kind::Char => 1 << 26 | 1 << 21,
        Kind::Fifo => 1 << 25,
        Kind::Socket => 1 << 24,
        _ => 0,
    };
    let flag = |bit: u32, go: u32| if stat.mode & bit != 0 { go } else { 0 };
    kind | stat.mode & 0o777
        | flag(0o4000, 1 << 23)
        | flag(0o2000, 1 << 22)
        | flag(0o1000, 1 << 20)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn paths_are_dockers() {
        let temp = TempDir::new("lookup");
        let top = temp.path();
        std::fs::create_dir(top.join("d")).unwrap();
        std::fs::write(top.join("d/f"), b"x").unwrap();
        symlink("d", top.join("l")).unwrap();
        symlink("/no/such", top.join("broken")).unwrap();
        symlink("../../..", top.join("out")).unwrap();
        let root = fs::open_dir(top).unwrap();
        let see = |text: &str| find(root.as_fd(), text.as_bytes());
        let name = |text: &str| String::from_utf8(see(text).unwrap().name);
        for (text, wanted) in [
            ("/", "/"),
            ("/.", "/"),
            ("/d", "d"),
            ("/d/", "d"),
            ("/d/.", "."),
            ("l/", "l"),
            ("/x/../d", "d"),
            ("/d/f", "f"),
        ] {
            assert_eq!(name(text).unwrap(), wanted, "{text}");
        }
        assert_eq!(see("/l").unwrap().target, b"/d");
        assert_eq!(see("/broken").unwrap().target, b"/no/such");
        assert_eq!(see("/out").unwrap().target, b"/");
        assert_eq!(see("/out/d/f").unwrap().stat.size, 1);
        assert_eq!(see("/d/f/").unwrap_err().errno(), errno::ENOTDIR);
        assert_eq!(see("/nosuch").unwrap_err().errno(), errno::ENOENT);
        assert_eq!(directory(root.as_fd(), b"/l").unwrap(), b"d");
        assert_eq!(directory(root.as_fd(), b"/").unwrap(), b"");
    }

    #[test]
    fn links_in_a_circle_end() {
        let temp = TempDir::new("circle");
        symlink("b", temp.path().join("a")).unwrap();
        symlink("a", temp.path().join("b")).unwrap();
        let root = fs::open_dir(temp.path()).unwrap();
        assert!(evaluate(root.as_fd(), b"a").is_err());
    }
}
