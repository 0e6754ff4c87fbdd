//! What a group has used so far, read from its counters. A counter that
//! the kernel does not keep is 0: no missing controller is an error.

use std::fs;
use std::path::{Path, PathBuf};

use super::Group;
use super::write::field;

/// What a group has used, in the kernel's own figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on the processors.
    pub cpu: Cpu,
    /// Memory.
    pub memory: Memory,
    /// Processes and threads now.
    pub pids: u64,
    /// The most of them; none if there is no bound.
    pub pids_limit: Option<u64>,
    /// Bytes read and written, by device and operation.
    pub io_bytes: Vec<Io>,
    /// Operations, by device and kind; v1 only.
    pub io_operations: Vec<Io>,
}

/// Time on the processors, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In all.
    pub total: u64,
    /// On each processor; v1 only.
    pub each: Vec<u64>,
    /// In the kernel.
    pub kernel: u64,
    /// In programs.
    pub user: u64,
    /// Periods of the bandwidth limit that have passed.
    pub periods: u64,
    /// Those of them in which it was held back.
    pub throttled_periods: u64,
    /// How long it was held back.
    pub throttled: u64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub usage: u64,
    /// The most there ever was; v1 only.
    pub max_usage: u64,
    /// How often the limit was met.
    pub failures: u64,
    /// The limit; greater than any host's memory if there is none.
    pub limit: u64,
    /// What the usage is made of, in the kernel's words.
    pub parts: Vec<(String, u64)>,
}

/// A counter of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Io {
    /// The device's major number.
    pub major: u64,
    /// Its minor number.
    pub minor: u64,
    /// `Read`, `Write`, … in v1; `read` and `write` in v2.
    pub operation: String,
    /// The counter.
    pub value: u64,
}

/// The parts of memory that Docker tells of, with v1: each has a `total_`
/// beside it.
const V1_PARTS: &[&str] = &[
    "active_anon",
    "active_file",
    "cache",
    "dirty",
    "inactive_anon",
    "inactive_file",
    "mapped_file",
    "pgfault",
    "pgmajfault",
    "pgpgin",
    "pgpgout",
    "rss",
    "rss_huge",
    "unevictable",
    "writeback",
];

/// The limits that v1 tells of among them.
const V1_LIMITS: &[&str] =
    &["hierarchical_memory_limit", "hierarchical_memsw_limit"];

/// The same with v2.
const V2_PARTS: &[&str] = &[
    "active_anon",
    "active_file",
    "anon",
    "anon_thp",
    "file",
    "file_dirty",
    "file_mapped",
    "file_writeback",
    "inactive_anon",
    "inactive_file",
    "kernel_stack",
    "pgactivate",
    "pgdeactivate",
    "pgfault",
    "pglazyfree",
    "pglazyfreed",
    "pgmajfault",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "shmem",
    "slab",
    "slab_reclaimable",
    "slab_unreclaimable",
    "sock",
    "thp_collapse_alloc",
    "thp_fault_alloc",
    "unevictable",
    "workingset_activate",
    "workingset_nodereclaim",
    "workingset_refault",
];

impl Group {
    /// Reads the group's counters.
    pub fn usage(&self) -> Usage {
        if let Some(dir) = self.v2_dir() {
            return v2(&dir);
        }
        let dir = |controller| {
            let found = self.controller_dir(controller).ok();
            // A file beneath it is never there.
            found.unwrap_or_else(|| PathBuf::from("/dev/null"))
        };
        v1(&dir)
    }
}

