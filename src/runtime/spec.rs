//! What a container is to the runtime: plain data, sent as JSON from the
//! daemon to the monitor. Knows no images and no Docker types.
//!
//! [`Spec::docker`] makes the container that Docker makes when nothing is
//! asked for; the engine changes it from there. Fields that are missing in
//! the JSON have their empty value, and unknown ones are passed over, so
//! that a daemon and a monitor of neighbouring versions understand each
//! other.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::json::{self, FromJson, Value};

/// One container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct Spec {
    /// The container's full id; the last part of its cgroup's path.
    pub id: String,
    /// Host name; empty leaves the name of the namespace as it is.
    pub hostname: String,
    /// NIS domain name; empty leaves it as it is.
    pub domainname: String,
    /// What is mounted as `/`.
    pub root: Root,
    /// Whether `/` (not what is mounted beneath) is read-only.
    pub readonly_root: bool,
    /// All mounts in the order in which they are made, the standard ones
    /// included; see [`Spec::add_mount`].
    pub mounts: Vec<Mount>,
    /// The program.
    pub process: Process,
    /// A terminal of this size (rows, columns) instead of three files.
    pub tty: Option<(u16, u16)>,
    /// Whether our own small reaper is PID 1, in front of the program.
    pub init: bool,
    /// Which namespaces are new.
    pub namespaces: Namespaces,
    /// Where the container stands among the cgroups, and its limits.
    pub cgroup: Cgroup,
    /// Device nodes beyond the standard ones.
    pub devices: Vec<Device>,
    /// Device rules, in order, after "nothing is allowed"; the standard
    /// ones are always added at the end.
    pub device_rules: Vec<DeviceRule>,
    /// All device nodes of the host and all devices allowed. What else
    /// `--privileged` means stands in the other fields; see
    /// [`Spec::make_privileged`].
    pub privileged: bool,
    /// Paths that are hidden: a file behind `/dev/null`, a directory
    /// behind an empty one.
    pub masked_paths: Vec<PathBuf>,
    /// Paths that are read-only.
    pub readonly_paths: Vec<PathBuf>,
    /// Kernel parameters: `net.ipv4.ip_forward` → `1`.
    pub sysctls: BTreeMap<String, String>,
    /// The system call filter.
    pub seccomp: Seccomp,
    /// The capabilities that [`Seccomp::Default`] is made for, if not those
    /// of the process: a further program that has more than its container.
    pub filter_for: Option<Vec<String>>,
    /// Whether the program dies when the process that created it dies.
    pub die_with_parent: bool,
    /// Another runtime that makes the container; none: this one.
    pub runtime: Option<Runtime>,
    /// What is told to that runtime and means nothing here.
    pub annotations: BTreeMap<String, String>,
    /// Programs that it runs at points of the container's life, by the
    /// names of the specification.
    pub hooks: BTreeMap<String, Vec<Hook>>,
}

/// An OCI runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Runtime {
    /// The program; without a slash it is looked up in PATH.
    pub path: PathBuf,
    /// Its first arguments.
    pub args: Vec<String>,
    /// A directory of the container's own for the bundle and what the
    /// runtime keeps; made, and removed when the container has ended.
    pub dir: PathBuf,
}

/// A program that an OCI runtime runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Hook {
    /// The program, a path of the host.
    pub path: PathBuf,
    /// Its arguments, its name first.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<String>,
    /// How long it may take, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// What is mounted as `/`: an overlay, made inside of the container's own
/// mount namespace. Without lower directories, `upper` itself is bound.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct Root {
    /// The layers, the topmost first.
    pub lower: Vec<PathBuf>,
    /// The read-write layer. The root is mounted upon its parent, in the
    /// container's namespace only.
    pub upper: PathBuf,
    /// Overlay's work directory, on the file system of `upper`.
    pub work: PathBuf,
    /// Never sync: for containers that are removed when they end. Ignored
    /// by kernels before 5.10.
    pub volatile: bool,
    /// To be looked at only: the read-write layer is the topmost of the
    /// others.
    pub sealed: bool,
}

