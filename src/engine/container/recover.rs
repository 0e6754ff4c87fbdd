//! The start of the daemon: containers that still run are taken over, those
//! that ended meanwhile are reported, those that their policy wants to run
//! are started. And its end, if the containers end with it.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::exit::{KILLED, lost};
use super::life::{EndedBy, Life, Phase, Record};
use super::policy::{self, Ended};
use super::start::stop_signal;
use super::stop::PATIENCE;
use super::{Container, FORMAT, commit, health};
use crate::engine::{Engine, Error, Result};
use crate::runtime::{self, cgroup::Group};
use crate::shim::{self, Gone, Monitor};
use crate::store::record;

/// The exit code of what ran when the power went.
const POWER_CUT: i32 = 255;

/// How many containers are started at a time.
const STARTS: usize = 4;

impl Engine {
    /// Loads all containers and settles what became of each. Those that
    /// ended are told of in the order of their ends.
    pub(in crate::engine) fn recover(self: &Arc<Engine>) {
        let records = self.store.containers::<Record>().unwrap_or_else(|e| {
            log::error!("load the containers: {e}");
            Vec::new()
        });
        let mut down = Vec::new();
        for (id, record) in records {
            let container = match self.load(record) {
                Ok(container) => container,
                Err(error) => {
                    log::error!("container {id}: {error}");
                    continue;
                }
            };
            match shim::reconnect(&self.run_dir(&id)) {
                Ok((state, monitor)) => {
                    self.take_over(&container, &state, monitor);
                }
                Err(gone) => {
                    let exit = self.untold_exit(&container, gone);
                    down.push((exit, container));
                }
            }
        }
        down.sort_by_key(|(exit, _)| exit.as_ref().map(|exit| exit.at));
        let to_start: Vec<_> = down
            .into_iter()
            .filter(|(exit, container)| self.settle(container, exit.as_ref()))
            .map(|(_, container)| container)
            .collect();
        self.start_all(to_start);
    }

    /// Makes a container of its records, and shows it to clients.
    fn load(&self, record: Record) -> Result<Arc<Container>> {
        let path = self.life_path(&record.id);
        let life = match record::load::<Life>(&path, FORMAT) {
            Ok(life) => life.unwrap_or_default(),
            Err(error) => return Err(Error::internal("load its state", error)),
        };
        self.containers.reserve(&record.name, &record.id)?;
        self.find_volumes(&record);
        if life.has_process() {
            // That one is gone has been told.
            let _ = self.mount_volumes(&record);
        }
        let container = Arc::new(Container::new(record, life));
        self.containers.add(Arc::clone(&container));
        Ok(container)
    }

    /// Finds the exit of a container without a monitor that no daemon has
    /// told of; what is left of the container is killed.
    fn untold_exit(
        &self,
        container: &Container,
        gone: Gone,
    ) -> Option<shim::Exit> {
        let snapshot = container.snapshot();
        let before = &snapshot.life;
        let exit = untold(before, &gone)?;
        match gone {
            Gone::Lost(_) => self.kill_leftovers(container),
            Gone::Silent(error) => {
                log::error!("container {}: {error}", container.id);
                self.kill_leftovers(container);
            }
            Gone::Exited(_) | Gone::Unknown => {}
        }
        Some(exit)
    }

    /// Brings a container that does not run up to date. True if it is to
    /// be started.
    fn settle(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        exit: Option<&shim::Exit>,
    ) -> bool {
        let _operation = container.operate();
        if let Some(exit) = exit {
            self.ended(container, exit);
        }
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        let mut life = snapshot.life.clone();
        if record.host_config.auto_remove {
            if life.phase != Phase::Removing {
                self.remove_locked(container, life.exit_code);
            }
            return false;
        }
        if life.phase == Phase::Restarting {
            // Nobody waits to start it: that is decided here.
            life.phase = Phase::Exited;
            self.save_life(container, &life);
            container.set_life(life.clone());
        }
        let ended = Ended {
            code: life.exit_code,
            by: life.ended_by,
            restarts: life.restart_count,
        };
        let policy = &record.host_config.restart_policy;
        !life.started_at.is_zero() && policy::wants_start_at_boot(policy, ended)
    }

    /// Starts containers, a few at a time, while the daemon serves already.
    fn start_all(self: &Arc<Engine>, containers: Vec<Arc<Container>>) {
        let threads = containers.len().min(STARTS);
        let queue = Arc::new(Mutex::new(containers.into_iter()));
        for _ in 0..threads {
            let (engine, queue) = (Arc::clone(self), Arc::clone(&queue));
            let work = move || {
                let next = || {
                    queue.lock().unwrap_or_else(PoisonError::into_inner).next()
                };
                while let Some(container) = next() {
                    engine.start_by_policy(&container);
                }
            };
            let thread = std::thread::Builder::new().name("start".into());
            if let Err(error) = thread.spawn(work) {
                log::error!("start the containers: {error}");
            }
        }
    }

    fn start_by_policy(self: &Arc<Engine>, container: &Container) {
        match self.start(&container.id) {
            // A client was quicker.
            Ok(()) | Err(Error::NotModified | Error::NoSuchContainer(_)) => {}
            Err(error) => {
                log::error!("container {}: start: {error}", container.id);
            }
        }
    }

