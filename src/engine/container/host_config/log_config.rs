//! Checks of a log's driver and its options, in Docker's words.

use std::collections::BTreeMap;

use super::invalid;
use crate::engine::Result;
use crate::engine::container::log_driver;
use crate::units;

/// The drivers that there are, without `none`.
pub const LOG_DRIVERS: &[&str] = &["journald", "json-file", "local", "syslog"];

/// What every driver takes: how it is called, and the copy that
/// `docker logs` reads of those that keep nothing themselves.
const COMMON: &[&str] = &[
    "mode",
    "max-buffer-size",
    "cache-disabled",
    "cache-max-size",
    "cache-max-file",
    "cache-compress",
];

/// What stands in each line's attributes.
const ATTRIBUTES: &[&str] =
    &["labels", "labels-regex", "env", "env-regex", "tag"];

/// Checks the name of a log's driver, and its options.
pub fn check_log_driver(
    driver: &str,
    options: &BTreeMap<String, String>,
) -> Result<()> {
    if driver == "none" {
        return Ok(());
    }
    let own: &[&str] = match driver {
        "json-file" | "local" => &["max-size", "max-file", "compress"],
        "journald" => &[],
        "syslog" => &[
            "syslog-address",
            "syslog-facility",
            "syslog-format",
            "syslog-tls-ca-cert",
            "syslog-tls-cert",
            "syslog-tls-key",
            "syslog-tls-skip-verify",
        ],
        _ => {
            return Err(invalid(format!(
                "logger: no log driver named '{driver}' is registered"
            )));
        }
    };
    let attributes = if driver == "local" { &[] } else { ATTRIBUTES };
    for (key, value) in options {
        let known = [COMMON, own, attributes].concat();
        if !known.contains(&key.as_str()) {
            return Err(invalid(match driver {
                "local" => {
                    format!("unknown log opt '{key}' for log driver local")
                }
                _ => {
                    format!("unknown log opt '{key}' for {driver} log driver")
                }
            }));
        }
        check_value(key, value)?;
    }
    check_together(driver, options)
}

fn check_value(key: &str, value: &str) -> Result<()> {
    let wrong = |text: String| Err(invalid(text));
    match key {
        "max-size" | "cache-max-size" if value == "-1" => Ok(()),
        "max-size" | "cache-max-size" => {
            match units::parse_decimal_size(value) {
                None => wrong(format!("invalid size: '{value}'")),
                Some(..=0) => wrong(format!("{key} must be a positive number")),
                Some(_) => Ok(()),
            }
        }
        "max-buffer-size" if units::parse_size(value).is_none() => {
            wrong(format!(
                "error parsing option max-buffer-size: invalid size: '{value}'"
            ))
        }
        "max-file" | "cache-max-file" => match value.parse::<i64>() {
            Err(_) => wrong(format!(
                "strconv.Atoi: parsing \"{value}\": invalid syntax"
            )),
            Ok(..1) => wrong(format!("{key} cannot be less than 1")),
            Ok(_) => Ok(()),
        },
        "compress" | "cache-compress" | "cache-disabled"
            if log_driver::truth(value).is_none() =>
        {
            wrong(format!(
                "strconv.ParseBool: parsing \"{value}\": invalid syntax"
            ))
        }
        "mode" if !matches!(value, "" | "blocking" | "non-blocking") => {
            wrong(format!("logger: logging mode not supported: {value}"))
        }
        "tag" => log_driver::check_tag(value).or_else(wrong),
        "labels-regex" | "env-regex" => {
            log_driver::check_pattern(value).or_else(wrong)
        }
        "syslog-address" => log_driver::check_address(value).or_else(wrong),
        "syslog-facility" if log_driver::facility(value).is_none() => {
            wrong("invalid syslog facility".into())
        }
        "syslog-format" if log_driver::form(value).is_none() => {
            wrong("Invalid syslog format".into())
        }
        _ => Ok(()),
    }
}

fn check_together(
    driver: &str,
    options: &BTreeMap<String, String>,
) -> Result<()> {
    let of = |key: &str| options.get(key).map_or("", String::as_str);
    if options.contains_key("max-buffer-size") && of("mode") != "non-blocking" {
        return Err(invalid(
            "logger: max-buffer-size option is only supported with \
             'mode=non-blocking'",
        ));
    }
    let single = matches!(of("max-file"), "" | "1");
    let unbounded = matches!(of("max-size"), "" | "-1");
    if driver == "json-file"
        && log_driver::truth(of("compress")) == Some(true)
        && (single || unbounded)
    {
        return Err(invalid(
            "compress cannot be true when max-file is less than 2 or \
             max-size is not set",
        ));
    }
    Ok(())
}
