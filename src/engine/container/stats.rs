//! `GET /containers/{id}/stats`.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::life::Phase;
use super::{Condition, Container, Wait};
use crate::api::stats::{
    Blkio, BlkioEntry, Cpu, CpuUsage, Memory, Network, Pids, Stats, Throttling,
};
use crate::engine::{Engine, Result};
use crate::network::counters;
use crate::runtime::cgroup::Group;
use crate::runtime::cgroup::usage::{Io, NANOS_PER_TICK, Usage};
use crate::time::Timestamp;

/// How long one reading serves all who ask: less than the second between
/// two samples of a client, so that nobody is told the same one twice.
const SHARED_FOR: Duration = Duration::from_millis(900);

/// A container's samples, one after the other. Readable when it is gone.
#[derive(Debug)]
pub struct Samples {
    container: Arc<Container>,
    removed: Wait,
    /// The last sample: the next one is compared with it.
    last: Option<Arc<Sample>>,
}

/// One reading of a running container's counters.
#[derive(Debug)]
pub struct Sample {
    taken: Instant,
    at: Timestamp,
    usage: Usage,
    system_cpu: u64,
    online_cpus: u32,
    networks: BTreeMap<String, Network>,
}

impl Engine {
    /// Begins to watch what a container uses.
    pub fn stats(&self, name: &str) -> Result<Samples> {
        let container = self.container(name)?;
        let removed = container.wait(Condition::Removed)?;
        Ok(Samples { container, removed, last: None })
    }

    /// Takes the next sample, beside the last one. A container that does
    /// not run has nothing but its name.
    pub fn next_stats(&self, samples: &mut Samples) -> Stats {
        let snapshot = samples.container.snapshot();
        let record = &snapshot.record;
        let mut stats = Stats {
            name: format!("/{}", record.name),
            id: record.id.clone(),
            read: Timestamp::default().to_string(),
            preread: Timestamp::default().to_string(),
            ..Stats::default()
        };
        let Some(sample) = self.sample(&samples.container) else {
            samples.last = None;
            return stats;
        };
        if let Some(last) = samples.last.take() {
            stats.preread = last.at.to_string();
            stats.precpu_stats = last.cpu();
        }
        stats.read = sample.at.to_string();
        stats.pids_stats = Pids {
            current: sample.usage.pids,
            limit: sample.usage.pids_limit.unwrap_or(0),
        };
        stats.blkio_stats = sample.blkio(self.host.is_v2());
        stats.cpu_stats = sample.cpu();
        stats.memory_stats = sample.memory(self.host.memory);
        stats.networks = sample.networks.clone();
        samples.last = Some(sample);
        stats
    }

    /// Returns whether more than one sample of a container makes sense.
    pub fn is_sampled(&self, samples: &Samples) -> bool {
        samples.container.snapshot().life.has_process()
    }

    /// Reads the counters, or takes a reading that is young enough.
    fn sample(&self, container: &Container) -> Option<Arc<Sample>> {
        let mut shared =
            container.sample.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = container.snapshot();
        let life = &snapshot.life;
        if !life.has_process() {
            *shared = None;
            return None;
        }
        if let Some(young) = shared.as_ref()
            && young.taken.elapsed() < SHARED_FOR
        {
            return Some(Arc::clone(young));
        }
        let record = &snapshot.record;
        let parent = self.cgroup_parent(record);
        let group = Group::at(self.host.cgroups.clone(), &parent, &record.id);
        let processors = fs::read_to_string("/proc/stat").unwrap_or_default();
        let networks = match record.host_config.network_mode.as_str() {
            "host" | "none" => String::new(),
            _ => {
                let path = format!("/proc/{}/net/dev", life.pid);
                fs::read_to_string(path).unwrap_or_default()
            }
        };
        let sample = Arc::new(Sample {
            taken: Instant::now(),
            at: Timestamp::now(),
            usage: group.usage(),
            system_cpu: system_cpu(&processors),
            online_cpus: online_cpus(&processors),
            networks: by_name(counters::parse(&networks)),
        });
        // It may have ended while it was looked at: its pid may be
        // another's.
        if container.snapshot().life.pid != life.pid {
            return None;
        }
        *shared = Some(Arc::clone(&sample));
        Some(sample)
    }
}

