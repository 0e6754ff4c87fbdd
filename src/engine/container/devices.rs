//! Devices of the host for a container: `--device`, the rules of
//! `--device-cgroup-rule`, and the bounds on their use.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::api::host_config::{DeviceMapping, HostConfig, WeightDevice};
use crate::engine::{Error, Result};
use crate::runtime::spec::{
    Device, DeviceKind, DeviceRule, Spec, Throttle, ThrottleKind,
};

/// How deep a directory of devices is looked through.
const DEPTH: usize = 4;

/// Refuses what is no rule; nothing on the host is looked at.
pub fn check(host: &HostConfig) -> Result<()> {
    host.device_cgroup_rules.iter().flatten().try_for_each(|text| {
        rules(text).map(drop).ok_or_else(|| {
            Error::Invalid(format!(
                "invalid device cgroup rule format: '{text}'"
            ))
        })
    })
}

/// Gives a container the devices that it asks for.
pub fn add(spec: &mut Spec, host: &HostConfig) -> Result<()> {
    for wanted in host.devices.iter().flatten() {
        add_one(spec, wanted)?;
    }
    let texts = host.device_cgroup_rules.iter().flatten();
    spec.device_rules.extend(texts.filter_map(|text| rules(text)).flatten());
    throttle(spec, host)
}

/// Gives a container one device, or a directory of them.
pub fn add_one(spec: &mut Spec, wanted: &DeviceMapping) -> Result<()> {
    let path = Path::new(&wanted.path_on_host);
    let target = match wanted.path_in_container.as_str() {
        "" => path,
        target => Path::new(target),
    };
    let access = access(wanted)?;
    add_path(spec, path, target, access, DEPTH).map_err(|e| {
        Error::Invalid(format!(
            "error gathering device information while adding custom device \
             \"{}\": {e}",
            wanted.path_on_host
        ))
    })
}

/// Bounds the use of devices, where that is asked for.
fn throttle(spec: &mut Spec, host: &HostConfig) -> Result<()> {
    let lists = [
        (ThrottleKind::ReadBps, &host.blkio_device_read_bps),
        (ThrottleKind::WriteBps, &host.blkio_device_write_bps),
        (ThrottleKind::ReadIops, &host.blkio_device_read_iops),
        (ThrottleKind::WriteIops, &host.blkio_device_write_iops),
    ];
    let mut wishes = Vec::new();
    for (kind, list) in lists {
        let all = list.iter().flatten();
        wishes.extend(all.map(|wanted| (kind, &wanted.path, wanted.rate)));
    }
    for WeightDevice { path, weight } in
        host.blkio_weight_device.iter().flatten()
    {
        wishes.push((ThrottleKind::Weight, path, u64::from(*weight)));
    }
    for (kind, path, rate) in wishes {
        let metadata = fs::metadata(path)
            .map_err(|e| Error::Invalid(format!("device \"{path}\": {e}")))?;
        let (major, minor) = split(metadata.rdev());
        let throttle = Throttle { kind, major, minor, rate };
        spec.cgroup.resources.throttle.push(throttle);
    }
    Ok(())
}

/// Reads `c 1:3 rwm`; `*` is any number, and `a` devices of both kinds.
fn rules(text: &str) -> Option<Vec<DeviceRule>> {
    let words: Vec<&str> = text.split(' ').collect();
    let [kind, numbers, access] = words[..] else { return None };
    let kinds: &[DeviceKind] = match kind {
        "a" => &[DeviceKind::Char, DeviceKind::Block],
        "c" => &[DeviceKind::Char],
        "b" => &[DeviceKind::Block],
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        text => text.parse().ok().map(Some),
    };
    let (major, minor) = numbers.split_once(':')?;
    let (major, minor) = (number(major)?, number(minor)?);
    let is_access = (1..=3).contains(&access.len())
        && access.chars().all(|c| "rwm".contains(c));
    is_access.then(|| {
        let access = access.to_string();
        let rule = |kind: &DeviceKind| DeviceRule {
            allow: true,
            kind: *kind,
            major,
            minor,
            access: access.clone(),
        };
        kinds.iter().map(rule).collect()
    })
}

fn access(wanted: &DeviceMapping) -> Result<&str> {
    match wanted.cgroup_permissions.as_str() {
        "" => Ok("rwm"),
        access if access.chars().all(|c| "rwm".contains(c)) => Ok(access),
        access => Err(Error::Invalid(format!("invalid device mode: {access}"))),
    }
}

