//! Checks of the limits of memory.

use super::{Purpose, invalid};
use crate::api::host_config::HostConfig;
use crate::engine::Result;

/// The least memory limit, bytes.
const LEAST_MEMORY: i64 = 6 << 20;

/// Refuses limits of memory that make no sense.
pub fn check(config: &HostConfig, purpose: Purpose) -> Result<()> {
    let HostConfig { memory, memory_swap, memory_reservation, .. } = *config;
    if memory != 0 && memory < LEAST_MEMORY {
        return Err(invalid("Minimum memory limit allowed is 6MB"));
    }
    if memory > 0 && memory_swap > 0 && memory_swap < memory {
        return Err(invalid(
            "Minimum memoryswap limit should be larger than memory limit, \
             see usage",
        ));
    }
    if memory == 0 && memory_swap > 0 && purpose == Purpose::Create {
        return Err(invalid(
            "You should always set the Memory limit when using Memoryswap \
             limit, see usage",
        ));
    }
    if memory_reservation != 0 && memory_reservation < LEAST_MEMORY {
        return Err(invalid("Minimum memory reservation allowed is 6MB"));
    }
    if memory > 0 && memory_reservation > 0 && memory < memory_reservation {
        return Err(invalid(
            "Minimum memory limit can not be less than memory reservation \
             limit, see usage",
        ));
    }
    if config.kernel_memory > 0 && config.kernel_memory < LEAST_MEMORY {
        return Err(invalid("Minimum kernel memory limit allowed is 6MB"));
    }
    if let Some(swappiness) = config.memory_swappiness
        && !(0..=100).contains(&swappiness)
    {
        return Err(invalid(format!(
            "Invalid value: {swappiness}, valid memory swappiness range is \
             0-100"
        )));
    }
    if !(-1000..=1000).contains(&config.oom_score_adj) {
        return Err(invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            config.oom_score_adj
        )));
    }
    if config.shm_size < 0 {
        return Err(invalid("SHM size can not be less than 0"));
    }
    Ok(())
}