impl Samples {
    /// Returns whether the container is gone.
    pub fn is_over(&self) -> bool {
        let phase = self.container.snapshot().life.phase;
        self.removed.outcome().is_some() || phase == Phase::Dead
    }
}

impl AsFd for Samples {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.removed.as_fd()
    }
}

impl Sample {
    fn cpu(&self) -> Cpu {
        let cpu = &self.usage.cpu;
        Cpu {
            cpu_usage: CpuUsage {
                total_usage: cpu.total,
                percpu_usage: cpu.each.clone(),
                usage_in_kernelmode: cpu.kernel,
                usage_in_usermode: cpu.user,
            },
            system_cpu_usage: self.system_cpu,
            online_cpus: self.online_cpus,
            throttling_data: Throttling {
                periods: cpu.periods,
                throttled_periods: cpu.throttled_periods,
                throttled_time: cpu.throttled,
            },
        }
    }

    /// Docker tells no limit as the host's memory.
    fn memory(&self, host: i64) -> Memory {
        let memory = &self.usage.memory;
        let host = u64::try_from(host).unwrap_or(u64::MAX);
        Memory {
            usage: memory.usage,
            max_usage: memory.max_usage,
            stats: memory.parts.iter().cloned().collect(),
            failcnt: memory.failures,
            limit: memory.limit.min(host),
        }
    }

    fn blkio(&self, v2: bool) -> Blkio {
        let entries = |list: &[Io]| {
            let entry = |io: &Io| BlkioEntry {
                major: io.major,
                minor: io.minor,
                op: io.operation.clone(),
                value: io.value,
            };
            Some(list.iter().map(entry).collect())
        };
        let bytes = entries(&self.usage.io_bytes);
        if v2 {
            return Blkio {
                io_service_bytes_recursive: bytes,
                ..Blkio::default()
            };
        }
        let none = || Some(Vec::new());
        Blkio {
            io_service_bytes_recursive: bytes,
            io_serviced_recursive: entries(&self.usage.io_operations),
            io_queue_recursive: none(),
            io_service_time_recursive: none(),
            io_wait_time_recursive: none(),
            io_merged_recursive: none(),
            io_time_recursive: none(),
            sectors_recursive: none(),
        }
    }
}

fn by_name(list: Vec<counters::Counters>) -> BTreeMap<String, Network> {
    let one = |counters: counters::Counters| {
        let (received, sent) = (counters.received, counters.sent);
        let network = Network {
            rx_bytes: received.bytes,
            rx_packets: received.packets,
            rx_errors: received.errors,
            rx_dropped: received.dropped,
            tx_bytes: sent.bytes,
            tx_packets: sent.packets,
            tx_errors: sent.errors,
            tx_dropped: sent.dropped,
        };
        (counters.name, network)
    };
    list.into_iter().map(one).collect()
}

/// The host's time on all processors, of the first line of /proc/stat
/// (proc(5)): its first seven kinds, as Docker counts.
fn system_cpu(stat: &str) -> u64 {
    let line = stat.lines().find(|line| line.starts_with("cpu "));
    let kinds = line.unwrap_or("").split_whitespace().skip(1).take(7);
    let ticks: u64 = kinds.filter_map(|n| n.parse::<u64>().ok()).sum();
    ticks * NANOS_PER_TICK
}

fn online_cpus(stat: &str) -> u32 {
    let is_one = |line: &&str| {
        let rest = line.strip_prefix("cpu");
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    u32::try_from(stat.lines().filter(is_one).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_time_is_summed_as_docker_does() {
        let stat = "cpu  1 2 3 4 5 6 7 100 100 100\ncpu0 1 1 1\ncpu1 2 2 2\n\
                    cpufreq 1\nintr 5\n";
        assert_eq!(system_cpu(stat), 28 * NANOS_PER_TICK);
        assert_eq!(online_cpus(stat), 2);
        assert_eq!((system_cpu(""), online_cpus("")), (0, 0));
    }
}
