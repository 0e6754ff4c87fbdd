//! The start of the daemon: containers that still run are taken over, those
//! that ended meanwhile are reported, those that their policy wants to run
//! are started. And its end, if the containers end with it.

use std::sync::Arc;

use super::exit::KILLED;
use super::life::{EndedBy, Life, Phase, Record};
use super::policy::{self, Ended};
use super::start::stop_signal;
use super::{Condition, Container, FORMAT};
use crate::engine::Engine;
use crate::runtime::cgroup::Group;
use crate::shim::{self, Gone, Monitor};
use crate::store::record;
use crate::time::Timestamp;

/// The exit code of what ran when the power went.
const POWER_CUT: i32 = 255;

impl Engine {
    /// Loads all containers and settles what became of each.
    pub(in crate::engine) fn recover(self: &Arc<Engine>) {
        let mut to_start = Vec::new();
        let records = self.store.containers::<Record>().unwrap_or_else(|e| {
            log::error!("load the containers: {e}");
            Vec::new()
        });
        for (_, record) in records {
            let life =
                record::load::<Life>(&self.life_path(&record.id), FORMAT)
                    .ok()
                    .flatten()
                    .unwrap_or_default();
            let name = record.name.clone();
            let id = record.id.clone();
            if let Err(error) = self.containers.reserve(&name, &id) {
                log::error!("container {id}: {error}");
                continue;
            }
            let container = match Container::open(record, life) {
                Ok(container) => Arc::new(container),
                Err(error) => {
                    log::error!("container {id}: {error}");
                    continue;
                }
            };
            self.containers.add(Arc::clone(&container));
            if self.settle(&container) {
                to_start.push(container);
            }
        }
        for container in to_start {
            let engine = Arc::clone(self);
            let start = move || {
                if let Err(error) = engine.start(&container.id) {
                    log::error!("container {}: start: {error}", container.id);
                }
            };
            std::thread::spawn(start);
        }
    }

    /// Brings one container up to date. True if it is to be started.
    fn settle(self: &Arc<Engine>, container: &Arc<Container>) -> bool {
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        let before = &snapshot.life;
        match shim::reconnect(&self.run_dir(&container.id)) {
            Ok((state, monitor)) => {
                self.take_over(container, &state, monitor);
                return false;
            }
            Err(Gone::Exited(exit)) => {
                self.report(container, &exit);
            }
            Err(Gone::Lost(_)) => {
                self.kill_leftovers(container);
                self.report(container, &lost(KILLED));
            }
            Err(Gone::Silent(error)) => {
                log::error!("container {}: {error}", container.id);
                self.kill_leftovers(container);
                self.report(container, &lost(KILLED));
            }
            Err(Gone::Unknown) if before.is_up() => {
                self.report(container, &lost(POWER_CUT));
            }
            Err(Gone::Unknown) => {}
        }
        if record.host_config.auto_remove {
            if !container.snapshot().life.phase.is_gone() {
                self.remove_locked(container, before.exit_code);
            }
            return false;
        }
        let life = container.snapshot().life.clone();
        let ended = Ended {
            code: life.exit_code,
            by: life.ended_by,
            restarts: life.restart_count,
        };
        let policy = &record.host_config.restart_policy;
        !life.started_at.is_zero() && policy::wants_start_at_boot(policy, ended)
    }

    /// Takes over a container that runs on from an earlier daemon.
    fn take_over(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        state: &shim::State,
        monitor: Monitor,
    ) {
        let before = container.snapshot().life.clone();
        let life = Life {
            phase: match before.phase {
                Phase::Paused => Phase::Paused,
                _ => Phase::Running,
            },
            pid: state.pid,
            started_at: state.started_at,
            boot_id: state.boot_id.clone(),
            ..before
        };
        for endpoint in life.endpoints.values() {
            self.reconnect(endpoint);
        }
        container.set_life(life);
        if let Err(error) = self.watch(container, monitor, None) {
            log::error!("container {}: {error}", container.id);
        }
    }

    /// Reports an exit that happened while no daemon ran. It restarts
    /// nothing: that is decided afterwards.
    fn report(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        exit: &shim::Exit,
    ) {
        let life = self.ended(container, exit);
        if life.phase == Phase::Restarting {
            let life = Life { phase: Phase::Exited, ..life };
            self.save_life(container, &life);
            container.set_life(life);
        }
    }

    /// Ends what a dead monitor has left of its container.
    pub(super) fn kill_leftovers(&self, container: &Container) {
        let record = container.snapshot().record.clone();
        let parent = self.cgroup_parent(&record);
        let group =
            Group::at(self.host.cgroups.clone(), &parent, &container.id);
        if let Err(error) = group.kill_all().and_then(|()| group.remove()) {
            log::error!("container {}: {error}", container.id);
        }
    }

    /// Stops all containers, all together, within the shutdown time.
    pub(in crate::engine) fn stop_all(self: &Arc<Engine>) {
        let most = self.settings.shutdown_timeout.as_secs() as i64;
        let stops: Vec<_> = self
            .containers
            .all()
            .into_iter()
            .filter(|container| container.snapshot().life.is_up())
            .map(|container| {
                let engine = Arc::clone(self);
                std::thread::spawn(move || engine.stop_last(&container, most))
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
        let timeout = record.config.stop_timeout.unwrap_or(10).clamp(0, most);
        let stopped = container.wait(Condition::NextExit).and_then(|exit| {
            if !self.request_end(container, EndedBy::Shutdown)? {
                return Ok(());
            }
            self.send_signal(container, stop_signal(&record))?;
            self.await_end(container, &exit, timeout, None)
        });
        if let Err(error) = stopped {
            log::warn!("container {}: stop: {error}", container.id);
        }
    }
}

fn lost(code: i32) -> shim::Exit {
    shim::Exit {
        code,
        signal: None,
        oom: false,
        at: Timestamp::now(),
        dropped_lines: 0,
    }
}
