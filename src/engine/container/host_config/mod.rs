//! `HostConfig`: Docker's defaults and checks.

mod cpus;
mod lacking;
mod log_config;
mod memory;
mod modes;
mod names;
mod restart;

use super::{devices, security_opt};
use crate::api::host_config::HostConfig;
use crate::engine::{Defaults, Error, Result, Runtimes};
use crate::runtime::defaults;

pub use self::lacking::{check_kernel, discard};
pub use self::log_config::{LOG_DRIVERS, check_log_driver};
pub use self::modes::check_conflicts;
pub use self::restart::check_policy;

/// What the host has, as far as the checks need it.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// How many CPUs.
    pub cpus: usize,
    /// The cgroup namespace that a container gets by default.
    pub cgroupns: &'a str,
    /// The runtimes that were added.
    pub runtimes: &'a Runtimes,
    /// The CPUs and the memory nodes that groups may have.
    pub cpuset: &'a [String; 2],
}

/// What limits are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A new container's: all that it has.
    Create,
    /// A change: only what changes is named.
    Update,
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
    check_limits(config, host, Purpose::Create)?;
    restart::check(config)?;
    names::check(config, host)?;
    let log = &config.log_config;
    check_log_driver(&log.driver, &log.config)?;
    modes::check(config)?;
    security_opt::check(config)?;
    devices::check(config)?;
    Ok(warnings(config))
}

/// Refuses limits that make no sense.
pub fn check_limits(
    config: &HostConfig,
    host: Host<'_>,
    purpose: Purpose,
) -> Result<()> {
    memory::check(config, purpose)?;
    cpus::check(config, host)
}

fn invalid(text: impl Into<String>) -> Error {
    Error::Invalid(text.into())
}

fn warnings(config: &HostConfig) -> Vec<String> {
    let mut list = Vec::new();
    let ports = config.port_bindings.as_ref().is_some_and(|p| !p.is_empty());
    if ports || config.publish_all_ports {
        list.push(
            "Published ports are not forwarded by this engine yet.".into(),
        );
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::host_config::RestartPolicy;

    const SETS: [String; 2] = [String::new(), String::new()];
    const RUNTIMES: Runtimes = Runtimes::new();
    const HOST: Host<'static> =
        Host { cpus: 2, cgroupns: "host", runtimes: &RUNTIMES, cpuset: &SETS };

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
