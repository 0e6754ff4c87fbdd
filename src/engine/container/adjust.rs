//! The host configuration that a start may bring: up to API 1.23 clients
//! sent a part of it there, the first ones all of it but the limits.

use serde_json::{Map, Value};

use super::create::sync_of;
use super::life::Record;
use super::{Container, mounts};
use crate::api::host_config::HostConfig;
use crate::engine::{Engine, Error, Result};
use crate::json;

/// The fields of a `HostConfig` that a start names.
pub type HostChanges = Map<String, Value>;

/// What Docker's defaults make of a field, which is made again when that
/// field changes and the client does not say what it wants of it.
const DERIVED: [(&str, &str); 4] = [
    ("Memory", "MemorySwap"),
    ("Privileged", "MaskedPaths"),
    ("Privileged", "ReadonlyPaths"),
    ("Privileged", "CgroupnsMode"),
];

impl Engine {
    /// Changes a container's host configuration in the fields that are
    /// named, and keeps it. Called under `operation`, of a container that
    /// does not run. One that is refused changes nothing.
    pub(super) fn adjust(
        &self,
        container: &Container,
        changes: HostChanges,
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let old = container.snapshot();
        let old: &Record = &old.record;
        let mut host_config = changed(&old.host_config, changes)?;
        let mut config = old.config.clone();
        let (mut points, warnings) =
            self.settle_host_config(&config, &mut host_config, &old.mounts)?;
        mounts::prepare(&host_config)?;
        for warning in warnings {
            log::warn!("container {}: {warning}", container.id);
        }
        if config.hostname == self.hostname_for(&old.id, &old.host_config) {
            config.hostname = self.hostname_for(&old.id, &host_config);
        }
        let sync = sync_of(&host_config);
        let id = &container.id;
        let taken = self.take_volumes(id, &mut points, &old.mounts, sync)?;
        self.fill_volumes(id, &points, sync)?;
        let (mounts, long_mounts) = mounts::split(points);
        let record =
            Record { config, host_config, mounts, long_mounts, ..old.clone() };
        let saved = self.store.save_container(&record.id, &record, sync);
        saved.map_err(|e| Error::internal("keep a container", e))?;
        taken.keep();
        self.leave_replaced(id, &old.mounts, &record.mounts);
        container.set_record(record);
        Ok(())
    }
}

fn changed(old: &HostConfig, changes: HostChanges) -> Result<HostConfig> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(old) else {
        return Ok(old.clone());
    };
    for (cause, derived) in DERIVED {
        let value = changes.get(cause);
        if value.is_some() && value != fields.get(cause) {
            fields.remove(derived);
        }
    }
    fields.extend(changes);
    json::from_value(Value::Object(fields))
        .map_err(|e| Error::Invalid(format!("invalid JSON: {e}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(old: &HostConfig, changes: Value) -> HostConfig {
        let Value::Object(changes) = changes else { panic!("an object") };
        changed(old, changes).unwrap()
    }

    #[test]
    fn only_what_is_named_changes() {
        let old = HostConfig {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            cpu_shares: 7,
            binds: Some(vec!["/a:/a".into()]),
            masked_paths: Some(vec!["/proc/kcore".into()]),
            ..Default::default()
        };
        let changes = json!({
            "Binds": ["/b:/b"],
            "LxcConf": [],
            "Privileged": false,
            "CapAdd": ["NET_ADMIN"],
            "RestartPolicy": {"Name": "", "MaximumRetryCount": 0},
        });
        let wanted = HostConfig {
            binds: Some(vec!["/b:/b".into()]),
            cap_add: Some(vec!["NET_ADMIN".into()]),
            ..old.clone()
        };
        assert_eq!(change(&old, changes), wanted);
        assert_eq!(change(&old, json!({})), old);
    }

    #[test]
    fn what_followed_from_an_old_value_goes_with_it() {
        let old = HostConfig {
            memory: 64 << 20,
            memory_swap: 128 << 20,
            cgroupns_mode: "private".into(),
            masked_paths: Some(vec!["/proc/kcore".into()]),
            ..Default::default()
        };
        let more = change(&old, json!({"Memory": 256 << 20}));
        assert_eq!((more.memory, more.memory_swap), (256 << 20, 0));
        assert_eq!(more.masked_paths, old.masked_paths);
        let free = change(&old, json!({"Privileged": true}));
        assert_eq!(free.memory_swap, old.memory_swap);
        assert_eq!((free.masked_paths, free.cgroupns_mode), (None, "".into()));
        let both = json!({"Memory": 256 << 20, "MemorySwap": -1});
        assert_eq!(change(&old, both).memory_swap, -1);
    }

    #[test]
    fn a_field_of_a_wrong_type_is_refused() {
        let mut changes = HostChanges::new();
        changes.insert("Binds".into(), json!(7));
        let refusal = changed(&HostConfig::default(), changes).unwrap_err();
        assert!(refusal.to_string().starts_with("invalid JSON: "));
    }
}
