//! How the init mounts: targets beneath the root, new file systems, binds
//! and flags, each with the new calls or with mount(2).

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use super::Init;
use super::mounts::Held;
use crate::runtime::features::{MOUNT_API, MOUNT_SETATTR, OPENAT2};
use crate::runtime::options::Options;
use crate::runtime::plan::Planned;
use crate::runtime::spec::MountKind;
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::mount::{self, Builder, Change, Flags, Reach};
use crate::sys::resolve::{self, Method, Scope};
use crate::sys::{self, errno};

/// The most links to nowhere that are followed on one path.
const MAX_LINKS: u32 = 16;

/// A parameter of a file system.
pub(super) type Parameter = (String, Option<String>);

/// What is bound.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// What a descriptor is open on.
    Fd(BorrowedFd<'a>),
    /// A path of the host.
    Path(&'a Path),
}

/// How something is bound.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// With the mounts beneath or without.
    pub reach: Reach,
    /// Whether those beneath become read-only as well.
    pub read_only_reach: Reach,
    /// Flags to be set.
    pub set: Flags,
    /// Flags to be cleared.
    pub clear: Flags,
    /// Whether it fails if those beneath cannot become read-only.
    pub force: bool,
}

impl How {
    /// One mount, with these flags.
    pub(super) fn one(set: Flags) -> How {
        How {
            reach: Reach::One,
            read_only_reach: Reach::One,
            set,
            clear: Flags::default(),
            force: false,
        }
    }

    /// A tree, with these flags.
    pub(super) fn tree(set: Flags) -> How {
        How {
            reach: Reach::Tree,
            read_only_reach: Reach::Tree,
            ..How::one(set)
        }
    }

    /// As the options of a mount say.
    pub(super) fn options(options: &Options) -> How {
        How {
            reach: options.reach,
            read_only_reach: options.read_only_reach,
            set: options.set,
            clear: options.clear,
            force: options.force,
        }
    }

    fn is_plain(&self) -> bool {
        self.set.is_empty() && self.clear.is_empty()
    }
}

