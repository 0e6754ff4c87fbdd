//! `POST /exec/{id}/start`.

use std::sync::Arc;

use super::create::can_execute;
use super::{Exec, Stage};
use crate::engine::container::{Connection, Container};
use crate::engine::{Engine, Error, Result};
use crate::shim::{
    self, Attachment, ExecState, Framing, StartExec, Stdin, Streams, detach,
};
use crate::time::Timestamp;

/// How a program is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExecOptions {
    /// How its output is sent to the client.
    pub framing: Framing,
    /// Rows and columns of its terminal.
    pub size: Option<[u32; 2]>,
}

/// A permission to start: everything is checked.
#[derive(Debug)]
pub struct StartedExec {
    exec: Arc<Exec>,
    options: ExecOptions,
    /// What the next daemon knows it by.
    pub(super) label: String,
}

impl Engine {
    /// Checks that a program can be started, and takes it: nobody else
    /// starts it.
    pub fn exec_start(
        &self,
        id: &str,
        options: ExecOptions,
    ) -> Result<StartedExec> {
        let exec = self.exec(id)?;
        let taken = |what: &str| {
            Error::Conflict(format!("Error: Exec command {id} {what}"))
        };
        can_execute(&exec.container, &exec.container.id)?;
        if !exec.advance(Stage::Created, Stage::Starting) {
            return Err(match exec.stage() {
                Stage::Ended { .. } => taken("has already run"),
                _ => taken("is already running"),
            });
        }
        let action = format!("exec_start: {}", exec.command());
        self.exec_event(&exec, &action, Timestamp::now(), &[]);
        let label = serde_json::to_string(&exec.config).unwrap_or_default();
        Ok(StartedExec { exec, options, label })
    }

    /// Starts a program without a client; returns once it runs.
    pub fn exec_detached(&self, started: StartedExec) -> Result<()> {
        self.begin(&started, None)
    }

    /// Starts a program for a client, whose connection `hijack` takes from
    /// HTTP. A program that cannot be started is no error any more then:
    /// its client is told on its output.
    pub fn exec_attached<E: From<Error>>(
        &self,
        started: StartedExec,
        hijack: impl FnOnce() -> std::result::Result<Connection, E>,
    ) -> std::result::Result<(), E> {
        let config = &started.exec.config;
        let connection = hijack().inspect_err(|_| {
            started.exec.ended(0, NOT_STARTED);
        })?;
        let keys = match config.detach_keys.as_str() {
            "" => detach::DEFAULT_KEYS.to_vec(),
            keys => detach::parse_keys(keys).unwrap_or_default(),
        };
        let attachment = Attachment {
            socket: connection.socket,
            early: connection.early,
            streams: Streams {
                stdin: config.attach_stdin,
                stdout: config.attach_stdout,
                stderr: config.attach_stderr,
            },
            framing: started.options.framing,
            detach_keys: keys,
            greeting: connection.greeting,
        };
        if let Err(error) = self.begin(&started, Some(attachment)) {
            log::debug!("exec {}: {error}", started.exec.id);
        }
        Ok(())
    }

    pub(super) fn begin(
        &self,
        started: &StartedExec,
        attachment: Option<Attachment>,
    ) -> Result<()> {
        let exec = &started.exec;
        let record = &exec.container.snapshot().record;
        let mut spec =
            self.exec_spec(record, &exec.config).inspect_err(|_| {
                exec.ended(0, NOT_STARTED);
            })?;
        if let (Some([rows, columns]), Some(size)) =
            (started.options.size, spec.tty.as_mut())
        {
            let number = |n: u32| u16::try_from(n).unwrap_or_default();
            *size = (number(rows), number(columns));
        }
        let start = StartExec {
            id: exec.id.clone(),
            label: started.label.clone(),
            spec,
            stdin: match exec.config.attach_stdin && attachment.is_some() {
                true => Stdin::Once,
                false => Stdin::Closed,
            },
        };
        let run_dir = self.run_dir(&exec.container.id);
        match shim::exec(&run_dir, start, attachment.as_ref()) {
            Ok(state) => {
                exec.advance(Stage::Starting, Stage::Running(state.pid));
                // It may have ended at once.
                self.exec_told(&state);
                Ok(())
            }
            Err(error) => {
                let error = start_error(&exec.container, error);
                let code = match &error {
                    Error::CannotExec { code, .. } => *code,
                    _ => NOT_STARTED,
                };
                exec.ended(0, code);
                Err(error)
            }
        }
    }

    /// Asks the monitor what has become of a program: its own word may be
    /// on its way.
    pub(super) fn ask_monitor(&self, exec: &Exec) -> Option<ExecState> {
        let run_dir = self.run_dir(&exec.container.id);
        let state = shim::exec_state(&run_dir, &exec.id).ok()?;
        self.exec_told(&state);
        Some(state)
    }
}

/// The exit code of what could not be started, for no reason of its own.
const NOT_STARTED: i32 = 126;

fn start_error(container: &Container, error: shim::Error) -> Error {
    match error {
        shim::Error::Start(error) => match error.kind.exit_code() {
            code @ (126 | 127) => {
                Error::CannotExec { code, message: error.to_string() }
            }
            _ => Error::Internal(error.to_string()),
        },
        shim::Error::Gone => Error::NotRunning(container.id.clone()),
        shim::Error::Refused(why) => Error::Conflict(why),
        other => Error::internal("exec", other),
    }
}
