//! Checks of shares of CPUs and of block devices.

use super::{Host, invalid};
use crate::api::host_config::HostConfig;
use crate::engine::Result;

/// Refuses shares that make no sense or that the host does not have.
pub fn check(config: &HostConfig, host: Host<'_>) -> Result<()> {
    let HostConfig { nano_cpus, cpu_period, cpu_quota, .. } = *config;
    if nano_cpus > 0 && cpu_period > 0 {
        return Err(invalid(
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ));
    }
    if nano_cpus > 0 && cpu_quota > 0 {
        return Err(invalid(
            "Conflicting options: Nano CPUs and CPU Quota cannot both be set",
        ));
    }
    let most = host.cpus as i64;
    if nano_cpus < 0 || nano_cpus > most * 1_000_000_000 {
        return Err(invalid(format!(
            "range of CPUs is from 0.01 to {most}.00, as there are only \
             {most} CPUs available"
        )));
    }
    if cpu_period != 0 && !(1000..=1_000_000).contains(&cpu_period) {
        return Err(invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger \
             than 1s (i.e. 1000000)",
        ));
    }
    if cpu_quota > 0 && cpu_quota < 1000 {
        return Err(invalid(
            "CPU cfs quota can not be less than 1ms (i.e. 1000)",
        ));
    }
    if config.cpu_shares < 0 {
        return Err(invalid(format!(
            "invalid CPU shares ({}): value must be a positive integer",
            config.cpu_shares
        )));
    }
    if config.blkio_weight != 0 && !(10..=1000).contains(&config.blkio_weight) {
        return Err(invalid("Range of blkio weight is from 10 to 1000"));
    }
    if config.io_maximum_bandwidth != 0 || config.io_maximum_iops != 0 {
        return Err(invalid(
            "Invalid QoS settings: linux does not support Maximum IO \
             Bandwidth or Maximum IO IOps",
        ));
    }
    let (period, runtime) =
        (config.cpu_realtime_period, config.cpu_realtime_runtime);
    if period != 0 && runtime != 0 && runtime > period {
        return Err(invalid(
            "cpu real-time runtime cannot be higher than cpu real-time period",
        ));
    }
    let [cpus, mems] = host.cpuset;
    check_set(&config.cpuset_cpus, cpus, "cpuset cpus", "CPUs")?;
    check_set(&config.cpuset_mems, mems, "cpuset mems", "memory nodes")
}

/// Refuses a list with what the host does not have.
fn check_set(list: &str, all: &str, field: &str, what: &str) -> Result<()> {
    let wanted = numbers(list).ok_or_else(|| {
        invalid(format!(
            "Invalid value {list} for {field}: invalid format: {list}"
        ))
    })?;
    let has = |range: &(u32, u32)| {
        let mut there = numbers(all).unwrap_or_default().into_iter();
        there.any(|(first, last)| first <= range.0 && range.1 <= last)
    };
    if !all.is_empty() && !wanted.iter().all(has) {
        return Err(invalid(format!(
            "Requested {what} are not available - requested {list}, \
             available: {all}"
        )));
    }
    Ok(())
}

/// Reads `0-2,4`, in the order in which it is written.
fn numbers(list: &str) -> Option<Vec<(u32, u32)>> {
    let parts = list.split(',').filter(|_| !list.is_empty());
    parts
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some((first, last))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_lists_of_ranges() {
        let read = |list| numbers(list);
        assert_eq!(read("0-2,4"), Some(vec![(0, 2), (4, 4)]));
        assert_eq!(read(""), Some(vec![]));
        for bad in ["x", "1-", "-1", "2-1", "1,,2", ","] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_the_host_lacks_is_refused_in_dockers_words() {
        let told = |list| {
            check_set(list, "0-3,8", "cpuset cpus", "CPUs")
                .map_err(|e| e.to_string())
        };
        assert_eq!(told("1,3,8"), Ok(()));
        assert_eq!(
            told("2-4").unwrap_err(),
            "Requested CPUs are not available - requested 2-4, available: \
             0-3,8"
        );
        assert_eq!(
            told("a").unwrap_err(),
            "Invalid value a for cpuset cpus: invalid format: a"
        );
    }
}
