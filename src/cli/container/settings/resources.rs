//! Devices, rates, limits and kernel settings.

use crate::api::host_config::{DeviceMapping, ThrottleDevice, WeightDevice};
use crate::units;

/// Reads `source[:target][:permissions]`.
pub fn device(word: &str) -> Result<DeviceMapping, String> {
    let parts: Vec<&str> = word.split(':').collect();
    let (source, target, permissions) = match parts[..] {
        [source] => (source, source, "rwm"),
        [source, mode] if is_mode(mode) => (source, source, mode),
        [source, target] => (source, target, "rwm"),
        [source, target, mode] => (source, target, mode),
        _ => return Err(format!("bad format for path: {word}")),
    };
    if source.is_empty() {
        return Err(format!("bad format for path: {word}"));
    }
    if !is_mode(permissions) {
        return Err(format!("bad mode specified: {permissions}"));
    }
    Ok(DeviceMapping {
        path_on_host: source.to_owned(),
        path_in_container: target.to_owned(),
        cgroup_permissions: permissions.to_owned(),
    })
}

fn is_mode(word: &str) -> bool {
    !word.is_empty()
        && word.len() <= 3
        && word.chars().all(|c| "rwm".contains(c))
        && ['r', 'w', 'm'].iter().all(|c| word.matches(*c).count() < 2)
}

/// Reads `path:weight`.
pub fn weight_device(word: &str) -> Result<WeightDevice, String> {
    let (path, weight) = device_and_number(word)?;
    let weight: u16 = weight
        .parse()
        .ok()
        .filter(|weight| *weight == 0 || (10..=1000).contains(weight))
        .ok_or_else(|| format!("invalid weight for device: {word}"))?;
    Ok(WeightDevice { path: path.to_owned(), weight })
}

/// Reads `path:rate` with a rate in bytes.
pub fn bytes_rate(word: &str) -> Result<ThrottleDevice, String> {
    let (path, rate) = device_and_number(word)?;
    let rate = units::parse_size(rate)
        .and_then(|rate| u64::try_from(rate).ok())
        .ok_or_else(|| {
            format!(
                "invalid rate for device: {word}. The correct format is \
                 <device-path>:<number>[<unit>]. Number must be a positive \
                 integer. Unit is optional and can be kb, mb, or gb"
            )
        })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

/// Reads `path:rate` with a plain number.
pub fn calls_rate(word: &str) -> Result<ThrottleDevice, String> {
    let (path, rate) = device_and_number(word)?;
    let rate = rate.parse().map_err(|_| {
        format!(
            "invalid rate for device: {word}. The correct format is \
             <device-path>:<number>. Number must be a positive integer"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

fn device_and_number(word: &str) -> Result<(&str, &str), String> {
    match word.split_once(':') {
        Some((path, _)) if !path.starts_with("/dev/") => {
            Err(format!("bad format for device path: {word}"))
        }
        Some((path, number)) if !path.is_empty() => Ok((path, number)),
        _ => Err(format!("bad format: {word}")),
    }
}

/// Reads `name=value` of a setting that belongs to a container's namespaces.
pub fn sysctl(word: &str) -> Result<(String, String), String> {
    const NAMES: &[&str] = &[
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    match word.split_once('=') {
        Some((name, value))
            if NAMES.contains(&name)
                || name.starts_with("net.")
                || name.starts_with("fs.mqueue.") =>
        {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("sysctl '{word}' is not allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_a_target_and_permissions() {
        let shown = |word: &str| {
            device(word).map(|d| {
                let target = d.path_in_container;
                format!("{} {target} {}", d.path_on_host, d.cgroup_permissions)
            })
        };
        assert_eq!(shown("/dev/a").unwrap(), "/dev/a /dev/a rwm");
        assert_eq!(shown("/dev/a:r").unwrap(), "/dev/a /dev/a r");
        assert_eq!(shown("/dev/a:/b").unwrap(), "/dev/a /b rwm");
        assert_eq!(shown("/dev/a:/b:rw").unwrap(), "/dev/a /b rw");
        assert_eq!(
            shown("a:b:c:d").unwrap_err(),
            "bad format for path: a:b:c:d"
        );
        assert_eq!(shown("a:b:q").unwrap_err(), "bad mode specified: q");
    }

    #[test]
    fn only_namespaced_settings_are_taken() {
        assert!(sysctl("net.ipv4.ip_forward=1").is_ok());
        assert!(sysctl("kernel.panic=1").is_err() && sysctl("foo").is_err());
    }
}
