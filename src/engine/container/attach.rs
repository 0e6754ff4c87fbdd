//! `POST /containers/{id}/attach`.

use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::life::Phase;
use super::{Container, LogOptions, NextLine};
use crate::api::stream::{self, Stream};
use crate::engine::{Engine, Error, Result};
use crate::logs;
use crate::shim::{self, Attachment, Framing, Streams, detach};
use crate::wait;

/// How many clients may wait for a container's start.
const MOST_PENDING: usize = 64;

/// How long a client's socket may have no room for its greeting.
const GREETING: Duration = Duration::from_secs(2);

/// What a client wants to be attached to.
#[derive(Clone, Debug, Default)]
pub struct AttachOptions {
    /// Which streams.
    pub streams: Streams,
    /// Whether what the log holds comes first.
    pub logs: bool,
    /// Whether what comes from now on follows.
    pub live: bool,
    /// The keys that end the attachment, as `ctrl-p,ctrl-q`; empty: these.
    pub detach_keys: String,
}

/// A client's connection, taken from HTTP.
#[derive(Debug)]
pub struct Connection {
    /// The plain socket.
    pub socket: OwnedFd,
    /// What the client has sent already.
    pub early: Vec<u8>,
    /// What tells the client that it is attached.
    pub greeting: Vec<u8>,
}

/// A permission to attach: everything is checked, so that the answer's head
/// can go out before [`Attach::connect`].
#[derive(Debug)]
pub struct Attach {
    container: Arc<Container>,
    options: AttachOptions,
    detach_keys: Vec<u8>,
    /// Whether the streams are framed: without a terminal.
    pub framing: Framing,
}

impl Engine {
    /// Checks that a client may attach to a container.
    pub fn attach(&self, name: &str, options: AttachOptions) -> Result<Attach> {
        let container = self.container(name)?;
        let snapshot = container.snapshot();
        match snapshot.life.phase {
            Phase::Paused => {
                return Err(Error::Conflict(format!(
                    "container {} is paused, unpause the container before \
                     attach",
                    container.id
                )));
            }
            Phase::Restarting => {
                return Err(Error::Conflict(format!(
                    "container {} is restarting, wait until the container is \
                     running",
                    container.id
                )));
            }
            _ => {}
        }
        let detach_keys =
            detach_keys(&options.detach_keys).ok_or_else(|| {
                Error::Invalid(format!(
                    "Invalid detach keys ({}) provided",
                    options.detach_keys
                ))
            })?;
        let framing = match snapshot.record.config.tty {
            true => Framing::Raw,
            false => Framing::Multiplexed,
        };
        Ok(Attach { container, options, detach_keys, framing })
    }

    /// Hands a client's connection to the container's monitor; before the
    /// start it is kept for it. `hijack` takes the connection from HTTP. The
    /// client is greeted once it is attached, not before: it may start the
    /// container, or send something to it, as soon as it is.
    pub fn connect_attached<E: From<Error>>(
        &self,
        attach: Attach,
        hijack: impl FnOnce() -> std::result::Result<Connection, E>,
    ) -> std::result::Result<(), E> {
        let Attach { container, options, detach_keys, framing } = attach;
        let Connection { socket, early, mut greeting } = hijack()?;
        // Under the lock: a client that starts the container as soon as it
        // is answered must be among those that are handed over, and a start
        // in progress is over and can be reached.
        let mut operation = container.operate();
        let has_log = container.snapshot().life.phase != Phase::Created;
        if options.logs && has_log {
            // A slow reader must not hold the container up.
            drop(operation);
            greet(&socket, &std::mem::take(&mut greeting))?;
            self.replay(&container, &options.streams, framing, &socket)?;
            operation = container.operate();
        }
        if !options.live {
            return Ok(greet(&socket, &greeting)?);
        }
        let streams = options.streams;
        let attachment = Attachment {
            socket,
            early,
            streams,
            framing,
            detach_keys,
            greeting,
        };
        let kept = self.keep_attached(&container, attachment);
        drop(operation);
        Ok(kept?)
    }

    /// Called under `operation`.
    fn keep_attached(
        &self,
        container: &Container,
        mut attachment: Attachment,
    ) -> Result<()> {
        let snapshot = container.snapshot();
        self.container_event(&snapshot.record, "attach", &[]);
        if snapshot.life.has_process() {
            return shim::attach(&self.run_dir(&container.id), attachment)
                .map_err(|e| Error::internal("attach", e));
        }
        let mut pending =
            container.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|other| !is_hung_up(other));
        if pending.len() >= MOST_PENDING {
            return Err(Error::Unavailable(format!(
                "too many clients are attached to container {} already",
                container.id
            )));
        }
        let greeting = std::mem::take(&mut attachment.greeting);
        greet(&attachment.socket, &greeting)?;
        pending.push(attachment);
        Ok(())
    }
}

impl Engine {
    /// Sends what the log holds, before the live streams.
    fn replay(
        &self,
        container: &Container,
        streams: &Streams,
        framing: Framing,
        socket: &OwnedFd,
    ) -> Result<()> {
        if !streams.stdout && !streams.stderr {
            return Ok(());
        }
        let options = LogOptions {
            stdout: streams.stdout,
            stderr: streams.stderr,
            ..LogOptions::default()
        };
        let mut logs = self.logs(&container.id, options)?;
        let failed = |e| Error::internal("attach", e);
        let socket = socket.try_clone().map_err(failed)?;
        let mut out = BufWriter::new(UnixStream::from(socket));
        while let Some(NextLine::Line(entry)) = logs.next_ready()? {
            if framing == Framing::Multiplexed {
                let stream = match entry.stream {
                    logs::Stream::Stdout => Stream::Stdout,
                    logs::Stream::Stderr => Stream::Stderr,
                };
                let size = u32::try_from(entry.line.len());
                let head = stream::head(stream, size.unwrap_or(u32::MAX));
                out.write_all(&head).map_err(failed)?;
            }
            out.write_all(&entry.line).map_err(failed)?;
        }
        out.flush().map_err(failed)
    }
}

/// Sends a few bytes to a client. One that has left no room for them, with
/// answers that it does not read, is given up soon: others wait.
fn greet(socket: &OwnedFd, greeting: &[u8]) -> Result<()> {
    let send = || {
        let mut socket = UnixStream::from(socket.try_clone()?);
        socket.set_write_timeout(Some(GREETING))?;
        socket.write_all(greeting)?;
        socket.set_write_timeout(None)
    };
    send().map_err(|e| Error::internal("attach", e))
}

/// Reads the keys that end an attachment; empty: Docker's own.
fn detach_keys(text: &str) -> Option<Vec<u8>> {
    match text {
        "" => Some(detach::DEFAULT_KEYS.to_vec()),
        text => detach::parse_keys(text).ok(),
    }
}

/// Tells whether a client that waits for the start has gone. One that has
/// sent input early looks the same as one that has closed its sending side,
/// so only a full hang-up counts.
fn is_hung_up(attachment: &Attachment) -> bool {
    wait::is_hung_up(attachment.socket.as_fd())
}
