//! Checks of a log's driver and its options.

use std::collections::BTreeMap;

use super::invalid;
use crate::engine::Result;
use crate::units;

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
