//! The long form: `Mounts`.

use super::{Copy, MODES, Point, check_destination, clean, is_absolute};
use crate::api::host_config::{BindOptions, Mount, VolumeOptions};
use crate::api::inspect::MountPoint;
use crate::engine::{Error, Result};

/// Reads a mount.
pub fn mount(mount: &Mount) -> Result<Point> {
    let wrong = |text: String| {
        Error::Invalid(format!(
            "invalid mount config for type \"{}\": {text}",
            mount.kind
        ))
    };
    if mount.target.is_empty() {
        return Err(wrong("field Target must not be empty".into()));
    }
    check_destination(&mount.target).map_err(wrong)?;
    check_options(mount).map_err(wrong)?;
    let mut shown = MountPoint {
        kind: mount.kind.clone(),
        destination: clean(&mount.target),
        rw: !mount.read_only,
        ..MountPoint::default()
    };
    let mut copy = Copy::No;
    match mount.kind.as_str() {
        "bind" => {
            shown.source = clean(&mount.source);
            let asked = mount.bind_options.as_ref();
            let asked = asked.map_or("", |options| &options.propagation);
            shown.propagation = match asked {
                "" => "rprivate".into(),
                word => word.into(),
            };
        }
        "volume" => {
            shown.name.clone_from(&mount.source);
            shown.mode = "z".into();
            let options = mount.volume_options.as_ref();
            if options.is_none_or(|options| !options.no_copy) {
                copy = Copy::Yes;
            }
        }
        "tmpfs" => {}
        // Image and cluster, which Docker knows.
        kind => {
            return Err(Error::NotImplemented(format!(
                "mounts of type \"{kind}\" are not supported by this engine"
            )));
        }
    }
    Ok(Point { shown, long: Some(mount.clone()), copy })
}

