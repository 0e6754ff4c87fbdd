//! Mounts in the container's root. Targets are resolved beneath the root
//! by the kernel (or by the walk that stands in for it), so no link of an
//! image leads out, and all mounting is done upon descriptors.
//!
//! Where the new mount calls exist, a mount is made detached, given its
//! flags, and attached. Elsewhere mount(2) is given the descriptor's path
//! in the host's /proc.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::place::{How, Source, is_ours, is_proc};
use super::{Init, failed};
use crate::runtime::error::{Result, StartError};
use crate::runtime::features::MOUNT_API;
use crate::runtime::plan::Planned;
use crate::runtime::spec::{self, MountKind};
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::mount::{self, Change, Flags, Propagation, Reach};
use crate::sys::process::{self, Namespaces};
use crate::sys::resolve::{self, Scope};
use crate::sys::{self, errno};

/// The host's end of a bind, held while mounts still travel.
#[derive(Default)]
pub(super) enum Held {
    /// Not any more.
    #[default]
    Nothing,
    /// A detached clone of the mount there.
    Clone(OwnedFd),
    /// The file or directory itself.
    Place(OwnedFd),
}

impl Init<'_> {
    /// Takes hold of the host's end of a bind, while mounts still travel:
    /// a shared bind must be a peer of the host's mount.
    pub(super) fn open_source(&mut self, planned: &Planned) -> Result<()> {
        let held = self.hold(planned).map_err(|error| {
            let shown = planned.whole_source();
            let words = format!(
                "error mounting {shown:?} to rootfs: mount src={}",
                shown.display()
            );
            failed(words)(error)
        })?;
        if planned.slot != self.sources.len() {
            return Err(StartError::init("sources are out of order"));
        }
        self.sources.push(held);
        Ok(())
    }

    fn hold(&self, planned: &Planned) -> sys::Result<Held> {
        let source = &planned.source;
        let reach = planned.options.reach;
        let namespace = &planned.namespace;
        if !namespace.as_os_str().is_empty() {
            return clone_elsewhere(namespace, source, reach).map(Held::Clone);
        }
        let beneath = match planned.beneath.as_os_str().is_empty() {
            true => None,
            false => {
                let dir = mount::open_path(source)?;
                let (path, scope) = (&planned.beneath, Scope::Beneath);
                let method = self.resolve_method();
                let flags = OFlags::PATH;
                Some(resolve::open_with(method, dir, path, flags, 0, scope)?)
            }
        };
        if self.features.allow(MOUNT_API) {
            let clone = match &beneath {
                Some(fd) => mount::clone_tree_of(fd, reach),
                None => mount::clone_tree(source, reach),
            };
            match clone {
                Err(error) if error.errno() == errno::ENOSYS => (),
                clone => return clone.map(Held::Clone),
            }
        }
        // Its path may lie beneath the root that is mounted soon.
        match beneath {
            Some(fd) => Ok(Held::Place(fd)),
            None => mount::open_path(source).map(Held::Place),
        }
    }

    /// Makes one mount.
    pub(super) fn mount(&mut self, planned: &Planned) -> Result<()> {
        let words = |error: sys::Error| {
            let target = &planned.target;
            let text = match planned.kind {
                MountKind::Bind => format!(
                    "error mounting {:?} to rootfs at {target:?}: mount \
                     src={}, dst={}",
                    planned.source,
                    planned.source.display(),
                    target.display(),
                ),
                kind => format!(
                    "error mounting {:?} to rootfs at {target:?}",
                    format!("{kind:?}").to_lowercase(),
                ),
            };
            failed(text)(error)
        };
        check_proc(planned, None).map_err(StartError::init)?;
        let (target, existed) = self.target(planned).map_err(|error| {
            let shown = planned.target.display();
            if error.errno() == errno::ELOOP && is_ours(planned.kind) {
                let kind = format!("{:?}", planned.kind).to_lowercase();
                return failed(format!(
                    "filesystem {kind:?} must be mounted on ordinary \
                     directory"
                ))(error);
            }
            words(sys::Error::new(
                format!("create mountpoint for {shown} mount: {error}"),
                error.errno(),
            ))
        })?;
        let target = target.as_fd();
        check_proc(planned, Some(target)).map_err(StartError::init)?;
        let options = &planned.options;
        let path = &planned.target;
        match planned.kind {
            MountKind::Bind => self
                .mount_bind(planned, target)
                .map_err(|error| mismatch(error, planned, target))
                .map_err(words),
            MountKind::Tmpfs => {
                let mut data = options.data.clone();
                // What the image has there keeps its permissions.
                if existed && !options.has("mode") {
                    let mode = fs::stat(target).map_err(words)?.mode & 0o7777;
                    data.push(("mode".into(), Some(format!("{mode:o}"))));
                }
                self.new_file_system(c"tmpfs", &data, options.set, target, path)
                    .map(drop)
                    .map_err(words)
            }
            MountKind::Proc => {
                let proc = self
                    .new_file_system(c"proc", &[], options.set, target, path)
                    .map_err(words)?;
                self.proc = Some(proc);
                Ok(())
            }
            MountKind::Sysfs => {
                self.mount_sysfs(planned, target).map_err(words)
            }
            MountKind::Dev => {
                let data = &options.data;
                let dev = self
                    .new_file_system(c"tmpfs", data, options.set, target, path)
                    .map_err(words)?;
                self.fill_dev(dev.as_fd())
            }
            MountKind::Devpts => {
                let data = &options.data;
                let pts = self
                    .new_file_system(c"devpts", data, options.set, target, path)
                    .map_err(words)?;
                self.pts = Some(pts);
                Ok(())
            }
            MountKind::Mqueue => {
                let mounted = self.new_file_system(
                    c"mqueue",
                    &[],
                    options.set,
                    target,
                    path,
                );
                match mounted {
                    Err(error) if error.errno() == errno::ENODEV => {
                        self.warn("no message queues in this kernel");
                        Ok(())
                    }
                    other => other.map(drop).map_err(words),
                }
            }
            MountKind::Cgroup => self.mount_cgroups(planned, target),
        }
    }

    /// `/sys`; where it cannot be mounted anew (a network namespace of
    /// somebody else), the host's is bound.
    fn mount_sysfs(
        &mut self,
        planned: &Planned,
        target: BorrowedFd<'_>,
    ) -> sys::Result<()> {
        let flags = planned.options.set;
        let mounted =
            self.new_file_system(c"sysfs", &[], flags, target, &planned.target);
        match mounted {
            Err(error) if error.errno() == errno::EPERM => {
                let host = Source::Path(Path::new("/sys"));
                self.bind(host, target, How::tree(flags | Flags::READ_ONLY))
            }
            other => other.map(drop),
        }
    }

    fn mount_bind(
        &mut self,
        planned: &Planned,
        target: BorrowedFd<'_>,
    ) -> sys::Result<()> {
        let options = &planned.options;
        let held = self.sources.get_mut(planned.slot).map(std::mem::take);
        let propagation = match options.propagation {
            spec::Propagation::Private => Propagation::Private,
            spec::Propagation::Slave => Propagation::Slave,
            spec::Propagation::Shared => Propagation::Shared,
        };
        let Some(Held::Clone(source)) = held else {
            if propagation == Propagation::Shared {
                return Err(sys::Error::new(
                    "a shared bind needs open_tree(2)",
                    errno::ENOSYS,
                ));
            }
            let how = How::options(options);
            let source = match &held {
                Some(Held::Place(fd)) => Source::Fd(fd.as_fd()),
                _ => Source::Path(&planned.source),
            };
            self.bind(source, target, how)?;
            let mounted = self.reopen(&planned.target)?;
            let path = PathBuf::from(fs::proc_path(&mounted));
            return mount::set_propagation(&path, options.reach, propagation);
        };
        if propagation != Propagation::Shared {
            let change =
                Change { propagation: Some(propagation), ..Change::default() };
            if !self.change(source.as_fd(), options.reach, &change)? {
                // Old kernel: it is made private once it is attached.
                mount::attach(&source, target)?;
                let path = PathBuf::from(fs::proc_path(&source));
                mount::set_propagation(&path, options.reach, propagation)?;
                return self.set_flags(source.as_fd(), How::options(options));
            }
        }
        self.attach(source.as_fd(), target, How::options(options))
    }

    /// Makes a path read-only; one that is missing needs no protection.
    pub(super) fn make_read_only(&mut self, path: &Path) -> Result<()> {
        let Some(fd) = self.open_if_there(path)? else { return Ok(()) };
        let fd = fd.as_fd();
        self.bind(Source::Fd(fd), fd, How::tree(Flags::READ_ONLY))
            .map_err(failed(format!("can't make {path:?} read-only")))
    }

    /// Hides a path; one that is missing is hidden well enough.
    pub(super) fn mask(&mut self, path: &Path) -> Result<()> {
        let Some(fd) = self.open_if_there(path)? else { return Ok(()) };
        let words = || format!("can't mask path {path:?}");
        let stat = fs::stat(&fd).map_err(failed(words()))?;
        let plain = How::one(Flags::default());
        if stat.kind != Kind::Dir {
            let null = Path::new("/dev/null");
            let own = self.open_in_root(null, OFlags::PATH);
            // Whoever can write to the container's /dev, a volume maybe,
            // must not choose what is shown here (CVE-2025-31133).
            let is_null = |fd: &OwnedFd| {
                fs::stat(fd)
                    .is_ok_and(|s| s.kind == Kind::Char && s.rdev == (1, 3))
            };
            let bound = match own.ok().filter(is_null) {
                Some(own) => {
                    self.bind(Source::Fd(own.as_fd()), fd.as_fd(), plain)
                }
                // The host's serves; its owner and mode stay its own.
                None => {
                    let how = How::one(Flags::READ_ONLY);
                    self.bind(Source::Path(null), fd.as_fd(), how)
                }
            };
            return bound.map_err(failed(words()));
        }
        // One empty directory serves for all.
        if let Some(hidden) = &self.hidden {
            return self
                .bind(Source::Fd(hidden.as_fd()), fd.as_fd(), plain)
                .map_err(failed(words()));
        }
        let size = [("nr_blocks".to_string(), Some("1".to_string()))];
        let flags = Flags::READ_ONLY;
        let hidden = self
            .new_file_system(c"tmpfs", &size, flags, fd.as_fd(), path)
            .map_err(failed(words()))?;
        self.hidden = Some(hidden);
        Ok(())
    }

    fn open_if_there(&self, path: &Path) -> Result<Option<OwnedFd>> {
        match self.open_in_root(path, OFlags::PATH) {
            Ok(fd) => Ok(Some(fd)),
            Err(error)
                if matches!(error.errno(), errno::ENOENT | errno::ENOTDIR) =>
            {
                Ok(None)
            }
            Err(error) => Err(failed(format!("open {path:?}"))(error)),
        }
    }
}

