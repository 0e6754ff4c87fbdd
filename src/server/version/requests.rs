//! What the requests of older versions mean in the newest: parameters that
//! a version does not have are passed over, bodies are rewritten before
//! they are read.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::answers::{add, at};
use super::{MAX, MIN, Version};
use crate::http::query::Query;

/// A parameter that not every version has; others pass it over.
pub struct Parameter {
    /// The operation.
    pub of: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The versions that have it.
    pub in_versions: RangeInclusive<Version>,
}

const fn since(minor: u16, of: &'static str, name: &'static str) -> Parameter {
    Parameter { of, name, in_versions: Version::of(1, minor)..=MAX }
}

const fn until(minor: u16, of: &'static str, name: &'static str) -> Parameter {
    Parameter { of, name, in_versions: MIN..=Version::of(1, minor) }
}

/// All such parameters.
pub static PARAMETERS: &[Parameter] = &[
    since(30, "ContainerWait", "condition"),
    since(32, "ImageCreate", "platform"),
    until(40, "ImageList", "filter"),
    since(41, CREATE, "platform"),
    since(41, "ContainerStats", "one-shot"),
    since(42, "ContainerStop", "signal"),
    since(42, "ContainerRestart", "signal"),
    since(42, "ImageList", "shared-size"),
    since(49, "ImageInspect", "platform"),
];

/// Takes the parameters out of a query that a version does not have.
pub fn pass_over(query: &mut Query, operation: &str, version: Version) {
    for row in PARAMETERS {
        if row.of == operation && !row.in_versions.contains(&version) {
            query.remove(row.name);
        }
    }
}

/// One change of the meaning of a body.
pub struct Change {
    /// The versions whose bodies it rewrites.
    pub versions: RangeInclusive<Version>,
    /// The operation.
    pub of: &'static str,
    /// What such a body means.
    pub what: &'static str,
    /// Makes it say so; or why it is refused, in Docker's words.
    apply: fn(&mut Value) -> Result<(), String>,
}

const fn below(
    minor: u16,
    of: &'static str,
    what: &'static str,
    apply: fn(&mut Value) -> Result<(), String>,
) -> Change {
    Change { versions: MIN..=Version::of(1, minor - 1), of, what, apply }
}

const CREATE: &str = "ContainerCreate";

/// All changes.
pub static CHANGES: &[Change] = &[
    below(18, CREATE, "limits stand beside HostConfig", limits_beside),
    below(19, CREATE, "CPU shares are clamped", clamp_shares),
    below(25, CREATE, "the client removes it itself", no_auto_remove),
    below(40, CREATE, "no NonRecursive, IpcMode is shareable", before_40),
    below(42, CREATE, "options of other mounts are passed over", before_42),
    Change {
        versions: Version::of(1, 42)..=MAX,
        of: CREATE,
        what: "KernelMemory is passed over",
        apply: no_kernel_memory,
    },
    below(43, CREATE, "no annotations", no_annotations),
    below(44, CREATE, "one network, one hardware address", before_44),
    below(45, CREATE, "no path inside of a volume", no_subpath),
    below(46, CREATE, "no options of a tmpfs", no_tmpfs_options),
];

/// Rewrites a body into what the newest version would say.
pub fn rewrite(
    body: &mut Value,
    operation: &str,
    version: Version,
) -> Result<(), String> {
    for row in CHANGES {
        if row.of == operation && row.versions.contains(&version) {
            (row.apply)(body)?;
        }
    }
    Ok(())
}

/// Limits move into `HostConfig`, unless it has its own.
fn limits_beside(body: &mut Value) -> Result<(), String> {
    const FIELDS: [(&str, &str); 6] = [
        ("Memory", "Memory"),
        ("MemorySwap", "MemorySwap"),
        ("CpuShares", "CpuShares"),
        ("Cpuset", "CpusetCpus"),
        ("CpusetCpus", "CpusetCpus"),
        ("RestartPolicy", "RestartPolicy"),
    ];
    let mut limits = Vec::new();
    at(body, &[], |map| {
        for (from, to) in FIELDS {
            limits.extend(map.remove(from).map(|value| (to, value)));
        }
    });
    let is_unset =
        |value: &Value| value.as_i64() == Some(0) || value.as_str() == Some("");
    with_host_config(body, |host| {
        for (name, value) in limits {
            if host.get(name).is_none_or(is_unset) {
                host.insert(name.into(), value);
            }
        }
    });
    Ok(())
}

/// The kernel takes 2 to 262144 shares; Docker used to see to that.
fn clamp_shares(body: &mut Value) -> Result<(), String> {
    at(body, &["HostConfig"], |host| {
        if let Some(value) = host.get_mut("CpuShares")
            && let Some(shares) = value.as_i64()
            && shares > 0
        {
            *value = shares.clamp(2, 262_144).into();
        }
    });
    Ok(())
}

fn no_auto_remove(body: &mut Value) -> Result<(), String> {
    at(body, &["HostConfig"], |host| {
        host.remove("AutoRemove");
    });
    Ok(())
}

