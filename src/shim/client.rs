//! The daemon's side of a running monitor: attaching clients, resizing,
//! signals, and learning of the container's end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use super::channel::{self, Message, OLDEST, Received, Receiver, VERSION};
use super::message::{
    Attach, ExecState, Exit, Framing, Reply, Request, StartExec, State, Streams,
};
use super::{Error, launch, record};
use crate::sys::socket;

/// How long a monitor may take for an answer: its loop never waits, but the
/// machine may be busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the start of a program beside the container's own may take: its
/// working directory may lie on a slow file system.
const EXEC_PATIENCE: Duration = Duration::from_secs(60);

/// A client's connection, on its way to the monitor.
#[derive(Debug)]
pub struct Attachment {
    /// The plain socket, hijacked from HTTP. The monitor gets a copy; this
    /// one is closed once it is handed over.
    pub socket: OwnedFd,
    /// What the client sent already, behind the request's head.
    pub early: Vec<u8>,
    /// What it takes part in.
    pub streams: Streams,
    /// How it gets output.
    pub framing: Framing,
    /// The keys that end a terminal's attachment; empty: none do.
    pub detach_keys: Vec<u8>,
    /// What it is sent before any output. A client that gets it knows that
    /// it is attached.
    pub greeting: Vec<u8>,
}

impl Attachment {
    fn asked(&self) -> Attach {
        Attach {
            streams: self.streams,
            framing: self.framing,
            detach_keys: self.detach_keys.clone(),
            greeting: self.greeting.clone(),
        }
    }

    pub(super) fn send(
        &self,
        to: &UnixStream,
        version: u16,
    ) -> Result<(), Error> {
        let request = Request::Attach(self.asked());
        let fds = [self.socket.as_fd()];
        channel::send(to, version, &request, &self.early, &fds, PATIENCE)
    }
}

/// Begins a program beside the container's own; returns once it runs. A
/// client that is to be attached to it is handed over, also if it fails:
/// then it is told on its output.
pub fn exec(
    run_dir: &Path,
    start: StartExec,
    attachment: Option<&Attachment>,
) -> Result<ExecState, Error> {
    let mut connection = Connection::open(run_dir)?;
    let start = Box::new(start);
    let attach = attachment.map(Attachment::asked).unwrap_or_default();
    let early = attachment.map_or(&[][..], |client| &client.early);
    let fds: Vec<_> =
        attachment.iter().map(|client| client.socket.as_fd()).collect();
    let request = Request::Exec { start, attach };
    let (socket, version) = (&connection.socket, connection.version);
    channel::send(socket, version, &request, early, &fds, PATIENCE)?;
    match connection.receive_within(EXEC_PATIENCE)?.parse()? {
        Reply::Exec { exec } => Ok(exec),
        Reply::Failed { error } => Err(Error::Start(error)),
        Reply::Refused { message } => Err(Error::Refused(message)),
        other => Err(Error::Protocol(format!("unexpected {other:?}"))),
    }
}

/// Asks what has become of a program beside the container's own.
pub fn exec_state(run_dir: &Path, id: &str) -> Result<ExecState, Error> {
    let mut connection = Connection::open(run_dir)?;
    connection.send(&Request::ExecState { id: id.to_string() })?;
    match connection.receive()?.parse()? {
        Reply::Exec { exec } => Ok(exec),
        Reply::Refused { message } => Err(Error::Refused(message)),
        other => Err(Error::Protocol(format!("unexpected {other:?}"))),
    }
}

/// Hands a client over to the container's monitor.
pub fn attach(run_dir: &Path, attachment: Attachment) -> Result<(), Error> {
    let mut connection = Connection::open(run_dir)?;
    attachment.send(&connection.socket, connection.version)?;
    connection.confirmed()
}

/// Sets the size of the terminal of the container, or of an exec in it.
pub fn resize(
    run_dir: &Path,
    exec: Option<&str>,
    rows: u16,
    cols: u16,
) -> Result<(), Error> {
    let exec = exec.unwrap_or_default().to_string();
    Connection::open(run_dir)?.call(&Request::Resize { rows, cols, exec })
}

/// Sends a signal to the first process of the container, or of an exec in
/// it.
pub fn signal(
    run_dir: &Path,
    exec: Option<&str>,
    number: i32,
) -> Result<(), Error> {
    let exec = exec.unwrap_or_default().to_string();
    Connection::open(run_dir)?.call(&Request::Signal { number, exec })
}

/// Freezes all processes of the container.
pub fn pause(run_dir: &Path) -> Result<(), Error> {
    Connection::open(run_dir)?.call(&Request::Pause)
}

/// Lets them go on.
pub fn resume(run_dir: &Path) -> Result<(), Error> {
    Connection::open(run_dir)?.call(&Request::Resume)
}

/// Finds the monitor of a container again, after a restart of the daemon.
/// The error says what is known if there is none any more. One that is
/// about to end is waited for until it has released root and cgroup.
pub fn reconnect(run_dir: &Path) -> Result<(State, Monitor), Gone> {
    let attempt = || {
        let mut connection = Connection::open(run_dir)?;
        connection.send(&Request::Monitor)?;
        match connection.receive()?.parse()? {
            Reply::State { state } => Ok((state, connection)),
            other => Err(Error::Protocol(format!("unexpected {other:?}"))),
        }
    };
    match attempt() {
        Ok((state, connection)) => {
            let Connection { socket, receiver, .. } = connection;
            Ok((
                state,
                Monitor { socket, receiver, child: None, is_gone: false },
            ))
        }
        Err(error) => Err(Gone::learn(run_dir, error)),
    }
}

