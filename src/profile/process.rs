//! This process as the kernel sees it (proc(5)).

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The kernel's ticks in a second, as it tells them (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Figures of a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Process {
    /// Time on the processors.
    pub cpu_seconds: f64,
    /// When it started, since 1970.
    pub started: f64,
    /// Bytes of memory that it can address.
    pub virtual_size: u64,
    /// The most that it may.
    pub max_virtual_size: u64,
    /// Bytes of memory that it has.
    pub resident: u64,
    /// Its threads.
    pub threads: u64,
    /// Its open descriptors.
    pub open_files: u64,
    /// How many it may have.
    pub max_files: u64,
}

impl Process {
    /// Reads the figures of the calling process; what cannot be read is 0.
    pub fn read() -> Process {
        Process::read_from(Path::new("/proc"))
    }

    fn read_from(proc: &Path) -> Process {
        let own = proc.join("self");
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        let stat = text(&own.join("stat"));
        // The name in parentheses may hold anything.
        let fields: Vec<u64> = match stat.rsplit_once(") ") {
            Some((_, rest)) => {
                rest.split(' ').map(|f| f.trim().parse().unwrap_or(0)).collect()
            }
            None => Vec::new(),
        };
        // Numbered from 1 in proc(5); the third is the first here.
        let field = |number: usize| fields.get(number - 3).copied();
        let seconds = |n| field(n).unwrap_or(0) as f64 / TICKS;
        let system = text(&proc.join("stat"));
        let boot = system.lines().find_map(|l| l.strip_prefix("btime "));
        let boot: f64 = boot.and_then(|b| b.parse().ok()).unwrap_or(0.0);
        let limits = text(&own.join("limits"));
        let limit = |name: &str| {
            let line = limits.lines().find_map(|l| l.strip_prefix(name));
            match line?.split_whitespace().next()? {
                "unlimited" => Some(u64::MAX),
                number => number.parse().ok(),
            }
        };
        let files = fs::read_dir(own.join("fd"));
        Process {
            cpu_seconds: seconds(14) + seconds(15),
            started: boot + seconds(22),
            virtual_size: field(23).unwrap_or(0),
            max_virtual_size: limit("Max address space").unwrap_or(0),
            resident: field(24).unwrap_or(0) * 4096,
            threads: field(20).unwrap_or(0),
            open_files: files.map_or(0, |files| files.count() as u64),
            max_files: limit("Max open files").unwrap_or(0),
        }
    }

    /// Returns for how many seconds it has run.
    pub fn uptime(&self) -> f64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0.0, |since| since.as_secs_f64());
        (now - self.started).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn figures_are_read_as_the_kernel_writes_them() {
        let dir = TempDir::new("process");
        dir.file("stat", "cpu 1 2\nbtime 1000\nprocesses 3\n");
        dir.file(
            "self/stat",
            "42 (a) b) S 1 42 42 0 -1 4194304 500 0 0 0 150 50 0 0 20 0 7 0 \
             250 8192000 300 18446744073709551615\n",
        );
        dir.file(
            "self/limits",
            "Limit                     Soft Limit           Hard Limit\n\
             Max open files            1024                 4096     files\n\
             Max address space         unlimited            unlimited bytes\n",
        );
        dir.file("self/fd/0", "");
        let expected = Process {
            cpu_seconds: 2.0,
            started: 1002.5,
            virtual_size: 8_192_000,
            max_virtual_size: u64::MAX,
            resident: 300 * 4096,
            threads: 7,
            open_files: 1,
            max_files: 1024,
        };
        assert_eq!(Process::read_from(dir.path()), expected);
        assert!(Process::read().resident > 0);
    }
}
