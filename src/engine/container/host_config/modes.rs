//! Checks of the modes of namespaces, and of what other containers give.

use super::super::shared::donor;
use super::invalid;
use crate::api::container::Config;
use crate::api::host_config::HostConfig;
use crate::engine::Result;

/// Refuses modes that nobody knows.
pub fn check(config: &HostConfig) -> Result<()> {
    let is_donor =
        |mode: &str| donor(mode).is_some_and(|name| !name.is_empty());
    let own = ["private", "none", "host", "shareable"];
    for (what, value, is_valid) in [
        (
            "IPC",
            &config.ipc_mode,
            own.contains(&config.ipc_mode.as_str())
                || is_donor(&config.ipc_mode),
        ),
        ("PID", &config.pid_mode, is_donor(&config.pid_mode)),
        ("UTS", &config.uts_mode, false),
        ("user namespace", &config.userns_mode, false),
    ] {
        if !is_valid && !matches!(value.as_str(), "" | "host") {
            return Err(invalid(format!("invalid {what} mode: {value}")));
        }
    }
    if !matches!(config.cgroupns_mode.as_str(), "host" | "private") {
        return Err(invalid(format!(
            "invalid cgroup namespace mode: {}",
            config.cgroupns_mode
        )));
    }
    Ok(())
}

/// Refuses what contradicts the network or the names that are asked for.
pub fn check_conflicts(config: &Config, host: &HostConfig) -> Result<()> {
    let conflict =
        |text: &str| Err(invalid(format!("conflicting options: {text}")));
    let mode = host.network_mode.as_str();
    let (joins, is_host) = (donor(mode).is_some(), mode == "host");
    if donor(mode) == Some("") || mode == "container" {
        return Err(invalid(
            "Invalid network mode: invalid container format \
             container:<name|id>",
        ));
    }
    let some = |list: &Option<Vec<String>>| {
        list.as_ref().is_some_and(|list| !list.is_empty())
    };
    let links = some(&host.links);
    let ports = host.port_bindings.as_ref().is_some_and(|p| !p.is_empty());
    for (is_wrong, text) in [
        (joins && !config.hostname.is_empty(), "hostname and the network mode"),
        (
            joins && links,
            "container type network can't be used with links. This would \
             result in undefined behavior",
        ),
        (joins && some(&host.dns), "dns and the network mode"),
        (
            joins && some(&host.extra_hosts),
            "custom host-to-IP mapping and the network mode",
        ),
        (
            (joins || is_host) && !config.mac_address.is_empty(),
            "mac-address and the network mode",
        ),
        (
            joins && (ports || host.publish_all_ports),
            "port publishing and the container type network mode",
        ),
        (
            joins && !config.exposed_ports.is_empty(),
            "port exposing and the container type network mode",
        ),
        (
            host.uts_mode == "host" && !config.hostname.is_empty(),
            "hostname and the UTS mode",
        ),
        (
            is_host && links,
            "host type networking can't be used with links. This would \
             result in undefined behavior",
        ),
    ] {
        if is_wrong {
            return conflict(text);
        }
    }
    Ok(())
}
