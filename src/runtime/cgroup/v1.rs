//! cgroup v1 (Documentation/admin-guide/cgroup-v1): the limits as writes,
//! cpuset's empty default, the freezer.

use std::path::Path;
use std::time::Duration;

use super::write::{self, Write};
use super::{Error, Result};
use crate::runtime::spec::{DeviceKind, DeviceRule, Resources, ThrottleKind};

const NO_MEMORY: &str = "Your kernel does not support memory limit \
    capabilities or the cgroup is not mounted. Limitation discarded.";
const NO_SWAP: &str = "Your kernel does not support swap limit capabilities \
    or the cgroup is not mounted. Memory limited without swap.";
const NO_RESERVATION: &str = "Your kernel does not support memory soft limit \
    capabilities or the cgroup is not mounted. Limitation discarded.";
const NO_SWAPPINESS: &str = "Your kernel does not support memory swappiness \
    capabilities or the cgroup is not mounted. Memory swappiness discarded.";
const NO_OOM: &str = "Your kernel does not support OomKillDisable. \
    OomKillDisable discarded.";
const NO_SHARES: &str = "Your kernel does not support CPU shares or the \
    cgroup is not mounted. Shares discarded.";
const NO_CFS: &str = "Your kernel does not support CPU CFS scheduler. CPU \
    period/quota discarded.";
const NO_REAL_TIME: &str = "Your kernel does not support CPU real-time \
    scheduler. CPU real-time limits discarded.";
const NO_CPUSET: &str = "Your kernel does not support cpuset or the cgroup \
    is not mounted. Cpuset discarded.";
const NO_PIDS: &str = "Your kernel does not support PIDs limit capabilities \
    or the cgroup is not mounted. PIDs limit discarded.";
const NO_WEIGHT: &str = "Your kernel does not support Block I/O weight or \
    the cgroup is not mounted. Weight discarded.";
const NO_THROTTLE: &str = "Your kernel does not support Block I/O \
    throttling or the cgroup is not mounted. Limit discarded.";
const NO_DEVICES: &str = "The devices cgroup is not mounted: device rules \
    discarded.";

/// The writes that set the limits and (for a new group) the device rules.
pub fn writes(
    resources: &Resources,
    rules: Option<&[DeviceRule]>,
) -> Vec<Write> {
    let r = resources;
    let mut list = Vec::new();
    let mut put = |controller, file, value: String, missing| {
        list.push(Write::new(controller, file, value, missing));
    };
    // A new group has no limits: memory first, as memory+swap may never be
    // below it.
    if r.memory > 0 {
        let value = r.memory.to_string();
        put("memory", "memory.limit_in_bytes", value, NO_MEMORY);
    }
    if r.memory_swap != 0 {
        let value = r.memory_swap.to_string();
        put("memory", "memory.memsw.limit_in_bytes", value, NO_SWAP);
    }
    if r.memory_reservation > 0 {
        let value = r.memory_reservation.to_string();
        put("memory", "memory.soft_limit_in_bytes", value, NO_RESERVATION);
    }
    if let Some(value) = r.memory_swappiness {
        let value = value.to_string();
        put("memory", "memory.swappiness", value, NO_SWAPPINESS);
    }
    if r.oom_kill_disable {
        put("memory", "memory.oom_control", "1".into(), NO_OOM);
    }
    if r.cpu_shares > 0 {
        put("cpu", "cpu.shares", r.cpu_shares.to_string(), NO_SHARES);
    }
    if r.cpu_period > 0 {
        put("cpu", "cpu.cfs_period_us", r.cpu_period.to_string(), NO_CFS);
    }
    if r.cpu_quota != 0 {
        put("cpu", "cpu.cfs_quota_us", r.cpu_quota.to_string(), NO_CFS);
    }
    if r.cpu_realtime_period > 0 {
        let value = r.cpu_realtime_period.to_string();
        put("cpu", "cpu.rt_period_us", value, NO_REAL_TIME);
    }
    if r.cpu_realtime_runtime > 0 {
        let value = r.cpu_realtime_runtime.to_string();
        put("cpu", "cpu.rt_runtime_us", value, NO_REAL_TIME);
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
        // The one of BFQ; CFQ's went away with 5.0.
        let value = r.blkio_weight.to_string();
        put("blkio", "blkio.bfq.weight", value, NO_WEIGHT);
    }
    for throttle in &r.throttle {
        let file = match throttle.kind {
            ThrottleKind::ReadBps => "blkio.throttle.read_bps_device",
            ThrottleKind::WriteBps => "blkio.throttle.write_bps_device",
            ThrottleKind::ReadIops => "blkio.throttle.read_iops_device",
            ThrottleKind::WriteIops => "blkio.throttle.write_iops_device",
            ThrottleKind::Weight => "blkio.bfq.weight_device",
        };
        let t = throttle;
        let value = format!("{}:{} {}", t.major, t.minor, t.rate);
        put("blkio", file, value, NO_THROTTLE);
    }
    if let Some(rules) = rules {
        put("devices", "devices.deny", "a".into(), NO_DEVICES);
        for rule in rules {
            let file = match rule.allow {
                true => "devices.allow",
                false => "devices.deny",
            };
            put("devices", file, rule_text(rule), NO_DEVICES);
        }
    }
    list
}

/// The memory limit of a group, bytes.
pub fn memory_limit(dir: &Path) -> Option<i64> {
    let text = write::read(&dir.join("memory.limit_in_bytes")).ok()?;
    text.trim().parse().ok()
}

