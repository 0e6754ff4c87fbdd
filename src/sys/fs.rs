//! Files by descriptor: each call works on an open file or on one name
//! beneath an open directory, follows no symbolic link at that name, and
//! does not depend on the umask where it says so. Resolving whole paths
//! is in `resolve`, extended attributes in `xattr`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

pub use rustix::fs::OFlags;
use rustix::fs::{
    AtFlags, Dir, FlockOperation, Mode, RenameFlags, SeekFrom, Timespec,
    Timestamps,
};
use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use super::{Error, Result};

/// What an inode is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// Not told: some file systems leave it open when they list.
    Unknown,
}

/// What `fstat(2)` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// The permission bits, with setuid, setgid and sticky (`0o7777`).
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length in bytes.
    pub size: u64,
    /// Blocks of 512 bytes in use.
    pub blocks: u64,
    /// Number of names.
    pub nlink: u64,
    /// The device that holds it.
    pub dev: u64,
    /// The inode's number there.
    pub ino: u64,
    /// Major and minor number, of a device node.
    pub rdev: (u32, u32),
    /// When it was last modified: seconds of Unix time, nanoseconds.
    pub mtime: (i64, u32),
}

/// One name of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// The name.
    pub name: OsString,
    /// What it is, if the file system says so here.
    pub kind: Kind,
}

/// What to do when the new name of a rename exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Replaces it.
    Yes,
    /// Fails with EEXIST.
    No,
    /// Both names change places.
    Exchange,
}

/// How full a file system is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// The magic number of its type (`statfs(2)`).
    pub magic: u64,
    /// Whole size.
    pub total: u64,
    /// Free for unprivileged users.
    pub available: u64,
}

fn failed<'a>(
    call: &'a str,
    name: impl AsRef<OsStr> + 'a,
) -> impl FnOnce(Errno) -> Error + 'a {
    move |errno| {
        let name = name.as_ref().to_string_lossy().into_owned();
        Error::from_rustix(format!("{call}(…, {name:?})"), errno)
    }
}

fn failed_fd(call: &str) -> impl FnOnce(Errno) -> Error + '_ {
    move |errno| Error::from_rustix(format!("{call}(…)"), errno)
}

fn mode_of(mode: u32) -> Mode {
    Mode::from_bits_retain(mode & 0o7777)
}

/// `-1` would mean "leave it", which is never what a caller wants to say.
fn ids(call: &str, uid: u32, gid: u32) -> Result<(Option<Uid>, Option<Gid>)> {
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Error::new(
            format!("{call}(…, {uid}, {gid})"),
            libc::EINVAL,
        ));
    }
    Ok((Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))))
}

/// Opens a directory for reading, by a path of the host.
pub fn open_dir(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(failed("open", path))
}

/// Opens one name beneath `dir`; the new descriptor is close-on-exec, and
/// a symbolic link at `name` is not followed (ELOOP, or the link itself
/// with `O_PATH`). The mode of a new file is cut by the umask.
pub fn open_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
    flags: OFlags,
    mode: u32,
) -> Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let name = name.as_ref();
    rustix::fs::openat(dir, name, flags, mode_of(mode))
        .map_err(failed("openat", name))
}

/// Opens the directory `name` beneath `dir` for reading.
pub fn open_dir_at(dir: impl AsFd, name: impl AsRef<OsStr>) -> Result<OwnedFd> {
    open_at(dir, name, OFlags::RDONLY | OFlags::DIRECTORY, 0)
}

/// Makes a directory; the mode is cut by the umask.
pub fn mkdir_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
    mode: u32,
) -> Result<()> {
    let name = name.as_ref();
    rustix::fs::mkdirat(dir, name, mode_of(mode))
        .map_err(failed("mkdirat", name))
}

/// Makes a device node, a fifo or a socket; the mode is cut by the umask.
pub fn mknod_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
    kind: Kind,
    mode: u32,
    (major, minor): (u32, u32),
) -> Result<()> {
    use rustix::fs::FileType;
    let name = name.as_ref();
    let kind = match kind {
        Kind::Char => FileType::CharacterDevice,
        Kind::Block => FileType::BlockDevice,
        Kind::Fifo => FileType::Fifo,
        Kind::Socket => FileType::Socket,
        _ => return Err(failed("mknodat", name)(Errno::INVAL)),
    };
    let device = rustix::fs::makedev(major, minor);
    rustix::fs::mknodat(dir, name, kind, mode_of(mode), device)
        .map_err(failed("mknodat", name))
}

