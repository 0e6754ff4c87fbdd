//! Checks of what is named: runtimes and capabilities.

use super::{Host, invalid};
use crate::api::host_config::HostConfig;
use crate::engine::{Error, Result, has_runtime, network};
use crate::runtime::caps;

/// Refuses names that nobody knows.
pub fn check(config: &HostConfig, host: Host<'_>) -> Result<()> {
    if !has_runtime(host.runtimes, &config.runtime) {
        return Err(invalid(format!(
            "unknown or invalid runtime name: {}",
            config.runtime
        )));
    }
    if !matches!(config.isolation.as_str(), "" | "default") {
        return Err(invalid(format!(
            "invalid isolation '{}' on linux",
            config.isolation
        )));
    }
    if config.annotations.contains_key("") {
        return Err(invalid(
            "invalid Annotations: the empty string is not permitted as an \
             annotation key",
        ));
    }
    network::check_extra_hosts(config.extra_hosts.as_deref())?;
    // Only XFS has quotas for projects, and those are not used here.
    if let Some(key) = config.storage_opt.keys().next() {
        return Err(Error::Internal(match key.as_str() {
            "size" => "--storage-opt is supported only for overlay over xfs \
                       with 'pquota' mount option"
                .into(),
            key => format!("unknown option {key}"),
        }));
    }
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
