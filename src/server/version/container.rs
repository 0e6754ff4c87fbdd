//! Answers about containers in the shapes of older versions.

use serde_json::{Map, Value, json};

use super::answers::{add, at, each};
use super::system::own_path;
use crate::api::container::MAC_WARNING;

/// A hardware address was the whole container's, and nothing to warn of.
pub fn mac_unwarned(created: &mut Value) {
    let list = created.get_mut("Warnings").and_then(Value::as_array_mut);
    if let Some(list) = list {
        list.retain(|warning| warning != MAC_WARNING);
    }
}

/// A list does not tell annotations.
pub fn unannotated(list: &mut Value) {
    each(list, |row| {
        let config = row.get_mut("HostConfig").and_then(Value::as_object_mut);
        config.and_then(|map| map.remove("Annotations"));
    });
}

/// On networks that users made, a container is also known by its short id
/// and its host name.
pub fn id_aliases(container: &mut Value) {
    let text = |value: Option<&Value>| {
        value.and_then(Value::as_str).unwrap_or_default().to_string()
    };
    let id = text(container.get("Id")).chars().take(12).collect::<String>();
    let host = text(container.pointer("/Config/Hostname"));
    at(container, &["NetworkSettings", "Networks"], |networks| {
        for (name, endpoint) in networks {
            if matches!(name.as_str(), "bridge" | "host" | "none" | "default")
                || name.starts_with("container:")
            {
                continue;
            }
            let Some(endpoint) = endpoint.as_object_mut() else { continue };
            let aliases = endpoint.entry("Aliases").or_insert(Value::Null);
            let mut list = aliases.as_array().cloned().unwrap_or_default();
            for alias in [&id, &host] {
                let alias = Value::from(alias.as_str());
                if alias != "" && !list.contains(&alias) {
                    list.push(alias);
                }
            }
            *aliases = list.into();
        }
    });
}

/// Limits that kernels have no more were always told.
pub fn kernel_memory(container: &mut Value) {
    let fields = json!({ "KernelMemory": 0, "KernelMemoryTCP": 0 });
    at(container, &["HostConfig"], |map| add(map, fields));
}

/// One that is being removed was called exited.
pub fn exited(container: &mut Value) {
    at(container, &["State"], |state| rename_removing(state, "Status"));
}

/// As [`exited`], in a list.
pub fn exited_all(list: &mut Value) {
    each(list, |row| rename_removing(row, "State"));
}

fn rename_removing(map: &mut Map<String, Value>, name: &str) {
    if let Some(state) = map.get_mut(name)
        && *state == "removing"
    {
        *state = "exited".into();
    }
}

/// The options of another way to run containers: none.
pub fn lxc(container: &mut Value) {
    at(container, &["HostConfig"], |map| add(map, json!({ "LxcConf": [] })));
}

/// A container was on one network, told by the flat fields; the driver of
/// its volumes was part of the configuration.
pub fn one_network(container: &mut Value) {
    let driver = container.pointer("/HostConfig/VolumeDriver").cloned();
    at(container, &["Config"], |config| {
        let fields =
            json!({ "NetworkDisabled": false, "VolumeDriver": driver });
        add(config, fields);
    });
    at(container, &["NetworkSettings"], |settings| {
        settings.remove("Networks");
        add(settings, json!({ "PortMapping": null }));
    });
}

/// What goes over all interfaces was counted as one.
pub fn network_sum(stats: &mut Value) {
    at(stats, &[], |map| {
        let networks = map.remove("networks").unwrap_or_default();
        let mut sum = Map::new();
        for network in networks.as_object().into_iter().flat_map(Map::values) {
            for (name, value) in network.as_object().into_iter().flatten() {
                let so_far = sum.get(name).and_then(Value::as_u64).unwrap_or(0);
                let more = value.as_u64().unwrap_or(0);
                sum.insert(name.clone(), so_far.saturating_add(more).into());
            }
        }
        add(map, json!({ "network": sum }));
    });
}