/// Orders the writes for a group whose memory limit is `now`: where it
/// grows, that of memory and swap has to grow first.
pub fn order_memory(
    writes: &mut [Write],
    resources: &Resources,
    now: Option<i64>,
) {
    let grows = resources.memory_swap < 0
        || now.is_some_and(|now| resources.memory > now);
    let is_pair = writes.len() > 1
        && writes[0].file == "memory.limit_in_bytes"
        && writes[1].file == "memory.memsw.limit_in_bytes";
    if grows && is_pair {
        writes.swap(0, 1);
    }
}

/// A number, or `max` for a negative one.
pub fn limit_or_max(limit: i64) -> String {
    match limit {
        0.. => limit.to_string(),
        _ => "max".to_string(),
    }
}

/// A rule as `devices.allow` takes it: `c 1:3 rwm`.
fn rule_text(rule: &DeviceRule) -> String {
    let kind = match rule.kind {
        DeviceKind::Char => 'c',
        DeviceKind::Block => 'b',
        // "a" would mean all devices, whatever numbers follow.
        DeviceKind::Any => return "a".to_string(),
    };
    let number = |n: Option<u32>| n.map_or("*".to_string(), |n| n.to_string());
    let (major, minor) = (number(rule.major), number(rule.minor));
    format!("{kind} {major}:{minor} {}", rule.access)
}

/// Gives a new cpuset group what its parent has: without cpus and memory
/// nodes nothing can join it. Parents up to the root are seen to as well,
/// and told to hand their values on by themselves.
pub fn inherit_cpuset(root: &Path, dir: &Path) -> Result<()> {
    let cpus = write::read(&dir.join("cpuset.cpus"))?;
    if !cpus.trim().is_empty() || dir == root {
        return Ok(());
    }
    let Some(parent) = dir.parent() else { return Ok(()) };
    inherit_cpuset(root, parent)?;
    if parent != root {
        // Only saves these writes for the next group.
        let _ = write::file(&parent.join("cgroup.clone_children"), "1");
    }
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let value = write::read(&parent.join(file))?;
        write::file(&dir.join(file), value.trim())?;
    }
    Ok(())
}

/// Freezes a group of the freezer hierarchy and waits, within a bound,
/// until all processes stand still.
pub fn freeze(dir: &Path) -> Result<()> {
    let state = dir.join("freezer.state");
    for round in 0..1000 {
        // A process that was forked in between makes it FREEZING for good,
        // until the state is written again.
        if round % 10 == 0 {
            write::file(&state, "FROZEN")?;
        }
        if write::read(&state)?.trim() == "FROZEN" {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = write::file(&state, "THAWED");
    Err(Error::Survivors(dir.to_path_buf()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    fn pairs(list: &[Write]) -> Vec<(&str, &str)> {
        list.iter().map(|w| (w.file, w.value.as_str())).collect()
    }

    #[test]
    fn no_limits_mean_no_writes() {
        assert!(writes(&Resources::default(), None).is_empty());
    }

    #[test]
    fn memory_is_limited_before_memory_and_swap() {
        let resources = Resources {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            cpu_quota: 50_000,
            cpu_period: 100_000,
            pids_limit: -1,
            ..Resources::default()
        };
        assert_eq!(
            pairs(&writes(&resources, None)),
            [
                ("memory.limit_in_bytes", "67108864"),
                ("memory.memsw.limit_in_bytes", "134217728"),
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "50000"),
                ("pids.max", "max"),
            ]
        );
    }

    #[test]
    fn memory_and_swap_grows_before_memory() {
        let resources = Resources {
            memory: 80 << 20,
            memory_swap: 160 << 20,
            ..Resources::default()
        };
        let first = |now| {
            let mut list = writes(&resources, None);
            order_memory(&mut list, &resources, now);
            list[0].file
        };
        assert_eq!(first(Some(64 << 20)), "memory.memsw.limit_in_bytes");
        assert_eq!(first(Some(100 << 20)), "memory.limit_in_bytes");
        assert_eq!(first(None), "memory.limit_in_bytes");
    }

    #[test]
    fn device_rules_start_from_nothing() {
        let rules = [
            DeviceRule {
                allow: true,
                kind: DeviceKind::Char,
                major: Some(1),
                minor: None,
                access: "rwm".into(),
            },
            DeviceRule {
                allow: false,
                kind: DeviceKind::Any,
                major: None,
                minor: None,
                access: "rwm".into(),
            },
        ];
        assert_eq!(
            pairs(&writes(&Resources::default(), Some(&rules))),
            [
                ("devices.deny", "a"),
                ("devices.allow", "c 1:* rwm"),
                ("devices.deny", "a"),
            ]
        );
    }

    #[test]
    fn an_empty_cpuset_takes_its_parents_values() {
        let dir = TempDir::new("cpuset");
        dir.file("cpuset.cpus", "0-1\n");
        dir.file("cpuset.mems", "0\n");
        for at in ["skiff", "skiff/id"] {
            dir.file(&format!("{at}/cpuset.cpus"), "");
            dir.file(&format!("{at}/cpuset.mems"), "");
        }
        dir.file("skiff/cgroup.clone_children", "");
        let id = dir.path().join("skiff/id");
        inherit_cpuset(dir.path(), &id).unwrap();
        assert_eq!(dir.read("skiff/cpuset.cpus"), "0-1");
        assert_eq!(dir.read("skiff/id/cpuset.mems"), "0");
        assert_eq!(dir.read("skiff/cgroup.clone_children"), "1");
    }
}
