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
use super::workers::Workers;

/// The stack of a worker: only touched pages cost, but deeply nested JSON
/// needs some. Unoptimized frames are larger. The C library keeps up to 40
/// MB of stacks of ended threads: the larger, the fewer, and each keeps the
/// page or two that were in use at the very end.
const STACK: usize =
    if cfg!(debug_assertions) { 1024 * 1024 } else { 512 * 1024 };

/// How many workers there may be beyond the seats: those of connections that
/// were closed to make room, and are on their way out.
const LEAVING: usize = 32;

/// How long an accept thread rests when the kernel is out of descriptors or
/// memory.
const REST: Duration = Duration::from_millis(50);

/// How long a shortage is not told of again.
const SILENCE: Duration = Duration::from_secs(60);

/// How long requests may end by themselves when the server stops, before
/// those that wait are told that nobody listens any more.
const GRACE: Duration = Duration::from_millis(200);

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
    pub(super) budget: Arc<Budget>,
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
            let statistics = &server.statistics;
            statistics.add_listener(listener.address(), &budget);
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
    let workers = {
        let (server, access) = (server.clone(), listener.access);
        let serve = move |(stream, seat): Task| {
            connection::serve(&server, stream, seat, access);
        };
        Workers::new(listener.workers + LEAVING, STACK, serve)
    };
    let mut last_warning = None;
    loop {
        let accepted = listener.accept();
        if stopping.load(Ordering::Acquire) {
            return io::ErrorKind::Interrupted.into();
        }
        let error = match accepted {
            Ok(stream) => {
                admit(listener, budget, &workers, stream);
                continue;
            }
            Err(error) => error,
        };
        match judge(&error) {
            Failure::Client => {}
            Failure::Resources => {
                // It may go on for long, and says the same each time.
                let now = Instant::now();
                if last_warning.is_none_or(|last| now - last > SILENCE) {
                    log::warn!("{}: {error}", listener.address());
                    last_warning = Some(now);
                }
                // An idle connection's descriptor is the quickest help.
                budget.evict();
                thread::sleep(REST);
            }
            Failure::Listener => return error,
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
    use sys::errno::*;
    match error.raw_os_error().unwrap_or(0) {
        EBADF | EINVAL | ENOTSOCK | EOPNOTSUPP | EFAULT => Failure::Listener,
        EMFILE | ENFILE | ENOBUFS | ENOMEM => Failure::Resources,
        // Network errors of the new connection are reported here too.
        _ => Failure::Client,
    }
}

/// A connection on its way to its worker.
type Task = (Arc<Stream>, Arc<Seat>);

/// Gives a new connection its seat and its worker.
fn admit(
    listener: &Listener,
    budget: &Arc<Budget>,
    workers: &Workers<Task>,
    stream: Stream,
) {
    let stream = Arc::new(stream);
    let Ok(seat) = budget.admit(&stream) else {
        return turn_away(&stream, "all workers are busy");
    };
    if let Err((error, (stream, _))) = workers.give((stream, Arc::new(seat))) {
        log::warn!("{}: no worker thread: {error}", listener.address());
        turn_away(&stream, "no worker can be started");
    }
}

/// Answers 503 without waiting for anything: this is the accept thread. A
/// TLS client gets no answer, because that would take a handshake.
fn turn_away(stream: &Stream, words: &str) {
    use std::io::Read;
    if stream.is_tls() {
        return;
    }
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

    /// Stops accepting.
    pub fn close(&self) {
        self.stopping.store(true, Ordering::Release);
        self.listener.shutdown();
    }

    /// Stops accepting, closes the connections that wait for a request, and
    /// waits until the others have answered theirs, at most until
    /// `deadline`. Those that only wait for something to happen are let go
    /// of before. Returns how many were still inside a request at the end.
    pub fn stop(&mut self, deadline: Instant) -> usize {
        self.close();
        let mut grace = Some(Instant::now() + GRACE);
        loop {
            let busy = self.budget.close_idle();
            let now = Instant::now();
            if busy == 0 || now >= deadline {
                return busy;
            }
            if grace.is_some_and(|end| now >= end) {
                self.budget.hang_up();
                grace = None;
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
        self.close();
        let Some(thread) = self.thread.take() else { return };
        // One that still waits at the gate ends with the gate.
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::server::tests::{
        Running, closed, closed_with, eventually, read_to_end, read_until,
        start,
    };
    use crate::server::{Settings, listen};

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

    #[test]
    fn the_gate_holds_clients_and_then_serves_them() {
        let mut server = closed("gate", |_| {});
        let mut clients: Vec<_> = (0..200)
            .map(|_| {
                let mut stream = server.connect();
                let ping = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
                stream.write_all(ping).unwrap();
                stream
            })
            .collect();
        clients[0].set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(clients[0].read(&mut [0]).is_err(), "nobody is served yet");
        clients[0].set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        server.open();
        for client in &mut clients {
            read_until(client, "\r\n\r\nOK");
        }
    }

    const PING: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
    const SLOW: &[u8] = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";

    fn inside(server: &Running, n: u32) {
        eventually("so many are inside", || {
            server.server.state.inside.load(Ordering::SeqCst) == n
        });
    }

    #[test]
    fn beyond_the_budget_idle_connections_give_way_and_requests_never() {
        let mut server = closed("budget", |listener| listener.workers = 2);
        server.open();
        let mut busy = server.connect();
        busy.write_all(SLOW).unwrap();
        inside(&server, 1);
        let mut idle = server.connect();
        idle.write_all(PING).unwrap();
        read_until(&mut idle, "\r\n\r\nOK");
        let mut second = server.connect();
        second.write_all(SLOW).unwrap();
        inside(&server, 2);
        assert_eq!(read_to_end(&mut idle), "", "the idle one was closed");
        let answer = server.talk("GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(
            answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
            "{answer}"
        );
        drop(busy);
        inside(&server, 1);
        eventually("there is room again", || server.ask("GET /_ping").0 == 200);
        drop(second);
    }

    #[test]
    fn a_crowd_at_the_gate_is_served_whole() {
        let mut server = closed("crowd", |listener| listener.workers = 4);
        let mut clients: Vec<_> = (0..300)
            .map(|_| {
                let mut stream = server.connect();
                stream.write_all(PING).unwrap();
                stream
            })
            .collect();
        server.open();
        for client in &mut clients {
            read_until(client, "\r\n\r\nOK");
        }
        assert_eq!(server.accepting.budget.connections().refused, 0);
    }

    #[test]
    fn beyond_the_budget_the_longest_without_a_head_is_closed() {
        let settings = Settings::default();
        let mut server = closed_with("heads-slow", settings, |l| l.workers = 2);
        server.open();
        let mut slow: Vec<_> = (0..6)
            .map(|n| {
                let mut stream = server.connect();
                stream.write_all(b"GET /_ping HT").unwrap();
                let most = if n < 2 { n + 1 } else { 2 };
                eventually("they have workers", || {
                    server.accepting.budget.connections().evicted
                        == (n as u64 + 1) - most as u64
                        && server.accepting.budget.len() == most
                });
                stream
            })
            .collect();
        // The first four had to go, in order; a good client is served.
        for stream in &mut slow[..4] {
            assert_eq!(read_to_end(stream), "");
        }
        assert_eq!(server.ask("GET /_ping").0, 200);
        slow[5].write_all(b"TP/1.1\r\nHost: x\r\n\r\n").unwrap();
        read_until(&mut slow[5], "\r\n\r\nOK");
    }

    #[test]
    fn a_lost_listener_is_reported_and_a_stopped_one_is_not() {
        let mut server = start("lost");
        assert_eq!(server.ask("GET /_ping").0, 200);
        let soon = Instant::now() + Duration::from_secs(10);
        assert_eq!(server.accepting.stop(soon), 0);
        assert!(!server.path.exists());
        assert!(server.lost.recv_timeout(Duration::from_millis(50)).is_err());

        let server = start("lost-2");
        assert_eq!(server.ask("GET /_ping").0, 200);
        server.accepting.lose();
        let lost = server.lost.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(lost.to_string().starts_with("the listener unix://"), "{lost}");
    }

    #[test]
    fn a_server_that_stops_lets_requests_end() {
        let mut server = start("stop");
        let mut busy = server.connect();
        busy.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut idle = server.connect();
        idle.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        read_until(&mut idle, "\r\n\r\nOK");
        let state = server.server.clone();
        eventually("the request is inside", || {
            state.state.inside.load(Ordering::SeqCst) == 1
        });
        let soon = Instant::now() + Duration::from_millis(50);
        assert_eq!(server.accepting.stop(soon), 1);
        assert_eq!(read_to_end(&mut idle), "");
        // What only waits is let go of long before the time is over.
        let later = Instant::now() + Duration::from_secs(10);
        assert_eq!(server.accepting.stop(later), 0);
        assert!(Instant::now() + Duration::from_secs(5) < later);
        assert_eq!(state.state.hung_up.load(Ordering::SeqCst), 1);
        drop(busy);
    }

    #[test]
    fn our_own_client_is_served_over_tcp_and_kept() {
        use crate::http::client::{Body, Connection, Request};
        use crate::http::connect::{Address, Timeouts};
        let running = start("tcp");
        let host = listen::Host::parse("tcp://127.0.0.1:0").unwrap();
        let listener = listen::bind(&host, "").unwrap().remove(0);
        let (opener, gate) = super::super::gate::new();
        let (lost, _) = crossbeam_channel::unbounded();
        let mut accepting = super::start(listener, gate, lost).unwrap();
        opener.open(running.server.clone());
        let port = accepting.address().rsplit_once(':').unwrap().1;
        let address = Address::Tcp {
            host: "127.0.0.1".to_string(),
            port: port.parse().unwrap(),
        };
        let timeouts = Timeouts::default();
        let mut connection = Connection::connect(&address, &timeouts).unwrap();
        for length in [0, 5, 2048, 2049, 300_000] {
            let data = vec![b'x'; length];
            let mut source = data.as_slice();
            let request =
                Request::new("POST", "/echo").body(Body::Chunked(&mut source));
            let mut response = connection.send(request).unwrap();
            assert_eq!(response.status, 200);
            assert_eq!(response.read_to_limit(1 << 20).unwrap(), data);
            connection = response.finish().expect("it is kept");
        }
        let request = Request::new("GET", "/_ping").header("Host", "a/b");
        assert_eq!(connection.send(request).unwrap().status, 400);
        let soon = Instant::now() + Duration::from_secs(10);
        assert_eq!(accepting.stop(soon), 0);
        assert!(Connection::connect(&address, &timeouts).is_err());
    }
}