fn v1(dir: &dyn Fn(&'static str) -> PathBuf) -> Usage {
    let cpuacct = dir("cpuacct");
    let ticks = text(&cpuacct, "cpuacct.stat");
    let bandwidth = text(&dir("cpu"), "cpu.stat");
    let of_ticks = |name| field(&ticks, name).unwrap_or(0) * NANOS_PER_TICK;
    let of_bandwidth = |name| field(&bandwidth, name).unwrap_or(0);
    let each = text(&cpuacct, "cpuacct.usage_percpu");
    let cpu = Cpu {
        total: number(&cpuacct, "cpuacct.usage"),
        each: each.split(' ').filter_map(|n| n.trim().parse().ok()).collect(),
        kernel: of_ticks("system"),
        user: of_ticks("user"),
        periods: of_bandwidth("nr_periods"),
        throttled_periods: of_bandwidth("nr_throttled"),
        throttled: of_bandwidth("throttled_time"),
    };
    let memory = dir("memory");
    let stat = text(&memory, "memory.stat");
    let mut names: Vec<String> = V1_LIMITS
        .iter()
        .chain(V1_PARTS)
        .map(|name| (*name).to_string())
        .collect();
    names.extend(V1_PARTS.iter().map(|name| format!("total_{name}")));
    let pids = dir("pids");
    let blkio = dir("blkio");
    let io = |name: &str| {
        let recursive = text(&blkio, &format!("{name}_recursive"));
        match recursive.is_empty() {
            true => v1_io(&text(&blkio, name)),
            false => v1_io(&recursive),
        }
    };
    Usage {
        cpu,
        memory: Memory {
            usage: number(&memory, "memory.usage_in_bytes"),
            max_usage: number(&memory, "memory.max_usage_in_bytes"),
            failures: number(&memory, "memory.failcnt"),
            limit: number(&memory, "memory.limit_in_bytes"),
            parts: parts(&stat, names.iter().map(String::as_str)),
        },
        pids: number(&pids, "pids.current"),
        pids_limit: text(&pids, "pids.max").trim().parse().ok(),
        io_bytes: io("blkio.throttle.io_service_bytes"),
        io_operations: io("blkio.throttle.io_serviced"),
    }
}

fn v2(dir: &Path) -> Usage {
    let stat = text(dir, "cpu.stat");
    let micros = |name| field(&stat, name).unwrap_or(0) * 1000;
    let cpu = Cpu {
        total: micros("usage_usec"),
        each: Vec::new(),
        kernel: micros("system_usec"),
        user: micros("user_usec"),
        periods: field(&stat, "nr_periods").unwrap_or(0),
        throttled_periods: field(&stat, "nr_throttled").unwrap_or(0),
        throttled: micros("throttled_usec"),
    };
    let events = text(dir, "memory.events");
    let limit = text(dir, "memory.max");
    let stat = text(dir, "memory.stat");
    Usage {
        cpu,
        memory: Memory {
            usage: number(dir, "memory.current"),
            max_usage: 0,
            failures: field(&events, "oom").unwrap_or(0),
            limit: limit.trim().parse().unwrap_or(u64::MAX),
            parts: parts(&stat, V2_PARTS.iter().copied()),
        },
        pids: number(dir, "pids.current"),
        pids_limit: text(dir, "pids.max").trim().parse().ok(),
        io_bytes: v2_io(&text(dir, "io.stat")),
        io_operations: Vec::new(),
    }
}

/// The kernel tells v1's times, and those of /proc/stat, in ticks of
/// `USER_HZ`, which is 100 on every architecture that Linux has kept.
pub const NANOS_PER_TICK: u64 = 10_000_000;

fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap_or_default()
}

fn number(dir: &Path, name: &str) -> u64 {
    text(dir, name).trim().parse().unwrap_or(0)
}

fn parts<'a>(
    stat: &str,
    names: impl Iterator<Item = &'a str>,
) -> Vec<(String, u64)> {
    let known = |name: &str| field(stat, name).map(|n| (name.to_string(), n));
    names.filter_map(known).collect()
}

fn device(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Lines of `8:0 Read 4096`; the last, of all devices, has none.
fn v1_io(text: &str) -> Vec<Io> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = device(words.next()?)?;
        let operation = words.next()?.to_string();
        let value = words.next()?.parse().ok()?;
        Some(Io { major, minor, operation, value })
    };
    text.lines().filter_map(line).collect()
}

