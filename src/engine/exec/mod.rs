//! Programs executed beside a container's own (`docker exec`), one
//! operation a file.
//!
//! ```text
//! create ──> Created ──start──> Starting ──> Running ──> Ended
//!                                   └───────fails──────────┘
//! ```
//!
//! The container's monitor starts the program, serves its streams and reaps
//! it; what is kept here is what clients ask for. `stage` is a short lock,
//! never held over I/O. An exec ends with its container, and is forgotten
//! some minutes after its end.

mod create;
mod index;
mod inspect;
mod probe;
mod recover;
mod resize;
mod start;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use index::Index;
pub use start::{ExecOptions, StartedExec};

use super::container::Container;
use super::{Engine, Error, Result};
use crate::api::exec::ExecConfig;
use crate::shim::ExecState;
use crate::time;
use crate::wait::Waiters;

/// The exit code of a program whose monitor has died.
const KILLED: i32 = 137;

/// One program.
#[derive(Debug)]
pub struct Exec {
    /// The id: 64 hex digits.
    pub id: String,
    container: Arc<Container>,
    config: ExecConfig,
    stage: Mutex<Stage>,
    /// Waits for its end.
    ends: Waiters<i32>,
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nobody has started it.
    Created,
    /// The monitor was asked to start it.
    Starting,
    /// It runs, as this process.
    Running(i32),
    /// It was that process (0: it never ran) and has ended.
    Ended {
        /// Its process.
        pid: i32,
        /// Its exit code.
        code: i32,
        /// When, by the clock that never jumps.
        at: Duration,
    },
}

impl Exec {
    fn new(
        id: String,
        container: Arc<Container>,
        config: ExecConfig,
        stage: Stage,
    ) -> Exec {
        let (stage, ends) = (Mutex::new(stage), Waiters::default());
        Exec { id, container, config, stage, ends }
    }

    /// Returns where it is in its life.
    fn stage(&self) -> Stage {
        *self.lock()
    }

    /// Goes from one stage to the next, unless another has done so already.
    fn advance(&self, from: Stage, to: Stage) -> bool {
        let mut stage = self.lock();
        let is_there = *stage == from;
        if is_there {
            *stage = to;
        }
        is_there
    }

    /// Notes its end, and tells those that wait for it.
    fn ended(&self, pid: i32, code: i32) {
        if self.note_end(pid, code) {
            self.ends.give_last(&code);
        }
    }

    /// Notes its end; false if that was known.
    fn note_end(&self, pid: i32, code: i32) -> bool {
        let mut stage = self.lock();
        if matches!(*stage, Stage::Ended { .. }) {
            return false;
        }
        *stage = Stage::Ended { pid, code, at: time::boottime() };
        true
    }

    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What events call it: the program and its arguments.
    fn command(&self) -> String {
        let mut words = self.config.cmd.iter().flatten();
        let program = words.next().map_or("", String::as_str);
        let rest: Vec<&str> = words.map(String::as_str).collect();
        format!("{program} {}", rest.join(" "))
    }
}

impl Engine {
    /// Finds an exec by its id.
    fn exec(&self, id: &str) -> Result<Arc<Exec>> {
        let unknown =
            || Error::NotFound(format!("No such exec instance: {id}"));
        self.execs.find(id).ok_or_else(unknown)
    }

    /// Notes what a container's monitor tells of one of its programs.
    pub(super) fn exec_told(&self, state: &ExecState) {
        let Some(code) = state.exit_code else { return };
        let Some(exec) = self.execs.find(&state.id) else { return };
        self.exec_ended(&exec, state, code);
    }

    fn exec_ended(&self, exec: &Exec, state: &ExecState, code: i32) {
        if exec.note_end(state.pid, code) {
            self.exec_event(
                exec,
                "exec_die",
                state.ended_at,
                &[("exitCode", code.to_string())],
            );
            // What follows from its end is told after it.
            exec.ends.give_last(&code);
        }
    }

    /// Ends what is known of a container's programs: it has ended.
    pub(super) fn execs_ended(&self, container: &Container) {
        for exec in self.execs.of(container) {
            let pid = match exec.stage() {
                Stage::Running(pid) => pid,
                _ => 0,
            };
            exec.ended(pid, KILLED);
        }
    }

    /// Tells that a client has pressed its detach keys.
    pub(super) fn detached(&self, container: &Container, exec: &str) {
        let now = time::Timestamp::now();
        match exec {
            "" => self.container_event(
                &container.snapshot().record,
                "detach",
                &[],
            ),
            id => {
                if let Some(exec) = self.execs.find(id) {
                    self.exec_event(&exec, "exec_detach", now, &[]);
                }
            }
        }
    }

    fn exec_event(
        &self,
        exec: &Exec,
        action: &str,
        at: time::Timestamp,
        more: &[(&str, String)],
    ) {
        let mut attributes = vec![("execID", exec.id.clone())];
        attributes.extend(more.iter().cloned());
        let record = &exec.container.snapshot().record;
        self.container_event_at(at, record, action, &attributes);
    }
}
