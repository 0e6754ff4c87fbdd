//! The monitor's loop, from the program's start to its end: output to log
//! and clients, input from clients, the control socket.
//!
//! It sleeps in one `poll(2)` without a time-out and wakes for events only;
//! once after each burst of events it wakes a second later, gives memory
//! back, and sleeps on. Nothing in it waits for a peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::attached::{Attached, LIMIT, Manners, Taken};
use super::channel::{self, Message, Received, Receiver, VERSION};
use super::input::Input;
use super::message::{Attach, Exit, Reply, Request, State, Stdin};
use super::output::{Output, Piece};
use super::{Error, note};
use crate::logs;
use crate::sys::poll::{self, PollFd, PollFlags};
use crate::sys::stream::Moved;
use crate::sys::tty::{self, WindowSize};
use crate::sys::{memory, session, socket};
use crate::time::Timestamp;

/// The most connections to the control socket at once. Only root connects,
/// and every connection but the daemon's own is short.
const CONNECTIONS: usize = 256;

/// How long nothing has to happen before memory is given back.
const SETTLING: Duration = Duration::from_secs(1);

/// What the loop needs of the container.
pub(super) trait Container {
    /// Becomes readable when the first process may have ended.
    fn end_fd(&self) -> Option<BorrowedFd<'_>>;
    /// Tells whether it has; asked when that descriptor was readable, and
    /// once before.
    fn has_ended(&self) -> bool;
    /// Sends a signal to the first process.
    fn signal(&self, number: i32) -> Result<(), String>;
    /// Freezes all processes.
    fn pause(&self) -> Result<(), String>;
    /// Lets them go on.
    fn resume(&self) -> Result<(), String>;
}

/// What the loop works with.
pub(super) struct Service {
    pub state: State,
    pub log: logs::Writer,
    pub stdin: Stdin,
    pub input: Input,
    pub outputs: Vec<Output>,
    /// The terminal's master, for its size.
    pub terminal: Option<OwnedFd>,
    /// The terminal's other end, held so that a program that closes its
    /// terminal and opens it again is not taken for one that has ended.
    pub peer: Option<OwnedFd>,
    pub attached: Vec<Attached>,
    pub listener: Option<UnixListener>,
    pub connections: Vec<Connection>,
    pub piece: Piece,
    /// Something has happened since memory was last given back.
    pub stirred: bool,
}

/// A connection of a daemon.
pub(super) struct Connection {
    socket: UnixStream,
    receiver: Receiver,
    /// Wants to know of the container's end.
    monitors: bool,
    over: bool,
}

impl Connection {
    /// Takes over the start socket once the program runs.
    pub(super) fn monitoring(
        socket: UnixStream,
        receiver: Receiver,
    ) -> Connection {
        Connection { socket, receiver, monitors: true, over: false }
    }
}

/// Who is ready.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Exit,
    Listener,
    Input,
    Output(usize),
    Attached(usize),
    Connection(usize),
}

impl Service {
    /// Serves until the first process has ended.
    pub(super) fn run(&mut self, container: &dyn Container) {
        let mut ended = container.has_ended();
        while !ended {
            let ready = match self.wait(container.end_fd()) {
                Ok(ready) => ready,
                Err(error) => {
                    // Only ENOMEM and the like: pass by on the next turn.
                    note(&format!("polling: {error}"));
                    std::thread::sleep(Duration::from_millis(100));
                    continue;
                }
            };
            for (who, flags) in ready {
                match who {
                    Ready::Exit => ended = container.has_ended(),
                    Ready::Listener => self.accept(),
                    Ready::Connection(at) => self.converse(at, container),
                    other => self.stream(other, flags),
                }
            }
            self.tidy();
        }
    }

    /// Reads what the program left in its outputs, until they end, nothing
    /// comes for `patience`, or clients that are far behind would make it
    /// too much to keep.
    pub(super) fn drain(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.outputs.is_empty() {
            let mut progress = false;
            for at in (0..self.outputs.len()).rev() {
                progress |= self.read_output(at, self.outputs[at].stream);
            }
            let behind = self.attached.iter().map(Attached::waiting).max();
            let now = Instant::now();
            if now >= deadline || behind.unwrap_or(0) > 4 * LIMIT {
                note("output is left unread: a process still holds it");
                break;
            }
            if !progress && !self.outputs.is_empty() {
                let mut fds: Vec<_> = self
                    .outputs
                    .iter()
                    .map(|o| PollFd::new(o, PollFlags::IN))
                    .collect();
                let _ = poll::poll(&mut fds, Some(deadline - now));
            }
        }
        self.outputs.clear();
        self.log.close(Timestamp::now());
    }

