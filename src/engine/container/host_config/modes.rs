//! Checks of the modes of namespaces, and of what other containers give.

use super::{invalid, unsupported};
use crate::api::host_config::HostConfig;
use crate::engine::Result;

/// Refuses modes that nobody knows.
pub fn check(config: &HostConfig) -> Result<()> {
    if !matches!(
        config.ipc_mode.as_str(),
        "private" | "none" | "host" | "shareable"
    ) {
        return Err(unsupported("IPC mode", &config.ipc_mode));
    }
    for (what, value) in [
        ("PID mode", &config.pid_mode),
        ("UTS mode", &config.uts_mode),
        ("user namespace mode", &config.userns_mode),
    ] {
        if !matches!(value.as_str(), "" | "host") {
            return Err(unsupported(what, value));
        }
    }
    if !matches!(config.cgroupns_mode.as_str(), "host" | "private") {
        return Err(invalid(format!(
            "invalid cgroup namespace mode: {}",
            config.cgroupns_mode
        )));
    }
    if let Some(value) = config.links.iter().flatten().next() {
        return Err(unsupported("link", value));
    }
    if config.device_requests.as_ref().is_some_and(|list| !list.is_empty()) {
        return Err(invalid(
            "could not select device driver \"\" with capabilities: []",
        ));
    }
    Ok(())
}
