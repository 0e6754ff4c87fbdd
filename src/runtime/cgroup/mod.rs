//! The control groups of a container: cgroup v1, v2, both (hybrid), or
//! none at all. Only files are read and written.
//!
//! A container's group is `PARENT/ID` (`/skiff/ID`) in each hierarchy. The
//! limits are a pure list of writes ([`v1`], [`v2`]), carried out here.

pub mod layout;
mod oom;
pub mod usage;
pub mod v1;
pub mod v2;
pub mod write;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::devices;
use super::features::{self, Features};
use super::spec::{DeviceRule, Resources};
use crate::sys;
pub use layout::{Kind, Layout};
pub use oom::OomWatch;
pub use write::Write;

/// The parent of all containers that name no other.
pub const PARENT: &str = "/skiff";

/// The group of the monitors, beneath [`PARENT`].
const MONITORS: &str = "monitors";

/// What could not be done with a group.
#[derive(Debug)]
pub enum Error {
    /// A directory cannot be made.
    Make(PathBuf, io::Error),
    /// A file cannot be read or written.
    File(PathBuf, io::Error),
    /// A directory cannot be removed, after all tries.
    Remove(PathBuf, io::Error),
    /// The device program cannot be loaded or attached.
    Devices(sys::Error),
    /// Processes are left after all tries.
    Survivors(PathBuf),
    /// There is no such hierarchy on this host.
    Missing(&'static str),
}

/// The result of work on a group.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Make(path, cause) => {
                write!(f, "mkdir {}: {}", path.display(), reason(cause))
            }
            Error::File(path, cause) => {
                write!(f, "open {}: {}", path.display(), reason(cause))
            }
            Error::Remove(path, cause) => {
                write!(f, "rmdir {}: {}", path.display(), reason(cause))
            }
            Error::Devices(cause) => write!(f, "device rules: {cause}"),
            Error::Survivors(path) => {
                write!(f, "processes are left in {}", path.display())
            }
            Error::Missing(what) => {
                write!(f, "no {what} cgroup on this host")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Make(_, cause)
            | Error::File(_, cause)
            | Error::Remove(_, cause) => Some(cause),
            Error::Devices(cause) => Some(cause),
            Error::Survivors(_) | Error::Missing(_) => None,
        }
    }
}

fn reason(error: &io::Error) -> String {
    sys::Error::from_io("", error).reason()
}

/// The group of one container, in all hierarchies of the host.
#[derive(Clone, Debug)]
pub struct Group {
    layout: Layout,
    /// Without a slash in front: `skiff/ID`.
    path: PathBuf,
}