fn before_40(body: &mut Value) -> Result<(), String> {
    for_mounts(body, |_, mount| {
        at(mount, &["BindOptions"], |options| {
            options.remove("NonRecursive");
        });
    });
    with_host_config(body, |host| {
        host.remove("KernelMemoryTCP");
        let mode = host.entry("IpcMode").or_insert(Value::Null);
        if mode.is_null() || *mode == "" {
            *mode = "shareable".into();
        }
    });
    Ok(())
}

/// Neither were the options of a mount checked against its kind, nor was
/// the size of a console known beforehand.
fn before_42(body: &mut Value) -> Result<(), String> {
    for_mounts(body, |kind, mount| {
        at(mount, &["BindOptions"], |options| {
            options.remove("CreateMountpoint");
        });
        let kinds = [
            ("bind", "BindOptions"),
            ("volume", "VolumeOptions"),
            ("tmpfs", "TmpfsOptions"),
        ];
        for (owner, options) in kinds {
            if kind != owner {
                at(mount, &[], |map| {
                    map.remove(options);
                });
            }
        }
    });
    at(body, &["HostConfig"], |host| {
        host.remove("ConsoleSize");
    });
    Ok(())
}

fn no_kernel_memory(body: &mut Value) -> Result<(), String> {
    at(body, &["HostConfig"], |host| {
        host.remove("KernelMemory");
    });
    Ok(())
}

fn no_annotations(body: &mut Value) -> Result<(), String> {
    at(body, &["HostConfig"], |host| {
        host.remove("Annotations");
    });
    Ok(())
}

/// A container began on one network; its hardware address was that of the
/// whole container, and mounts inside of a read-only one stayed writable.
fn before_44(body: &mut Value) -> Result<(), String> {
    at(body, &["Healthcheck"], |check| {
        check.remove("StartInterval");
    });
    let mounts = body.pointer("/HostConfig/Mounts").and_then(Value::as_array);
    let forced = |mount: &Value| {
        mount.pointer("/BindOptions/ReadOnlyForceRecursive")
            == Some(&Value::Bool(true))
    };
    if mounts.into_iter().flatten().any(forced) {
        return Err("BindOptions.ReadOnlyForceRecursive needs API v1.44 or \
                    newer"
            .into());
    }
    for_mounts(body, |kind, mount| {
        if kind == "bind" && mount["ReadOnly"] == true {
            let one = json!({ "ReadOnlyNonRecursive": true });
            at(mount, &[], |map| {
                let options = map.entry("BindOptions").or_insert(Value::Null);
                if options.is_null() {
                    *options = json!({});
                }
            });
            at(mount, &["BindOptions"], |options| add(options, one));
        }
    });
    let mut names = Vec::new();
    at(body, &["NetworkingConfig", "EndpointsConfig"], |networks| {
        for (name, endpoint) in networks {
            names.push(name.clone());
            at(endpoint, &[], |map| {
                map.remove("MacAddress");
            });
        }
    });
    match names.len() {
        0 | 1 => Ok(()),
        _ => Err(format!(
            "Container cannot be created with multiple network endpoints: {}",
            names.join(", ")
        )),
    }
}

fn no_subpath(body: &mut Value) -> Result<(), String> {
    for_mounts(body, |_, mount| {
        at(mount, &["VolumeOptions"], |options| {
            options.remove("Subpath");
        });
    });
    Ok(())
}

fn no_tmpfs_options(body: &mut Value) -> Result<(), String> {
    for_mounts(body, |_, mount| {
        at(mount, &["TmpfsOptions"], |options| {
            options.remove("Options");
        });
    });
    Ok(())
}

fn with_host_config(
    body: &mut Value,
    change: impl FnOnce(&mut serde_json::Map<String, Value>),
) {
    at(body, &[], |map| {
        let host = map.entry("HostConfig").or_insert(Value::Null);
        if host.is_null() {
            *host = json!({});
        }
    });
    at(body, &["HostConfig"], change);
}

