//! What Docker gives a container for which nothing is asked: the lists, as
//! data, and [`Spec::docker`] that puts them together.
//!
//! Source: `docker inspect` and `/proc` of containers of engine 28.5.

use std::path::PathBuf;

use super::spec::{Mount, MountKind, Root, Seccomp, Spec};

/// The capabilities of a container that is not privileged.
pub const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// The hidden paths of a container that is not privileged.
pub const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// The read-only paths of a container that is not privileged.
pub const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// PATH of a container whose image sets none.
pub const PATH: &str =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The size of `/dev/shm`, bytes.
pub const SHM_SIZE: u64 = 64 << 20;

impl Spec {
    /// Makes the container that Docker makes when nothing is asked for.
    pub fn docker(id: &str, root: Root) -> Spec {
        let mut spec = Spec {
            id: id.to_string(),
            root,
            mounts: standard_mounts(),
            masked_paths: MASKED_PATHS.iter().map(PathBuf::from).collect(),
            readonly_paths: READONLY_PATHS.iter().map(PathBuf::from).collect(),
            seccomp: Seccomp::Default,
            die_with_parent: true,
            ..Spec::default()
        };
        spec.process.capabilities =
            CAPABILITIES.iter().map(|name| name.to_string()).collect();
        spec.process.env.push(PATH.to_string());
        spec.process.umask = Some(0o022);
        spec
    }

    /// Turns it into what `--privileged` makes: all capabilities, no
    /// filter, nothing hidden or read-only, all devices.
    pub fn make_privileged(&mut self) {
        self.privileged = true;
        self.process.capabilities =
            super::caps::all().map(|name| name.to_string()).collect();
        self.seccomp = Seccomp::Unconfined;
        self.masked_paths.clear();
        self.readonly_paths.clear();
        for mount in &mut self.mounts {
            if matches!(mount.kind, MountKind::Sysfs | MountKind::Cgroup) {
                mount.readonly = false;
            }
        }
    }

    /// Adds a mount; it takes the place of a standard one with the same
    /// target, and all are made parents first.
    pub fn add_mount(&mut self, mount: Mount) {
        self.mounts.retain(|old| old.target != mount.target);
        self.mounts.push(mount);
        // Stable: mounts of one depth stay in the order they were asked in.
        self.mounts.sort_by_key(|m| m.target.components().count());
    }

    /// Sets the size of `/dev/shm` in bytes.
    pub fn set_shm_size(&mut self, bytes: u64) {
        for mount in &mut self.mounts {
            if mount.kind == MountKind::Tmpfs
                && mount.target.as_os_str() == "/dev/shm"
            {
                mount.options.retain(|o| !o.starts_with("size="));
                mount.options.push(format!("size={bytes}"));
            }
        }
    }
}

/// The mounts that each container has.
fn standard_mounts() -> Vec<Mount> {
    let secure = ["nosuid", "noexec", "nodev"];
    vec![
        standard(MountKind::Proc, "/proc", &secure),
        standard(
            MountKind::Dev,
            "/dev",
            &["nosuid", "mode=755", "size=65536k"],
        ),
        Mount { readonly: true, ..standard(MountKind::Sysfs, "/sys", &secure) },
        standard(
            MountKind::Devpts,
            "/dev/pts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        standard(MountKind::Mqueue, "/dev/mqueue", &secure),
        standard(
            MountKind::Tmpfs,
            "/dev/shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"],
        ),
        Mount {
            readonly: true,
            ..standard(MountKind::Cgroup, "/sys/fs/cgroup", &secure)
        },
    ]
}

fn standard(kind: MountKind, target: &str, options: &[&str]) -> Mount {
    Mount {
        kind,
        target: PathBuf::from(target),
        options: options.iter().map(|o| o.to_string()).collect(),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_bind_takes_the_place_of_a_standard_mount() {
        let mut spec = Spec::docker("x", Root::default());
        let count = spec.mounts.len();
        spec.add_mount(Mount {
            source: "/tmp".into(),
            target: "/dev/shm".into(),
            ..Mount::default()
        });
        assert_eq!(spec.mounts.len(), count);
        assert_eq!(
            spec.mounts.iter().filter(|m| m.kind == MountKind::Bind).count(),
            1
        );
    }

    #[test]
    fn mounts_are_made_parents_first() {
        let mut spec = Spec::docker("x", Root::default());
        for target in ["/a/b/c", "/a", "/a/b"] {
            spec.add_mount(Mount { target: target.into(), ..Mount::default() });
        }
        let at = |t: &str| {
            spec.mounts.iter().position(|m| m.target.as_os_str() == t).unwrap()
        };
        assert!(at("/a") < at("/a/b") && at("/a/b") < at("/a/b/c"));
        assert!(at("/dev") < at("/dev/shm"));
    }

    #[test]
    fn the_size_of_shm_can_be_set() {
        let mut spec = Spec::docker("x", Root::default());
        spec.set_shm_size(4096);
        let shm = spec
            .mounts
            .iter()
            .find(|m| m.target.as_os_str() == "/dev/shm")
            .unwrap();
        assert!(shm.options.contains(&"size=4096".to_string()));
        assert_eq!(
            shm.options.iter().filter(|o| o.starts_with("size=")).count(),
            1
        );
    }

    #[test]
    fn a_spec_travels_as_json() {
        let spec = Spec::docker("x", Root::default());
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(json::from_slice::<Spec>(text.as_bytes()).unwrap(), spec);
        assert_eq!(
            json::from_slice::<Spec>(b"{\"new_field\":1}").unwrap(),
            Spec::default()
        );
    }
}
