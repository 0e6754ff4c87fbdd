//! `Binds` and `Mounts`: what a container sees of the host's files.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::api::container::Config;
use crate::api::host_config::{HostConfig, Mount};
use crate::api::inspect::MountPoint;
use crate::engine::{Error, Result};

/// Reads all binds and mounts; nothing on the host is touched.
pub fn parse(config: &HostConfig) -> Result<Vec<MountPoint>> {
    let mut points: Vec<MountPoint> = Vec::new();
    let binds = config.binds.iter().flatten().map(|text| bind(text));
    for point in binds.chain(config.mounts.iter().map(mount)) {
        let point = point?;
        if points.iter().any(|p| p.destination == point.destination) {
            return Err(Error::Invalid(format!(
                "Duplicate mount point: {}",
                point.destination
            )));
        }
        points.push(point);
    }
    Ok(points)
}

/// Says which volumes of their own containers would have, with Docker.
pub fn volume_warnings(config: &Config, mounts: &[MountPoint]) -> Vec<String> {
    let paths = config.volumes.iter().flat_map(BTreeMap::keys);
    paths
        .filter(|path| {
            let path = path.trim_end_matches('/');
            !mounts.iter().any(|mount| mount.destination == path)
        })
        .map(|path| {
            format!(
                "Volumes are not supported by this engine yet: {path} is \
                 removed together with the container."
            )
        })
        .collect()
}

/// Makes the sources that Docker makes (those of `Binds`), and refuses
/// mounts whose source is missing.
pub fn prepare(config: &HostConfig) -> Result<()> {
    for mount in &config.mounts {
        if mount.kind != "bind" || Path::new(&mount.source).exists() {
            continue;
        }
        let wanted = mount.bind_options.as_ref();
        if wanted.is_some_and(|options| options.create_mountpoint) {
            make_dir(&mount.source)?;
            continue;
        }
        return Err(Error::Invalid(format!(
            "invalid mount config for type \"bind\": bind source path does \
             not exist: {}",
            mount.source
        )));
    }
    for text in config.binds.iter().flatten() {
        let point = bind(text)?;
        if !Path::new(&point.source).exists() {
            make_dir(&point.source)?;
        }
    }
    Ok(())
}

/// Finds the long form that a mount came from.
pub fn asked<'a>(
    config: &'a HostConfig,
    point: &MountPoint,
) -> Option<&'a Mount> {
    config.mounts.iter().find(|asked| {
        mount(asked).is_ok_and(|p| p.destination == point.destination)
    })
}

fn make_dir(path: &str) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| {
        Error::Internal(format!(
            "error while creating mount source path '{path}': {e}"
        ))
    })
}

/// Reads `source:destination[:mode]`.
fn bind(text: &str) -> Result<MountPoint> {
    let bad =
        || Error::Invalid(format!("invalid volume specification: '{text}'"));
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, mode) = match parts[..] {
        [source, destination] => (source, destination, ""),
        [source, destination, mode] => (source, destination, mode),
        _ => return Err(bad()),
    };
    if source.is_empty() || destination.is_empty() {
        return Err(bad());
    }
    if !source.starts_with('/') {
        return Err(Error::NotImplemented(format!(
            "named volume \"{source}\" is not supported by this engine: name \
             a host path"
        )));
    }
    let mut rw = true;
    let mut propagation = "rprivate".to_string();
    for word in mode.split(',').filter(|word| !word.is_empty()) {
        match word {
            "ro" => rw = false,
            "rw" | "z" | "Z" | "nocopy" | "consistent" | "cached"
            | "delegated" => {}
            "private" | "rprivate" | "shared" | "rshared" | "slave"
            | "rslave" => propagation = word.into(),
            _ => {
                return Err(Error::Invalid(format!("invalid mode: {mode}")));
            }
        }
    }
    Ok(MountPoint {
        kind: "bind".into(),
        source: clean(source, &bad)?,
        destination: destination_of(destination, text)?,
        mode: mode.into(),
        rw,
        propagation,
        ..MountPoint::default()
    })
}