impl Init<'_> {
    /// Binds a source upon a target.
    pub(super) fn bind(
        &self,
        source: Source<'_>,
        target: BorrowedFd<'_>,
        how: How,
    ) -> sys::Result<()> {
        if self.features.allow(MOUNT_API) {
            let cloned = match source {
                Source::Fd(fd) => mount::clone_tree_of(fd, how.reach),
                Source::Path(path) => mount::clone_tree(path, how.reach),
            };
            match cloned {
                Err(error) if error.errno() == errno::ENOSYS => (),
                Err(error) => return Err(error),
                Ok(clone) => return self.attach(clone.as_fd(), target, how),
            }
        }
        let source = match source {
            Source::Fd(fd) => PathBuf::from(fs::proc_path(&fd)),
            Source::Path(path) => path.to_path_buf(),
        };
        let link = PathBuf::from(fs::proc_path(&target));
        let place = std::fs::read_link(&link)
            .map_err(|e| sys::Error::from_io("readlink(…)", &e))?;
        mount::bind(&source, &link, how.reach)?;
        if how.is_plain() {
            return Ok(());
        }
        // The descriptor is of what lies beneath the new mount.
        let mounted = mount::open_path(&place)?;
        self.set_flags(mounted.as_fd(), how)
    }

    /// Attaches a detached mount. Where the kernel can, its flags are set
    /// first: it must never be writable in between.
    pub(super) fn attach(
        &self,
        mount: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        how: How,
    ) -> sys::Result<()> {
        if self.features.allow(MOUNT_SETATTR) {
            self.set_flags(mount, how)?;
            return mount::attach(mount, target);
        }
        mount::attach(mount, target)?;
        self.set_flags(mount, how)
    }

    /// Sets and clears flags of the mount at `fd`.
    pub(super) fn set_flags(
        &self,
        fd: BorrowedFd<'_>,
        how: How,
    ) -> sys::Result<()> {
        if how.is_plain() {
            return Ok(());
        }
        let deep = how.set.has(Flags::READ_ONLY)
            && how.reach == Reach::Tree
            && how.read_only_reach == Reach::Tree;
        let one = Change { set: how.set, clear: how.clear, propagation: None };
        // The mounts beneath keep their own other flags.
        let read_only = Change { set: Flags::READ_ONLY, ..Change::default() };
        let changed = match deep {
            true => self.change(fd, Reach::Tree, &read_only)?,
            false => self.change(fd, Reach::One, &one)?,
        };
        if changed {
            if deep && (how.set != Flags::READ_ONLY || !how.clear.is_empty()) {
                self.change(fd, Reach::One, &one)?;
            }
            return Ok(());
        }
        if how.force {
            return Err(sys::Error::new("mount_setattr(…)", errno::ENOSYS));
        }
        // A remount sets all flags anew: those that stay are given again.
        let flags = (mount::flags_of(fd)? | how.set).without(how.clear);
        mount::remount(&PathBuf::from(fs::proc_path(&fd)), flags)
    }

    /// mount_setattr(2); false where the kernel lacks it.
    pub(super) fn change(
        &self,
        fd: BorrowedFd<'_>,
        reach: Reach,
        change: &Change,
    ) -> sys::Result<bool> {
        if !self.features.allow(MOUNT_SETATTR) {
            return Ok(false);
        }
        match mount::change(fd, reach, change) {
            Ok(()) => Ok(true),
            Err(error) if error.errno() == errno::ENOSYS => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Mounts a new file system upon a target; returns its root.
    pub(super) fn new_file_system(
        &self,
        kind: &'static CStr,
        data: &[Parameter],
        flags: Flags,
        target: BorrowedFd<'_>,
        path: &Path,
    ) -> sys::Result<OwnedFd> {
        if self.features.allow(MOUNT_API) {
            match build(kind, data, flags) {
                Err(error) if error.errno() == errno::ENOSYS => (),
                Err(error) => return Err(error),
                Ok(fd) => return mount::attach(&fd, target).map(|()| fd),
            }
        }
        let words: Vec<String> = data
            .iter()
            .map(|(key, value)| match value {
                Some(value) => format!("{key}={value}"),
                None => key.clone(),
            })
            .collect();
        let place = PathBuf::from(fs::proc_path(&target));
        mount::mount(kind, &place, flags, OsStr::new(&words.join(",")))?;
        self.reopen(path)
    }

    /// Opens what is mounted at a path of the container.
    pub(super) fn reopen(&self, path: &Path) -> sys::Result<OwnedFd> {
        self.open_in_root(path, OFlags::PATH)
    }

    /// Opens a path of the container, beneath its root.
    pub(super) fn open_in_root(
        &self,
        path: &Path,
        flags: OFlags,
    ) -> sys::Result<OwnedFd> {
        let root = self.root.as_ref().ok_or_else(no_root)?;
        resolve::open_with(
            self.resolve_method(),
            root,
            path,
            flags,
            0,
            Scope::InRoot,
        )
    }

    /// Opens a path of the container on which there must be no link.
    pub(super) fn open_plain(&self, path: &Path) -> sys::Result<OwnedFd> {
        let root = self.root.as_ref().ok_or_else(no_root)?;
        self.open_below(root.as_fd(), path, OFlags::PATH)
    }

    /// Opens a path beneath a directory, on which there must be no link.
    pub(super) fn open_below(
        &self,
        dir: BorrowedFd<'_>,
        path: &Path,
        flags: OFlags,
    ) -> sys::Result<OwnedFd> {
        let path = path.strip_prefix("/").unwrap_or(path);
        let method = self.resolve_method();
        resolve::open_with(method, dir, path, flags, 0, Scope::NoLinks)
    }

    pub(super) fn resolve_method(&self) -> Method {
        match self.features.allow(OPENAT2) {
            true => Method::Best,
            false => Method::Walk,
        }
    }

    /// Opens what a mount goes upon, and makes it if it is missing: a
    /// file for a file, else a directory. Tells whether it was there.
    pub(super) fn target(
        &self,
        planned: &Planned,
    ) -> sys::Result<(OwnedFd, bool)> {
        let found = match is_ours(planned.kind) {
            // Behind a link of the image they would not be where they are
            // looked for (CVE-2019-19921).
            true => self.open_plain(&planned.target),
            false => self.open_in_root(&planned.target, OFlags::PATH),
        };
        match found {
            Err(error) if error.errno() == errno::ENOENT => (),
            other => return Ok((other?, true)),
        }
        let is_file = planned.kind == MountKind::Bind
            && self.source_kind(planned)? != Kind::Dir;
        let made = match is_file {
            true => self.make_file(&planned.target)?,
            false => self.make_dirs(&planned.target)?,
        };
        Ok((made, false))
    }

    fn source_kind(&self, planned: &Planned) -> sys::Result<Kind> {
        match self.sources.get(planned.slot) {
            Some(Held::Clone(fd) | Held::Place(fd)) => Ok(fs::stat(fd)?.kind),
            _ => Ok(fs::stat(mount::open_path(&planned.source)?)?.kind),
        }
    }

    /// Opens a directory of the container, making what is missing (0755).
    pub(super) fn make_dirs(&self, path: &Path) -> sys::Result<OwnedFd> {
        let dir = OFlags::PATH | OFlags::DIRECTORY;
        match self.open_in_root(path, dir) {
            Err(error) if error.errno() == errno::ENOENT => (),
            other => return other,
        }
        self.make_each(path, MAX_LINKS)
    }

    fn make_each(&self, path: &Path, links: u32) -> sys::Result<OwnedFd> {
        let dir = OFlags::PATH | OFlags::DIRECTORY;
        let mut below = PathBuf::from("/");
        let mut parent = self.open_in_root(&below, dir)?;
        let mut components = path.components();
        while let Some(component) = components.next() {
            match component {
                Component::Normal(name) => below.push(name),
                Component::ParentDir => {
                    below.push("..");
                    parent = self.open_in_root(&below, dir)?;
                    continue;
                }
                _ => continue,
            }
            let name = below.file_name().unwrap_or_default().to_os_string();
            match self.open_in_root(&below, dir) {
                Err(error) if error.errno() == errno::ENOENT => (),
                other => {
                    parent = other?;
                    continue;
                }
            }
            match fs::mkdir_at(&parent, &name, 0o755) {
                // A link to nowhere: what it names is made, in the root.
                Err(error) if error.errno() == errno::EEXIST && links > 0 => {
                    let text = fs::readlink_at(&parent, &name)?;
                    below.pop();
                    below.push(text);
                    below.push(components.as_path());
                    return self.make_each(&below, links - 1);
                }
                other => other?,
            }
            parent = self.open_in_root(&below, dir)?;
        }
        Ok(parent)
    }

    /// Opens a file of the container, making it (empty, 0755) and the
    /// directories above if it is missing.
    pub(super) fn make_file(&self, path: &Path) -> sys::Result<OwnedFd> {
        let parent = self.make_dirs(path.parent().unwrap_or(path))?;
        let name = path.file_name().unwrap_or_default();
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
        match fs::open_at(&parent, name, flags, 0o755) {
            Err(error) if error.errno() != errno::EEXIST => Err(error),
            _ => self.open_in_root(path, OFlags::PATH),
        }
    }
}

/// Whether it is a file system in which something is hidden.
pub(super) fn is_ours(kind: MountKind) -> bool {
    matches!(kind, MountKind::Proc | MountKind::Sysfs)
}

/// Whether a file lies in a proc.
pub(super) fn is_proc(fd: BorrowedFd<'_>) -> bool {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    fs::space(fd).is_ok_and(|space| space.magic == PROC_SUPER_MAGIC)
}

fn no_root() -> sys::Error {
    sys::Error::new("the root is not mounted", errno::ENOENT)
}

fn build(
    kind: &'static CStr,
    data: &[Parameter],
    flags: Flags,
) -> sys::Result<OwnedFd> {
    let builder = Builder::open(kind)?;
    // What /proc/mounts shows in front.
    builder.set("source", kind.to_string_lossy().as_ref())?;
    for (key, value) in data {
        match value {
            Some(value) => builder.set(key, value)?,
            None => builder.set_flag(key)?,
        }
    }
    builder.mount(flags)
}
