//! Checks of restart policies.

use super::invalid;
use crate::api::host_config::{HostConfig, RestartPolicy};
use crate::engine::Result;

/// Refuses a policy that makes no sense, or that contradicts `AutoRemove`.
pub fn check(config: &HostConfig) -> Result<()> {
    check_policy(&config.restart_policy)?;
    if config.auto_remove
        && !matches!(config.restart_policy.name.as_str(), "" | "no")
    {
        return Err(invalid(
            "can't create 'AutoRemove' container with restart policy",
        ));
    }
    Ok(())
}

/// Refuses a policy that makes no sense.
pub fn check_policy(policy: &RestartPolicy) -> Result<()> {
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
