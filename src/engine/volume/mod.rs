//! Volumes: one operation a file, named as in Docker's API. There is one
//! driver, `local`.
//!
//! A volume is used by every container that was created with it, running or
//! not, and mounted by those that run. `changes` is held while volumes are
//! made and removed, over the calls on their files; the lock of the table
//! is short. A volume's own lock is held while it is filled, so that nobody
//! mounts it half-way.

mod create;
mod list;
mod remove;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use create::Made;
pub use remove::AnonymousOnly;

use super::{Engine, Error, Result};
use crate::store::{Store, Volume};
use crate::time::Timestamp;

/// The only driver.
pub const LOCAL: &str = "local";

/// The label that tells volumes without a name from others.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// The volumes of an engine.
#[derive(Debug, Default)]
pub struct Volumes {
    /// Held while volumes are made or removed; guards nothing else.
    changes: Mutex<()>,
    /// Held by the one prune that runs.
    pruning: Mutex<()>,
    table: Mutex<BTreeMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    volume: Arc<Volume>,
    /// The ids of the containers that were created with it.
    users: BTreeSet<String>,
    /// The ids of those that run.
    mounted: BTreeSet<String>,
    /// Held while it is filled, or begins to be mounted.
    filling: Arc<Mutex<()>>,
}

impl Volumes {
    /// Loads all volumes; no container uses them so far.
    pub fn open(store: &Store) -> Result<Volumes> {
        let failed = |e| Error::internal("load the volumes", e);
        let table = store
            .volumes()
            .map_err(failed)?
            .into_iter()
            .map(|volume| (volume.name.clone(), Entry::new(volume)))
            .collect();
        Ok(Volumes { table: Mutex::new(table), ..Volumes::default() })
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        take(&self.table)
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        take(&self.changes)
    }

    fn find(&self, name: &str) -> Option<Arc<Volume>> {
        self.table().get(name).map(|entry| Arc::clone(&entry.volume))
    }

    /// Notes that a container was created with a volume. False if there is
    /// no such volume.
    pub fn use_by(&self, name: &str, container: &str) -> bool {
        let mut table = self.table();
        let entry = table.get_mut(name);
        entry.map(|entry| entry.users.insert(container.into())).is_some()
    }

    /// Notes that a container has nothing to do with a volume any more.
    pub fn leave(&self, name: &str, container: &str) {
        if let Some(entry) = self.table().get_mut(name) {
            entry.users.remove(container);
            entry.mounted.remove(container);
        }
    }

    /// Notes that a container runs with a volume, once nobody fills it. An
    /// error if there is no such volume.
    pub fn mount(&self, name: &str, container: &str) -> Result<()> {
        let missing = || missing(name);
        let filling = match self.table().get(name) {
            Some(entry) => Arc::clone(&entry.filling),
            None => return Err(missing()),
        };
        let _filled = take(&filling);
        let mut table = self.table();
        let entry = table.get_mut(name).ok_or_else(missing)?;
        entry.mounted.insert(container.into());
        Ok(())
    }

    /// Notes that a container runs no more. True if it did.
    pub fn unmount(&self, name: &str, container: &str) -> bool {
        let mut table = self.table();
        table.get_mut(name).is_some_and(|e| e.mounted.remove(container))
    }

    /// Holds off those who would mount a volume. Tells whether somebody has
    /// it mounted already.
    pub fn hold<T>(
        &self,
        name: &str,
        work: impl FnOnce(bool) -> T,
    ) -> Result<T> {
        let filling = match self.table().get(name) {
            Some(entry) => Arc::clone(&entry.filling),
            None => return Err(missing(name)),
        };
        let _filling = take(&filling);
        let is_mounted =
            self.table().get(name).is_some_and(|e| !e.mounted.is_empty());
        Ok(work(is_mounted))
    }
}

impl Entry {
    fn new(volume: Volume) -> Entry {
        Entry {
            volume: Arc::new(volume),
            users: BTreeSet::new(),
            mounted: BTreeSet::new(),
            filling: Arc::default(),
        }
    }
}

/// What is guarded is changed by single insertions and removals.
fn take<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn missing(name: &str) -> Error {
    Error::NotFound(format!("get {name}: no such volume"))
}

fn is_anonymous(volume: &Volume) -> bool {
    volume.labels.as_ref().is_some_and(|l| l.contains_key(ANONYMOUS))
}

impl Engine {
    /// Publishes a volume's event: its driver, and what the event adds.
    pub(in crate::engine) fn volume_event_at(
        &self,
        at: Timestamp,
        action: &str,
        name: &str,
        more: &[(&str, &str)],
    ) {
        let attributes = [("driver", LOCAL)].iter().chain(more);
        let attributes =
            attributes.map(|(k, v)| (k.to_string(), v.to_string()));
        self.events.publish_at(
            at,
            "volume",
            action,
            name,
            attributes.collect(),
        );
    }
}