fn add_path(
    spec: &mut Spec,
    path: &Path,
    target: &Path,
    access: &str,
    depth: usize,
) -> std::result::Result<(), String> {
    let told = |e: std::io::Error| e.to_string();
    let metadata = fs::metadata(path)
        .map_err(|_| "no such file or directory".to_string())?;
    if metadata.is_dir() && depth > 0 {
        for entry in fs::read_dir(path).map_err(told)? {
            let name = entry.map_err(told)?.file_name();
            let inner = path.join(&name);
            let is_device = fs::symlink_metadata(&inner)
                .is_ok_and(|m| m.is_dir() || kind(&m.file_type()).is_some());
            if is_device {
                let target = target.join(&name);
                add_path(spec, &inner, &target, access, depth - 1)?;
            }
        }
        return Ok(());
    }
    let kind = kind(&metadata.file_type()).ok_or("not a device node")?;
    let (major, minor) = split(metadata.rdev());
    spec.devices.push(Device {
        path: target.to_owned(),
        kind,
        major,
        minor,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    });
    spec.device_rules.push(DeviceRule {
        allow: true,
        kind,
        major: Some(major),
        minor: Some(minor),
        access: access.into(),
    });
    Ok(())
}

fn kind(file_type: &fs::FileType) -> Option<DeviceKind> {
    if file_type.is_char_device() {
        Some(DeviceKind::Char)
    } else if file_type.is_block_device() {
        Some(DeviceKind::Block)
    } else {
        None
    }
}

/// Splits a device number as `makedev(3)` joins it.
fn split(number: u64) -> (u32, u32) {
    let major = ((number >> 8) & 0xfff) | ((number >> 32) & 0xffff_f000);
    let minor = (number & 0xff) | ((number >> 12) & 0xffff_ff00);
    (major as u32, minor as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::host_config::ThrottleDevice;

    #[test]
    fn a_device_is_found_with_its_number() {
        let mut spec = Spec::default();
        let host = HostConfig {
            devices: Some(vec![DeviceMapping {
                path_on_host: "/dev/null".into(),
                path_in_container: "/dev/zilch".into(),
                cgroup_permissions: "rw".into(),
            }]),
            ..Default::default()
        };
        add(&mut spec, &host).unwrap();
        let device = &spec.devices[0];
        assert_eq!((device.major, device.minor), (1, 3));
        assert_eq!(device.path, Path::new("/dev/zilch"));
        assert_eq!(spec.device_rules[0].access, "rw");
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for path in ["/nonexistent", "/etc/passwd"] {
            let mut spec = Spec::default();
            let host = HostConfig {
                devices: Some(vec![DeviceMapping {
                    path_on_host: path.into(),
                    ..Default::default()
                }]),
                ..Default::default()
            };
            assert!(add(&mut spec, &host).is_err(), "{path}");
        }
    }

    #[test]
    fn rules_are_read() {
        let one = &rules("c 10:* rw").unwrap()[0];
        assert_eq!((one.kind, one.major, one.minor), {
            (DeviceKind::Char, Some(10), None)
        });
        assert_eq!(one.access, "rw");
        assert_eq!(rules("a *:* rwm").unwrap().len(), 2);
        for bad in
            ["", "c", "c 1:3", "x 1:3 r", "c 1:3 q", "c 1: r", "c -1:3 r"]
        {
            assert!(rules(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_use_of_a_device_is_bounded() {
        let mut spec = Spec::default();
        let device = |path: &str| {
            let path = path.to_string();
            Some(vec![ThrottleDevice { path, rate: 7 }])
        };
        let host = HostConfig {
            blkio_device_write_iops: device("/dev/null"),
            ..Default::default()
        };
        add(&mut spec, &host).unwrap();
        let throttle = &spec.cgroup.resources.throttle[0];
        assert_eq!(throttle.kind, ThrottleKind::WriteIops);
        assert_eq!((throttle.major, throttle.minor, throttle.rate), (1, 3, 7));
        let host = HostConfig {
            blkio_device_read_bps: device("/nonexistent"),
            ..Default::default()
        };
        assert!(add(&mut spec, &host).is_err());
    }

    #[test]
    fn numbers_split_as_makedev_joins_them() {
        assert_eq!(split(0x0103), (1, 3));
        assert_eq!(split((1 << 32 << 12) | 0x1_0000_0100), (0x1001, 0x100000));
    }
}
