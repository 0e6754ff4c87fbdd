//! What happens when a container's program has ended: state, events,
//! waits, `--rm`, the restart policy.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::health;
use super::life::{EndedBy, Life, Phase};
use super::policy::{self, Ended};
use super::{Container, Exit};
use crate::engine::Engine;
use crate::shim::{self, Monitor, Report};
use crate::time::{self, Timestamp};
use crate::wait::{self, Ready};

/// How long a monitor may take to let go of everything.
const RELEASE: Duration = Duration::from_secs(10);

/// The exit code of a container whose monitor has died.
pub(super) const KILLED: i32 = 137;

impl Engine {
    /// Handles the exits of one container, run after run, until it is not
    /// to be started again. Runs in a thread of its own.
    pub(super) fn watch_exits(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        mut monitor: Monitor,
    ) {
        // The one before the last restart by policy.
        let mut pause: Option<Duration> = None;
        loop {
            let began = time::boottime();
            let checks = self.check_health(container);
            let exit = self.next_exit(container, &mut monitor);
            drop(checks);
            let operation = container.operate();
            let life = self.ended(container, &exit);
            // Held until the monitor is gone: the next run finds the
            // cgroup and the run directory free.
            await_gone(container, &mut monitor);
            drop(operation);
            if life.phase != Phase::Restarting {
                return;
            }
            let ran = time::boottime().saturating_sub(began);
            let next = policy::pause(pause, ran);
            pause = Some(next);
            monitor = match self.start_again(container, next) {
                Some(monitor) => monitor,
                None => return,
            };
        }
    }

    /// Waits for the next exit. A monitor that is gone without a word has
    /// been killed: so is what is left of its container.
    fn next_exit(
        &self,
        container: &Container,
        monitor: &mut Monitor,
    ) -> shim::Exit {
        loop {
            match monitor.read() {
                Report::Exit(exit) => return exit,
                Report::Oom => self.oom_told(container),
                Report::Exec(state) => self.exec_told(&state),
                Report::Detached(exec) => self.detached(container, &exec),
                Report::Gone => break,
                Report::Nothing => {
                    if wait::first_ready(&[monitor.as_fd()], None, None)
                        .is_err()
                    {
                        break;
                    }
                }
            }
        }
        log::warn!("container {}: its monitor has died", container.id);
        self.kill_leftovers(container);
        lost(KILLED)
    }

    /// Notes that memory has run out in a container that may go on.
    fn oom_told(&self, container: &Container) {
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let life = Life { oom_killed: true, ..snapshot.life.clone() };
        self.save_life(container, &life);
        container.set_life(life);
        self.container_event(&snapshot.record, "oom", &[]);
    }

    /// Brings a container into the state after an exit, tells everybody,
    /// and removes it if it is to remove itself. Called under `operation`.
    pub(super) fn ended(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        exit: &shim::Exit,
    ) -> Life {
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        let before = &snapshot.life;
        for (name, endpoint) in &before.endpoints {
            self.disconnect(endpoint);
            self.network_event_at(exit.at, record, name, "disconnect");
        }
        self.execs_ended(container);
        self.unmount_volumes(record, exit.at);
        let policy = &record.host_config.restart_policy;
        let ended = Ended {
            code: exit.code,
            by: before.ended_by,
            restarts: before.restart_count,
        };
        let again = !self.is_ending() && policy::wants_restart(policy, ended);
        let life = Life {
            phase: match again {
                true => Phase::Restarting,
                false => Phase::Exited,
            },
            pid: 0,
            exit_code: exit.code,
            oom_killed: exit.oom || before.oom_killed,
            finished_at: exit.at,
            restart_count: before.restart_count + i64::from(again),
            endpoints: Default::default(),
            health: health::at_end(before),
            ..before.clone()
        };
        let remove = record.host_config.auto_remove
            && before.ended_by != EndedBy::Restart;
        if !remove {
            self.save_life(container, &life);
        }
        container.set_life(life.clone());
        if exit.oom && !before.oom_killed {
            self.container_event_at(exit.at, record, "oom", &[]);
        }
        let ran = match before.started_at.is_zero() {
            // Its daemon died before it could keep the time.
            true => Duration::ZERO,
            false => exit.at.duration_since(before.started_at),
        };
        let ran = ran.as_secs();
        self.container_event_at(
            exit.at,
            record,
            "die",
            &[
                ("execDuration", ran.to_string()),
                ("exitCode", exit.code.to_string()),
            ],
        );
        container.exits.give(&Exit { code: exit.code, error: None });
        if remove {
            self.remove_locked(container, exit.code);
        }
        life
    }

    /// Starts a container again after a pause, unless something else has
    /// happened to it meanwhile.
    fn start_again(
        self: &Arc<Engine>,
        container: &Arc<Container>,
        pause: Duration,
    ) -> Option<Monitor> {
        container.interrupt.pause(pause);
        let _operation = container.operate();
        container.interrupt.forget();
        let life = container.snapshot().life.clone();
        if life.phase != Phase::Restarting || self.is_ending() {
            return None;
        }
        match self.launch(container, life) {
            Ok(monitor) => Some(monitor),
            Err(error) => {
                log::error!("container {}: restart: {error}", container.id);
                None
            }
        }
    }
}

/// Makes the exit of a container whose monitor cannot tell of it.
pub(super) fn lost(code: i32) -> shim::Exit {
    shim::Exit {
        code,
        signal: None,
        oom: false,
        at: Timestamp::now(),
        dropped_lines: 0,
    }
}

/// Waits until a monitor that has reported the exit is gone, and reaps it.
fn await_gone(container: &Container, monitor: &mut Monitor) {
    let deadline = Instant::now() + RELEASE;
    while monitor.read() != Report::Gone {
        let left = deadline.saturating_duration_since(Instant::now());
        match wait::first_ready(&[monitor.as_fd()], None, Some(left)) {
            Ok(Ready::Fd(_)) => {}
            _ => {
                log::warn!("container {}: its monitor lingers", container.id);
                break;
            }
        }
    }
    monitor.reap();
}