/// Mounts were two maps, limits part of the configuration; and some fields
/// are documented that stood for nothing even then.
pub fn volumes(container: &mut Value) {
    let host = container.get("HostConfig").cloned().unwrap_or_default();
    at(container, &["Config"], |config| add_limits(config, &host));
    at(container, &["State"], |map| add(map, json!({ "Ghost": false })));
    at(container, &["NetworkSettings"], |map| {
        let (ip, length) = (map.get("IPAddress"), map.get("IPPrefixLen"));
        let fields = json!({ "IpAddress": ip, "IpPrefixLen": length });
        add(map, fields);
    });
    at(container, &[], |map| {
        let mounts = map.remove("Mounts").unwrap_or_default();
        let (mut paths, mut writable) = (Map::new(), Map::new());
        for mount in mounts.as_array().into_iter().flatten() {
            let Some(to) = mount["Destination"].as_str() else { continue };
            paths.insert(to.into(), mount["Source"].clone());
            writable.insert(to.into(), mount["RW"].clone());
        }
        let fields = json!({
            "Volumes": paths,
            "VolumesRW": writable,
            "SysInitPath": own_path(),
        });
        add(map, fields);
    });
}

/// Adds the limits of `host`, and what else a configuration had.
pub fn add_limits(config: &mut Map<String, Value>, host: &Value) {
    let number = |name: &str| host[name].as_i64().unwrap_or(0);
    let fields = json!({
        "CpuShares": number("CpuShares"),
        "Cpuset": host["CpusetCpus"].as_str().unwrap_or_default(),
        "Dns": host["Dns"],
        "Memory": number("Memory"),
        "MemorySwap": number("MemorySwap"),
        "PortSpecs": null,
        "VolumesFrom": "",
    });
    add(config, fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_id_is_an_alias_on_networks_of_users() {
        let mut container = json!({
            "Id": "0123456789abcdef",
            "Config": { "Hostname": "web" },
            "NetworkSettings": { "Networks": {
                "bridge": { "Aliases": null },
                "mine": { "Aliases": ["web"] },
                "other": {},
            }},
        });
        id_aliases(&mut container);
        let networks = &container["NetworkSettings"]["Networks"];
        assert_eq!(networks["bridge"]["Aliases"], json!(null));
        assert_eq!(networks["mine"]["Aliases"], json!(["web", "0123456789ab"]));
        assert_eq!(
            networks["other"]["Aliases"],
            json!(["0123456789ab", "web"])
        );
    }

    #[test]
    fn mounts_are_two_maps_before_1_20() {
        let mut container = json!({
            "HostConfig": { "Memory": 7, "CpusetCpus": "0" },
            "Config": {},
            "Mounts": [
                { "Destination": "/a", "Source": "/x", "RW": true },
                { "Destination": "/b", "Source": "/y", "RW": false },
            ],
        });
        volumes(&mut container);
        assert_eq!(container["Volumes"], json!({ "/a": "/x", "/b": "/y" }));
        assert_eq!(container["VolumesRW"], json!({ "/a": true, "/b": false }));
        assert_eq!(container.get("Mounts"), None);
        assert_eq!(container["Config"]["Memory"], 7);
        assert_eq!(container["Config"]["Cpuset"], "0");
    }

    #[test]
    fn one_that_is_being_removed_is_exited_before_1_25() {
        let mut one = json!({ "State": { "Status": "removing" } });
        exited(&mut one);
        assert_eq!(one["State"]["Status"], "exited");
        let mut list = json!([{ "State": "removing" }, { "State": "running" }]);
        exited_all(&mut list);
        assert_eq!(
            list,
            json!([{ "State": "exited" }, { "State": "running" }])
        );
    }

    #[test]
    fn traffic_is_one_sum_before_1_21() {
        let mut stats = json!({ "networks": {
            "eth0": { "rx_bytes": 1, "tx_bytes": 10 },
            "eth1": { "rx_bytes": 2 },
        }});
        network_sum(&mut stats);
        assert_eq!(
            stats,
            json!({ "network": { "rx_bytes": 3, "tx_bytes": 10 } })
        );
    }

    #[test]
    fn the_warning_of_a_later_version_is_not_told() {
        let mut created = json!({ "Warnings": [MAC_WARNING, "other"] });
        mac_unwarned(&mut created);
        assert_eq!(created["Warnings"], json!(["other"]));
    }
}
