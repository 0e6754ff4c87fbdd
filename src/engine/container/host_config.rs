//! `HostConfig`: Docker's defaults and checks.

use std::collections::BTreeMap;

use super::{devices, security_opt};
use crate::api::host_config::{HostConfig, RestartPolicy};
use crate::engine::{Defaults, Error, RUNTIMES, Result};
use crate::runtime::{caps, defaults};
use crate::units;

/// The least memory limit, bytes.
const LEAST_MEMORY: i64 = 6 << 20;

/// What the host has, as far as the checks need it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// How many CPUs.
    pub cpus: usize,
    /// The cgroup namespace that a container gets by default.
    pub cgroupns: &'a str,
}

/// Fills in what the daemon was told to give.
pub fn give(config: &mut HostConfig, defaults: &Defaults) {
    let default = |field: &mut String, value: &str| {
        if field.is_empty() {
            value.clone_into(field);
        }
    };
    let log = &mut config.log_config;
    default(&mut log.driver, &defaults.log_driver);
    if log.driver == defaults.log_driver {
        for (name, value) in &defaults.log_options {
            let held = log.config.entry(name.clone());
            held.or_insert_with(|| value.clone());
        }
    }
    default(&mut config.runtime, &defaults.runtime);
    default(&mut config.ipc_mode, &defaults.ipc_mode);
    if config.shm_size == 0 {
        config.shm_size = defaults.shm_size;
    }
    for limit in &defaults.ulimits {
        let own = config.ulimits.get_or_insert_default();
        if !own.iter().any(|other| other.name == limit.name) {
            own.push(limit.clone());
        }
    }
}

/// Fills in what the client left open.
pub fn complete(config: &mut HostConfig, host: Host<'_>) {
    let default = |field: &mut String, value: &str| {
        if field.is_empty() {
            *field = value.into();
        }
    };
    default(&mut config.log_config.driver, "json-file");
    default(&mut config.runtime, "skiff");
    default(&mut config.ipc_mode, "private");
    let cgroupns = if config.privileged { "host" } else { host.cgroupns };
    default(&mut config.cgroupns_mode, cgroupns);
    default(&mut config.restart_policy.name, "no");
    if matches!(config.network_mode.as_str(), "" | "default") {
        config.network_mode = "bridge".into();
    }
    if config.shm_size == 0 {
        config.shm_size = defaults::SHM_SIZE as i64;
    }
    if config.memory > 0 && config.memory_swap == 0 {
        config.memory_swap = config.memory.saturating_mul(2);
    }
    if config.memory_swappiness == Some(-1) {
        config.memory_swappiness = None;
    }
    if config.pids_limit.is_some_and(|limit| limit <= 0) {
        config.pids_limit = None;
    }
    security_opt::complete(config);
}

