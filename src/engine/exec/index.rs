//! Which execs there are. Those that have ended are forgotten after a while:
//! nobody has to remove them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Exec, Stage};
use crate::engine::container::Container;
use crate::time;

/// How long one that has ended can be asked for: at least the five minutes
/// of Docker.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The most that are kept: the oldest that have ended, then the oldest that
/// nobody has started, make room.
const MOST: usize = 16 * 1024;

/// The execs, under one short lock that is never held over I/O.
#[derive(Debug, Default)]
pub struct Index(Mutex<Maps>);

#[derive(Debug, Default)]
struct Maps {
    by_id: BTreeMap<String, Arc<Exec>>,
    /// The ids in the order of their creation.
    order: std::collections::VecDeque<String>,
}

impl Index {
    /// Adds one.
    pub(super) fn add(&self, exec: Arc<Exec>) {
        let mut maps = self.lock();
        maps.forget_old();
        maps.order.push_back(exec.id.clone());
        maps.by_id.insert(exec.id.clone(), exec);
    }

    /// Finds one by its id.
    pub(super) fn find(&self, id: &str) -> Option<Arc<Exec>> {
        self.lock().by_id.get(id).cloned()
    }

    /// Forgets one.
    pub(super) fn remove(&self, id: &str) {
        let mut maps = self.lock();
        maps.by_id.remove(id);
        maps.order.retain(|other| other != id);
    }

    /// Returns those of a container that have not ended.
    pub(super) fn of(&self, container: &Container) -> Vec<Arc<Exec>> {
        let maps = self.lock();
        let all = maps.by_id.values();
        let is_its = |exec: &&Arc<Exec>| {
            exec.container.id == container.id
                && !matches!(exec.stage(), Stage::Ended { .. })
        };
        all.filter(is_its).cloned().collect()
    }

    /// Forgets those of a container that is removed.
    pub fn remove_all(&self, container: &Container) {
        let mut maps = self.lock();
        maps.by_id.retain(|_, exec| exec.container.id != container.id);
        maps.tidy();
    }

    fn lock(&self) -> MutexGuard<'_, Maps> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Maps {
    fn forget_old(&mut self) {
        let now = time::boottime();
        let is_old = |exec: &Exec| match exec.stage() {
            Stage::Ended { at, .. } => now.saturating_sub(at) > KEPT,
            _ => false,
        };
        self.by_id.retain(|_, exec| !is_old(exec));
        let mut over = self.by_id.len().saturating_sub(MOST - 1);
        for stage_goes in
            [(|s| matches!(s, Stage::Ended { .. })) as fn(Stage) -> bool, |s| {
                s == Stage::Created
            }]
        {
            for id in &self.order {
                let goes = self.by_id.get(id).map(|e| stage_goes(e.stage()));
                if over > 0 && goes == Some(true) {
                    self.by_id.remove(id);
                    over -= 1;
                }
            }
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        self.order.retain(|id| self.by_id.contains_key(id));
    }
}
