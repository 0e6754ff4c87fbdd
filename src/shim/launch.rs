//! The daemon's side of a start: from executing the monitor until the
//! program runs. Each wait has a bound; a [`Launch`] that is dropped before
//! the program runs undoes everything.

use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::channel::{self, Receiver, VERSION};
use super::client::{Attachment, Monitor};
use super::message::{Reply, Request, Start, State};
use super::{Error, ROLE, record};
use crate::runtime::features::Features;

/// How long building the root or executing the program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an undo may take before the monitor is killed.
const UNDO_PATIENCE: Duration = Duration::from_secs(5);

/// A container's first process, before its program runs.
#[derive(Debug)]
pub struct Created {
    /// Its process id.
    pub pid: i32,
    /// Its start time, as in [`State::start_time`].
    pub start_time: u64,
    /// Its network namespace.
    pub netns: OwnedFd,
}

/// A start that goes on.
#[derive(Debug)]
pub struct Launch {
    /// `None` once the program runs and the socket became the monitor's.
    connection: Option<Connection>,
    /// The monitor was told to run the program.
    proceeded: bool,
}

#[derive(Debug)]
struct Connection {
    socket: UnixStream,
    receiver: Receiver,
    child: Child,
}

/// Executes the monitor. `program` is this program's own file, in a form
/// that containers cannot write to; `run_dir` is made if missing (0700).
/// Its own log, `shim.log`, lies there.
pub fn spawn(program: &Path, run_dir: &Path) -> Result<Launch, Error> {
    reap_all();
    let made = |e| Error::RunDir(run_dir.to_owned(), e);
    match DirBuilder::new().mode(0o700).create(run_dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => {
            return Err(made(e));
        }
        _ => {}
    }
    let log = run_dir.join(record::LOG);
    // That of an earlier run.
    let _ = std::fs::remove_file(&log);
    let log = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(log)
        .map_err(made)?;
    let (socket, far) =
        UnixStream::pair().map_err(|e| Error::Spawn(program.to_owned(), e))?;
    // The directory's name is the container's id: it tells the monitors
    // apart in `ps`. No environment, and no descriptor beyond these three.
    let child = Command::new(program)
        .arg0(ROLE)
        .arg(run_dir.file_name().unwrap_or_default())
        .env_clear()
        .envs(forced_fallbacks())
        .stdin(OwnedFd::from(far))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|e| Error::Spawn(program.to_owned(), e))?;
    let receiver = Receiver::default();
    let connection = Some(Connection { socket, receiver, child });
    Ok(Launch { connection, proceeded: false })
}

/// The one variable that a monitor inherits: which kernel features the
/// runtime does without.
fn forced_fallbacks() -> Option<(&'static str, OsString)> {
    let name = Features::ENVIRONMENT;
    Some((name, std::env::var_os(name)?))
}

impl Launch {
    /// Returns the monitor's process id.
    pub fn shim_pid(&self) -> i32 {
        self.connection.as_ref().map_or(0, |c| c.child.id() as i32)
    }

    /// Tells the monitor what to make, and hands over the clients that
    /// attached before the start: they miss no byte.
    pub fn begin(
        &mut self,
        start: &Start,
        attachments: Vec<Attachment>,
    ) -> Result<(), Error> {
        let connection = self.connection()?;
        connection.send(&Request::Start(Box::new(start.clone())))?;
        for attachment in attachments {
            heard_later(attachment.send(&connection.socket, VERSION))?;
        }
        if !start.wait_for_network {
            connection.send(&Request::Proceed)?;
            self.proceeded = true;
        }
        Ok(())
    }

    /// Waits until the container's namespaces exist. The network can be
    /// made from then on, while the monitor builds the root.
    pub fn created(&mut self) -> Result<Created, Error> {
        match self.connection()?.receive()? {
            (Reply::Created { pid, start_time }, mut fds) => {
                let netns = fds.pop().ok_or_else(|| {
                    Error::Protocol("no network namespace came".to_string())
                })?;
                Ok(Created { pid, start_time, netns })
            }
            (reply, _) => Err(self.failure(reply)),
        }
    }

