//! Mounts: the calls of fsopen(2), open_tree(2), move_mount(2) and
//! mount_setattr(2), and the old mount(2), umount2(2) and pivot_root(2).

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Error, Result};

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH as u32;
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH: u32 = 0x40;
const FSOPEN_CLOEXEC: u32 = 1;
const FSMOUNT_CLOEXEC: u32 = 1;
const FSCONFIG_SET_FLAG: u32 = 0;
const FSCONFIG_SET_STRING: u32 = 1;
const FSCONFIG_CMD_CREATE: u32 = 6;
const MOUNT_ATTR_ATIME: u64 = 0x70;

/// Properties of one mount. Combined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// Nothing can be written.
    pub const READ_ONLY: Flags = Flags(1);
    /// No set-user-id bits.
    pub const NO_SUID: Flags = Flags(2);
    /// No device nodes.
    pub const NO_DEV: Flags = Flags(4);
    /// No programs.
    pub const NO_EXEC: Flags = Flags(8);
    /// Access times are not kept.
    pub const NO_ATIME: Flags = Flags(16);
    /// Access times are always kept.
    pub const STRICT_ATIME: Flags = Flags(32);
    /// Access times of directories are not kept.
    pub const NO_DIR_ATIME: Flags = Flags(64);

    /// Whether all of `other` is in it.
    pub fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Takes those of `other` away.
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// As `MS_…`.
    fn legacy(self) -> libc::c_ulong {
        let mut flags = libc::c_ulong::from(self.0 & 15);
        if self.has(Flags::NO_ATIME) {
            flags |= libc::MS_NOATIME;
        }
        if self.has(Flags::STRICT_ATIME) {
            flags |= libc::MS_STRICTATIME;
        }
        if self.has(Flags::NO_DIR_ATIME) {
            flags |= libc::MS_NODIRATIME;
        }
        flags
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// How much of a tree of mounts a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One mount.
    One,
    /// It and all mounts beneath.
    Tree,
}

/// How mounts travel (mount_namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Not at all.
    Private,
    /// In only.
    Slave,
    /// In and out.
    Shared,
}

impl Propagation {
    fn legacy(self) -> libc::c_ulong {
        match self {
            Propagation::Private => libc::MS_PRIVATE,
            Propagation::Slave => libc::MS_SLAVE,
            Propagation::Shared => libc::MS_SHARED,
        }
    }
}

/// What mount_setattr(2) changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// Flags to set.
    pub set: Flags,
    /// Flags to clear.
    pub clear: Flags,
    /// The new propagation.
    pub propagation: Option<Propagation>,
}

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

/// Clones the mount at a path of the host; the clone is detached and gone
/// when the descriptor is closed, unless it is attached.
pub fn clone_tree(path: &Path, reach: Reach) -> Result<OwnedFd> {
    open_tree(libc::AT_FDCWD, path.as_os_str(), reach)
}

/// Clones the mount on which `fd` (of any kind) lies, from there on.
pub fn clone_tree_of(fd: impl AsFd, reach: Reach) -> Result<OwnedFd> {
    open_tree(fd.as_fd().as_raw_fd(), OsStr::new(""), reach)
}

fn open_tree(dir: RawFd, path: &OsStr, reach: Reach) -> Result<OwnedFd> {
    let failed = |errno| {
        Error::new(format!("open_tree({path:?}, OPEN_TREE_CLONE)"), errno)
    };
    let text = c_string(path).ok_or_else(|| failed(libc::EINVAL))?;
    let mut flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    if reach == Reach::Tree {
        flags |= AT_RECURSIVE;
    }
    if path.is_empty() {
        flags |= AT_EMPTY_PATH;
    }
    // SAFETY: `text` is a NUL-terminated string that outlives the call.
    let rc = unsafe {
        libc::syscall(libc::SYS_open_tree, dir, text.as_ptr(), flags)
    };
    owned(rc).map_err(failed)
}

/// Attaches a detached mount upon what `target` is open on.
pub fn attach(mount: impl AsFd, target: impl AsFd) -> Result<()> {
    // SAFETY: both paths are empty NUL-terminated strings.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            target.as_fd().as_raw_fd(),
            c"".as_ptr(),
            MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    check(rc).map_err(|errno| Error::new("move_mount(…)", errno))
}