/// One mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// The host's path; for [`MountKind::Bind`] only.
    pub source: PathBuf,
    /// For a bind, unless empty: the path beneath the source that is bound
    /// instead. No link leads out of the source.
    pub beneath: PathBuf,
    /// The mount namespace that a bind's source is in
    /// (`/proc/PID/ns/mnt`); empty: the host's.
    pub namespace: PathBuf,
    /// The path in the container; missing directories (or, for a bound
    /// file, the file) are made.
    pub target: PathBuf,
    /// Whether it is read-only.
    pub readonly: bool,
    /// `nosuid`, `nodev`, `noexec`, `suid`, …, `noatime`; for a bind
    /// `bind` (only this mount) or `rbind` (those beneath too, the
    /// default), `ro-nonrecursive` or `rro` (an error if they stay
    /// writable); all else (`size=64m`, `mode=1777`) is given to the file
    /// system.
    pub options: Vec<String>,
    /// How later mounts travel between the host and a bind.
    pub propagation: Propagation,
}

/// What a mount is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A directory or a file of the host.
    #[default]
    Bind,
    /// A new tmpfs.
    Tmpfs,
    /// The processes of the container's pid namespace.
    Proc,
    /// `/sys`, for the container's network namespace.
    Sysfs,
    /// A tmpfs with Docker's device nodes and links.
    Dev,
    /// A new instance of the pseudo terminals.
    Devpts,
    /// POSIX message queues of the container's ipc namespace.
    Mqueue,
    /// The container's own part of the cgroup trees.
    Cgroup,
}

/// mount_namespaces(7); each for the whole tree if the bind is recursive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum Propagation {
    /// Nothing travels.
    #[default]
    Private,
    /// The host's later mounts appear in the container.
    Slave,
    /// Mounts travel both ways. The source must lie on a shared mount.
    Shared,
}

/// The program and what it starts with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct Process {
    /// The program and its arguments. The program is looked up in the
    /// container by the PATH of `env`.
    pub args: Vec<String>,
    /// `NAME=value`. HOME is added from the container's passwd file.
    pub env: Vec<String>,
    /// Working directory, made if missing; empty is `/`.
    pub cwd: PathBuf,
    /// `user[:group]`, names or numbers, looked up in the container.
    pub user: String,
    /// Supplementary groups, names or numbers.
    pub group_add: Vec<String>,
    /// Capabilities (`CAP_CHOWN`): bounding, permitted and effective set.
    pub capabilities: Vec<String>,
    /// prctl(2) PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// The AppArmor profile that the program runs under; empty: none is
    /// set.
    pub apparmor: String,
    /// The file mode creation mask; Docker's is 0022.
    pub umask: Option<u32>,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
    /// `/proc/self/oom_score_adj`.
    pub oom_score_adj: Option<i32>,
}

/// One resource limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct Rlimit {
    /// `nofile`, or `RLIMIT_NOFILE`.
    pub name: String,
    /// The soft limit; -1 is none.
    pub soft: i64,
    /// The hard limit; -1 is none.
    pub hard: i64,
}

/// Which namespaces are new, the host's, or another container's. The mount
/// namespace is always new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Namespaces {
    /// Processes.
    pub pid: Namespace,
    /// System V ipc and POSIX message queues.
    pub ipc: Namespace,
    /// Host and domain name.
    pub uts: Namespace,
    /// Network; `lo` is set up in a new one.
    pub network: Namespace,
    /// The view of the cgroup trees.
    pub cgroup: Namespace,
}

/// One namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Namespace {
    /// A new one.
    #[default]
    New,
    /// The host's.
    Host,
    /// That of `/proc/PID/ns/…`.
    Path(PathBuf),
}