    /// Takes over a container that runs on from an earlier daemon.
    fn take_over(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        state: &shim::State,
        monitor: Monitor,
    ) {
        let _operation = container.operate();
        let before = container.snapshot().life.clone();
        // A commit held it still, perhaps, when its daemon died.
        if let Err(error) = commit::go_on(&self.run_dir(&container.id)) {
            log::error!("container {}: resume: {error}", container.id);
        }
        let life = Life {
            phase: match self.is_frozen(&container.snapshot().record) {
                true => Phase::Paused,
                false => Phase::Running,
            },
            pid: state.pid,
            started_at: state.started_at,
            // Its daemon may have died before it could note the start.
            health: before.health.clone().or_else(|| {
                let record = &container.snapshot().record;
                health::at_start(&record.config, &before)
            }),
            ..before
        };
        for endpoint in life.endpoints.values() {
            self.reconnect(endpoint);
        }
        container.set_life(life);
        self.recover_execs(container, &state.execs);
        match self.watcher(container) {
            Ok(watcher) => watcher.watch(monitor),
            Err(error) => log::error!("container {}: {error}", container.id),
        }
    }

    /// Ends what a dead monitor has left of its container.
    pub(super) fn kill_leftovers(&self, container: &Container) {
        let record = container.snapshot().record.clone();
        let parent = self.cgroup_parent(&record);
        let group =
            Group::at(self.host.cgroups.clone(), &parent, &container.id);
        let killed = group.kill_all();
        if let Ok(Some(runtime)) = self.other_runtime(&record) {
            runtime::oci::forget(&runtime, &container.id);
        }
        if let Err(error) = killed.and_then(|()| group.remove()) {
            log::error!("container {}: {error}", container.id);
        }
    }

    /// Stops all containers, all together, within the shutdown time.
    pub(in crate::engine) fn stop_all(self: &Arc<Engine>) {
        let most = self.settings().shutdown_timeout.as_secs();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let stops: Vec<_> = self
            .containers
            .all()
            .into_iter()
            .filter(|container| container.may_run())
            .filter_map(|container| {
                let (engine, id) = (Arc::clone(self), container.id.clone());
                std::thread::Builder::new()
                    .name("stop".into())
                    .spawn(move || engine.stop_last(&container, most))
                    .inspect_err(|e| log::warn!("container {id}: stop: {e}"))
                    .ok()
            })
            .collect();
        for stop in stops {
            let _ = stop.join();
        }
    }

    /// Stops one container on the daemon's way out: its policy may start it
    /// again with the next daemon.
    fn stop_last(&self, container: &Container, most: i64) {
        let record = container.snapshot().record.clone();
        let timeout = last_patience(record.config.stop_timeout, most);
        let number = stop_signal(&record);
        let stopped =
            match self.request_end(container, EndedBy::Shutdown, number) {
                Ok(Some(exit)) => {
                    self.await_end(container, &exit, timeout, None)
                }
                Ok(None) | Err(Error::NotModified) => Ok(()),
                Err(error) => Err(error),
            };
        if let Err(error) = stopped {
            log::warn!("container {}: stop: {error}", container.id);
        }
    }
}

impl Container {
    /// Tells whether it runs, or is just being started.
    fn may_run(&self) -> bool {
        let is_busy =
            matches!(self.operation.try_lock(), Err(TryLockError::WouldBlock));
        is_busy || self.snapshot().life.is_up()
    }
}

/// Returns the exit that is to be told of a container without a monitor, if
/// `before`, the state that was kept, does not know of it already.
fn untold(before: &Life, gone: &Gone) -> Option<shim::Exit> {
    match gone {
        Gone::Exited(exit) => {
            (exit.at != before.finished_at).then(|| exit.clone())
        }
        Gone::Lost(state) => {
            let is_new = state.started_at > before.finished_at;
            (is_new || before.has_process()).then(|| lost(KILLED))
        }
        Gone::Silent(_) => Some(lost(KILLED)),
        Gone::Unknown => before.has_process().then(|| lost(POWER_CUT)),
    }
}

/// How many seconds a container has to end when the daemon ends: its own
/// figure, at most `most`; one that wants to be waited for gets that.
fn last_patience(own: Option<i64>, most: i64) -> i64 {
    match own {
        Some(seconds) if seconds < 0 => most,
        own => own.unwrap_or(PATIENCE).min(most),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds, 0)
    }

    #[test]
    fn an_exit_is_told_once() {
        let life = |phase, started, finished| Life {
            phase,
            started_at: at(started),
            finished_at: at(finished),
            ..Life::default()
        };
        let running = life(Phase::Running, 20, 10);
        let exited = life(Phase::Exited, 20, 30);
        let restarting = life(Phase::Restarting, 20, 30);
        let code = |before: &Life, gone: &Gone| {
            untold(before, gone).map(|exit| exit.code)
        };
        let ended = Gone::Exited(shim::Exit { at: at(30), ..lost(3) });
        assert_eq!(code(&running, &ended), Some(3));
        assert_eq!(code(&exited, &ended), None);
        assert_eq!(code(&restarting, &ended), None);
        let started = shim::State { started_at: at(20), ..Default::default() };
        let killed = Gone::Lost(started);
        assert_eq!(code(&running, &killed), Some(KILLED));
        assert_eq!(code(&exited, &killed), None);
        // Its daemon died before it could note the start.
        let created = Life::default();
        assert_eq!(code(&created, &killed), Some(KILLED));
        assert_eq!(code(&created, &ended), Some(3));
        assert_eq!(code(&running, &Gone::Unknown), Some(POWER_CUT));
        for before in [&created, &exited, &restarting] {
            assert_eq!(code(before, &Gone::Unknown), None);
        }
    }

    #[test]
    fn the_last_wait_is_bounded_by_the_daemons() {
        assert_eq!(last_patience(None, 15), 10);
        assert_eq!(last_patience(Some(3), 15), 3);
        assert_eq!(last_patience(Some(600), 15), 15);
        assert_eq!(last_patience(Some(-1), 15), 15);
        assert_eq!(last_patience(None, 0), 0);
    }
}
