//! Which containers there are: by id, name and prefix.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Container, Phase};
use crate::engine::{Error, Result};
use crate::{id, names};

/// The containers, under one short lock that is never held over I/O.
#[derive(Debug, Default)]
pub struct Index {
    maps: Mutex<Maps>,
    /// Held by the one prune that may go on.
    pub(super) pruning: Mutex<()>,
}

#[derive(Debug, Default)]
struct Maps {
    /// Containers by id.
    by_id: BTreeMap<String, Arc<Container>>,
    /// Ids by name; a name is here before its container is.
    by_name: BTreeMap<String, String>,
}

/// How many containers there are, by what they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// In all.
    pub all: i64,
    /// Those that run, or are about to run again.
    pub running: i64,
    /// Those that are paused.
    pub paused: i64,
}

impl Count {
    /// Returns how many are neither running nor paused.
    pub fn stopped(self) -> i64 {
        self.all - self.running - self.paused
    }
}

impl Index {
    /// Reserves a name for an id.
    pub fn reserve(&self, name: &str, id: &str) -> Result<()> {
        let mut maps = self.lock();
        match maps.by_name.get(name) {
            Some(owner) => Err(Error::NameInUse {
                name: name.into(),
                owner: owner.clone(),
            }),
            None => {
                maps.by_name.insert(name.into(), id.into());
                Ok(())
            }
        }
    }

    /// Reserves a generated name for an id, and returns it.
    pub fn reserve_generated(&self, id: &str) -> String {
        for attempt in 0..6 {
            let name = names::generate(attempt);
            if self.reserve(&name, id).is_ok() {
                return name;
            }
        }
        // As Docker: the short id, which no other container can have.
        let name = id::short(id).to_string();
        self.lock().by_name.insert(name.clone(), id.into());
        name
    }

    /// Gives a reserved name back.
    pub fn release(&self, name: &str) {
        self.lock().by_name.remove(name);
    }

    /// Adds a container whose name is reserved.
    pub fn add(&self, container: Arc<Container>) {
        self.lock().by_id.insert(container.id.clone(), container);
    }

    /// Removes a container and its name.
    pub fn remove(&self, id: &str) {
        let mut maps = self.lock();
        maps.by_id.remove(id);
        maps.by_name.retain(|_, owner| owner != id);
    }

    /// Finds by full id, by name (with or without its slash), else by the
    /// prefix of exactly one id.
    pub fn find(&self, wanted: &str) -> Result<Arc<Container>> {
        let maps = self.lock();
        if let Some(container) = maps.by_id.get(wanted) {
            return Ok(Arc::clone(container));
        }
        let name = wanted.strip_prefix('/').unwrap_or(wanted);
        let named = maps.by_name.get(name).and_then(|id| maps.by_id.get(id));
        if let Some(container) = named {
            return Ok(Arc::clone(container));
        }
        if !id::is_hex_id(wanted) {
            return Err(Error::NoSuchContainer(wanted.into()));
        }
        let mut same = maps
            .by_id
            .range(wanted.to_string()..)
            .take_while(|(id, _)| id.starts_with(wanted));
        match (same.next(), same.next()) {
            (None, _) => Err(Error::NoSuchContainer(wanted.into())),
            (Some((_, container)), None) => Ok(Arc::clone(container)),
            _ => Err(Error::AmbiguousPrefix(wanted.into())),
        }
    }

    /// Returns all containers.
    pub fn all(&self) -> Vec<Arc<Container>> {
        self.lock().by_id.values().cloned().collect()
    }

    /// Counts all containers.
    pub fn count(&self) -> Count {
        let mut count = Count::default();
        for container in self.lock().by_id.values() {
            count.all += 1;
            match container.phase() {
                Phase::Running | Phase::Restarting => count.running += 1,
                Phase::Paused => count.paused += 1,
                _ => {}
            }
        }
        count
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
