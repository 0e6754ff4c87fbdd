//! `GET /volumes` and `GET /volumes/{name}`.

use std::sync::Arc;

use super::{Entry, LOCAL, missing};
use crate::api::volume as api;
use crate::engine::filters::name_matches;
use crate::engine::{Engine, Filters, Result};
use crate::store::Volume;
use crate::time::Timestamp;

/// The keys that Docker knows.
const FILTERS: &[&str] = &["dangling", "driver", "label", "name"];

impl Engine {
    /// Lists volumes by name.
    pub fn list_volumes(&self, filters: &Filters) -> Result<api::VolumeList> {
        filters.validate(FILTERS)?;
        let dangling = filters.boolean("dangling")?;
        let passes = |entry: &Entry| {
            let labels = entry.volume.labels.clone().unwrap_or_default();
            dangling.is_none_or(|wanted| wanted == entry.users.is_empty())
                && filters.any("driver", |driver| driver == LOCAL)
                && filters.any("name", |n| name_matches(n, &entry.volume.name))
                && filters.labels_match(&labels)
        };
        let found: Vec<Arc<Volume>> = {
            let table = self.volumes.table();
            let found = table.values().filter(|entry| passes(entry));
            found.map(|entry| Arc::clone(&entry.volume)).collect()
        };
        let volumes = found.iter().map(|v| self.show_volume(v)).collect();
        Ok(api::VolumeList { volumes, warnings: None })
    }

    /// Tells all that is known of a volume.
    pub fn inspect_volume(&self, name: &str) -> Result<api::Volume> {
        let volume = self.volumes.find(name).ok_or_else(|| missing(name))?;
        Ok(self.show_volume(&volume))
    }

    /// Tells of all volumes, with the bytes that each takes and how many
    /// containers use it.
    pub fn volume_usage(&self) -> Vec<api::Volume> {
        let all: Vec<(Arc<Volume>, usize)> = {
            let table = self.volumes.table();
            let all = table.values();
            all.map(|e| (Arc::clone(&e.volume), e.users.len())).collect()
        };
        let usage = |(volume, users): &(Arc<Volume>, usize)| {
            let size = self.store.volume_size(&volume.name);
            let size = size.ok().and_then(|size| i64::try_from(size).ok());
            let usage = api::UsageData {
                ref_count: i64::try_from(*users).unwrap_or(i64::MAX),
                size: size.unwrap_or(-1),
            };
            let usage_data = Some(usage);
            api::Volume { usage_data, ..self.show_volume(volume) }
        };
        all.iter().map(usage).collect()
    }

    pub(super) fn show_volume(&self, volume: &Volume) -> api::Volume {
        let path = self.store.volume_path(&volume.name);
        let created = Timestamp { nanos: 0, ..volume.created };
        api::Volume {
            created_at: created.to_string(),
            driver: LOCAL.into(),
            labels: volume.labels.clone(),
            mountpoint: path.display().to_string(),
            name: volume.name.clone(),
            options: volume.options.clone(),
            scope: "local".into(),
            usage_data: None,
        }
    }
}