/// Refuses options that belong to another kind, and those that make no
/// sense, in Docker's words.
fn check_options(mount: &Mount) -> std::result::Result<(), String> {
    let kind = mount.kind.as_str();
    if !["bind", "volume", "tmpfs", "image", "cluster"].contains(&kind) {
        return Err("mount type unknown".into());
    }
    for (owner, name, is_set) in [
        ("bind", "BindOptions", mount.bind_options.is_some()),
        ("volume", "VolumeOptions", mount.volume_options.is_some()),
        ("image", "ImageOptions", mount.image_options.is_some()),
        ("tmpfs", "TmpfsOptions", mount.tmpfs_options.is_some()),
        ("cluster", "ClusterOptions", mount.cluster_options.is_some()),
    ] {
        if is_set && kind != owner {
            return Err(format!("field {name} must not be specified"));
        }
    }
    match kind {
        "bind" | "image" if mount.source.is_empty() => {
            return Err("field Source must not be empty".into());
        }
        "bind" => {
            if !is_absolute(&mount.source) {
                return Err(format!(
                    "invalid mount path: '{}' mount path must be absolute",
                    mount.source
                ));
            }
            let default = BindOptions::default();
            check_bind(mount, mount.bind_options.as_ref().unwrap_or(&default))?;
        }
        "volume" => {
            if mount.source.is_empty() && mount.read_only {
                return Err("must not set ReadOnly mode when using anonymous \
                            volumes"
                    .into());
            }
            let default = VolumeOptions::default();
            let options = mount.volume_options.as_ref().unwrap_or(&default);
            if !is_local(&options.subpath) {
                return Err("subpath must be a relative path within the \
                            volume"
                    .into());
            }
        }
        "tmpfs" if !mount.source.is_empty() => {
            return Err("field Source must not be specified".into());
        }
        "tmpfs" => {
            let options = mount.tmpfs_options.iter().flat_map(|o| &o.options);
            for option in options {
                match option.as_slice() {
                    [name] if name == "exec" || name == "noexec" => {}
                    [name] | [name, _] => {
                        return Err(format!("invalid option: {name}"));
                    }
                    _ => return Err("invalid option array length".into()),
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_bind(
    mount: &Mount,
    options: &BindOptions,
) -> std::result::Result<(), String> {
    let word = options.propagation.as_str();
    if !word.is_empty() && !MODES.contains(&word) {
        return Err(format!("invalid propagation mode: {word}"));
    }
    let BindOptions {
        read_only_non_recursive: one,
        read_only_force_recursive: all,
        ..
    } = *options;
    if (one || all) && !mount.read_only {
        let name = match all {
            true => "ReadOnlyForceRecursive",
            false => "ReadOnlyNonRecursive",
        };
        return Err(format!(
            "mount options conflict: !ReadOnly && BindOptions.{name}"
        ));
    }
    if one && all {
        return Err("mount options conflict: ReadOnlyNonRecursive && \
                    BindOptions.ReadOnlyForceRecursive"
            .into());
    }
    if all && !matches!(word, "" | "rprivate") {
        return Err("mount options conflict: \
                    BindOptions.ReadOnlyForceRecursive needs propagation \
                    rprivate"
            .into());
    }
    Ok(())
}

/// Tells whether a path stays beneath where it begins, by its words alone.
fn is_local(path: &str) -> bool {
    let mut depth = 0i32;
    for part in path.split('/') {
        depth += match part {
            "" | "." => 0,
            ".." => -1,
            _ => 1,
        };
        if depth < 0 {
            return false;
        }
    }
    !is_absolute(path)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(value: Value) -> Result<Point> {
        mount(&crate::json::from_value(value).unwrap())
    }

    #[test]
    fn each_kind_is_read() {
        let bind = json!({"Type": "bind", "Source": "/a/./b", "Target": "/c/",
            "ReadOnly": true, "BindOptions": {"Propagation": "rslave"}});
        let point = read(bind).unwrap();
        assert_eq!((&*point.shown.source, point.shown.rw), ("/a/b", false));
        assert_eq!(point.shown.propagation, "rslave");
        assert_eq!(point.shown.mode, "");
        let volume = json!({"Type": "volume", "Source": "data",
            "Target": "/c", "VolumeOptions": {"NoCopy": true}});
        let point = read(volume).unwrap();
        assert_eq!((&*point.shown.name, &*point.shown.mode), ("data", "z"));
        assert_eq!(point.copy, Copy::No);
        let own = read(json!({"Type": "volume", "Target": "/c"})).unwrap();
        assert_eq!((&*own.shown.name, own.copy), ("", Copy::Yes));
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_dockers_words() {
        for (value, words) in [
            (json!({"Type": "x", "Target": "/c"}), "mount type unknown"),
            (json!({"Type": "bind"}), "field Target must not be empty"),
            (
                json!({"Type": "tmpfs", "Target": "/"}),
                "invalid specification: destination can't be '/'",
            ),
            (
                json!({"Type": "volume", "Target": "c"}),
                "invalid mount path: 'c' mount path must be absolute",
            ),
            (
                json!({"Type": "bind", "Target": "/c"}),
                "field Source must not be empty",
            ),
            (
                json!({"Type": "bind", "Target": "/c", "Source": "a"}),
                "invalid mount path: 'a' mount path must be absolute",
            ),
            (
                json!({"Type": "tmpfs", "Target": "/c", "Source": "a"}),
                "field Source must not be specified",
            ),
            (
                json!({"Type": "volume", "Target": "/c",
                    "BindOptions": {}}),
                "field BindOptions must not be specified",
            ),
            (
                json!({"Type": "volume", "Target": "/c", "ReadOnly": true}),
                "must not set ReadOnly mode when using anonymous volumes",
            ),
            (
                json!({"Type": "volume", "Target": "/c", "Source": "data",
                    "VolumeOptions": {"Subpath": "a/../../b"}}),
                "subpath must be a relative path within the volume",
            ),
            (
                json!({"Type": "bind", "Target": "/c", "Source": "/a",
                    "BindOptions": {"Propagation": "up"}}),
                "invalid propagation mode: up",
            ),
        ] {
            let kind = value["Type"].as_str().unwrap().to_string();
            assert_eq!(
                read(value).unwrap_err().to_string(),
                format!("invalid mount config for type \"{kind}\": {words}")
            );
        }
        for kind in ["image", "cluster"] {
            let value = json!({"Type": kind, "Target": "/c", "Source": "a"});
            let error = read(value).unwrap_err();
            assert!(matches!(error, Error::NotImplemented(_)), "{error}");
        }
    }

    #[test]
    fn subpaths_stay_inside() {
        for good in ["", "a", "a/b/../c", "./a"] {
            assert!(is_local(good), "{good}");
        }
        for bad in ["/a", "..", "a/../..", "a/../../a"] {
            assert!(!is_local(bad), "{bad}");
        }
    }
}