impl FromJson for Namespace {
    fn kind() -> &'static str {
        "Namespace"
    }

    fn zero() -> Namespace {
        Namespace::New
    }

    /// Reads `"new"`, `"host"` or `{"path":"/proc/…"}`.
    fn fill(&mut self, mut value: Value) -> json::Result<()> {
        *self = if value.is_object() {
            let path = json::take(&mut value, "path");
            Namespace::Path(json::from_value(path)?)
        } else {
            match json::variant("Namespace", &["new", "host"], value)? {
                0 => Namespace::New,
                _ => Namespace::Host,
            }
        };
        Ok(())
    }
}

/// The place among the cgroups, and the limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Cgroup {
    /// The parent's path; empty is `/skiff`. The container's own group is
    /// named by its id.
    pub parent: String,
    /// The limits.
    pub resources: Resources,
}

/// Limits; zero (or empty) means that nothing is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Resources {
    /// Bytes of memory.
    pub memory: i64,
    /// Soft limit, bytes.
    pub memory_reservation: i64,
    /// Memory and swap together, bytes; -1 is no limit.
    pub memory_swap: i64,
    /// 0 to 100; cgroup v1 only.
    pub memory_swappiness: Option<u64>,
    /// Stop instead of kill when out of memory; cgroup v1 only.
    pub oom_kill_disable: bool,
    /// Relative weight, 2 to 262144, 1024 being the normal one.
    pub cpu_shares: u64,
    /// Microseconds.
    pub cpu_period: u64,
    /// Microseconds in each period; -1 is no limit.
    pub cpu_quota: i64,
    /// Microseconds; cgroup v1 only, as the next.
    pub cpu_realtime_period: u64,
    /// Microseconds in each period, for real-time tasks.
    pub cpu_realtime_runtime: u64,
    /// `0-2,4`.
    pub cpuset_cpus: String,
    /// `0`.
    pub cpuset_mems: String,
    /// Number of tasks; -1 is no limit.
    pub pids_limit: i64,
    /// 10 to 1000.
    pub blkio_weight: u16,
    /// Limits for single block devices.
    pub throttle: Vec<Throttle>,
}

/// A limit for one block device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct Throttle {
    /// What is limited.
    pub kind: ThrottleKind,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Bytes or operations in a second.
    pub rate: u64,
}

/// What a [`Throttle`] limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleKind {
    /// Bytes read in a second.
    ReadBps,
    /// Bytes written in a second.
    WriteBps,
    /// Reads in a second.
    ReadIops,
    /// Writes in a second.
    WriteIops,
    /// No limit, but the weight: 10 to 1000.
    Weight,
}

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct Device {
    /// The path in the container.
    pub path: PathBuf,
    /// What it is.
    pub kind: DeviceKind,
    /// Device number.
    pub major: u32,
    /// Device number.
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Character or block device; `Any` in rules only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// Both.
    Any,
}

/// Allows or denies devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct DeviceRule {
    /// Whether it allows (else it denies).
    pub allow: bool,
    /// Which kind of device.
    pub kind: DeviceKind,
    /// Which major number; none: all.
    pub major: Option<u32>,
    /// Which minor number; none: all.
    pub minor: Option<u32>,
    /// Some of `rwm`: read, write, mknod.
    pub access: String,
}

/// Which system calls the program may make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// Docker's default profile, for the capabilities that it has.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// What a profile says.
    Filter(Filter),
}

/// A compiled profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Filter {
    /// SECCOMP_FILTER_FLAG_* (seccomp(2)).
    pub flags: u32,
    /// The program, each instruction as a number.
    pub code: Vec<u64>,
}

impl FromJson for Seccomp {
    fn kind() -> &'static str {
        "Seccomp"
    }

    fn zero() -> Seccomp {
        Seccomp::Default
    }

    /// Reads `"default"`, `"unconfined"` or `{"filter":{…}}`.
    fn fill(&mut self, mut value: Value) -> json::Result<()> {
        *self = if value.is_object() {
            let filter = json::take(&mut value, "filter");
            Seccomp::Filter(json::from_value(filter)?)
        } else {
            match json::variant("Seccomp", &["default", "unconfined"], value)? {
                0 => Seccomp::Default,
                _ => Seccomp::Unconfined,
            }
        };
        Ok(())
    }
}