/// Lines of `8:0 rbytes=4096 wbytes=0 rios=1 …`.
fn v2_io(text: &str) -> Vec<Io> {
    let mut all = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some((major, minor)) = words.next().and_then(device) else {
            continue;
        };
        for word in words {
            let operation = match word.split_once('=') {
                Some(("rbytes", _)) => "read",
                Some(("wbytes", _)) => "write",
                _ => continue,
            };
            let value = word.split_once('=').and_then(|w| w.1.parse().ok());
            let operation = operation.to_string();
            let value = value.unwrap_or(0);
            all.push(Io { major, minor, operation, value });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    fn with(tag: &str, files: &[(&str, &str)]) -> TempDir {
        let dir = TempDir::new(tag);
        for (name, text) in files {
            dir.file(name, text);
        }
        dir
    }

    #[test]
    fn the_counters_of_v1_are_read() {
        let dir = with(
            "v1",
            &[
                ("cpuacct.usage", "39977424\n"),
                ("cpuacct.usage_percpu", "32382932 7594492 \n"),
                ("cpuacct.stat", "user 2\nsystem 1\n"),
                (
                    "cpu.stat",
                    "nr_periods 12\nnr_throttled 3\nthrottled_time 7\n",
                ),
                ("memory.usage_in_bytes", "663552\n"),
                ("memory.max_usage_in_bytes", "3817472\n"),
                ("memory.failcnt", "4\n"),
                ("memory.limit_in_bytes", "67108864\n"),
                ("memory.stat", "cache 9\nshmem 8\ntotal_cache 10\n"),
                ("pids.current", "2\n"),
                ("pids.max", "max\n"),
                (
                    "blkio.throttle.io_service_bytes",
                    "8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n",
                ),
            ],
        );
        let usage = v1(&|_| dir.path().to_path_buf());
        assert_eq!(
            usage.cpu,
            Cpu {
                total: 39_977_424,
                each: vec![32_382_932, 7_594_492],
                kernel: 10_000_000,
                user: 20_000_000,
                periods: 12,
                throttled_periods: 3,
                throttled: 7,
            }
        );
        let memory = &usage.memory;
        assert_eq!((memory.usage, memory.max_usage), (663_552, 3_817_472));
        assert_eq!((memory.failures, memory.limit), (4, 67_108_864));
        let part = |name: &str, n| (name.to_string(), n);
        let known = [part("cache", 9), part("total_cache", 10)];
        assert_eq!(memory.parts, known);
        assert_eq!((usage.pids, usage.pids_limit), (2, None));
        assert_eq!(usage.io_bytes.len(), 2);
        assert_eq!(usage.io_bytes[0].operation, "Read");
    }

    #[test]
    fn the_counters_of_v2_are_read() {
        let dir = with(
            "v2",
            &[
                (
                    "cpu.stat",
                    "usage_usec 30\nuser_usec 20\nsystem_usec 10\n\
                     nr_throttled 1\nthrottled_usec 5\n",
                ),
                ("memory.current", "4096\n"),
                ("memory.max", "max\n"),
                ("memory.stat", "anon 1\nnew_kind 2\nworkingset_refault 3\n"),
                ("memory.events", "low 0\noom 2\noom_kill 1\n"),
                ("pids.current", "3\n"),
                ("pids.max", "100\n"),
                ("io.stat", "8:16 rbytes=5 wbytes=6 rios=1\nbad\n"),
            ],
        );
        let usage = v2(dir.path());
        assert_eq!((usage.cpu.total, usage.cpu.user), (30_000, 20_000));
        assert_eq!((usage.cpu.kernel, usage.cpu.throttled), (10_000, 5_000));
        assert_eq!(usage.memory.usage, 4096);
        assert_eq!(usage.memory.limit, u64::MAX);
        assert_eq!(usage.memory.failures, 2);
        assert_eq!(usage.memory.parts.len(), 2);
        assert_eq!((usage.pids, usage.pids_limit), (3, Some(100)));
        let io = |operation: &str, value| Io {
            major: 8,
            minor: 16,
            operation: operation.to_string(),
            value,
        };
        assert_eq!(usage.io_bytes, [io("read", 5), io("write", 6)]);
    }

    #[test]
    fn what_is_not_counted_is_nothing() {
        let none = |_| PathBuf::from("/dev/null");
        assert_eq!(v1(&none), Usage::default());
    }
}