/// Changes flags and propagation of the mount on which `fd` lies.
pub fn change(fd: impl AsFd, reach: Reach, change: &Change) -> Result<()> {
    let atime = Flags::NO_ATIME | Flags::STRICT_ATIME;
    let mut clear = attributes(change.clear.without(atime));
    // Access time is a field of its own: to set it, all of it is cleared.
    if (change.set.0 | change.clear.0) & atime.0 != 0 {
        clear |= MOUNT_ATTR_ATIME;
    }
    let mut attr = MountAttr {
        set: attributes(change.set),
        clear,
        propagation: change.propagation.map_or(0, |p| p.legacy()),
        userns_fd: 0,
    };
    let flags = match reach {
        Reach::One => AT_EMPTY_PATH,
        Reach::Tree => AT_EMPTY_PATH | AT_RECURSIVE,
    };
    // SAFETY: the path is a NUL-terminated string, `attr` is a valid struct
    // mount_attr of the given size.
    let rc = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw mut attr,
            size_of::<MountAttr>(),
        )
    };
    check(rc).map_err(|errno| {
        Error::new(format!("mount_setattr(…, {change:?})"), errno)
    })
}

/// `MOUNT_ATTR_…` numbers: those of access time differ from [`Flags`].
fn attributes(flags: Flags) -> u64 {
    let mut attributes = u64::from(flags.0 & 15);
    if flags.has(Flags::NO_ATIME) {
        attributes |= 0x10;
    }
    if flags.has(Flags::STRICT_ATIME) {
        attributes |= 0x20;
    }
    if flags.has(Flags::NO_DIR_ATIME) {
        attributes |= 0x80;
    }
    attributes
}

/// A file system that is being set up (fsopen(2)).
#[derive(Debug)]
pub struct Builder {
    fd: OwnedFd,
    kind: &'static CStr,
}

impl Builder {
    /// Begins with a file system of this kind.
    pub fn open(kind: &'static CStr) -> Result<Builder> {
        // SAFETY: `kind` is a NUL-terminated string.
        let rc = unsafe {
            libc::syscall(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC)
        };
        let fd = owned(rc)
            .map_err(|errno| Error::new(format!("fsopen({kind:?})"), errno))?;
        Ok(Builder { fd, kind })
    }

    /// Sets a parameter that has a value.
    pub fn set(&self, key: &str, value: impl AsRef<OsStr>) -> Result<()> {
        let value = value.as_ref();
        let text = c_string(value).ok_or_else(|| {
            Error::new(format!("fsconfig({key:?}, {value:?})"), libc::EINVAL)
        })?;
        self.config(FSCONFIG_SET_STRING, key, Some(&text))
    }

    /// Sets a parameter without a value.
    pub fn set_flag(&self, key: &str) -> Result<()> {
        self.config(FSCONFIG_SET_FLAG, key, None)
    }

    /// Makes the file system and a detached mount of it.
    pub fn mount(self, flags: Flags) -> Result<OwnedFd> {
        self.config(FSCONFIG_CMD_CREATE, "", None)?;
        // SAFETY: plain numbers.
        let rc = unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                self.fd.as_raw_fd(),
                FSMOUNT_CLOEXEC,
                attributes(flags) as u32,
            )
        };
        owned(rc).map_err(|errno| {
            Error::new(format!("fsmount({:?}, …)", self.kind), errno)
        })
    }

    fn config(
        &self,
        command: u32,
        key: &str,
        value: Option<&CStr>,
    ) -> Result<()> {
        let failed = |errno| {
            let value = value.unwrap_or(c"");
            Error::new(
                format!("fsconfig({:?}, {key:?}, {value:?})", self.kind),
                errno,
            )
        };
        let text = CString::new(key).map_err(|_| failed(libc::EINVAL))?;
        let key_pointer = match command {
            FSCONFIG_CMD_CREATE => std::ptr::null(),
            _ => text.as_ptr(),
        };
        // SAFETY: key and value are null or NUL-terminated strings that
        // outlive the call.
        let rc = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                self.fd.as_raw_fd(),
                command,
                key_pointer,
                value.map_or(std::ptr::null(), CStr::as_ptr),
                0,
            )
        };
        check(rc).map_err(failed)
    }
}

/// Mounts a file system upon `target` with mount(2).
pub fn mount(
    kind: &CStr,
    target: &Path,
    flags: Flags,
    data: &OsStr,
) -> Result<()> {
    raw_mount(kind, target, kind, flags.legacy(), data)
}

/// Binds `source` upon `target` with mount(2).
pub fn bind(source: &Path, target: &Path, reach: Reach) -> Result<()> {
    let flags = libc::MS_BIND | recursive(reach);
    let failed = || Error::new(format!("mount({source:?}, …)"), libc::EINVAL);
    let text = c_string(source.as_os_str()).ok_or_else(failed)?;
    raw_mount(&text, target, c"", flags, OsStr::new(""))
}

/// Sets the flags of one mount that is mounted already; those that are not
/// given are cleared.
pub fn remount(target: &Path, flags: Flags) -> Result<()> {
    let flags = libc::MS_BIND | libc::MS_REMOUNT | flags.legacy();
    raw_mount(c"", target, c"", flags, OsStr::new(""))
}

