//! What Docker means: names, states, policies, events; one operation a
//! file. No HTTP and no system calls.
//!
//! **Order of locks:** a container's `operation`, then the network's
//! addresses, then the volumes, then the store, then the index of names.
//! The short locks (snapshot, index, tables, events) are never held over
//! I/O, so `list` and `inspect` never wait for an operation. A poisoned
//! lock is taken over: what it guards is replaced by one assignment, never
//! changed in place.

mod container;
mod error;
mod events;
mod exec;
mod filters;
mod host;
mod identity;
mod image;
mod metrics;
mod network;
mod pattern;
mod settings;
mod system;
mod volume;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use container::check_log_driver;
pub use container::{
    Attach, AttachOptions, CommitOptions, Condition, Connection, Container,
    Exit, HostChanges, ListOptions, LogOptions, Logs, NextLine, PutOptions,
    RemoveOptions, Samples, Sizes, StopOptions, Top, Wait, WithVolumes,
};
pub use error::{Error, Kind, Result};
pub use events::{EventQuery, EventStream, NextEvents};
pub use exec::{ExecOptions, StartedExec};
pub use filters::Filters;
pub use image::{Force, ImageListOptions, ImportOptions, Pull, PullOptions};
pub use metrics::{Action, BOUNDS, Measures, Timed};
pub use settings::{
    Defaults, LiveRestore, RUNTIMES, Runtimes, Settings, has_runtime,
};
pub use volume::AnonymousOnly;

pub use crate::logs::{Entry as LogEntry, Stream as LogStream};
pub use crate::oci::Platform;
pub use crate::registry::Credentials;
pub use crate::shim::{Framing, Streams};
use crate::store::{self, Store};

/// The engine: everything that the API can reach.
#[derive(Debug)]
pub struct Engine {
    settings: settings::Current,
    host: host::Host,
    identity: identity::Identity,
    store: Store,
    events: events::Events,
    containers: container::Index,
    execs: exec::Index,
    networks: network::Networks,
    volumes: volume::Volumes,
    pulls: image::Pulls,
    metrics: metrics::Metrics,
    /// Set once the daemon is on its way out.
    ending: AtomicBool,
}

/// A data root that this process alone has.
#[derive(Debug)]
pub struct Root(store::Lock);

impl Root {
    /// Takes a root without waiting. Fails if another daemon has it.
    pub fn take(path: &Path) -> Result<Root> {
        let lock = store::Lock::take(path);
        lock.map(Root).map_err(|e| Error::Internal(e.to_string()))
    }
}

impl Engine {
    /// Opens the state below the data root, takes over what still runs,
    /// and starts what its policy wants to run.
    pub fn open(settings: Settings, root: Root) -> Result<Arc<Engine>> {
        let store = Store::open_locked(root.0)
            .map_err(|e| Error::Internal(e.to_string()))?;
        let host = host::Host::detect(store.root());
        let identity = identity::Identity::load(store.root())?;
        let networks =
            network::Networks::open(&settings, identity.networks.clone())?;
        let volumes = volume::Volumes::open(&store)?;
        let engine = Arc::new(Engine {
            host,
            store,
            identity,
            events: events::Events::default(),
            containers: container::Index::default(),
            execs: exec::Index::default(),
            networks,
            volumes,
            pulls: image::Pulls::new(settings.registries()),
            metrics: metrics::Metrics::default(),
            ending: AtomicBool::new(false),
            settings: settings::Current::new(settings),
        });
        engine.recover();
        Ok(engine)
    }

    /// Brings the engine to its end. Unless containers outlive the daemon,
    /// they are stopped, all together, within the shutdown time.
    pub fn shut_down(self: &Arc<Engine>) {
        self.ending.store(true, Ordering::SeqCst);
        if self.settings().live_restore == LiveRestore::No {
            self.stop_all();
            self.networks.remove();
        }
    }

    /// Takes each of the short locks once: returns unless something is
    /// stuck in one of them.
    pub fn touch_locks(&self) {
        let _ = (self.containers.all(), self.events.listeners());
    }

    /// Tells whether the daemon is on its way out.
    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }
}
