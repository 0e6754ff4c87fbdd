//! Paths resolved beneath a directory: by the kernel with `openat2(2)`
//! (5.6), and by a walk of our own where the kernel lacks it. No link, no
//! `..` and no link of /proc leads out of the directory in either way.
//!
//! The walk opens one component after the other without following it, and
//! keeps the descriptor of each directory that it went through: `..` goes
//! back to that descriptor, a link's text is put before the components
//! that are left, an absolute link starts again at the root.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Error, Result};

/// What a path may do on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The directory is the path's root: absolute links and `..` at the
    /// root stay in it (`RESOLVE_IN_ROOT`).
    InRoot,
    /// Leaving the directory is an error, EXDEV (`RESOLVE_BENEATH`).
    Beneath,
    /// As `Beneath`, and a link anywhere is an error, ELOOP.
    NoLinks,
}

/// Which way resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The kernel where it can, else the walk.
    Best,
    /// The kernel; ENOSYS where it cannot.
    Kernel,
    /// The walk.
    Walk,
}

/// The kernel's own limit for links on one path.
const MAX_LINKS: u32 = 40;

/// Set once the kernel has answered that it lacks the call.
static NO_OPENAT2: AtomicBool = AtomicBool::new(false);

/// Makes [`open`] take the walk, or ask the kernel again: so that the
/// fallback can be tested on a kernel that needs none.
pub fn force_walk(method: Method) {
    NO_OPENAT2.store(method == Method::Walk, Ordering::Relaxed);
}

/// Opens `path` beneath `root`, close-on-exec. A link at the last
/// component is followed unless `flags` has `O_NOFOLLOW`. A file that
/// `O_CREAT` makes gets `mode` cut by the umask.
pub fn open(
    root: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: u32,
    scope: Scope,
) -> Result<OwnedFd> {
    open_with(Method::Best, root, path, flags, mode, scope)
}

/// As [`open`], in the way of `method`.
pub fn open_with(
    method: Method,
    root: impl AsFd,
    path: &Path,
    flags: OFlags,
    mode: u32,
    scope: Scope,
) -> Result<OwnedFd> {
    let root = root.as_fd();
    let flags = flags | OFlags::CLOEXEC;
    let mode = if flags.intersects(OFlags::CREATE | OFlags::TMPFILE) {
        Mode::from_bits_retain(mode & 0o7777)
    } else {
        Mode::empty()
    };
    let failed =
        |errno| Error::from_rustix(format!("openat2(…, {:?})", path), errno);
    let walk = method == Method::Walk
        || (method == Method::Best && NO_OPENAT2.load(Ordering::Relaxed));
    if !walk {
        match kernel(root, path, flags, mode, scope) {
            // Docker's older seccomp profiles answer EPERM to a call that
            // they do not know.
            Err(Errno::NOSYS | Errno::PERM) if method == Method::Best => {
                NO_OPENAT2.store(true, Ordering::Relaxed);
            }
            other => return other.map_err(failed),
        }
    }
    Walk::new(root, path, scope)
        .and_then(|walk| walk.open(flags, mode))
        .map_err(failed)
}

type Raw<T> = std::result::Result<T, Errno>;

fn kernel(
    root: BorrowedFd<'_>,
    path: &Path,
    flags: OFlags,
    mode: Mode,
    scope: Scope,
) -> Raw<OwnedFd> {
    let resolve = ResolveFlags::NO_MAGICLINKS
        | match scope {
            Scope::InRoot => ResolveFlags::IN_ROOT,
            Scope::Beneath => ResolveFlags::BENEATH,
            Scope::NoLinks => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        };
    // openat2 gives EAGAIN when a rename elsewhere crossed its `..`.
    for _ in 0..64 {
        match rustix::fs::openat2(root, path, flags, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => continue,
            other => return other,
        }
    }
    Err(Errno::AGAIN)
}

/// A walk on its way: the directories gone through below the root, and
/// the components that are left.
struct Walk<'a> {
    root: BorrowedFd<'a>,
    scope: Scope,
    below: Vec<OwnedFd>,
    left: VecDeque<Vec<u8>>,
    links: u32,
}

