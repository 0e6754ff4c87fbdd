//! cgroup v2 (Documentation/admin-guide/cgroup-v2.rst): the limits as
//! writes, the controllers of the parents, the freezer.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::v1::limit_or_max;
use super::write::{self, Write};
use super::{Error, Result};
use crate::runtime::spec::{Resources, ThrottleKind};

/// The controllers that a container's group shall have.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];

const NO_MEMORY: &str = "The memory controller is not available: memory \
    limit discarded.";
const NO_SWAP: &str = "Your kernel does not support swap limit capabilities \
    or the cgroup is not mounted. Memory limited without swap.";
const NO_CPU: &str = "The cpu controller is not available: CPU limit \
    discarded.";
const NO_CPUSET: &str = "The cpuset controller is not available: cpuset \
    discarded.";
const NO_PIDS: &str = "The pids controller is not available: PIDs limit \
    discarded.";
const NO_IO: &str = "The io controller is not available: block I/O limit \
    discarded.";

/// The writes that set the limits.
pub fn writes(resources: &Resources) -> Vec<Write> {
    let r = resources;
    let mut list = Vec::new();
    let mut put = |controller, file, value: String, missing| {
        list.push(Write::new(controller, file, value, missing));
    };
    if r.memory > 0 {
        put("memory", "memory.max", r.memory.to_string(), NO_MEMORY);
    }
    if r.memory_swap < 0 {
        put("memory", "memory.swap.max", "max".into(), NO_SWAP);
    } else if r.memory_swap > 0 && r.memory > 0 {
        // Here swap is counted by itself.
        let value = (r.memory_swap - r.memory).max(0).to_string();
        put("memory", "memory.swap.max", value, NO_SWAP);
    }
    if r.memory_reservation > 0 {
        let value = r.memory_reservation.to_string();
        put("memory", "memory.low", value, NO_MEMORY);
    }
    if r.cpu_shares > 0 {
        put("cpu", "cpu.weight", weight(r.cpu_shares).to_string(), NO_CPU);
    }
    if r.cpu_quota != 0 || r.cpu_period > 0 {
        let quota = match r.cpu_quota {
            0 => "max".to_string(),
            quota => limit_or_max(quota),
        };
        let value = match r.cpu_period {
            0 => quota,
            period => format!("{quota} {period}"),
        };
        put("cpu", "cpu.max", value, NO_CPU);
    }
    if !r.cpuset_cpus.is_empty() {
        put("cpuset", "cpuset.cpus", r.cpuset_cpus.clone(), NO_CPUSET);
    }
    if !r.cpuset_mems.is_empty() {
        put("cpuset", "cpuset.mems", r.cpuset_mems.clone(), NO_CPUSET);
    }
    if r.pids_limit != 0 {
        put("pids", "pids.max", limit_or_max(r.pids_limit), NO_PIDS);
    }
    if r.blkio_weight > 0 {
        // 10…1000 to 1…10000.
        let value = 1 + (u64::from(r.blkio_weight.max(10)) - 10) * 9999 / 990;
        put("io", "io.weight", format!("default {value}"), NO_IO);
    }
    for t in &r.throttle {
        let numbers = format!("{}:{}", t.major, t.minor);
        let key = match t.kind {
            ThrottleKind::Weight => {
                let value = format!("{numbers} {}", t.rate);
                put("io", "io.bfq.weight", value, NO_IO);
                continue;
            }
            ThrottleKind::ReadBps => "rbps",
            ThrottleKind::WriteBps => "wbps",
            ThrottleKind::ReadIops => "riops",
            ThrottleKind::WriteIops => "wiops",
        };
        let value = format!("{numbers} {key}={}", t.rate);
        put("io", "io.max", value, NO_IO);
    }
    list
}

