//! `POST /containers/{id}/start`.
//!
//! ```text
//!  daemon                         shim                    init
//!  1 spawn ───────────────────▶ starts
//!    address, hosts files, spec
//!  2 begin ───────────────────▶ clone ──────────────▶ builds the root
//!    ◀────────────────── created
//!  3 plug the network in
//!  4 proceed ─────────────────▶ go ────────────────▶ exec
//!    ◀────────────────── started
//!  5 state, event, a thread that waits for the exit
//! ```
//!
//! Whatever fails, all is undone: dropping the launch ends the shim, which
//! ends the init; the address goes back to the pool.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use super::life::{EndedBy, Life, Phase, Record};
use super::{Container, Exit, HostChanges, health, mounts};
use crate::api::network::EndpointSettings;
use crate::engine::network::Endpoint;
use crate::engine::{Action, Engine, Error, Result};
use crate::shim::{self, Launch, Monitor, Start, State, Stdin};
use crate::signal;
use crate::time::Timestamp;

/// Stack of a thread that waits for one container, bytes.
const WATCHER_STACK: usize = 192 << 10;

/// A thread that will handle a container's exits.
pub(super) struct Watcher(mpsc::Sender<Monitor>);

impl Watcher {
    /// Has it begin.
    pub(super) fn watch(self, monitor: Monitor) {
        // It is there until it has got this.
        let _ = self.0.send(monitor);
    }
}

impl Engine {
    /// Starts a container.
    pub fn start(self: &Arc<Engine>, name: &str) -> Result<()> {
        self.start_with(name, HostChanges::default())
    }

    /// Starts a container after it was given a changed host configuration;
    /// one that cannot be started now keeps its own.
    pub fn start_with(
        self: &Arc<Engine>,
        name: &str,
        changes: HostChanges,
    ) -> Result<()> {
        let began = Instant::now();
        let container = self.container(name)?;
        let _operation = container.operate();
        let life = container.snapshot().life.clone();
        match life.phase {
            Phase::Created | Phase::Exited => {}
            Phase::Running | Phase::Restarting => {
                return Err(Error::NotModified);
            }
            Phase::Paused => {
                return Err(Error::Conflict(
                    "cannot start a paused container, try unpause instead"
                        .into(),
                ));
            }
            Phase::Removing | Phase::Dead => {
                return Err(Error::Conflict(
                    "container is marked for removal and cannot be started"
                        .into(),
                ));
            }
        }
        if self.is_ending() {
            return Err(Error::Unavailable(
                "the daemon is shutting down".into(),
            ));
        }
        self.adjust(&container, changes)?;
        let life = Life { restart_count: 0, ..life };
        // First, because nothing runs without somebody who sees its end.
        let watcher = self.watcher(&container).inspect_err(|error| {
            self.start_failed(&container, life.clone(), error);
        })?;
        watcher.watch(self.launch(&container, life)?);
        self.metrics.observe(Action::Start, began.elapsed());
        Ok(())
    }

    /// Starts the thread that handles a container's exits, once it is given
    /// the monitor; without one it ends.
    pub(super) fn watcher(
        self: &Arc<Engine>,
        container: &Arc<Container>,
    ) -> Result<Watcher> {
        let (sender, monitor) = mpsc::channel();
        let (engine, container) = (Arc::clone(self), Arc::clone(container));
        std::thread::Builder::new()
            .name("watch".into())
            .stack_size(WATCHER_STACK)
            .spawn(move || {
                if let Ok(monitor) = monitor.recv() {
                    engine.watch_exits(&container, monitor);
                }
            })
            .map_err(|e| Error::internal("start a thread", e))?;
        Ok(Watcher(sender))
    }

    /// Starts a container's program. On a failure the state tells of it,
    /// and a container that removes itself is gone.
    pub(super) fn launch(
        &self,
        container: &Arc<Container>,
        life: Life,
    ) -> Result<Monitor> {
        let record = Arc::clone(&container.snapshot().record);
        let result = self.named_as_donor(&record).and_then(|named| {
            let launched = self.launch_program(container, &named)?;
            if named.config != record.config {
                self.save_record(container, named.into_owned())?;
            }
            Ok(launched)
        });
        let (started, monitor, endpoints) = match result {
            Ok(launched) => launched,
            Err(error) => {
                self.start_failed(container, life, &error);
                return Err(error);
            }
        };
        let life = Life {
            phase: Phase::Running,
            pid: started.pid,
            started_at: started.started_at,
            exit_code: 0,
            error: String::new(),
            oom_killed: false,
            ended_by: EndedBy::Itself,
            endpoints,
            health: health::at_start(&record.config, &life),
            ..life
        };
        // The next daemon needs it: the address is taken.
        self.save_life(container, &life);
        container.set_life(life);
        self.tell_linked(container);
        self.container_event(&record, "start", &[]);
        Ok(monitor)
    }

