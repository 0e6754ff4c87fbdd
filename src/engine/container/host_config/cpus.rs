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
        return Err(invalid("range of blkio weight is from 10 to 1000"));
    }
    Ok(())
}