impl<'a> Walk<'a> {
    fn new(root: BorrowedFd<'a>, path: &Path, scope: Scope) -> Raw<Walk<'a>> {
        let mut walk = Walk {
            root,
            scope,
            below: Vec::new(),
            left: VecDeque::new(),
            links: 0,
        };
        if path.as_os_str().is_empty() {
            return Err(Errno::NOENT);
        }
        walk.push(path.as_os_str().as_bytes())?;
        Ok(walk)
    }

    /// Puts a path before the components that are left.
    fn push(&mut self, path: &[u8]) -> Raw<()> {
        if path.len() + self.left.iter().map(Vec::len).sum::<usize>() > 65536 {
            return Err(Errno::NAMETOOLONG);
        }
        if path.first() == Some(&b'/') {
            if self.scope != Scope::InRoot {
                return Err(Errno::XDEV);
            }
            self.below.clear();
        }
        // A slash at the end asks for a directory; `.` says the same.
        if path.last() == Some(&b'/') {
            self.left.push_front(b".".to_vec());
        }
        for part in path.rsplit(|byte| *byte == b'/') {
            if !part.is_empty() {
                self.left.push_front(part.to_vec());
            }
        }
        Ok(())
    }

    fn here(&self) -> BorrowedFd<'_> {
        self.below.last().map_or(self.root, |fd| fd.as_fd())
    }

    fn open(mut self, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
        let path_only = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        while let Some(part) = self.left.pop_front() {
            let last = self.left.is_empty();
            match part.as_slice() {
                b"." if last => break,
                b"." => continue,
                b".." => {
                    if self.below.pop().is_none() && self.scope != Scope::InRoot
                    {
                        return Err(Errno::XDEV);
                    }
                    continue;
                }
                _ => {}
            }
            let name = OsStr::from_bytes(&part);
            let found =
                rustix::fs::openat(self.here(), name, path_only, Mode::empty());
            let fd = match found {
                Err(Errno::NOENT) if last && flags.contains(OFlags::CREATE) => {
                    let flags = flags | OFlags::NOFOLLOW;
                    return rustix::fs::openat(self.here(), name, flags, mode);
                }
                other => other?,
            };
            let stat = rustix::fs::fstat(&fd)?;
            let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
            if kind.is_symlink() {
                if last && flags.contains(OFlags::NOFOLLOW) {
                    return self.last(name, flags, mode);
                }
                self.links += 1;
                if self.scope == Scope::NoLinks || self.links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                let text = self.link_text(&fd)?;
                self.push(&text)?;
            } else if kind.is_dir() {
                self.below.push(fd);
                // Bounds the descriptors; a path of a tar is at most 4096
                // bytes, but its links may multiply it.
                if self.below.len() > 2048 {
                    return Err(Errno::NAMETOOLONG);
                }
            } else if last {
                return self.last(name, flags, mode);
            } else {
                return Err(Errno::NOTDIR);
            }
        }
        if flags.contains(OFlags::CREATE) {
            return Err(Errno::ISDIR);
        }
        let flags = flags & !OFlags::NOFOLLOW;
        rustix::fs::openat(self.here(), ".", flags, mode)
    }

    fn last(&self, name: &OsStr, flags: OFlags, mode: Mode) -> Raw<OwnedFd> {
        // What was looked at may be a link by now: never follow it.
        rustix::fs::openat(self.here(), name, flags | OFlags::NOFOLLOW, mode)
    }

    /// Reads a link and refuses those of /proc, which say nothing of
    /// where they lead.
    fn link_text(&self, fd: &OwnedFd) -> Raw<Vec<u8>> {
        const PROC_SUPER_MAGIC: u64 = 0x9fa0;
        if rustix::fs::fstatfs(fd)?.f_type as u64 == PROC_SUPER_MAGIC {
            return Err(Errno::LOOP);
        }
        let text = rustix::fs::readlinkat(fd, "", Vec::new())?;
        let text = text.into_bytes();
        if text.is_empty() { Err(Errno::NOENT) } else { Ok(text) }
    }
}

