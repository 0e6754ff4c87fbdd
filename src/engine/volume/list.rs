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
        }
    }
}
