//! What is asked for and this kernel cannot hold: it is told, and dropped.

use super::invalid;
use crate::api::host_config::HostConfig;
use crate::engine::Result;
use crate::engine::host::Host;

/// Refuses what this kernel cannot do and nobody can do without.
pub fn check_kernel(config: &HostConfig, host: &Host) -> Result<()> {
    let wants_real_time =
        config.cpu_realtime_period != 0 || config.cpu_realtime_runtime != 0;
    let has_real_time =
        || !host.is_v2() && host.can("cpu", "cpu.rt_runtime_us");
    if wants_real_time && !has_real_time() {
        return Err(invalid("kernel does not support CPU real-time scheduler"));
    }
    if config.nano_cpus > 0 && !host.can("cpu", "cpu.cfs_quota_us") {
        return Err(invalid(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS \
             scheduler or the cgroup is not mounted",
        ));
    }
    Ok(())
}

/// Drops the limits that the kernel cannot hold; returns Docker's warnings.
pub fn discard(config: &mut HostConfig, host: &Host) -> Vec<String> {
    let mut told = Vec::new();
    let told = &mut told;
    let c = config;
    if c.memory > 0 && !host.can("memory", "memory.limit_in_bytes") {
        lacks(told, "memory limit capabilities", "Limitation");
        (c.memory, c.memory_swap) = (0, -1);
    }
    if c.memory > 0 && c.memory_swap != -1 && !host.has_swap_limit {
        tell(
            told,
            "swap limit capabilities",
            "or the cgroup is not mounted. Memory limited without swap.",
        );
        c.memory_swap = -1;
    }
    if c.memory_swappiness.is_some()
        && (host.is_v2() || !host.can("memory", "memory.swappiness"))
    {
        lacks(told, "memory swappiness capabilities", "Memory swappiness");
        c.memory_swappiness = None;
    }
    if c.memory_reservation > 0
        && !host.can("memory", "memory.soft_limit_in_bytes")
    {
        lacks(told, "memory soft limit capabilities", "Limitation");
        c.memory_reservation = 0;
    }
    if c.kernel_memory > 0
        && (host.is_v2() || !host.can("memory", "memory.kmem.limit_in_bytes"))
    {
        lacks(told, "kernel memory limit capabilities", "Limitation");
        c.kernel_memory = 0;
    }
    if c.pids_limit.is_some() && !host.can("pids", "") {
        lacks(told, "PIDs limit capabilities", "PIDs limit");
        c.pids_limit = None;
    }
    if c.cpu_shares > 0 && !host.can("cpu", "cpu.shares") {
        lacks(told, "CPU shares", "Shares");
        c.cpu_shares = 0;
    }
    let cpuset = !c.cpuset_cpus.is_empty() || !c.cpuset_mems.is_empty();
    if cpuset && !host.can("cpuset", "cpuset.cpus") {
        lacks(told, "cpuset", "Cpuset");
        c.cpuset_cpus.clear();
        c.cpuset_mems.clear();
    }
    if c.blkio_weight > 0 && !host.can("blkio", "blkio.bfq.weight") {
        lacks(told, "Block I/O weight", "Weight");
        c.blkio_weight = 0;
    }
    let weights = c.blkio_weight_device.as_ref();
    if weights.is_some_and(|list| !list.is_empty())
        && !host.can("blkio", "blkio.bfq.weight_device")
    {
        lacks(told, "Block I/O weight_device", "Weight-device");
        c.blkio_weight_device = Some(Vec::new());
    }
    for (list, file, what, end) in [
        (
            &mut c.blkio_device_read_bps,
            "blkio.throttle.read_bps_device",
            "BPS Block I/O read limit",
            "Block I/O BPS read limit",
        ),
        (
            &mut c.blkio_device_write_bps,
            "blkio.throttle.write_bps_device",
            "BPS Block I/O write limit",
            "Block I/O BPS write limit",
        ),
        (
            &mut c.blkio_device_read_iops,
            "blkio.throttle.read_iops_device",
            "IOPS Block read limit",
            "Block I/O IOPS read limit",
        ),
        (
            &mut c.blkio_device_write_iops,
            "blkio.throttle.write_iops_device",
            "IOPS Block write limit",
            "Block I/O IOPS write limit",
        ),
    ] {
        if list.as_ref().is_some_and(|list| !list.is_empty())
            && !host.can("blkio", file)
        {
            lacks(told, what, end);
            *list = Some(Vec::new());
        }
    }
    if let Some(is_disabled) = c.oom_kill_disable
        && (host.is_v2() || !host.can("memory", "memory.oom_control"))
    {
        if is_disabled {
            tell(told, "OomKillDisable.", "OomKillDisable discarded.");
        }
        c.oom_kill_disable = None;
    }
    if (c.cpu_period != 0 || c.cpu_quota != 0)
        && !host.can("cpu", "cpu.cfs_quota_us")
    {
        tell(told, "CPU CFS scheduler.", "CPU period/quota discarded.");
        (c.cpu_period, c.cpu_quota) = (0, 0);
    }
    if c.cpu_percent > 0 {
        told.push(
            "linux does not support CPU percent. Percent discarded.".into(),
        );
        c.cpu_percent = 0;
    }
    if c.oom_kill_disable == Some(true) && c.memory == 0 {
        told.push(
            "OOM killer is disabled for the container, but no memory limit \
             is set, this can result in the system running out of resources."
                .into(),
        );
    }
    std::mem::take(told)
}

fn tell(told: &mut Vec<String>, what: &str, end: &str) {
    told.push(format!("Your kernel does not support {what} {end}"));
}

fn lacks(told: &mut Vec<String>, what: &str, lost: &str) {
    let end = format!("or the cgroup is not mounted. {lost} discarded.");
    tell(told, what, &end);
}