/// Makes the symbolic link `name` that says `target`.
pub fn symlink_at(
    target: impl AsRef<OsStr>,
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<()> {
    let name = name.as_ref();
    rustix::fs::symlinkat(target.as_ref(), dir, name)
        .map_err(failed("symlinkat", name))
}

/// Reads what the symbolic link `name` says.
pub fn readlink_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
) -> Result<OsString> {
    let name = name.as_ref();
    rustix::fs::readlinkat(dir, name, Vec::new())
        .map(|text| OsString::from_vec(text.into_bytes()))
        .map_err(failed("readlinkat", name))
}

/// Gives the file `old` the further name `new`; a symbolic link at `old`
/// is linked itself.
pub fn link_at(
    old_dir: impl AsFd,
    old: impl AsRef<OsStr>,
    new_dir: impl AsFd,
    new: impl AsRef<OsStr>,
) -> Result<()> {
    let (old, new) = (old.as_ref(), new.as_ref());
    rustix::fs::linkat(old_dir, old, new_dir, new, AtFlags::empty())
        .map_err(failed("linkat", new))
}

/// Renames.
pub fn rename_at(
    old_dir: impl AsFd,
    old: impl AsRef<OsStr>,
    new_dir: impl AsFd,
    new: impl AsRef<OsStr>,
    replace: Replace,
) -> Result<()> {
    let (old, new) = (old.as_ref(), new.as_ref());
    match replace {
        Replace::Yes => rustix::fs::renameat(old_dir, old, new_dir, new)
            .map_err(failed("renameat", new)),
        Replace::No => {
            let flags = RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(old_dir, old, new_dir, new, flags)
                .map_err(failed("renameat2", new))
        }
        Replace::Exchange => {
            let flags = RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(old_dir, old, new_dir, new, flags)
                .map_err(failed("renameat2", new))
        }
    }
}

/// Removes a name that is not a directory.
pub fn unlink_at(dir: impl AsFd, name: impl AsRef<OsStr>) -> Result<()> {
    let name = name.as_ref();
    rustix::fs::unlinkat(dir, name, AtFlags::empty())
        .map_err(failed("unlinkat", name))
}

/// Removes an empty directory.
pub fn rmdir_at(dir: impl AsFd, name: impl AsRef<OsStr>) -> Result<()> {
    let name = name.as_ref();
    rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)
        .map_err(failed("rmdir", name))
}

/// Sets owner and group of an open file. EINVAL for the id 4294967295.
pub fn chown(fd: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    let (uid, gid) = ids("fchown", uid, gid)?;
    rustix::fs::fchown(fd, uid, gid).map_err(failed_fd("fchown"))
}

/// Sets owner and group of `name` itself.
pub fn chown_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
    uid: u32,
    gid: u32,
) -> Result<()> {
    let name = name.as_ref();
    let (uid, gid) = ids("fchownat", uid, gid)?;
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(dir, name, uid, gid, flags)
        .map_err(failed("fchownat", name))
}

/// Sets the permission bits of an open file, whatever the umask.
pub fn chmod(fd: impl AsFd, mode: u32) -> Result<()> {
    rustix::fs::fchmod(fd, mode_of(mode)).map_err(failed_fd("fchmod"))
}

/// Sets the permission bits of `name` itself, whatever the umask;
/// EOPNOTSUPP for a symbolic link. Needs /proc.
pub fn chmod_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
    mode: u32,
) -> Result<()> {
    let name = name.as_ref();
    // fchmodat(2) follows a link, which another process may have put there
    // in this moment; the inode behind an O_PATH descriptor stays.
    let fd = open_at(dir, name, OFlags::PATH, 0)?;
    let stat = stat(&fd)?;
    if stat.kind == Kind::Symlink {
        return Err(failed("fchmodat", name)(Errno::OPNOTSUPP));
    }
    rustix::fs::chmod(proc_path(&fd), mode_of(mode))
        .map_err(failed("fchmodat", name))
}