/// Tells whether `path` exists beneath `root`, without opening it.
pub fn exists(root: impl AsFd, path: &Path, scope: Scope) -> Result<bool> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW;
    match open(root, path, flags, 0, scope) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.errno(), libc::ENOENT | libc::ENOTDIR) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fs;
    use crate::sys::testing::TempDir;

    /// `root/` holds a file, directories and links of all kinds; beside it
    /// lies what nobody may reach.
    fn tree() -> (TempDir, OwnedFd) {
        let temp = TempDir::new("resolve");
        std::fs::write(temp.path().join("secret"), "s").unwrap();
        let root = temp.path().join("root");
        std::fs::create_dir_all(root.join("a/b/c")).unwrap();
        std::fs::write(root.join("a/file"), "f").unwrap();
        std::fs::write(root.join("secret"), "inner").unwrap();
        let fd = fs::open_dir(&root).unwrap();
        for (name, text) in [
            ("up", "../secret"),
            ("abs", "/secret"),
            ("host", "/etc/passwd"),
            ("dir", "a/b"),
            ("slash", "/"),
            ("far", "../../../../../../../../a/file"),
            ("loop", "loop"),
            ("ping", "pong"),
            ("pong", "ping"),
            ("a/back", "../dir/../file"),
            ("dangling", "/nothing"),
        ] {
            fs::symlink_at(text, &fd, name).unwrap();
        }
        (temp, fd)
    }

    fn read(
        method: Method,
        root: &OwnedFd,
        path: &str,
        scope: Scope,
    ) -> std::result::Result<String, i32> {
        let flags = OFlags::RDONLY;
        let fd = open_with(method, root, Path::new(path), flags, 0, scope)
            .map_err(|e| e.errno())?;
        let stat = fs::stat(&fd).unwrap();
        if stat.kind == fs::Kind::Dir {
            return Ok(format!("dir {}", stat.ino));
        }
        Ok(std::io::read_to_string(std::fs::File::from(fd)).unwrap())
    }

    #[test]
    fn the_walk_and_the_kernel_agree_and_neither_leaves_the_root() {
        let (_temp, root) = tree();
        for path in [
            "a/file",
            "a//./file",
            "/a/file",
            "a/file/",
            "a/b/",
            "a/b/..",
            "..",
            "../../..",
            ".",
            "/",
            "up",
            "abs",
            "host",
            "dir",
            "dir/c",
            "dir/../file",
            "dir/c/../../back",
            "slash",
            "slash/slash/a/file",
            "far",
            "loop",
            "ping",
            "loop/x",
            "a/back",
            "dangling",
            "a/file/x",
            "none",
            "none/x",
            "../secret",
            "a/../../secret",
            "",
        ] {
            for scope in [Scope::InRoot, Scope::Beneath, Scope::NoLinks] {
                let kernel = read(Method::Kernel, &root, path, scope);
                let walk = read(Method::Walk, &root, path, scope);
                assert_eq!(kernel, walk, "{path:?} {scope:?}");
                assert_ne!(kernel, Ok("s".to_string()), "{path:?}");
            }
        }
    }

    #[test]
    fn files_are_made_beneath_the_root_in_both_ways() {
        let (temp, root) = tree();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW;
        for (method, name) in
            [(Method::Kernel, "../kernel"), (Method::Walk, "../walk")]
        {
            let path = Path::new(name);
            open_with(method, &root, path, flags, 0o600, Scope::InRoot)
                .unwrap();
            let name = path.file_name().unwrap();
            assert!(temp.path().join("root").join(name).exists());
            assert!(!temp.path().join(name).exists());
        }
    }

    #[test]
    fn links_of_proc_are_not_followed() {
        let proc = fs::open_dir(Path::new("/proc")).unwrap();
        for method in [Method::Kernel, Method::Walk] {
            let error = open_with(
                method,
                &proc,
                Path::new("self/root/etc"),
                OFlags::RDONLY,
                0,
                Scope::InRoot,
            )
            .unwrap_err();
            assert_eq!(error.errno(), libc::ELOOP, "{method:?}");
        }
    }
}