/// Clones a tree of another mount namespace, which only its own processes
/// may do, and comes back.
fn clone_elsewhere(
    namespace: &Path,
    source: &Path,
    reach: Reach,
) -> sys::Result<OwnedFd> {
    let open = |path: &Path| {
        std::fs::File::open(path)
            .map_err(|e| sys::Error::from_io(format!("open({path:?})"), &e))
    };
    let own = open(Path::new("/proc/self/ns/mnt"))?;
    process::enter_namespace(open(namespace)?, Namespaces::MOUNT)?;
    let clone = mount::clone_tree(source, reach);
    process::enter_namespace(own, Namespaces::MOUNT)?;
    clone
}

/// What may be mounted in `/proc`: files that lxcfs makes up, which say
/// nothing that confines a container.
const IN_PROC: [&str; 11] = [
    "cpuinfo",
    "diskstats",
    "loadavg",
    "meminfo",
    "net/dev",
    "slabinfo",
    "stat",
    "swaps",
    "sys/crypto/fips_enabled",
    "sys/kernel/ns_last_pid",
    "uptime",
];

/// Refuses to hide `/proc` or parts of it, by name and, once it is known
/// where that leads, by any path: what is read-only and hidden in it must be
/// the kernel's own (CVE-2019-16884, CVE-2025-52881).
fn check_proc(
    planned: &Planned,
    target: Option<BorrowedFd<'_>>,
) -> std::result::Result<(), String> {
    if planned.kind == MountKind::Proc {
        return Ok(());
    }
    let shown = &planned.target;
    let inside = shown.strip_prefix("/proc");
    let reason = match inside {
        Ok(path) if path.as_os_str().is_empty() => "it is not of type proc",
        Ok(path) if IN_PROC.iter().any(|fine| path == Path::new(fine)) => {
            return Ok(());
        }
        Ok(_) => "it is inside /proc",
        Err(_) if target.is_some_and(is_proc) => "it is inside /proc",
        Err(_) => return Ok(()),
    };
    Err(format!(
        "error mounting {:?} to rootfs at {shown:?}: {shown:?} cannot be \
         mounted because {reason}",
        planned.source
    ))
}

/// The kernel says EINVAL to a file upon a directory and the reverse;
/// mount(2) said ENOTDIR, and so does Docker.
fn mismatch(
    error: sys::Error,
    planned: &Planned,
    target: BorrowedFd<'_>,
) -> sys::Error {
    let is_dir = |fd| fs::stat(fd).is_ok_and(|s| s.kind == Kind::Dir);
    let source = planned.whole_source().is_dir();
    match error.errno() == errno::EINVAL && source != is_dir(target) {
        true => sys::Error::new(error.call(), errno::ENOTDIR),
        false => error,
    }
}