/// Refuses what makes no sense, in Docker's words. Returns warnings for
/// what is accepted but has no effect.
pub fn check(config: &HostConfig, host: Host<'_>) -> Result<Vec<String>> {
    check_memory(config)?;
    check_cpus(config, host)?;
    check_restart(&config.restart_policy)?;
    if config.auto_remove
        && !matches!(config.restart_policy.name.as_str(), "" | "no")
    {
        return Err(invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    check_names(config)?;
    check_modes(config)?;
    security_opt::check(config)?;
    devices::check(config)?;
    Ok(warnings(config))
}

fn invalid(text: impl Into<String>) -> Error {
    Error::Invalid(text.into())
}

fn check_memory(config: &HostConfig) -> Result<()> {
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
    if memory == 0 && memory_swap > 0 {
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
    if let Some(swappiness) = config.memory_swappiness
        && !(-1..=100).contains(&swappiness)
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

fn check_cpus(config: &HostConfig, host: Host<'_>) -> Result<()> {
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

fn check_restart(policy: &RestartPolicy) -> Result<()> {
    let bad = |text: &str| invalid(format!("invalid restart policy: {text}"));
    match policy.name.as_str() {
        "" | "no" | "always" | "unless-stopped" => {
            if policy.maximum_retry_count != 0 {
                return Err(bad(
                    "maximum retry count can only be used with 'on-failure'",
                ));
            }
        }
        "on-failure" => {
            if policy.maximum_retry_count < 0 {
                return Err(bad("maximum retry count cannot be negative"));
            }
        }
        other => {
            return Err(bad(&format!(
                "unknown policy '{other}'; use one of 'no', 'always', \
                 'on-failure', or 'unless-stopped'"
            )));
        }
    }
    Ok(())
}

fn check_names(config: &HostConfig) -> Result<()> {
    if !RUNTIMES.contains(&config.runtime.as_str()) {
        return Err(invalid(format!(
            "unknown or invalid runtime name: {}",
            config.runtime
        )));
    }
    check_log_driver(&config.log_config.driver, &config.log_config.config)?;
    for (what, list) in
        [("CapAdd", &config.cap_add), ("CapDrop", &config.cap_drop)]
    {
        for name in list.iter().flatten() {
            if !name.eq_ignore_ascii_case("ALL") && caps::number(name).is_none()
            {
                return Err(invalid(format!(
                    "invalid {what}: unknown capability: \"{name}\""
                )));
            }
        }
    }
    Ok(())
}

/// Checks the name of a log's driver, and its options.
pub fn check_log_driver(
    driver: &str,
    options: &BTreeMap<String, String>,
) -> Result<()> {
    if !matches!(driver, "json-file" | "none") {
        return Err(invalid(format!(
            "logger: no log driver named '{driver}' is registered"
        )));
    }
    for (key, value) in options {
        let fits = match key.as_str() {
            "max-size" => {
                value == "-1"
                    || units::parse_decimal_size(value).is_some_and(|n| n > 0)
            }
            "max-file" => value.parse::<u32>().is_ok_and(|n| n > 0),
            "compress" => value.parse::<bool>().is_ok(),
            "labels" | "labels-regex" | "env" | "env-regex" | "tag"
            | "mode" | "max-buffer-size" => true,
            _ => {
                return Err(invalid(format!(
                    "unknown log opt '{key}' for {driver} log driver"
                )));
            }
        };
        if !fits {
            return Err(invalid(format!(
                "invalid value for log opt '{key}': {value}"
            )));
        }
    }
    Ok(())
}

fn check_modes(config: &HostConfig) -> Result<()> {
    let later = |what: &str, value: &str| {
        Err(Error::NotImplemented(format!(
            "{what} \"{value}\" is not supported by this engine"
        )))
    };
    if !matches!(
        config.ipc_mode.as_str(),
        "private" | "none" | "host" | "shareable"
    ) {
        return later("IPC mode", &config.ipc_mode);
    }
    for (what, value) in [
        ("PID mode", &config.pid_mode),
        ("UTS mode", &config.uts_mode),
        ("user namespace mode", &config.userns_mode),
    ] {
        if !matches!(value.as_str(), "" | "host") {
            return later(what, value);
        }
    }
    if !matches!(config.cgroupns_mode.as_str(), "host" | "private") {
        return Err(invalid(format!(
            "invalid cgroup namespace mode: {}",
            config.cgroupns_mode
        )));
    }
    for (what, list) in
        [("link", &config.links), ("volumes from", &config.volumes_from)]
    {
        if let Some(value) = list.iter().flatten().next() {
            return later(what, value);
        }
    }
    if config.device_requests.as_ref().is_some_and(|list| !list.is_empty()) {
        return Err(invalid(
            "could not select device driver \"\" with capabilities: []",
        ));
    }
    Ok(())
}

fn warnings(config: &HostConfig) -> Vec<String> {
    let mut list = Vec::new();
    let ports = config.port_bindings.as_ref().is_some_and(|p| !p.is_empty());
    if ports || config.publish_all_ports {
        list.push(
            "Published ports are not forwarded by this engine yet.".into(),
        );
    }
    if config.oom_kill_disable == Some(true) && config.memory == 0 {
        list.push(
            "OOM killer is disabled for the container, but no memory limit \
             is set, this can result in the system running out of resources."
                .into(),
        );
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Host<'static> = Host { cpus: 2, cgroupns: "host" };

    fn refused(config: HostConfig) -> String {
        let mut config = config;
        complete(&mut config, HOST);
        check(&config, HOST).unwrap_err().to_string()
    }

    #[test]
    fn defaults_are_dockers() {
        let mut config = HostConfig {
            memory: 64 << 20,
            memory_swappiness: Some(-1),
            pids_limit: Some(0),
            network_mode: "default".into(),
            ..Default::default()
        };
        complete(&mut config, HOST);
        assert_eq!(config.memory_swap, 128 << 20);
        assert_eq!(config.memory_swappiness, None);
        assert_eq!(config.pids_limit, None);
        assert_eq!(config.network_mode, "bridge");
        assert_eq!(config.shm_size, 67108864);
        assert_eq!(config.ipc_mode, "private");
        assert_eq!(config.cgroupns_mode, "host");
        assert_eq!(config.masked_paths.as_ref().unwrap().len(), 12);
        assert!(check(&config, HOST).unwrap().is_empty());
    }

    #[test]
    fn limits_are_refused_in_dockers_words() {
        let base = HostConfig::default;
        let table = [
            (
                HostConfig { memory: 1 << 20, ..base() },
                "Minimum memory limit allowed is 6MB",
            ),
            (
                HostConfig { nano_cpus: 3_000_000_000, ..base() },
                "range of CPUs is from 0.01 to 2.00, as there are only 2 \
                 CPUs available",
            ),
            (
                HostConfig { memory_swap: 1 << 30, ..base() },
                "You should always set the Memory limit when using \
                 Memoryswap limit, see usage",
            ),
            (
                HostConfig { links: Some(vec!["db:db".into()]), ..base() },
                "link \"db:db\" is not supported by this engine",
            ),
            (
                HostConfig {
                    device_cgroup_rules: Some(vec!["c 1 rwm".into()]),
                    ..base()
                },
                "invalid device cgroup rule format: 'c 1 rwm'",
            ),
            (
                HostConfig { runtime: "kata".into(), ..base() },
                "unknown or invalid runtime name: kata",
            ),
            (
                HostConfig { cap_add: Some(vec!["FLY".into()]), ..base() },
                "invalid CapAdd: unknown capability: \"FLY\"",
            ),
        ];
        for (config, text) in table {
            assert_eq!(refused(config), text);
        }
    }

    #[test]
    fn restart_policies_are_checked() {
        let policy = |name: &str, most| HostConfig {
            restart_policy: RestartPolicy {
                name: name.into(),
                maximum_retry_count: most,
            },
            ..Default::default()
        };
        assert_eq!(
            refused(policy("sometimes", 0)),
            "invalid restart policy: unknown policy 'sometimes'; use one of \
             'no', 'always', 'on-failure', or 'unless-stopped'"
        );
        assert_eq!(
            refused(policy("always", 1)),
            "invalid restart policy: maximum retry count can only be used \
             with 'on-failure'"
        );
        let both = HostConfig { auto_remove: true, ..policy("always", 0) };
        assert_eq!(
            refused(both),
            "can't create 'AutoRemove' container with restart policy"
        );
    }
}