    /// Tells all monitor connections how the container ended.
    pub(super) fn report(&mut self, exit: &Exit) {
        let reply = Reply::Exit { exit: exit.clone() };
        for connection in &mut self.connections {
            if connection.monitors {
                // One that does not take it reads the record instead.
                let _ = answer(&connection.socket, &reply, &[]);
            }
        }
    }

    /// Lets clients go: at once those that have got everything, the others
    /// when they have. Ends when all are gone.
    pub(super) fn linger(&mut self) {
        self.part();
        while !self.attached.is_empty() {
            match self.wait(None) {
                Ok(ready) => {
                    for (who, flags) in ready {
                        self.stream(who, flags);
                    }
                }
                Err(_) => return,
            }
            self.tidy();
        }
    }

    /// Lets those clients go that have got everything.
    pub(super) fn part(&mut self) {
        for client in &mut self.attached {
            client.finish();
        }
        self.tidy();
    }

    fn wait<'a>(
        &'a mut self,
        exit: Option<BorrowedFd<'a>>,
    ) -> crate::sys::Result<Vec<(Ready, PollFlags)>> {
        let mut who = Vec::with_capacity(8);
        let mut fds = Vec::with_capacity(8);
        let mut add = |ready, fd: BorrowedFd<'a>, flags| {
            who.push(ready);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        if let Some(exit) = exit {
            add(Ready::Exit, exit, PollFlags::IN);
        }
        if let Some(listener) = &self.listener
            && self.connections.len() < CONNECTIONS
        {
            add(Ready::Listener, listener.as_fd(), PollFlags::IN);
        }
        if let Some(fd) = self.input.waiting() {
            add(Ready::Input, fd, PollFlags::OUT);
        }
        for (at, output) in self.outputs.iter().enumerate() {
            let full = |a: &Attached| a.is_full(output.stream);
            if !self.attached.iter().any(full) {
                add(Ready::Output(at), output.as_fd(), PollFlags::IN);
            }
        }
        let room = self.input.room();
        for (at, client) in self.attached.iter().enumerate() {
            if let Some(flags) = client.interest(room) {
                add(Ready::Attached(at), client.as_fd(), flags);
            }
        }
        for (at, connection) in self.connections.iter().enumerate() {
            let socket = connection.socket.as_fd();
            add(Ready::Connection(at), socket, PollFlags::IN);
        }
        if !self.stirred || poll::poll(&mut fds, Some(SETTLING))? == 0 {
            if std::mem::take(&mut self.stirred) {
                memory::trim_heap();
                // As late as can be: what runs after this comes back.
                memory::drop_text();
            }
            poll::poll(&mut fds, None)?;
        }
        self.stirred = true;
        let flags = fds.iter().map(PollFd::revents);
        let mut ready: Vec<_> = who.into_iter().zip(flags).collect();
        ready.retain(|(_, flags)| !flags.is_empty());
        Ok(ready)
    }

    /// Moves bytes of the program's streams.
    fn stream(&mut self, who: Ready, flags: PollFlags) {
        match who {
            Ready::Input => self.input.flush(),
            Ready::Output(at) => {
                // An earlier event of this turn may have removed one.
                if let Some(output) = self.outputs.get(at) {
                    let stream = output.stream;
                    self.read_output(at, stream);
                }
            }
            Ready::Attached(at) => self.serve(at, flags),
            _ => {}
        }
    }

    /// Reads once from an output and passes it on; true if something came.
    fn read_output(&mut self, at: usize, stream: logs::Stream) -> bool {
        let len = match self.outputs[at].read(&mut self.piece) {
            Moved::Bytes(len) => len,
            Moved::Nothing => return false,
            Moved::Closed => {
                self.outputs.remove(at);
                return true;
            }
        };
        // The log first: it waits for no reader.
        self.log.feed(stream, self.piece.bytes(len), Timestamp::now());
        let framed = self.piece.framed(len);
        for client in &mut self.attached {
            client.deliver(stream, framed);
        }
        true
    }

    fn serve(&mut self, at: usize, flags: PollFlags) {
        let client = &mut self.attached[at];
        if flags.contains(PollFlags::OUT) {
            client.flush();
        }
        if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            client.leave();
        }
        if flags.contains(PollFlags::IN) && client.is_listening() {
            let mut input = Vec::new();
            let taken = client.take_input(&mut input);
            self.input.write(&input);
            self.after_input(at, taken);
        }
    }

    fn after_input(&mut self, at: usize, taken: Taken) {
        match taken {
            Taken::Some => {}
            Taken::Detach => self.attached[at].finish(),
            // As Docker: the first client's end is the input's end, else
            // the client is let go and the input stays for the next.
            Taken::End if self.closes_with_client() => self.input.end(),
            Taken::End => self.attached[at].finish(),
        }
    }

    fn closes_with_client(&self) -> bool {
        self.stdin == Stdin::Once && self.terminal.is_none()
    }

    fn accept(&mut self) {
        let Some(listener) = &self.listener else { return };
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) => {
                // No descriptor left: the event stays, so do not turn fast.
                note(&format!("accepting a connection: {error}"));
                return std::thread::sleep(Duration::from_millis(10));
            }
        };
        let own = session::user_id();
        match socket::peer(&socket) {
            Ok(peer) if peer.uid == 0 || peer.uid == own => {
                self.connections.push(Connection {
                    socket,
                    receiver: Receiver::default(),
                    monitors: false,
                    over: false,
                });
            }
            _ => note("a connection of another user is refused"),
        }
    }

    /// Takes one message of a connection and answers it.
    fn converse(&mut self, at: usize, container: &dyn Container) {
        let connection = &mut self.connections[at];
        let message = match connection.receiver.receive(&connection.socket) {
            Ok(Received::Message(message)) => message,
            Ok(Received::Nothing) => return,
            Ok(Received::End) => {
                connection.over = true;
                return;
            }
            Err(error) => {
                note(&error.to_string());
                connection.over = true;
                return;
            }
        };
        let reply = self
            .handle(at, message, container)
            .unwrap_or_else(|e| Reply::Refused { message: e.to_string() });
        let connection = &mut self.connections[at];
        if answer(&connection.socket, &reply, &[]).is_err() {
            connection.over = true;
        }
    }

    fn handle(
        &mut self,
        at: usize,
        mut message: Message,
        container: &dyn Container,
    ) -> Result<Reply, Error> {
        let refused = Error::Refused;
        match message.parse()? {
            Request::Attach(asked) => {
                let socket = message.fds.pop().ok_or_else(|| {
                    Error::Protocol("no socket came".to_string())
                })?;
                self.attach(socket, asked, &message.payload);
            }
            Request::Monitor => {
                self.connections[at].monitors = true;
                return Ok(Reply::State { state: self.state.clone() });
            }
            Request::Resize { rows, cols } => {
                // Without a terminal there is nothing to do, as in Docker.
                if let Some(terminal) = &self.terminal {
                    tty::set_window_size(terminal, WindowSize { rows, cols })
                        .map_err(Error::System)?;
                }
            }
            Request::Signal { number } => {
                container.signal(number).map_err(refused)?;
            }
            Request::Pause => container.pause().map_err(refused)?,
            Request::Resume => container.resume().map_err(refused)?,
            Request::Start(_) | Request::Proceed => {
                return Err(Error::Refused("it runs already".to_string()));
            }
            Request::Unknown => {
                return Err(Error::Refused(
                    "this container's monitor is of an older version that \
                     cannot do this; restart the container"
                        .to_string(),
                ));
            }
        }
        Ok(Reply::Done)
    }

    /// Takes a client over.
    pub(super) fn attach(
        &mut self,
        socket: OwnedFd,
        asked: Attach,
        early: &[u8],
    ) {
        let manners = Manners {
            terminal: self.terminal.is_some(),
            input: self.stdin != Stdin::Closed,
        };
        let mut client = Attached::new(socket, asked, manners);
        let mut input = Vec::new();
        let mut taken = Taken::Some;
        if client.is_listening() && !early.is_empty() {
            taken = client.scan(early, &mut input);
        }
        self.attached.push(client);
        self.input.write(&input);
        self.after_input(self.attached.len() - 1, taken);
    }

    /// Drops what is over.
    fn tidy(&mut self) {
        self.attached.retain(|client| !client.is_over());
        self.connections.retain(|connection| !connection.over);
    }
}

/// Sends a reply without waiting for long; the peer is the daemon, and a
/// small message fits its empty buffer at once.
pub(super) fn answer(
    socket: &UnixStream,
    reply: &Reply,
    fds: &[BorrowedFd<'_>],
) -> Result<(), Error> {
    channel::send(socket, VERSION, reply, b"", fds, Duration::ZERO)
}

#[cfg(test)]
mod tests;