/// Changes each of the `Mounts`, with its kind.
fn for_mounts(body: &mut Value, change: fn(&str, &mut Value)) {
    let mounts = body.pointer_mut("/HostConfig/Mounts");
    for mount in mounts.and_then(Value::as_array_mut).into_iter().flatten() {
        let kind = mount["Type"].as_str().unwrap_or_default().to_string();
        change(&kind, mount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes::ROUTES;

    fn rewritten(minor: u16, mut body: Value) -> Result<Value, String> {
        rewrite(&mut body, CREATE, Version::of(1, minor))?;
        Ok(body)
    }

    #[test]
    fn rows_name_operations() {
        let known = |of| ROUTES.iter().any(|route| route.operation == of);
        assert!(PARAMETERS.iter().all(|row| known(row.of)));
        for row in CHANGES {
            assert!(known(row.of), "{}: {}", row.of, row.what);
        }
    }

    #[test]
    fn a_parameter_that_a_version_does_not_have_is_passed_over() {
        let left = |minor, text| {
            let mut query = Query::parse(text).unwrap();
            let stop = "ContainerStop";
            pass_over(&mut query, stop, Version::of(1, minor));
            (query.has("signal"), query.has("t"))
        };
        assert_eq!(left(41, "t=1&signal=INT"), (false, true));
        assert_eq!(left(42, "t=1&signal=INT"), (true, true));
    }

    #[test]
    fn no_body_makes_a_change_panic() {
        let odd = [
            json!(null),
            json!([1]),
            json!({ "HostConfig": 1 }),
            json!({ "HostConfig": { "Mounts": [1, null, [], {}] } }),
            json!({ "NetworkingConfig": { "EndpointsConfig": { "a": 1 } } }),
        ];
        for row in CHANGES {
            for body in &odd {
                assert_eq!((row.apply)(&mut body.clone()), Ok(()));
            }
        }
    }

    #[test]
    fn a_default_is_that_of_the_version() {
        let mode = |minor, body| {
            let body = rewritten(minor, body).unwrap();
            body["HostConfig"]["IpcMode"].clone()
        };
        assert_eq!(mode(39, json!({})), "shareable");
        assert_eq!(mode(39, json!({ "HostConfig": null })), "shareable");
        let null = json!({ "HostConfig": { "IpcMode": null } });
        assert_eq!(mode(39, null), "shareable");
        assert_eq!(mode(40, json!({})), json!(null));
        let host = json!({ "HostConfig": { "IpcMode": "host" } });
        assert_eq!(mode(39, host), "host");
    }

    #[test]
    fn fields_of_later_versions_are_passed_over() {
        let host = |minor, host: Value| {
            let body = json!({ "HostConfig": host });
            rewritten(minor, body).unwrap()["HostConfig"].clone()
        };
        let later = json!({ "Annotations": { "a": "b" } });
        assert_eq!(host(42, later.clone()), json!({}));
        assert_eq!(host(43, later.clone()), later);
        let kernel = json!({ "KernelMemory": 7 });
        assert_eq!(host(42, kernel.clone()), json!({}));
        assert_eq!(host(41, kernel.clone()), kernel);
        let shares = json!({ "CpuShares": 1, "IpcMode": "host" });
        assert_eq!(host(18, shares.clone())["CpuShares"], 2);
        assert_eq!(host(19, shares)["CpuShares"], 1);
    }

    #[test]
    fn limits_stood_beside_the_host_configuration_before_1_18() {
        let body = json!({
            "Image": "b", "Memory": 64, "CpuShares": 5, "Cpuset": "0,1",
            "HostConfig": { "Memory": 32, "CpuShares": 0, "IpcMode": "host" },
        });
        let wanted = json!({
            "Memory": 32, "CpuShares": 5, "CpusetCpus": "0,1",
            "IpcMode": "host",
        });
        let seen = rewritten(17, body.clone()).unwrap();
        assert_eq!(seen, json!({ "Image": "b", "HostConfig": wanted }));
        assert_eq!(rewritten(18, body.clone()).unwrap()["Memory"], 64);
        let seen = rewritten(14, json!({ "MemorySwap": -1 })).unwrap();
        assert_eq!(seen["HostConfig"]["MemorySwap"], -1);
    }

    #[test]
    fn options_of_another_kind_of_mount_are_passed_over_before_1_42() {
        let body = json!({ "HostConfig": { "Mounts": [
            { "Type": "tmpfs", "BindOptions": {}, "TmpfsOptions": {} },
        ]}});
        let mount = |minor| {
            let body = rewritten(minor, body.clone()).unwrap();
            body["HostConfig"]["Mounts"][0].clone()
        };
        assert_eq!(mount(41), json!({ "Type": "tmpfs", "TmpfsOptions": {} }));
        assert_eq!(mount(44), body["HostConfig"]["Mounts"][0]);
    }

    #[test]
    fn a_read_only_mount_is_not_recursive_before_1_44() {
        let mount = |options: Value| {
            let mount = json!({ "Type": "bind", "ReadOnly": true, "BindOptions": options });
            json!({ "HostConfig": { "Mounts": [mount] } })
        };
        let seen = rewritten(43, mount(json!({}))).unwrap();
        assert_eq!(
            seen["HostConfig"]["Mounts"][0]["BindOptions"],
            json!({ "ReadOnlyNonRecursive": true })
        );
        let forced = mount(json!({ "ReadOnlyForceRecursive": true }));
        assert!(rewritten(43, forced.clone()).is_err());
        assert_eq!(rewritten(44, forced.clone()).unwrap(), forced);
    }

    #[test]
    fn two_networks_are_refused_before_1_44() {
        let body = json!({ "NetworkingConfig": { "EndpointsConfig": {
            "a": { "MacAddress": "02:42:ac:11:00:09" },
            "b": {},
        }}});
        assert_eq!(
            rewritten(43, body.clone()).unwrap_err(),
            "Container cannot be created with multiple network endpoints: \
             a, b"
        );
        assert_eq!(rewritten(44, body.clone()).unwrap(), body);
    }
}