/// Sets how mounts travel, with mount(2).
pub fn set_propagation(
    target: &Path,
    reach: Reach,
    propagation: Propagation,
) -> Result<()> {
    let flags = propagation.legacy() | recursive(reach);
    raw_mount(c"", target, c"", flags, OsStr::new(""))
}

/// Moves the mount at `source` to `target`.
pub fn move_to(source: &Path, target: &Path) -> Result<()> {
    let failed = || Error::new(format!("mount({source:?}, …)"), libc::EINVAL);
    let text = c_string(source.as_os_str()).ok_or_else(failed)?;
    raw_mount(&text, target, c"", libc::MS_MOVE, OsStr::new(""))
}

fn recursive(reach: Reach) -> libc::c_ulong {
    match reach {
        Reach::One => 0,
        Reach::Tree => libc::MS_REC,
    }
}

fn raw_mount(
    source: &CStr,
    target: &Path,
    kind: &CStr,
    flags: libc::c_ulong,
    data: &OsStr,
) -> Result<()> {
    let failed = |errno| {
        Error::new(
            format!("mount({source:?}, {target:?}, {kind:?}, {flags:#x})"),
            errno,
        )
    };
    let (Some(text), Some(data)) =
        (c_string(target.as_os_str()), c_string(data))
    else {
        return Err(failed(libc::EINVAL));
    };
    // SAFETY: all are NUL-terminated strings that outlive the call.
    let rc = unsafe {
        libc::mount(
            source.as_ptr(),
            text.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    check(rc.into()).map_err(failed)
}

/// Takes the mount at `target` and those beneath out of the tree at once;
/// they end when nobody uses them any more (`MNT_DETACH`).
pub fn detach(target: &Path) -> Result<()> {
    let failed =
        |errno| Error::new(format!("umount2({target:?}, MNT_DETACH)"), errno);
    let text =
        c_string(target.as_os_str()).ok_or_else(|| failed(libc::EINVAL))?;
    // SAFETY: `text` is a NUL-terminated string.
    let rc = unsafe { libc::umount2(text.as_ptr(), libc::MNT_DETACH) };
    check(rc.into()).map_err(failed)
}

/// Makes the working directory, which must be a mount, the root; the old
/// root is then mounted upon it, and is the working directory. EINVAL
/// where `/` is an initramfs.
pub fn pivot_root_here() -> Result<()> {
    // SAFETY: both are NUL-terminated strings.
    let rc = unsafe {
        libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr())
    };
    check(rc).map_err(|errno| Error::new("pivot_root(\".\", \".\")", errno))
}

/// Makes the working directory the root of this process (chroot(2)).
pub fn chroot_here() -> Result<()> {
    // SAFETY: the path is a NUL-terminated string.
    let rc = unsafe { libc::chroot(c".".as_ptr()) };
    check(rc.into()).map_err(|errno| Error::new("chroot(\".\")", errno))
}

/// Opens a path of the host without reading it (`O_PATH`), close-on-exec;
/// links are followed.
pub fn open_path(path: &Path) -> Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| {
        Error::from_rustix(format!("open({path:?}, O_PATH)"), errno)
    })
}

/// The flags of the mount on which `fd` lies (fstatfs(2)).
pub fn flags_of(fd: BorrowedFd<'_>) -> Result<Flags> {
    let stat = rustix::fs::fstatvfs(fd)
        .map_err(|errno| Error::from_rustix("fstatfs(…)", errno))?;
    let bits = stat.f_flag.bits();
    let known = [
        (libc::ST_RDONLY, Flags::READ_ONLY),
        (libc::ST_NOSUID, Flags::NO_SUID),
        (libc::ST_NODEV, Flags::NO_DEV),
        (libc::ST_NOEXEC, Flags::NO_EXEC),
        (libc::ST_NOATIME, Flags::NO_ATIME),
        (libc::ST_NODIRATIME, Flags::NO_DIR_ATIME),
    ];
    let mut flags = Flags::default();
    for (bit, flag) in known {
        if bits & bit != 0 {
            flags = flags | flag;
        }
    }
    Ok(flags)
}

fn c_string(text: &OsStr) -> Option<CString> {
    CString::new(text.as_bytes()).ok()
}

fn check(rc: libc::c_long) -> std::result::Result<(), i32> {
    match rc {
        -1 => Err(errno()),
        _ => Ok(()),
    }
}

fn owned(rc: libc::c_long) -> std::result::Result<OwnedFd, i32> {
    check(rc)?;
    // SAFETY: the call has returned a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(rc as RawFd) })
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}