/// Returns the path of an open file's link below /proc, for the calls that
/// take no descriptor.
pub fn proc_path(fd: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

fn timestamps(atime: (i64, u32), mtime: (i64, u32)) -> Timestamps {
    let time = |(seconds, nanos): (i64, u32)| Timespec {
        tv_sec: seconds,
        tv_nsec: nanos.min(999_999_999) as _,
    };
    Timestamps { last_access: time(atime), last_modification: time(mtime) }
}

/// Sets access and modification time of an open file.
pub fn set_times(
    fd: impl AsFd,
    atime: (i64, u32),
    mtime: (i64, u32),
) -> Result<()> {
    rustix::fs::futimens(fd, &timestamps(atime, mtime))
        .map_err(failed_fd("futimens"))
}

/// Sets access and modification time of `name` itself.
pub fn set_times_at(
    dir: impl AsFd,
    name: impl AsRef<OsStr>,
    atime: (i64, u32),
    mtime: (i64, u32),
) -> Result<()> {
    let name = name.as_ref();
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(dir, name, &timestamps(atime, mtime), flags)
        .map_err(failed("utimensat", name))
}

fn stat_from(raw: &rustix::fs::Stat) -> Stat {
    Stat {
        kind: kind_from(rustix::fs::FileType::from_raw_mode(raw.st_mode)),
        mode: raw.st_mode & 0o7777,
        uid: raw.st_uid,
        gid: raw.st_gid,
        size: u64::try_from(raw.st_size).unwrap_or(0),
        blocks: u64::try_from(raw.st_blocks).unwrap_or(0),
        nlink: raw.st_nlink as _,
        dev: raw.st_dev,
        ino: raw.st_ino,
        rdev: (rustix::fs::major(raw.st_rdev), rustix::fs::minor(raw.st_rdev)),
        mtime: (raw.st_mtime, raw.st_mtime_nsec as u32),
    }
}

fn kind_from(kind: rustix::fs::FileType) -> Kind {
    use rustix::fs::FileType;
    match kind {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Dir,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::Char,
        FileType::BlockDevice => Kind::Block,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => Kind::Unknown,
    }
}

/// Takes a device number (`st_rdev`) apart: major and minor.
pub fn device_number(device: u64) -> (u32, u32) {
    (rustix::fs::major(device), rustix::fs::minor(device))
}

/// Tells about an open file.
pub fn stat(fd: impl AsFd) -> Result<Stat> {
    let raw = rustix::fs::fstat(fd).map_err(failed_fd("fstat"))?;
    Ok(stat_from(&raw))
}

/// Tells about `name` itself.
pub fn stat_at(dir: impl AsFd, name: impl AsRef<OsStr>) -> Result<Stat> {
    let name = name.as_ref();
    let raw = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(failed("fstatat", name))?;
    Ok(stat_from(&raw))
}

/// The names of a directory, without `.` and `..`, in no order.
pub struct ReadDir(Dir);

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadDir")
    }
}

/// Lists an open directory from its beginning; `dir` itself keeps its
/// offset.
pub fn read_dir(dir: impl AsFd) -> Result<ReadDir> {
    Dir::read_from(dir).map(ReadDir).map_err(failed_fd("getdents64"))
}

impl Iterator for ReadDir {
    type Item = Result<DirEntry>;

    fn next(&mut self) -> Option<Result<DirEntry>> {
        loop {
            let entry = match self.0.read()? {
                Ok(entry) => entry,
                Err(errno) => return Some(Err(failed_fd("getdents64")(errno))),
            };
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                return Some(Ok(DirEntry {
                    name: OsStr::from_bytes(name).to_owned(),
                    kind: kind_from(entry.file_type()),
                }));
            }
        }
    }
}

/// Sets the length of an open file; a longer one ends in a hole.
pub fn truncate(fd: impl AsFd, length: u64) -> Result<()> {
    rustix::fs::ftruncate(fd, length).map_err(failed_fd("ftruncate"))
}

/// Finds the first byte of data at or after `from`; `None` when only a
/// hole is left. Moves the file's offset.
pub fn seek_data(fd: impl AsFd, from: u64) -> Result<Option<u64>> {
    match rustix::fs::seek(fd, SeekFrom::Data(from)) {
        Ok(at) => Ok(Some(at)),
        Err(Errno::NXIO) => Ok(None),
        Err(errno) => Err(failed_fd("lseek")(errno)),
    }
}

/// Finds the first hole at or after `from`; the end of the file counts as
/// one. Moves the file's offset.
pub fn seek_hole(fd: impl AsFd, from: u64) -> Result<u64> {
    rustix::fs::seek(fd, SeekFrom::Hole(from)).map_err(failed_fd("lseek"))
}

