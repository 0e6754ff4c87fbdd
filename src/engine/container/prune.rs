//! `POST /containers/prune`.

use std::collections::BTreeMap;
use std::sync::{Arc, TryLockError};

use super::{RemoveOptions, WithVolumes};
use crate::api::container::PrunedContainers;
use crate::engine::{Engine, Error, Filters, Result};
use crate::time::{self, Timestamp};

impl Engine {
    /// Removes the containers that do not run; volumes stay.
    pub fn prune(
        self: &Arc<Engine>,
        filters: &Filters,
    ) -> Result<PrunedContainers> {
        let _pruning = match self.containers.pruning.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Conflict(
                    "a prune operation is already running".into(),
                ));
            }
            Err(TryLockError::Poisoned(lock)) => lock.into_inner(),
            Ok(lock) => lock,
        };
        filters.validate(&["label", "label!", "until"])?;
        let until = until(filters)?;
        let no_labels = BTreeMap::new();
        let mut pruned = PrunedContainers::default();
        for container in self.containers.all() {
            let snapshot = container.snapshot();
            let record = &snapshot.record;
            let labels = record.config.labels.as_ref().unwrap_or(&no_labels);
            if snapshot.life.is_up()
                || until.is_some_and(|until| record.created > until)
                || !filters.labels_match(labels)
                || !filters.no_label_matches(labels)
            {
                continue;
            }
            let size = self.store.rw_size(&record.id).unwrap_or_default();
            let stopped = RemoveOptions::Stopped;
            match self.remove(&record.id, stopped, WithVolumes::No) {
                Ok(()) => {
                    pruned.space_reclaimed += size;
                    let gone = &mut pruned.containers_deleted;
                    gone.get_or_insert_default().push(record.id.clone());
                }
                // Somebody started it, or was quicker.
                Err(Error::Conflict(_) | Error::NoSuchContainer(_)) => {}
                Err(error) => log::warn!("{error}"),
            }
        }
        let reclaimed = pruned.space_reclaimed.to_string();
        let attributes = BTreeMap::from([("reclaimed".into(), reclaimed)]);
        self.events.publish("container", "prune", "", attributes);
        Ok(pruned)
    }
}

/// Reads the moment before which containers must have been made.
fn until(filters: &Filters) -> Result<Option<Timestamp>> {
    match filters.get("until") {
        [] => Ok(None),
        [one] => match time::parse_since(one, Timestamp::now()) {
            Some(moment) => Ok(Some(moment)),
            None => Err(Error::Invalid(format!(
                "failed to parse value as time or duration: \"{one}\""
            ))),
        },
        _ => Err(Error::Invalid("more than one until filter specified".into())),
    }
}
