//! The accept thread of a listener: waits at the gate, then starts a worker
//! thread for each connection, within the listener's budget.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use crate::http::Stream;
use crate::sys;

use super::Server;
use super::budget::{Budget, Seat};
use super::connection::{self, send_refusal};
use super::gate::Gate;
use super::listen::Listener;
use super::reply::Outgoing;

/// The stack of a worker: only touched pages cost, but deeply nested JSON
/// needs some. Unoptimized frames are larger.
const STACK: usize =
    if cfg!(debug_assertions) { 1024 * 1024 } else { 256 * 1024 };

/// How long an accept thread rests when the kernel is out of descriptors or
/// memory.
const REST: Duration = Duration::from_millis(50);

/// A listener that cannot accept any more.
#[derive(Debug)]
pub struct Lost {
    /// Where it listened.
    pub address: String,
    /// What the kernel said.
    pub source: io::Error,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the listener {} is lost: {}", self.address, self.source)
    }
}

impl std::error::Error for Lost {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// A listener with its accept thread.
pub struct Accepting {
    listener: Arc<Listener>,
    budget: Arc<Budget>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the accept thread of a listener. It serves once the gate opens;
/// if the listener fails, `lost` is told, once.
pub fn start<S: Send + Sync + 'static>(
    listener: Listener,
    gate: Gate<Arc<Server<S>>>,
    lost: Sender<Lost>,
) -> io::Result<Accepting> {
    let listener = Arc::new(listener);
    let budget = Budget::new(listener.workers);
    let stopping = Arc::new(AtomicBool::new(false));
    let thread = {
        let (listener, budget) = (listener.clone(), budget.clone());
        let stopping = stopping.clone();
        let builder = thread::Builder::new().name("accept".to_string());
        builder.stack_size(STACK).spawn(move || {
            let Some(server) = gate.wait() else { return };
            let source = accept_all(&listener, &server, &budget, &stopping);
            if !stopping.load(Ordering::Acquire) {
                let address = listener.address().to_string();
                // Nobody listens any more when the daemon is ending.
                let _ = lost.send(Lost { address, source });
            }
        })?
    };
    Ok(Accepting { listener, budget, stopping, thread: Some(thread) })
}

/// Accepts until the listener fails; returns why it did.
fn accept_all<S: Send + Sync + 'static>(
    listener: &Listener,
    server: &Arc<Server<S>>,
    budget: &Arc<Budget>,
    stopping: &AtomicBool,
) -> io::Error {
    loop {
        match listener.accept() {
            _ if stopping.load(Ordering::Acquire) => {
                return io::ErrorKind::Interrupted.into();
            }
            Ok(stream) => admit(listener, server, budget, stream),
            Err(e) => match judge(&e) {
                Failure::Client => {}
                Failure::Resources => {
                    log::warn!("{}: {e}", listener.address());
                    // An idle connection's descriptor is the quickest help.
                    budget.evict();
                    thread::sleep(REST);
                }
                Failure::Listener => return e,
            },
        }
    }
}

/// Whose failure a failed `accept` is (accept(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The client went before it was accepted.
    Client,
    /// The system is short of something; later it may not be.
    Resources,
    /// The listener is of no use any more.
    Listener,
}

fn judge(error: &io::Error) -> Failure {
    use errno::*;
    match error.raw_os_error().unwrap_or(0) {
        EBADF | EINVAL | ENOTSOCK | EOPNOTSUPP | EFAULT => Failure::Listener,
        EMFILE | ENFILE | ENOBUFS | ENOMEM => Failure::Resources,
        // Network errors of the new connection are reported here too.
        _ => Failure::Client,
    }
}

/// The numbers that [`judge`] tells apart (errno(3), Linux).
mod errno {
    pub const EBADF: i32 = 9;
    pub const ENOMEM: i32 = 12;
    pub const EFAULT: i32 = 14;
    pub const EINVAL: i32 = 22;
    pub const ENFILE: i32 = 23;
    pub const EMFILE: i32 = 24;
    pub const ENOTSOCK: i32 = 88;
    pub const EOPNOTSUPP: i32 = 95;
    pub const ENOBUFS: i32 = 105;
}

fn admit<S: Send + Sync + 'static>(
    listener: &Listener,
    server: &Arc<Server<S>>,
    budget: &Arc<Budget>,
    stream: Stream,
) {
    let stream = Arc::new(stream);
    let seat = match budget.admit(&stream) {
        Ok(seat) => seat,
        Err(_) => return turn_away(&stream, "all workers are busy"),
    };
    let started = spawn_worker(listener, server, stream.clone(), seat);
    if let Err(e) = started {
        log::warn!("{}: no worker thread: {e}", listener.address());
        turn_away(&stream, "no worker can be started");
    }
}

fn spawn_worker<S: Send + Sync + 'static>(
    listener: &Listener,
    server: &Arc<Server<S>>,
    stream: Arc<Stream>,
    seat: Seat,
) -> io::Result<()> {
    let server = server.clone();
    let access = listener.access;
    let builder = thread::Builder::new().name("worker".to_string());
    builder.stack_size(STACK).spawn(move || {
        connection::serve(&server, stream, seat, access);
    })?;
    Ok(())
}

/// Answers 503 without waiting for anything: this is the accept thread.
fn turn_away(stream: &Stream, words: &str) {
    use std::io::Read;
    let _ = stream.set_nonblocking(true);
    let _ = send_refusal(&mut Outgoing::default(), stream, 503, words);
    let _ = sys::socket::shutdown(stream, Shutdown::Write);
    // What has come already is read: unread bytes would reset the stream
    // before the client sees the answer.
    let (mut stream, mut waste) = (stream, [0; 4096]);
    let _came = stream.read(&mut waste);
}

impl Accepting {
    /// Returns where it listens: with TCP the real port.
    pub fn address(&self) -> &str {
        self.listener.address()
    }

    /// Stops accepting, closes the connections that wait for a request, and
    /// waits until the others have answered theirs, at most until
    /// `deadline`. Returns how many were still inside a request then.
    pub fn stop(&mut self, deadline: Instant) -> usize {
        self.stopping.store(true, Ordering::Release);
        self.listener.shutdown();
        loop {
            let busy = self.budget.close_idle();
            if busy == 0 || Instant::now() >= deadline {
                return busy;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[cfg(test)]
impl Accepting {
    /// Makes the listener useless, as a fault would.
    pub(super) fn lose(&self) {
        self.listener.shutdown();
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        self.listener.shutdown();
        let Some(thread) = self.thread.take() else { return };
        // One that still waits at the gate ends with the gate.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_useless_listener_is_lost() {
        let judged = |errno| judge(&io::Error::from_raw_os_error(errno));
        assert_eq!(judged(24), Failure::Resources);
        assert_eq!(judged(22), Failure::Listener);
        // ECONNABORTED, EINTR, EPROTO
        for errno in [103, 4, 71] {
            assert_eq!(judged(errno), Failure::Client);
        }
    }
}