/// Writes a file's data and attributes through to the disk.
pub fn fsync(fd: impl AsFd) -> Result<()> {
    retry(|| rustix::fs::fsync(fd.as_fd())).map_err(failed_fd("fsync"))
}

/// Writes a whole file system through to the disk.
pub fn syncfs(fd: impl AsFd) -> Result<()> {
    retry(|| rustix::fs::syncfs(fd.as_fd())).map_err(failed_fd("syncfs"))
}

fn retry<T>(
    call: impl Fn() -> std::result::Result<T, Errno>,
) -> std::result::Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => continue,
            other => return other,
        }
    }
}

/// Takes the exclusive lock of an open file (`flock(2)`) without waiting;
/// false if another holder has it.
pub fn try_lock(fd: impl AsFd) -> Result<bool> {
    match rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(failed_fd("flock")(errno)),
    }
}

/// Tells how full the file system of an open file is.
pub fn space(fd: impl AsFd) -> Result<Space> {
    let raw = rustix::fs::fstatfs(fd).map_err(failed_fd("fstatfs"))?;
    let block = raw.f_frsize.max(1) as u64;
    Ok(Space {
        magic: raw.f_type as u64,
        total: raw.f_blocks.saturating_mul(block),
        available: raw.f_bavail.saturating_mul(block),
    })
}

/// Opens a second descriptor of the same open file (close-on-exec).
pub fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    fd.try_clone_to_owned().map_err(|e| Error::from_io("dup(…)", &e))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn a_node_gets_its_mode_whatever_the_umask_and_links_are_refused() {
        let temp = TempDir::new("fs-mode");
        let dir = open_dir(temp.path()).unwrap();
        mknod_at(&dir, "null", Kind::Char, 0o600, (1, 3)).unwrap();
        chmod_at(&dir, "null", 0o4666).unwrap();
        let stat = stat_at(&dir, "null").unwrap();
        assert_eq!((stat.kind, stat.mode), (Kind::Char, 0o4666));
        assert_eq!(stat.rdev, (1, 3));
        symlink_at("null", &dir, "link").unwrap();
        let error = chmod_at(&dir, "link", 0o777).unwrap_err();
        assert_eq!(error.errno(), libc::EOPNOTSUPP);
        assert_eq!(readlink_at(&dir, "link").unwrap(), "null");
    }

    #[test]
    fn a_file_is_never_opened_through_a_link() {
        let temp = TempDir::new("fs-nofollow");
        let dir = open_dir(temp.path()).unwrap();
        symlink_at("/etc/passwd", &dir, "link").unwrap();
        let error = open_at(&dir, "link", OFlags::RDONLY, 0).unwrap_err();
        assert_eq!(error.errno(), libc::ELOOP);
        assert_eq!(error.to_string(), "openat(…, \"link\"): ELOOP");
    }

    #[test]
    fn the_data_of_a_sparse_file_is_found() {
        let temp = TempDir::new("fs-holes");
        let dir = open_dir(temp.path()).unwrap();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let fd = open_at(&dir, "f", flags, 0o600).unwrap();
        let mut file = std::fs::File::from(fd);
        truncate(&file, 1 << 20).unwrap();
        assert_eq!(seek_data(&file, 0).unwrap(), None);
        rustix::fs::seek(&file, SeekFrom::Start(65536)).unwrap();
        file.write_all(&[1; 4096]).unwrap();
        assert_eq!(seek_data(&file, 0).unwrap(), Some(65536));
        assert_eq!(seek_hole(&file, 65536).unwrap(), 65536 + 4096);
    }

    #[test]
    fn a_lock_has_one_holder() {
        let temp = TempDir::new("fs-lock");
        let dir = open_dir(temp.path()).unwrap();
        let flags = OFlags::RDWR | OFlags::CREATE;
        let one = open_at(&dir, "lock", flags, 0o600).unwrap();
        let two = open_at(&dir, "lock", flags, 0o600).unwrap();
        assert!(try_lock(&one).unwrap());
        assert!(!try_lock(&two).unwrap());
        drop(one);
        assert!(try_lock(&two).unwrap());
    }

    #[test]
    fn the_id_that_means_leave_it_is_refused() {
        let temp = TempDir::new("fs-ids");
        let dir = open_dir(temp.path()).unwrap();
        let error = chown(&dir, u32::MAX, 0).unwrap_err();
        assert_eq!(error.errno(), libc::EINVAL);
    }
}
