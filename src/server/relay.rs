//! A hijacked TLS stream. A monitor cannot share the session, so it gets one
//! end of a socket pair, and one thread moves the bytes between the other
//! end and the session:
//!
//! ```text
//! client ══ TLS ══▶ input, one block ──▶ pair ──▶ monitor
//!        ◀═ TLS ═══ session's buffer ◀── pair ◀──
//! ```
//!
//! 1. The client's announced end (close_notify) becomes the end of the
//!    pair's direction: the program's input is over, its output goes on.
//! 2. The monitor's end is announced to the client, once all has gone out.
//! 3. A client that is gone without a word (reset, cut, keep-alive without
//!    an answer) ends the relay; what it had sent is still delivered as far
//!    as the monitor takes it at once.
//!
//! Neither direction reads before what it read last has gone out, so each
//! holds one block, and a slow side slows the other one as a pipe would.
//! A relay lives in the daemon and ends with it, unlike a plain stream,
//! which the monitor has for itself. It keeps its seat in the listener's
//! budget, so there are never more of them than workers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::budget::Seat;
use super::connection::drain;
use crate::http::Stream;
use crate::sys;
use crate::sys::poll::{PollFd, PollFlags, poll};
use crate::sys::stream::{Moved, recv_now, send_now};

/// The most bytes moved at once.
const BLOCK: usize = 16 * 1024;

/// The stack of the thread: two blocks, and what rustls needs.
const STACK: usize = 256 * 1024;

/// How long a client may take to read the last bytes: while it still sends,
/// closing would throw them away.
const LINGER: Duration = Duration::from_secs(2);

/// Starts the relay of a client; the returned end takes the place of the
/// client's socket.
pub(super) fn start(
    client: Arc<Stream>,
    seat: Arc<Seat>,
) -> io::Result<UnixStream> {
    let (near, far) = UnixStream::pair()?;
    client.set_nonblocking(true)?;
    let builder = thread::Builder::new().name("relay".into());
    builder.stack_size(STACK).spawn(move || {
        let mut relay = Relay::new(&client, &near);
        if let Err(e) = relay.run() {
            log::debug!("an attached client is gone: {e}");
        }
        drop(near);
        // Given back last: its place is free when nothing is left of it.
        drop(client);
        drop(seat);
    })?;
    Ok(far)
}

struct Relay<'a> {
    client: &'a Stream,
    monitor: &'a UnixStream,
    /// What the client sent and the monitor has not taken yet.
    input: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    /// More input may come.
    listening: bool,
    /// More output may come.
    serving: bool,
    block: Box<[u8]>,
}

/// What one step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Something: it may be worth another one.
    Moved,
    /// Nothing, until a descriptor is ready.
    Idle,
}

impl<'a> Relay<'a> {
    fn new(client: &'a Stream, monitor: &'a UnixStream) -> Relay<'a> {
        Relay {
            client,
            monitor,
            input: Vec::with_capacity(BLOCK),
            taken: 0,
            listening: true,
            serving: true,
            block: vec![0; BLOCK].into(),
        }
    }

    /// Moves bytes until the monitor has ended, or the client is gone.
    fn run(&mut self) -> io::Result<()> {
        while self.serving || self.client.wants_write() {
            let moved = self.step().and_then(|step| match step {
                Step::Moved => Ok(()),
                Step::Idle => self.wait(),
            });
            if let Err(gone) = moved {
                // Its last words count, the program's to it do not.
                while matches!(self.take_input(), Ok(Step::Moved)) {}
                return Err(gone);
            }
        }
        let _ = sys::socket::shutdown(self.client, Shutdown::Write);
        drain(self.client, LINGER, usize::MAX);
        Ok(())
    }

    fn step(&mut self) -> io::Result<Step> {
        let output = self.give_output()?;
        let input = self.take_input()?;
        Ok(match (output, input) {
            (Step::Idle, Step::Idle) => Step::Idle,
            _ => Step::Moved,
        })
    }

    /// One block from the client to the monitor.
    fn take_input(&mut self) -> io::Result<Step> {
        if self.has_input() {
            match send_now(self.monitor, &self.input[self.taken..]) {
                Moved::Bytes(n) => self.taken += n,
                Moved::Nothing => return Ok(Step::Idle),
                // Nobody reads it any more; output may still be there.
                Moved::Closed => {
                    self.taken = self.input.len();
                    self.listening = false;
                }
            }
            return Ok(Step::Moved);
        }
        if !self.listening {
            return Ok(Step::Idle);
        }
        self.input.resize(BLOCK, 0);
        self.taken = 0;
        let mut client = self.client;
        let got = client.read(&mut self.input);
        self.input.truncate(*got.as_ref().unwrap_or(&0));
        match got {
            Ok(0) => {
                self.listening = false;
                // One that is closed already needs no end.
                let _ = self.monitor.shutdown(Shutdown::Write);
                Ok(Step::Moved)
            }
            Ok(_) => Ok(Step::Moved),
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(Step::Idle),
            Err(e) => Err(e),
        }
    }

    /// One block from the monitor to the client.
    fn give_output(&mut self) -> io::Result<Step> {
        if self.client.wants_write() {
            let mut client = self.client;
            return settle(client.flush());
        }
        if !self.serving {
            return Ok(Step::Idle);
        }
        match recv_now(self.monitor, &mut self.block) {
            Moved::Bytes(n) => {
                // A session without a backlog takes a block whole.
                let mut client = self.client;
                settle(client.write_all(&self.block[..n]))?;
            }
            Moved::Nothing => return Ok(Step::Idle),
            Moved::Closed => {
                self.serving = false;
                settle(self.client.shutdown_write())?;
            }
        }
        Ok(Step::Moved)
    }

    fn has_input(&self) -> bool {
        self.taken < self.input.len()
    }

    fn wait(&self) -> io::Result<()> {
        let is_full = self.client.wants_write();
        let mut from_client = PollFlags::empty();
        let reads = self.listening && !self.has_input();
        from_client.set(PollFlags::IN, reads);
        from_client.set(PollFlags::OUT, is_full);
        let mut from_monitor = PollFlags::empty();
        from_monitor.set(PollFlags::IN, self.serving && !is_full);
        from_monitor.set(PollFlags::OUT, self.has_input());
        wait_for((self.client, from_client), (self.monitor, from_monitor))
    }
}

/// Waits until one of the two can go on; a client that is gone is an error.
pub(super) fn wait_for(
    (client, from_client): (&Stream, PollFlags),
    (monitor, from_monitor): (&UnixStream, PollFlags),
) -> io::Result<()> {
    let mut fds = vec![PollFd::new(client, from_client)];
    // The hang-up of one that nothing is wanted of comes again and again.
    if !from_monitor.is_empty() {
        fds.push(PollFd::new(monitor, from_monitor));
    }
    poll(&mut fds, None)?;
    let gone = PollFlags::HUP | PollFlags::ERR;
    match fds[0].revents().intersects(gone) {
        true => Err(ErrorKind::ConnectionReset.into()),
        false => Ok(()),
    }
}

/// No room is no failure: the session keeps the bytes.
fn settle(sent: io::Result<()>) -> io::Result<Step> {
    match sent {
        Ok(()) => Ok(Step::Moved),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(Step::Idle),
        Err(e) => Err(e),
    }
}