impl Group {
    /// Names the group of a container; nothing is made.
    pub fn at(layout: Layout, parent: &str, id: &str) -> Group {
        let parent = if parent.is_empty() { PARENT } else { parent };
        let normal = |c: &std::path::Component<'_>| {
            matches!(c, std::path::Component::Normal(_))
        };
        let mut path: PathBuf =
            Path::new(parent).components().filter(normal).collect();
        path.push(id);
        Group { layout, path }
    }

    /// The path within each hierarchy: `/skiff/ID`.
    pub fn path(&self) -> PathBuf {
        Path::new("/").join(&self.path)
    }

    /// What kind of cgroups the host has.
    pub fn kind(&self) -> Kind {
        self.layout.kind()
    }

    /// The hierarchies of v1 with the directory of this group in each.
    pub fn v1_dirs(
        &self,
    ) -> impl Iterator<Item = (&layout::Hierarchy, PathBuf)> {
        let dir = |h| (h, layout::Hierarchy::dir(h).join(&self.path));
        self.layout.v1().iter().map(dir)
    }

    /// The directory of this group in the v2 tree, if that has the limits.
    pub fn v2_dir(&self) -> Option<PathBuf> {
        match self.layout.kind() {
            Kind::V2 => self.layout.v2().map(|dir| dir.join(&self.path)),
            _ => None,
        }
    }

    /// Makes the group and sets its limits; returns what the host cannot
    /// do. If it fails, what was made is removed again.
    pub fn create(
        &self,
        resources: &Resources,
        rules: Option<&[DeviceRule]>,
    ) -> Result<Vec<String>> {
        let made = self.make(resources, rules);
        if made.is_err() {
            // The failure itself is what is told.
            let _ = self.remove();
        }
        made
    }

    fn make(
        &self,
        resources: &Resources,
        rules: Option<&[DeviceRule]>,
    ) -> Result<Vec<String>> {
        match self.layout.kind() {
            Kind::None => Ok(none_warnings(resources)),
            Kind::V2 => {
                let dir = self.v2_dir().expect("the kind is v2");
                v2::enable(
                    self.layout.v2().expect("the kind is v2"),
                    self.path.parent().unwrap_or(Path::new("")),
                )?;
                make_dir(&dir)?;
                let warnings =
                    write::carry_out(&v2::writes(resources), |_| Some(&dir))?;
                if let Some(rules) = rules {
                    let fd = open_dir(&dir)?;
                    let program = devices::program(rules);
                    sys::seccomp::load_device_program(&program)
                        .and_then(|program| {
                            sys::seccomp::attach_device_program(&fd, program)
                        })
                        .map_err(Error::Devices)?;
                }
                Ok(warnings)
            }
            Kind::V1 | Kind::Hybrid => {
                let dirs: Vec<_> = self.v1_dirs().collect();
                for (hierarchy, dir) in &dirs {
                    make_dir(dir)?;
                    if hierarchy.has("cpuset") {
                        v1::inherit_cpuset(hierarchy.dir(), dir)?;
                    }
                }
                let writes = v1::writes(resources, rules);
                let dir_of = |controller: &str| {
                    let found = dirs.iter().find(|(h, _)| h.has(controller));
                    found.map(|(_, dir)| dir.as_path())
                };
                write::carry_out(&writes, dir_of)
            }
        }
    }

    /// Changes limits of a running container; zeros change nothing.
    pub fn update(&self, resources: &Resources) -> Result<Vec<String>> {
        match self.v2_dir() {
            Some(dir) => {
                write::carry_out(&v2::writes(resources), |_| Some(&dir))
            }
            None => {
                let dirs: Vec<_> = self.v1_dirs().collect();
                let dir_of = |controller: &str| {
                    let found = dirs.iter().find(|(h, _)| h.has(controller));
                    found.map(|(_, dir)| dir.as_path())
                };
                let mut writes = v1::writes(resources, None);
                let now = dir_of("memory").and_then(v1::memory_limit);
                v1::order_memory(&mut writes, resources, now);
                write::carry_out(&writes, dir_of)
            }
        }
    }

    /// Opens the group of the v2 tree, to clone into it.
    pub fn open_v2(&self) -> Result<Option<OwnedFd>> {
        self.v2_dir().map(|dir| open_dir(&dir)).transpose()
    }

    /// Moves the calling process, which has one thread, into the group.
    ///
    /// In v1 that is a write of `0` to `tasks`: unlike one to
    /// `cgroup.procs` it needs no lock that waits for all processors.
    pub fn join(&self) -> Result<()> {
        if let Some(dir) = self.v2_dir() {
            return write::file(&dir.join("cgroup.procs"), "0");
        }
        for (_, dir) in self.v1_dirs() {
            write::file(&dir.join("tasks"), "0")?;
        }
        Ok(())
    }

    /// The process ids in the group and the groups beneath, as the caller
    /// sees them.
    pub fn pids(&self) -> Result<Vec<i32>> {
        let Some(dir) = self.process_dir() else {
            return Err(Error::Missing("process"));
        };
        let mut pids: Vec<i32> = Vec::new();
        for dir in write::tree(&dir) {
            let path = dir.join("cgroup.procs");
            match std::fs::read_to_string(&path) {
                Ok(text) => pids
                    .extend(text.lines().filter_map(|l| l.parse::<i32>().ok())),
                Err(e) if e.kind() == io::ErrorKind::NotFound => (),
                Err(e) => return Err(Error::File(path, e)),
            }
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Kills all processes in the group: at once where the kernel can
    /// (v2, 5.14), else until none is left, within a bound.
    pub fn kill_all(&self) -> Result<()> {
        if let Some(dir) = self.v2_dir()
            && Features::from_env().allow(features::CGROUP_KILL)
            && write::file(&dir.join("cgroup.kill"), "1").is_ok()
        {
            return Ok(());
        }
        let Some(dir) = self.process_dir() else { return Ok(()) };
        for round in 0..200u64 {
            let pids = self.pids()?;
            if pids.is_empty() {
                return Ok(());
            }
            for pid in pids.into_iter().filter(|pid| *pid > 0) {
                // One that has ended meanwhile is as good as killed.
                let _ = sys::process::kill(pid, 9);
            }
            // A frozen process dies only when it is thawed.
            let _ = self.thaw();
            std::thread::sleep(Duration::from_millis(round.min(20)));
        }
        Err(Error::Survivors(dir))
    }

    /// Stops all processes; returns once they stand still, within a bound.
    pub fn freeze(&self) -> Result<()> {
        if let Some(dir) = self.v2_dir() {
            return v2::freeze(&dir);
        }
        v1::freeze(&self.controller_dir("freezer")?)
    }

    /// Lets the processes go on.
    pub fn thaw(&self) -> Result<()> {
        if let Some(dir) = self.v2_dir() {
            return write::file(&dir.join("cgroup.freeze"), "0");
        }
        let dir = self.controller_dir("freezer")?;
        write::file(&dir.join("freezer.state"), "THAWED")
    }

    /// Tells whether the processes stand still.
    pub fn is_frozen(&self) -> bool {
        let (path, word) = match self.v2_dir() {
            Some(dir) => (dir.join("cgroup.freeze"), "1"),
            None => match self.controller_dir("freezer") {
                Ok(dir) => (dir.join("freezer.state"), "FROZEN"),
                Err(_) => return false,
            },
        };
        write::read(&path).is_ok_and(|text| text.trim() == word)
    }

    /// How many processes the kernel has killed for want of memory; none
    /// where it does not count them.
    pub fn oom_kills(&self) -> Option<u64> {
        let path = match self.v2_dir() {
            Some(dir) => dir.join("memory.events"),
            None => {
                let dir = self.controller_dir("memory").ok()?;
                dir.join("memory.oom_control")
            }
        };
        let text = std::fs::read_to_string(path).ok()?;
        write::field(&text, "oom_kill")
    }

    /// The directory of this group for a controller of v1 (or for all, in
    /// the v2 tree): where the counters are read.
    pub fn controller_dir(&self, controller: &'static str) -> Result<PathBuf> {
        if let Some(dir) = self.v2_dir() {
            return Ok(dir);
        }
        self.v1_dirs()
            .find(|(h, _)| h.has(controller))
            .map(|(_, dir)| dir)
            .ok_or(Error::Missing(controller))
    }

    /// Removes the group and those made beneath; it must have no processes
    /// any more, which is waited for within a bound. None there is no
    /// error. All hierarchies are gone through, then the first failure is
    /// told.
    pub fn remove(&self) -> Result<()> {
        let mut dirs: Vec<PathBuf> = self.v1_dirs().map(|(_, d)| d).collect();
        dirs.extend(self.v2_dir());
        let mut outcome = Ok(());
        for dir in dirs {
            if let Err(error) = write::remove_tree(&dir) {
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    /// A directory that lists all processes of the group.
    fn process_dir(&self) -> Option<PathBuf> {
        self.v2_dir().or_else(|| self.v1_dirs().next().map(|(_, dir)| dir))
    }
}

/// Moves the calling process (a monitor) out of the groups that it was
/// started in, so that an end of the daemon's service does not end it.
/// Hierarchies in which it stands at the root already are left alone;
/// `own` is the text of `/proc/self/cgroup`.
pub fn leave(layout: &Layout, own: &str) -> Result<()> {
    let group = Group::at(layout.clone(), PARENT, MONITORS);
    for line in own.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(names), Some(path)) = (fields.next(), fields.next()) else {
            continue;
        };
        if path == "/" || Path::new(path) == group.path() {
            continue;
        }
        if names.is_empty() {
            let Some(root) = layout.v2() else { continue };
            let dir = root.join(&group.path);
            make_dir(&dir)?;
            write::file(&dir.join("cgroup.procs"), "0")?;
            continue;
        }
        let first = names.split(',').next().unwrap_or("");
        let first = first.strip_prefix("name=").unwrap_or(first);
        let Some(hierarchy) = layout.v1().iter().find(|h| h.has(first)) else {
            continue;
        };
        let dir = hierarchy.dir().join(&group.path);
        make_dir(&dir)?;
        if hierarchy.has("cpuset") {
            v1::inherit_cpuset(hierarchy.dir(), &dir)?;
        }
        write::file(&dir.join("tasks"), "0")?;
    }
    Ok(())
}

/// Removes [`PARENT`] and the monitors' group where nothing is left in
/// them: for a daemon that ends without containers.
pub fn tidy(layout: &Layout) {
    let roots = layout.v1().iter().map(layout::Hierarchy::dir);
    for root in roots.chain(layout.v2()) {
        let parent = root.join(PARENT.trim_start_matches('/'));
        // What is in use stays.
        let _ = std::fs::remove_dir(parent.join(MONITORS));
        let _ = std::fs::remove_dir(parent);
    }
}

/// Makes a group's directory and its parents. One that is left from a dead
/// container is taken if it is empty.
fn make_dir(dir: &Path) -> Result<()> {
    let failed = |error| Error::Make(dir.to_path_buf(), error);
    match std::fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(dir).map_err(failed)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(failed),
    }
}

fn open_dir(dir: &Path) -> Result<OwnedFd> {
    match std::fs::File::open(dir) {
        Ok(file) => Ok(file.into()),
        Err(error) => Err(Error::File(dir.to_path_buf(), error)),
    }
}

/// What is missing where there are no cgroups at all.
fn none_warnings(resources: &Resources) -> Vec<String> {
    if *resources == Resources::default() {
        return Vec::new();
    }
    vec!["no cgroup is mounted on this host: limits discarded".to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn a_group_stays_beneath_its_parent() {
        let path = |parent| Group::at(Layout::default(), parent, "id").path();
        assert_eq!(path(""), Path::new("/skiff/id"));
        assert_eq!(path("/../../etc//x/."), Path::new("/etc/x/id"));
        assert_eq!(path("mine"), Path::new("/mine/id"));
    }

    #[test]
    fn a_v1_group_has_its_limits_where_their_controllers_are() {
        let dir = TempDir::new("group-v1");
        for file in ["tasks", "id/memory.limit_in_bytes", "id/tasks"] {
            dir.file(&format!("memory/{}", file.replace("id", "skiff/id")), "");
        }
        dir.file("pids/tasks", "");
        dir.file("pids/skiff/id/tasks", "");
        dir.file("pids/skiff/id/pids.max", "");
        let group = Group::at(Layout::detect(dir.path()), "", "id");
        let resources = Resources {
            memory: 4096,
            memory_swap: 8192,
            pids_limit: 3,
            ..Resources::default()
        };
        let warnings = group.create(&resources, None).unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("swap"));
        assert_eq!(dir.read("memory/skiff/id/memory.limit_in_bytes"), "4096");
        assert_eq!(dir.read("pids/skiff/id/pids.max"), "3");
        group.join().unwrap();
        assert_eq!(dir.read("pids/skiff/id/tasks"), "0");
    }

    #[test]
    fn the_pids_of_groups_beneath_are_listed() {
        let dir = TempDir::new("group-pids");
        dir.file("cgroup.controllers", "");
        dir.file("skiff/id/cgroup.procs", "7\n3\n");
        dir.file("skiff/id/sub/cgroup.procs", "5\n3\n");
        let group = Group::at(Layout::detect(dir.path()), "", "id");
        assert_eq!(group.pids().unwrap(), [3, 5, 7]);
        assert_eq!(group.oom_kills(), None);
        dir.file("skiff/id/memory.events", "oom 2\noom_kill 1\n");
        assert_eq!(group.oom_kills(), Some(1));
    }

    #[test]
    fn a_monitor_leaves_only_the_groups_of_a_service() {
        let dir = TempDir::new("leave");
        for name in ["memory", "pids", "systemd"] {
            dir.file(&format!("{name}/tasks"), "");
            dir.file(&format!("{name}/skiff/monitors/tasks"), "");
        }
        dir.file("unified/cgroup.controllers", "");
        dir.file("unified/skiff/monitors/cgroup.procs", "");
        let own = "9:name=systemd:/system.slice/skiff.service\n\
                   4:memory:/system.slice/skiff.service\n\
                   3:pids:/\n\
                   0::/system.slice/skiff.service\n";
        leave(&Layout::detect(dir.path()), own).unwrap();
        assert_eq!(dir.read("systemd/skiff/monitors/tasks"), "0");
        assert_eq!(dir.read("memory/skiff/monitors/tasks"), "0");
        assert_eq!(dir.read("unified/skiff/monitors/cgroup.procs"), "0");
        assert_eq!(dir.read("pids/skiff/monitors/tasks"), "");
    }

    #[test]
    fn a_host_without_cgroups_is_told_and_served() {
        let group = Group::at(Layout::default(), "", "id");
        let limited = Resources { memory: 1, ..Resources::default() };
        assert_eq!(group.create(&limited, None).unwrap().len(), 1);
        assert!(group.create(&Resources::default(), None).unwrap().is_empty());
        group.join().unwrap();
        group.kill_all().unwrap();
        group.remove().unwrap();
    }
}