/// What is known of a container without a monitor.
#[derive(Debug)]
pub enum Gone {
    /// It ended, and its monitor recorded how.
    Exited(Exit),
    /// It was running, and its monitor died without a word. Its first
    /// process died with the monitor; others may live on in its cgroup.
    Lost(State),
    /// Nothing of this boot is known: it ran before the machine went down,
    /// or never.
    Unknown,
    /// The monitor is there but does not answer.
    Silent(Error),
}

impl Gone {
    fn learn(run_dir: &Path, error: Error) -> Gone {
        if let Some(exit) = record::load_exit(run_dir) {
            return Gone::Exited(exit);
        }
        if !matches!(error, Error::Gone) {
            return Gone::Silent(error);
        }
        match record::load_state(run_dir) {
            Some(state) if state.boot_id == record::boot_id() => {
                Gone::Lost(state)
            }
            _ => Gone::Unknown,
        }
    }
}

/// A connection over which a container's end is reported. Its descriptor is
/// readable when there is something to [`Monitor::read`].
#[derive(Debug)]
pub struct Monitor {
    socket: UnixStream,
    receiver: Receiver,
    /// The monitor's process, if this daemon started it.
    child: Option<Child>,
    /// Whether [`Report::Gone`] was given.
    is_gone: bool,
}

/// What [`Monitor::read`] tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// Nothing new.
    Nothing,
    /// A program beside the container's own has ended.
    Exec(ExecState),
    /// A client has pressed its detach keys: of an exec, or (empty) of the
    /// container itself.
    Detached(String),
    /// Memory has run out in the container, which may go on.
    Oom,
    /// The container has ended; its output is drained and logged.
    Exit(Exit),
    /// The monitor has released everything, or died. Nothing comes after.
    Gone,
}

impl Monitor {
    pub(super) fn launched(
        socket: UnixStream,
        receiver: Receiver,
        child: Child,
    ) -> Monitor {
        Monitor { socket, receiver, child: Some(child), is_gone: false }
    }

    /// Takes what the monitor has reported, without waiting.
    pub fn read(&mut self) -> Report {
        loop {
            match self.receiver.receive(&self.socket) {
                Ok(Received::Message(message)) => match message.parse() {
                    Ok(Reply::Exit { exit }) => return Report::Exit(exit),
                    Ok(Reply::Oom) => return Report::Oom,
                    Ok(Reply::Exec { exec }) => return Report::Exec(exec),
                    Ok(Reply::Detached { exec }) => {
                        return Report::Detached(exec);
                    }
                    // Of a newer version.
                    Ok(_) => {}
                    Err(_) => return Report::Gone,
                },
                Ok(Received::Nothing) => return Report::Nothing,
                Ok(Received::End) | Err(_) => {
                    self.is_gone = true;
                    return Report::Gone;
                }
            }
        }
    }

    /// Reaps the monitor's process if it has ended and is our child; to be
    /// called after [`Report::Gone`]. One that lingers is not waited for:
    /// a later call of any monitor reaps it.
    pub fn reap(&mut self) {
        match self.child.take() {
            // It has closed its socket: the kernel is just ending it.
            Some(mut child) if self.is_gone => drop(child.wait()),
            Some(child) => launch::leave_to_reaper(child),
            None => launch::reap_all(),
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.reap();
    }
}

/// A connection to the control socket.
struct Connection {
    socket: UnixStream,
    receiver: Receiver,
    /// What both sides speak.
    version: u16,
}

impl Connection {
    fn open(run_dir: &Path) -> Result<Connection, Error> {
        let path = run_dir.join(record::SOCKET);
        // Whatever fails here means that nobody listens.
        let socket = socket::connect_unix(&path).map_err(|_| Error::Gone)?;
        // A monitor of an earlier build is spoken to in its own version.
        let spoken = record::load_state(run_dir).map_or(0, |s| s.version);
        let version = match spoken {
            0 => VERSION,
            other => other.clamp(OLDEST, VERSION),
        };
        Ok(Connection { socket, receiver: Receiver::default(), version })
    }

    fn send(&self, request: &Request) -> Result<(), Error> {
        let socket = &self.socket;
        channel::send(socket, self.version, request, b"", &[], PATIENCE)
    }

    fn receive(&mut self) -> Result<Message, Error> {
        self.receive_within(PATIENCE)
    }

    fn receive_within(&mut self, patience: Duration) -> Result<Message, Error> {
        let deadline = Instant::now() + patience;
        let message = self.receiver.wait(self.socket.as_fd(), deadline)?;
        message.ok_or(Error::Gone)
    }

    fn confirmed(&mut self) -> Result<(), Error> {
        match self.receive()?.parse()? {
            Reply::Done => Ok(()),
            Reply::Refused { message } => Err(Error::Refused(message)),
            other => Err(Error::Protocol(format!("unexpected {other:?}"))),
        }
    }

    fn call(&mut self, request: &Request) -> Result<(), Error> {
        self.send(request)?;
        self.confirmed()
    }
}