    /// Lets the program run, and waits until it does. After
    /// [`Start::wait_for_network`] had been false it only waits.
    pub fn proceed(mut self) -> Result<(State, Monitor), Error> {
        let proceeded = self.proceeded;
        let connection = self.connection()?;
        if !proceeded {
            match connection.send(&Request::Proceed) {
                // It has failed meanwhile; its last words tell why.
                Ok(()) | Err(Error::Gone) => {}
                Err(error) => return Err(error),
            }
        }
        let state = loop {
            match connection.receive()? {
                (Reply::Created { .. }, _) => {}
                (Reply::Started { state }, _) => break state,
                (reply, _) => return Err(self.failure(reply)),
            }
        };
        let Some(connection) = self.connection.take() else {
            return Err(Error::Gone);
        };
        let Connection { socket, receiver, child } = connection;
        Ok((state, Monitor::launched(socket, receiver, child)))
    }

    fn connection(&mut self) -> Result<&mut Connection, Error> {
        self.connection.as_mut().ok_or(Error::Gone)
    }

    /// Turns an unfitting reply into an error; a failed start is complete
    /// when this returns: the monitor has undone it.
    fn failure(&mut self, reply: Reply) -> Error {
        self.end();
        match reply {
            Reply::Failed { error } => Error::Start(error),
            other => Error::Protocol(format!("unexpected {other:?}")),
        }
    }

    /// Closes the start socket and waits until the monitor has undone the
    /// start; one that hangs is killed, and its container dies with it.
    fn end(&mut self) {
        let Some(Connection { socket, mut receiver, mut child }) =
            self.connection.take()
        else {
            return;
        };
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let deadline = Instant::now() + UNDO_PATIENCE;
        // Its last words do not matter any more, only its end.
        while let Ok(Some(_)) = receiver.wait(socket.as_fd(), deadline) {}
        if Instant::now() >= deadline {
            let _ = child.kill();
        }
        drop(socket);
        // It has closed its socket or was killed: it ends at once.
        let _ = child.wait();
    }
}

impl Drop for Launch {
    fn drop(&mut self) {
        self.end();
    }
}

impl Connection {
    fn send(&self, request: &Request) -> Result<(), Error> {
        heard_later(channel::send(
            &self.socket,
            VERSION,
            request,
            b"",
            &[],
            PATIENCE,
        ))
    }

    fn receive(&mut self) -> Result<(Reply, Vec<OwnedFd>), Error> {
        let deadline = Instant::now() + PATIENCE;
        let message = self.receiver.wait(self.socket.as_fd(), deadline)?;
        let message = message.ok_or(Error::Gone)?;
        Ok((message.parse()?, message.fds))
    }
}

/// A monitor whose start has failed ends at once, whatever is still being
/// sent to it: its last words are received next, and tell more than that it
/// is gone.
fn heard_later(sent: Result<(), Error>) -> Result<(), Error> {
    match sent {
        Err(Error::Gone) => Ok(()),
        other => other,
    }
}

/// Monitors that are known to end but had not when last looked at.
static ENDING: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Takes a monitor that ends soon; it is reaped then, by whoever comes
/// next.
pub(super) fn leave_to_reaper(child: Child) {
    ENDING.lock().unwrap_or_else(PoisonError::into_inner).push(child);
    reap_all();
}

/// Reaps the monitors that have ended. Never waits.
pub(super) fn reap_all() {
    let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    ending.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::StartError;

    #[test]
    fn last_words_of_a_monitor_are_heard_though_it_is_gone() {
        let (socket, far) = UnixStream::pair().unwrap();
        let error = StartError::plain("no such file");
        let failed = Reply::Failed { error };
        channel::send(&far, VERSION, &failed, b"", &[], PATIENCE).unwrap();
        drop(far);
        let child = Command::new("true").spawn().unwrap();
        let connection =
            Connection { socket, receiver: Receiver::default(), child };
        let launch = Launch { connection: Some(connection), proceeded: false };
        match launch.proceed() {
            Err(Error::Start(error)) => {
                assert!(error.to_string().contains("no such file"))
            }
            other => panic!("{other:?}"),
        }
    }
}
