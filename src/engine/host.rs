//! What is known of the host.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::runtime::cgroup::layout::{Kind, Layout};

/// Facts that do not change while the daemon runs.
#[derive(Debug)]
pub struct Host {
    /// How many CPUs.
    pub cpus: usize,
    /// Bytes of memory.
    pub memory: i64,
    /// The kernel's version.
    pub kernel: String,
    /// The operating system's name for people, and its version.
    pub os: (String, String),
    /// Where the cgroups are.
    pub cgroups: Layout,
    /// The CPUs and the memory nodes that groups may have: `0-3`.
    pub cpuset: [String; 2],
    /// Whether swap can be limited: whether the kernel counts it.
    pub has_swap_limit: bool,
    /// Whether system calls can be filtered.
    pub has_seccomp: bool,
    /// Whether AppArmor is on.
    pub has_apparmor: bool,
    /// The type of the file system beneath the data root.
    pub filesystem: String,
}

impl Host {
    /// Looks at the host, and at what lies beneath the data root.
    pub fn detect(data_root: &Path) -> Host {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpus = std::thread::available_parallelism();
        let cgroups = Layout::host();
        let mounts = text("/proc/self/mountinfo");
        Host {
            cpus: cpus.map_or(1, std::num::NonZero::get),
            memory: memory(&text("/proc/meminfo")),
            kernel: line("/proc/sys/kernel/osrelease"),
            os: os(&text("/etc/os-release")),
            cpuset: cpuset(&cgroups),
            has_swap_limit: has_swap_limit(&cgroups),
            // Without CONFIG_SECCOMP_FILTER it is not there.
            has_seccomp: Path::new("/proc/sys/kernel/seccomp").exists(),
            has_apparmor: line("/sys/module/apparmor/parameters/enabled")
                == "Y"
                && Path::new("/sys/kernel/security/apparmor").exists(),
            filesystem: filesystem(&mounts, data_root).to_string(),
            cgroups,
        }
    }

    /// Returns the host's name, as it is now.
    pub fn name(&self) -> String {
        line("/proc/sys/kernel/hostname")
    }

    /// Tells whether limits are set in the one tree of cgroup v2.
    pub fn is_v2(&self) -> bool {
        self.cgroups.kind() == Kind::V2
    }

    /// Returns the cgroup namespace mode that containers get by default:
    /// their own with cgroup v2, the host's with v1.
    pub fn default_cgroupns(&self) -> &'static str {
        match self.is_v2() {
            true => "private",
            false => "host",
        }
    }

    /// Tells whether the kernel can hold a limit: with cgroup v1 whether
    /// its file is there, with v2 whether its controller is.
    pub fn can(&self, controller: &str, file: &str) -> bool {
        if self.is_v2() {
            return self.cgroups.has(match controller {
                "blkio" => "io",
                other => other,
            });
        }
        let v1 = self.cgroups.v1().iter().find(|h| h.has(controller));
        v1.is_some_and(|hierarchy| {
            // Some files are in no group at the top.
            let below = fs::read_dir(hierarchy.dir()).into_iter().flatten();
            hierarchy.dir().join(file).exists()
                || below.flatten().any(|e| e.path().join(file).exists())
        })
    }
}

/// Reads bytes of memory from the text of /proc/meminfo.
fn memory(text: &str) -> i64 {
    text.lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .map_or(0, |kib: i64| kib * 1024)
}

/// Reads name and version from the text of os-release(5).
fn os(text: &str) -> (String, String) {
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
            .map(|value| value.trim_matches(['"', '\'']).to_string())
    };
    let name = value("PRETTY_NAME").unwrap_or_else(|| "Linux".into());
    (name, value("VERSION_ID").unwrap_or_default())
}

/// Reads the one line of a small file of the kernel's in one call; nothing
/// if there is none.
pub fn line(path: &str) -> String {
    let mut text = [0; 256];
    let read = fs::File::open(path).and_then(|mut file| file.read(&mut text));
    let text = &text[..read.unwrap_or(0)];
    String::from_utf8_lossy(text).trim().to_string()
}

fn cpuset(cgroups: &Layout) -> [String; 2] {
    let v1 = cgroups.v1().iter().find(|h| h.has("cpuset"));
    let (dir, end) = match (v1, cgroups.v2()) {
        (Some(v1), _) => (v1.dir(), ""),
        (None, Some(v2)) => (v2, ".effective"),
        (None, None) => return Default::default(),
    };
    ["cpus", "mems"].map(|what| {
        let path = dir.join(format!("cpuset.{what}{end}"));
        fs::read_to_string(path).unwrap_or_default().trim().into()
    })
}

fn has_swap_limit(cgroups: &Layout) -> bool {
    let v1 = cgroups.v1().iter().find(|h| h.has("memory"));
    match v1 {
        Some(memory) => {
            memory.dir().join("memory.memsw.limit_in_bytes").exists()
        }
        None => cgroups.has("memory"),
    }
}

/// Finds the type of the file system of a path in the text of
/// /proc/self/mountinfo (proc(5)): of the last mount that leads to it.
pub fn filesystem<'a>(mountinfo: &'a str, path: &Path) -> &'a str {
    let mounts = mountinfo.lines().filter_map(|line| {
        let point = line.split(' ').nth(4)?;
        let kind = line.split_once(" - ")?.1.split(' ').next()?;
        path.starts_with(point).then_some((point.len(), kind))
    });
    mounts.max_by_key(|(length, _)| *length).map_or("", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_files_are_read() {
        assert_eq!(memory("MemTotal:       24684096 kB\nX: 1"), 25276514304);
        assert_eq!(memory(""), 0);
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n\
                    VERSION_ID=\"12\"";
        let (name, version) = os(text);
        assert_eq!(name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(version, "12");
        assert_eq!(os("").0, "Linux");
    }

    #[test]
    fn the_innermost_mount_tells_the_file_system() {
        let text = "1 0 8:1 / / rw - ext4 /dev/a rw\n\
                    2 1 0:2 / /var rw shared:1 - xfs /dev/b rw\n\
                    3 1 0:3 / /varnish rw - tmpfs t rw";
        assert_eq!(filesystem(text, Path::new("/var/lib/x")), "xfs");
        assert_eq!(filesystem(text, Path::new("/home")), "ext4");
        assert_eq!(filesystem("", Path::new("/")), "");
    }
}
