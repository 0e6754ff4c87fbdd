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
use std::path::PathBuf;
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

/// The directory of the host that a volume stands for, by the options of
/// its driver (`type=none,o=bind,device=/path`). It is not mounted upon the
/// volume's own directory, but bound from where it is.
#[derive(Debug, PartialEq)]
pub struct Device {
    /// Its path.
    pub path: PathBuf,
    /// Whether nothing can be written there.
    pub read_only: bool,
    /// Whether what is mounted beneath belongs to it.
    pub is_tree: bool,
}

impl Device {
    /// Reads the options of a volume; `None` if it has its files itself, or
    /// if they say anything else.
    pub fn of(options: &BTreeMap<String, String>) -> Option<Device> {
        let device = options.get("device").filter(|d| d.starts_with('/'))?;
        let mut found = None;
        let mut read_only = false;
        for word in options.get("o")?.split(',') {
            match word {
                "bind" | "rbind" => found = Some(word == "rbind"),
                "ro" | "rw" => read_only = word == "ro",
                _ => return None,
            }
        }
        let path = PathBuf::from(device);
        found.map(|is_tree| Device { path, read_only, is_tree })
    }
}

impl Volumes {
    /// Finds the directory of the host that a volume stands for, if it does
    /// not have its files itself.
    pub fn device(&self, name: &str) -> Option<Device> {
        self.find(name)?.options.as_ref().and_then(Device::of)
    }

    /// As [`Volumes::use_by`], of a volume that may just be removed.
    pub fn join(&self, name: &str, container: &str) -> bool {
        let _changes = self.changes();
        self.use_by(name, container)
    }

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