    fn launch_program(
        &self,
        container: &Container,
        record: &Record,
    ) -> Result<(State, Monitor, BTreeMap<String, EndpointSettings>)> {
        for point in record.mounts.iter().filter(|p| p.kind == "bind") {
            mounts::check_propagation(&point.source, &point.propagation)?;
        }
        let run_dir = self.make_run_dir(&record.id)?;
        self.mount_volumes(record)?;
        self.tell_mounted(record);
        // Before the launch: its address is given back after the container
        // is undone.
        let endpoint = self.connect(record)?;
        let mut launch = shim::spawn(&self.settings().program, &run_dir)
            .map_err(|e| Error::internal("start the monitor", e))?;
        let pending = container.take_pending();
        let files = self.write_files(record, &endpoint)?;
        let start = Start {
            spec: self.spec(record, &files)?,
            wait_for_network: endpoint.needs_plugging(),
            ..self.start_message(record, run_dir)?
        };
        launch.begin(&start, pending).map_err(|e| start_error(&e))?;
        self.plug(&mut launch, record, &endpoint)?;
        let (started, monitor) = launch.proceed().map_err(|e| {
            self.network_event(record, endpoint.network(), "disconnect");
            start_error(&e)
        })?;
        Ok((started, monitor, endpoint.keep()))
    }

    /// Connects the container's namespace, if it has one of its own.
    fn plug(
        &self,
        launch: &mut Launch,
        record: &Record,
        endpoint: &Endpoint<'_>,
    ) -> Result<()> {
        let created = launch.created().map_err(|e| start_error(&e))?;
        if endpoint.needs_plugging() {
            endpoint.plug(&created.netns)?;
        }
        self.network_event(record, endpoint.network(), "connect");
        Ok(())
    }

    /// Builds the part of the start message that does not depend on the
    /// network.
    fn start_message(
        &self,
        record: &Record,
        run_dir: PathBuf,
    ) -> Result<Start> {
        let config = &record.config;
        Ok(Start {
            id: record.id.clone(),
            run_dir,
            log: self.log_target(record)?,
            stdin: match (config.open_stdin, config.stdin_once) {
                (false, _) => Stdin::Closed,
                (true, false) => Stdin::Open,
                (true, true) => Stdin::Once,
            },
            ..Start::default()
        })
    }

    /// Makes the directory for the state of a run, unless it is there. What
    /// an earlier run has left there its monitor may be clearing away right
    /// now, if its daemon died: it has the directory until it is gone, and
    /// the next monitor waits for that.
    fn make_run_dir(&self, id: &str) -> Result<PathBuf> {
        use std::os::unix::fs::DirBuilderExt;
        let dir = self.run_dir(id);
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&dir);
        made.map_err(|e| Error::internal(dir.display(), e))?;
        Ok(dir)
    }

    /// Writes the container's hosts, hostname and resolv.conf; returns
    /// their directory.
    fn write_files(
        &self,
        record: &Record,
        endpoint: &Endpoint<'_>,
    ) -> Result<PathBuf> {
        if let Some(donor) = self.network_donor(record)? {
            return Ok(self.store.container_dir(&donor.record.id));
        }
        let dir = self.store.container_dir(&record.id);
        for (name, text) in self.container_files(record, endpoint)? {
            let path = dir.join(name);
            // Written in place: a bind mount holds on to the file.
            File::create(&path)
                .and_then(|mut file| {
                    std::io::Write::write_all(&mut file, text.as_bytes())
                })
                .map_err(|e| Error::internal(path.display(), e))?;
        }
        Ok(dir)
    }

    /// Notes a failed start, as Docker shows it.
    fn start_failed(
        &self,
        container: &Arc<Container>,
        life: Life,
        error: &Error,
    ) {
        let snapshot = container.snapshot();
        // Who attached before a start does not wait for the next one.
        drop(container.take_pending());
        let between_runs = life.phase == Phase::Restarting;
        let code = match error {
            Error::CannotExec { code, .. } => *code,
            _ => 128,
        };
        let phase = match life.started_at.is_zero() {
            true => Phase::Created,
            false => Phase::Exited,
        };
        let life = Life {
            phase,
            pid: 0,
            exit_code: code,
            error: error.to_string(),
            endpoints: Default::default(),
            ..life
        };
        if let Ok(Some(_)) = self.other_runtime(&snapshot.record) {
            // Its monitor may have died in the middle.
            self.kill_leftovers(container);
        }
        let _ = std::fs::remove_dir_all(self.run_dir(&container.id));
        self.unmount_volumes(&snapshot.record, Timestamp::now());
        container.set_life(life.clone());
        if snapshot.record.host_config.auto_remove {
            self.remove_locked(container, code);
        } else {
            self.save_life(container, &life);
        }
        if between_runs {
            let error = Some(error.to_string());
            container.exits.give(&Exit { code, error });
        }
    }

    /// Returns where a container's log is.
    pub(super) fn log_path(&self, record: &Record) -> PathBuf {
        self.store
            .container_dir(&record.id)
            .join(format!("{}-json.log", record.id))
    }
}

/// Turns a failure of the shim's side into the API's error.
fn start_error(failure: &shim::Error) -> Error {
    if let shim::Error::Start(error) = failure
        && let code @ (126 | 127) = error.kind.exit_code()
    {
        return Error::CannotExec { code, message: error.to_string() };
    }
    Error::Internal(failure.to_string())
}

/// Returns the signal that asks a container to end.
pub(super) fn stop_signal(record: &Record) -> i32 {
    signal::parse(&record.config.stop_signal).unwrap_or(signal::SIGTERM)
}