/// Reads a mount in the long form.
fn mount(mount: &Mount) -> Result<MountPoint> {
    let wrong = |text: &str| {
        Error::Invalid(format!(
            "invalid mount config for type \"{}\": {text}",
            mount.kind
        ))
    };
    if mount.target.is_empty() {
        return Err(wrong("field Target must not be empty"));
    }
    for (owner, name, is_set) in [
        ("bind", "BindOptions", mount.bind_options.is_some()),
        ("volume", "VolumeOptions", mount.volume_options.is_some()),
        ("tmpfs", "TmpfsOptions", mount.tmpfs_options.is_some()),
    ] {
        if is_set && mount.kind != owner {
            let text = format!("field {name} must not be specified");
            return Err(wrong(&text));
        }
    }
    let destination = destination_of(&mount.target, &mount.target)?;
    let mut point = MountPoint {
        kind: mount.kind.clone(),
        destination,
        rw: !mount.read_only,
        ..MountPoint::default()
    };
    match mount.kind.as_str() {
        "bind" => {
            if mount.source.is_empty() {
                return Err(wrong("field Source must not be empty"));
            }
            if !mount.source.starts_with('/') {
                return Err(wrong(&format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    mount.source
                )));
            }
            point.source =
                clean(&mount.source, &|| wrong("invalid source path"))?;
            let options = mount.bind_options.clone().unwrap_or_default();
            point.propagation = match options.propagation.as_str() {
                "" => "rprivate".into(),
                word @ ("private" | "rprivate" | "shared" | "rshared"
                | "slave" | "rslave") => word.into(),
                other => {
                    return Err(wrong(&format!(
                        "invalid propagation mode: {other}"
                    )));
                }
            };
        }
        "tmpfs" => {
            if !mount.source.is_empty() {
                return Err(wrong("field Source must not be specified"));
            }
            let options = mount.tmpfs_options.iter().flat_map(|o| &o.options);
            for option in options {
                match option.as_slice() {
                    [name] if name == "exec" || name == "noexec" => {}
                    [name] | [name, _] => {
                        return Err(wrong(&format!("invalid option: {name}")));
                    }
                    _ => return Err(wrong("invalid option array length")),
                }
            }
        }
        "volume" => {
            return Err(Error::NotImplemented(
                "mounts of type \"volume\" are not supported by this engine: \
                 use type bind"
                    .into(),
            ));
        }
        other => {
            return Err(Error::Invalid(format!(
                "mount type unknown: \"{other}\""
            )));
        }
    }
    Ok(point)
}

fn destination_of(path: &str, whole: &str) -> Result<String> {
    if !path.starts_with('/') {
        return Err(Error::Invalid(format!(
            "invalid volume specification: '{whole}': invalid mount config \
             for type \"bind\": invalid mount path: '{path}' mount path must \
             be absolute"
        )));
    }
    let bad = || Error::Invalid(format!("invalid mount path: '{path}'"));
    let path = clean(path, &bad)?;
    if path == "/" {
        return Err(Error::Invalid(format!(
            "invalid volume specification: '{whole}': invalid mount config \
             for type \"bind\": invalid specification: destination can't be \
             '/'"
        )));
    }
    Ok(path)
}

/// Cleans an absolute path of `.`, `..` and doubled slashes, without
/// looking at the file system.
fn clean(path: &str, bad: &dyn Fn() -> Error) -> Result<String> {
    let mut out = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::RootDir | Component::CurDir => {}
            Component::Prefix(_) => return Err(bad()),
        }
    }
    out.into_os_string().into_string().map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_read_with_their_modes() {
        let point = bind("/a//b/../c:/d/:ro,rslave").unwrap();
        assert_eq!(point.source, "/a/c");
        assert_eq!(point.destination, "/d");
        assert!(!point.rw);
        assert_eq!(point.propagation, "rslave");
        assert!(bind("/a:/b").unwrap().rw);
    }

    #[test]
    fn bad_binds_are_refused() {
        for text in
            ["/a", "/a:", ":/b", "/a:b", "/a:/b:ro:x", "/a:/b:quick", "/a:/"]
        {
            assert!(bind(text).is_err(), "{text}");
        }
        assert!(matches!(bind("data:/b"), Err(Error::NotImplemented(_))));
    }

    #[test]
    fn two_mounts_in_one_place_are_refused() {
        let config = HostConfig {
            binds: Some(vec!["/a:/x".into(), "/b:/x/".into()]),
            ..Default::default()
        };
        assert_eq!(
            parse(&config).unwrap_err().to_string(),
            "Duplicate mount point: /x"
        );
    }

    #[test]
    fn a_mount_is_found_by_where_it_leads_to() {
        let mounts = ["/a/./b/", "/c"].map(|target| Mount {
            kind: "tmpfs".into(),
            target: target.into(),
            ..Default::default()
        });
        let config =
            HostConfig { mounts: mounts.to_vec(), ..Default::default() };
        let points = parse(&config).unwrap();
        assert_eq!(points[0].destination, "/a/b");
        assert_eq!(asked(&config, &points[0]), Some(&mounts[0]));
        assert_eq!(asked(&config, &bind("/x:/y").unwrap()), None);
    }

    #[test]
    fn a_mounts_missing_source_is_an_error() {
        let config = HostConfig {
            mounts: vec![Mount {
                kind: "bind".into(),
                source: "/nonexistent/skiff".into(),
                target: "/x".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(
            prepare(&config).unwrap_err().to_string(),
            "invalid mount config for type \"bind\": bind source path does \
             not exist: /nonexistent/skiff"
        );
    }

    #[test]
    fn a_volume_that_is_no_bind_is_told() {
        let config = Config {
            volumes: Some(BTreeMap::from([
                ("/data/".into(), Default::default()),
                ("/log".into(), Default::default()),
            ])),
            ..Default::default()
        };
        let bind = bind("/srv:/log").unwrap();
        let told = volume_warnings(&config, &[bind]);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("/data/"));
    }
}
