//! `DELETE /volumes/{name}` and `POST /volumes/prune`.

use std::collections::BTreeMap;
use std::sync::TryLockError;

use super::{is_anonymous, missing};
use crate::api::volume::PrunedVolumes;
use crate::engine::{Engine, Error, Filters, Force, Result};
use crate::store::Sync;
use crate::time::Timestamp;

/// Which unused volumes a prune takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnonymousOnly {
    /// Those without a name of their own, unless the filters ask for all.
    Yes,
    /// All, as before API 1.42.
    No,
}

/// The keys that a prune knows.
const FILTERS: &[&str] = &["all", "label", "label!"];

impl Engine {
    /// Removes a volume that no container uses.
    pub fn remove_volume(&self, name: &str, force: Force) -> Result<()> {
        match self.drop_volume(name, Sync::Yes) {
            Err(Error::NotFound(_)) if force == Force::Yes => Ok(()),
            done => done,
        }
    }

    /// Removes those of the named volumes that are anonymous and that no
    /// other container uses, after their container has left them. Failures
    /// are logged: the container is gone.
    pub(in crate::engine) fn drop_anonymous<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        sync: Sync,
    ) {
        for name in names {
            let volume = self.volumes.find(name);
            if !volume.is_some_and(|volume| is_anonymous(&volume)) {
                continue;
            }
            match self.drop_volume(name, sync) {
                Ok(()) | Err(Error::Conflict(_) | Error::NotFound(_)) => {}
                Err(error) => log::warn!("{error}"),
            }
        }
    }

    /// Removes a volume with its files.
    pub(in crate::engine) fn drop_volume(
        &self,
        name: &str,
        sync: Sync,
    ) -> Result<()> {
        let _changes = self.volumes.changes();
        {
            let table = self.volumes.table();
            let entry = table.get(name).ok_or_else(|| missing(name))?;
            if !entry.users.is_empty() {
                let users: Vec<&str> =
                    entry.users.iter().map(String::as_str).collect();
                return Err(Error::Conflict(format!(
                    "remove {name}: volume is in use - [{}]",
                    users.join(", ")
                )));
            }
        }
        self.store
            .remove_volume(name, sync)
            .map_err(|e| Error::Internal(format!("remove {name}: {e}")))?;
        self.volumes.table().remove(name);
        self.volume_event_at(Timestamp::now(), "destroy", name, &[]);
        Ok(())
    }

    /// Removes volumes that no container uses.
    pub fn prune_volumes(
        &self,
        filters: &Filters,
        anonymous: AnonymousOnly,
    ) -> Result<PrunedVolumes> {
        filters.validate(FILTERS)?;
        let all = filters.boolean("all")?.unwrap_or_default()
            || anonymous == AnonymousOnly::No;
        let _pruning = match self.volumes.pruning.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Conflict(
                    "a prune operation is already running".into(),
                ));
            }
            Err(TryLockError::Poisoned(lock)) => lock.into_inner(),
            Ok(lock) => lock,
        };
        let no_labels = BTreeMap::new();
        let names: Vec<String> = {
            let table = self.volumes.table();
            let unused = table.values().filter(|entry| {
                let labels = entry.volume.labels.as_ref();
                let labels = labels.unwrap_or(&no_labels);
                entry.users.is_empty()
                    && (all || is_anonymous(&entry.volume))
                    && filters.labels_match(labels)
                    && filters.no_label_matches(labels)
            });
            unused.map(|entry| entry.volume.name.clone()).collect()
        };
        let mut pruned = PrunedVolumes::default();
        for name in names {
            let size = self.store.volume_size(&name).unwrap_or_default();
            match self.drop_volume(&name, Sync::Yes) {
                Ok(()) => {
                    pruned.space_reclaimed += size;
                    pruned.volumes_deleted.get_or_insert_default().push(name);
                }
                // A container was quicker.
                Err(Error::Conflict(_) | Error::NotFound(_)) => {}
                Err(error) => log::warn!("{error}"),
            }
        }
        let reclaimed = pruned.space_reclaimed.to_string();
        let attributes = BTreeMap::from([("reclaimed".into(), reclaimed)]);
        self.events.publish("volume", "prune", "", attributes);
        Ok(pruned)
    }
}
