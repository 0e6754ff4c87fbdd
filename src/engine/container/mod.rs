//! Containers: one operation a file, named as in Docker's API.
//!
//! ```text
//! create ──> Created ──start──> Running ──exit──> Exited ──start──> …
//!                │                 │ └─policy─> Restarting ─┘
//!                └──────remove─────┴──────> Removing ──> gone
//! ```
//!
//! `operation` is held by what changes the state (start, the handling of an
//! exit, remove); `snapshot` is replaced by one assignment and read by all.
//! A wait for an exit never holds a lock, so that a `stop` with a long time
//! cannot block a `kill`.

mod adjust;
mod archive;
mod attach;
mod cdi;
mod changes;
mod commit;
mod config;
mod create;
mod devices;
mod exit;
mod export;
mod filesystem;
mod health;
mod host_config;
mod index;
mod inspect;
mod kill;
mod life;
mod links;
mod list;
mod log_driver;
mod logs;
mod mounts;
mod pause;
mod policy;
mod prune;
mod recover;
mod remove;
mod rename;
mod resize;
mod restart;
pub(super) mod security_opt;
pub(super) mod shared;
mod spec;
mod start;
mod stats;
mod status;
mod stop;
mod top;
mod update;
mod wait;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use adjust::HostChanges;
pub use archive::{PutOptions, Top};
pub use attach::{Attach, AttachOptions, Connection};
pub use commit::CommitOptions;
pub use host_config::{LOG_DRIVERS, check_log_driver};
pub use index::Index;
pub use inspect::Sizes;
pub use life::{Life, Phase, Record, Snapshot};
pub use list::ListOptions;
pub use logs::{LogOptions, Logs, NextLine};
pub use mounts::WithVolumes;
pub use remove::RemoveOptions;
use stats::Sample;
pub use stats::Samples;
pub use stop::StopOptions;
pub use wait::{Condition, Exit, Wait};

use super::{Engine, Error, Result};
use crate::shim::Attachment;
use crate::store::{Sync, record};
use crate::time::Timestamp;
use crate::wait::{Interrupt, Waiters};

/// The format of what is kept of a container.
const FORMAT: u32 = 1;

/// A container of the engine.
#[derive(Debug)]
pub struct Container {
    /// The id: 64 hex digits.
    pub id: String,
    /// Held while the state is changed; guards nothing else.
    operation: Mutex<()>,
    /// The present moment.
    snapshot: Mutex<Arc<Snapshot>>,
    /// Clients that attached before the start, handed over by it.
    pending: Mutex<Vec<Attachment>>,
    /// Waits for the next exit.
    exits: Waiters<Exit>,
    /// Waits for the removal.
    removal: Waiters<Exit>,
    /// Ends the pause before a policy's restart.
    interrupt: Interrupt,
    /// The last reading of its counters, shared by all who ask for them.
    sample: Mutex<Option<Arc<Sample>>>,
}

impl Container {
    /// Makes a container of what is known of it.
    fn new(record: Record, life: Life) -> Container {
        Container {
            id: record.id.clone(),
            operation: Mutex::new(()),
            snapshot: Mutex::new(Arc::new(Snapshot {
                record: Arc::new(record),
                life,
            })),
            pending: Mutex::new(Vec::new()),
            exits: Waiters::default(),
            removal: Waiters::default(),
            interrupt: Interrupt::default(),
            sample: Mutex::new(None),
        }
    }

    /// Takes the operation lock.
    fn operate(&self) -> MutexGuard<'_, ()> {
        self.operation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the present moment. Never waits for an operation.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.present())
    }

    /// Returns where it is in its life.
    fn phase(&self) -> Phase {
        self.present().life.phase
    }

    /// Locks the present moment, which is held for no longer than it takes
    /// to look at it.
    fn present(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what the container does. Called under `operation`.
    fn set_life(&self, life: Life) {
        let mut current = self.present();
        let record = Arc::clone(&current.record);
        *current = Arc::new(Snapshot { record, life });
    }

    /// Replaces what was asked for. Called under `operation`.
    fn set_record(&self, record: Record) {
        let mut current =
            self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let life = current.life.clone();
        *current = Arc::new(Snapshot { record: Arc::new(record), life });
    }

    /// Takes all clients that attached before the start.
    fn take_pending(&self) -> Vec<Attachment> {
        std::mem::take(
            &mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Engine {
    /// Finds a container by name, id or unique prefix of an id.
    pub fn container(&self, name: &str) -> Result<Arc<Container>> {
        self.containers.find(name)
    }

    /// Publishes a container's event with Docker's attributes: its labels,
    /// image and name, and what the event adds.
    pub(in crate::engine) fn container_event(
        &self,
        record: &Record,
        action: &str,
        more: &[(&str, String)],
    ) {
        self.container_event_at(Timestamp::now(), record, action, more);
    }

    /// As [`Engine::container_event`], of what happened at another time.
    pub(in crate::engine) fn container_event_at(
        &self,
        at: Timestamp,
        record: &Record,
        action: &str,
        more: &[(&str, String)],
    ) {
        let mut attributes: BTreeMap<String, String> =
            record.config.labels.clone().unwrap_or_default();
        attributes.insert("image".into(), record.config.image.clone());
        attributes.insert("name".into(), record.name.clone());
        for (key, value) in more {
            attributes.insert((*key).into(), value.clone());
        }
        let id = &record.id;
        self.events.publish_at(at, "container", action, id, attributes);
    }

    /// Keeps a changed record. Called under `operation`.
    fn save_record(&self, container: &Container, record: Record) -> Result<()> {
        let sync = create::sync_of(&record.host_config);
        let saved = self.store.save_container(&record.id, &record, sync);
        saved.map_err(|e| Error::internal("keep a container", e))?;
        container.set_record(record);
        Ok(())
    }

    /// Writes what a container does beside its record. A failure is only
    /// logged: it must not keep a container from running or from ending.
    fn save_life(&self, container: &Container, life: &Life) {
        let path = self.life_path(&container.id);
        if let Err(error) = record::save(&path, FORMAT, life, Sync::No) {
            log::warn!("container {}: keep its state: {error}", container.id);
        }
    }

    /// Returns where [`Engine::save_life`] writes.
    fn life_path(&self, id: &str) -> PathBuf {
        self.store.container_dir(id).join("life.json")
    }

    /// Returns the directory for the state of a running container.
    pub(in crate::engine) fn run_dir(&self, id: &str) -> PathBuf {
        self.settings().exec_root.join("containers").join(id)
    }
}