/// Shares (2…262144, normally 1024) as a weight (1…10000).
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// Lets the groups beneath `parent` (a path below `root`) have the
/// controllers, as far as the root has them. Done already, it reads two
/// files.
pub fn enable(root: &Path, parent: &Path) -> Result<()> {
    let available = write::read(&root.join("cgroup.controllers"))?;
    let wanted: Vec<&str> = CONTROLLERS
        .into_iter()
        .filter(|name| available.split_whitespace().any(|a| a == *name))
        .collect();
    let full = root.join(parent);
    if !full.is_dir() {
        std::fs::create_dir_all(&full)
            .map_err(|error| Error::Make(full.clone(), error))?;
    }
    if lacking(&full, &wanted)?.is_empty() {
        return Ok(());
    }
    let mut dir = root.to_path_buf();
    let mut steps = parent.components();
    loop {
        for name in lacking(&dir, &wanted)? {
            let path = dir.join("cgroup.subtree_control");
            let enabled = write::file(&path, &format!("+{name}"));
            match enabled {
                Err(Error::File(_, e)) if is_busy(&e) => {
                    // Processes stand at the root of a nested namespace; a
                    // group with processes cannot hand controllers on.
                    evacuate(&dir)?;
                    write::file(&path, &format!("+{name}"))?;
                }
                // What cannot be handed on is told when a limit needs it.
                Ok(()) | Err(_) => (),
            }
        }
        match steps.next() {
            Some(step) => dir.push(step),
            None => return Ok(()),
        }
    }
}

fn lacking<'a>(dir: &Path, wanted: &[&'a str]) -> Result<Vec<&'a str>> {
    let have = write::read(&dir.join("cgroup.subtree_control"))?;
    let has = |name: &str| have.split_whitespace().any(|h| h == name);
    Ok(wanted.iter().copied().filter(|name| !has(name)).collect())
}

fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ResourceBusy
}

/// Moves all processes of a group to a leaf beneath it.
pub fn evacuate(dir: &Path) -> Result<()> {
    let leaf = dir.join("init");
    if let Err(error) = std::fs::create_dir(&leaf)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(Error::Make(leaf, error));
    }
    // Those that are forked meanwhile are caught by a later round.
    for _ in 0..10 {
        let pids = write::read(&dir.join("cgroup.procs"))?;
        if pids.trim().is_empty() {
            break;
        }
        for pid in pids.lines() {
            // One may have ended; a kernel thread cannot be moved.
            let _ = write::file(&leaf.join("cgroup.procs"), pid);
        }
    }
    Ok(())
}

/// Freezes a group and waits, within a bound, until all stand still.
pub fn freeze(dir: &Path) -> Result<()> {
    write::file(&dir.join("cgroup.freeze"), "1")?;
    for _ in 0..1000 {
        let events = write::read(&dir.join("cgroup.events"))?;
        if write::field(&events, "frozen") == Some(1) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = write::file(&dir.join("cgroup.freeze"), "0");
    Err(Error::Survivors(dir.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn swap_is_counted_without_memory() {
        let resources = Resources {
            memory: 100,
            memory_swap: 250,
            cpu_quota: 50_000,
            cpu_period: 100_000,
            cpu_shares: 1024,
            pids_limit: 7,
            ..Resources::default()
        };
        let list = writes(&resources);
        let pairs: Vec<_> =
            list.iter().map(|w| (w.file, w.value.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("memory.max", "100"),
                ("memory.swap.max", "150"),
                ("cpu.weight", "39"),
                ("cpu.max", "50000 100000"),
                ("pids.max", "7"),
            ]
        );
    }

    #[test]
    fn shares_become_weights() {
        assert_eq!(weight(2), 1);
        assert_eq!(weight(1024), 39);
        assert_eq!(weight(262_144), 10_000);
    }

    #[test]
    fn controllers_are_handed_down_once() {
        let dir = TempDir::new("enable");
        dir.file("cgroup.controllers", "cpu memory pids hugetlb\n");
        dir.file("cgroup.subtree_control", "cpu memory pids\n");
        dir.file("skiff/cgroup.subtree_control", "");
        enable(dir.path(), Path::new("skiff")).unwrap();
        let text = dir.read("skiff/cgroup.subtree_control");
        // A plain file keeps only what was written last over the rest.
        assert!(text.starts_with('+'), "{text}");
        dir.file("skiff/cgroup.subtree_control", "cpu memory pids\n");
        enable(dir.path(), Path::new("skiff")).unwrap();
        assert_eq!(
            dir.read("skiff/cgroup.subtree_control"),
            "cpu memory pids\n"
        );
    }
}
