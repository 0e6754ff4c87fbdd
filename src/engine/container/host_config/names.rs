//! Checks of what is named: runtimes and capabilities.

use super::invalid;
use crate::api::host_config::HostConfig;
use crate::engine::{RUNTIMES, Result};
use crate::runtime::caps;

/// Refuses names that nobody knows.
pub fn check(config: &HostConfig) -> Result<()> {
    if !RUNTIMES.contains(&config.runtime.as_str()) {
        return Err(invalid(format!(
            "unknown or invalid runtime name: {}",
            config.runtime
        )));
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
