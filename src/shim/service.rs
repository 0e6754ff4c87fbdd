//! The monitor's loop, from the program's start to its end: output to log
//! and clients, input from clients, the control socket.
//!
//! It sleeps in one `poll(2)` without a time-out and wakes for events only;
//! once after each burst of events it wakes a second later, gives memory
//! back, and sleeps on. Nothing in it waits for a peer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use super::channel::{self, Message, Received, Receiver, VERSION};
use super::exec::{self, Execs};
use super::message::{Exit, Reply, Request, State};
use super::output::Piece;
use super::session::{Part, Session};
use super::{Error, note};
use crate::logs;
use crate::runtime::{self, Executing, Spec, Stdio};
use crate::sys::poll::{self, PollFd, PollFlags};
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
    /// What to poll for the kernel's word that memory has run out.
    fn oom_fd(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        None
    }
    /// Tells whether it has, since it was asked last.
    fn has_run_out(&self) -> bool {
        false
    }
    /// Sends a signal to the first process.
    fn signal(&self, number: i32) -> Result<(), String>;
    /// Freezes all processes.
    fn pause(&self) -> Result<(), String>;
    /// Lets them go on.
    fn resume(&self) -> Result<(), String>;
    /// Begins a further program in the container.
    fn exec(&self, spec: &Spec, stdio: Stdio) -> runtime::Result<Executing>;
}

/// What the loop works with.
pub(super) struct Service {
    pub state: State,
    pub log: logs::Writer,
    /// The streams of the container's own program.
    pub session: Session,
    /// The programs that were executed beside it.
    pub execs: Execs,
    pub listener: Option<UnixListener>,
    pub connections: Vec<Connection>,
    /// How many connections there have been.
    pub connected: u64,
    pub piece: Piece,
    /// Something has happened since memory was last given back.
    pub stirred: bool,
}

/// A connection of a daemon.
pub(super) struct Connection {
    /// Tells it from all others, for an answer that comes later.
    number: u64,
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
        Connection { number: 0, socket, receiver, monitors: true, over: false }
    }

    fn answer(&mut self, reply: &Reply) {
        if answer(&self.socket, reply, &[]).is_err() {
            self.over = true;
        }
    }
}

/// Who is ready.
#[derive(Clone, Copy, Debug)]
enum Ready {
    Exit,
    Oom,
    Listener,
    Log,
    Program(Part),
    Exec(usize, exec::Part),
    Connection(usize),
}

impl Service {
    /// Serves until the first process has ended.
    pub(super) fn run(&mut self, container: &dyn Container) {
        let mut ended = container.has_ended();
        while !ended {
            let ready = match self.wait(Some(container)) {
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
                    Ready::Exit => {
                        // Before Linux 5.3 it stands for all children; the
                        // signals are taken first, so that none is missed.
                        ended = container.has_ended();
                        self.execs.reap();
                    }
                    Ready::Oom => {
                        if container.has_run_out() {
                            self.tell_monitors(&Reply::Oom);
                        }
                    }
                    Ready::Listener => self.accept(),
                    Ready::Connection(at) => self.converse(at, container),
                    other => self.stream(other, flags),
                }
            }
            self.tidy();
        }
    }

    /// Reads what the programs left in their outputs, until they end, or
    /// nothing comes for `patience`.
    pub(super) fn drain(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let log = Some(&mut self.log);
        self.session.drain(deadline, &mut self.piece, log);
        self.execs.drain(deadline, &mut self.piece);
        self.log.close(Timestamp::now());
    }

    /// Tells all monitor connections how the container ended.
    pub(super) fn report(&mut self, exit: &Exit) {
        self.tell_monitors(&Reply::Exit { exit: exit.clone() });
    }

    fn tell_monitors(&self, reply: &Reply) {
        for connection in &self.connections {
            if connection.monitors {
                // One that does not take it asks again, or reads the
                // record instead.
                let _ = answer(&connection.socket, reply, &[]);
            }
        }
    }

    /// Lets clients go: at once those that have got everything, the others
    /// when they have. Ends when all are gone.
    pub(super) fn linger(&mut self) {
        self.part();
        while self.session.has_clients() || self.execs.have_clients() {
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
        self.session.part();
        self.execs.part();
        self.tidy();
    }

    fn wait<'a>(
        &'a mut self,
        container: Option<&'a dyn Container>,
    ) -> crate::sys::Result<Vec<(Ready, PollFlags)>> {
        let mut who = Vec::with_capacity(8);
        let mut fds = Vec::with_capacity(8);
        let mut add = |ready, fd: BorrowedFd<'a>, flags| {
            who.push(ready);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        if let Some(exit) = container.and_then(|c| c.end_fd()) {
            add(Ready::Exit, exit, PollFlags::IN);
        }
        if let Some((oom, flags)) = container.and_then(|c| c.oom_fd()) {
            add(Ready::Oom, oom, flags);
        }
        if let Some(listener) = &self.listener
            && self.connections.len() < CONNECTIONS
        {
            add(Ready::Listener, listener.as_fd(), PollFlags::IN);
        }
        if let Some(service) = self.log.waits_for() {
            add(Ready::Log, service, PollFlags::OUT);
        }
        self.session.poll_for(&mut |part, fd, flags| {
            add(Ready::Program(part), fd, flags);
        });
        self.execs.poll_for(&mut |at, part, fd, flags| {
            add(Ready::Exec(at, part), fd, flags);
        });
        for (at, connection) in self.connections.iter().enumerate() {
            let socket = connection.socket.as_fd();
            add(Ready::Connection(at), socket, PollFlags::IN);
        }
        let wakes = [self.execs.wake_in(), self.log.wake_in()];
        let wake = wakes.into_iter().flatten().min();
        let settles = self.stirred && wake.is_none_or(|wake| wake > SETTLING);
        let nothing = !settles || poll::poll(&mut fds, Some(SETTLING))? == 0;
        if nothing {
            if settles && std::mem::take(&mut self.stirred) {
                memory::trim_heap();
                // As late as can be: what runs after this comes back.
                memory::drop_text();
            }
            poll::poll(&mut fds, wake)?;
        }
        self.stirred = true;
        let flags = fds.iter().map(PollFd::revents);
        let mut ready: Vec<_> = who.into_iter().zip(flags).collect();
        ready.retain(|(_, flags)| !flags.is_empty());
        Ok(ready)
    }

    /// Moves bytes of the programs' streams.
    fn stream(&mut self, who: Ready, flags: PollFlags) {
        match who {
            Ready::Program(part) => {
                let log = Some(&mut self.log);
                self.session.handle(part, flags, &mut self.piece, log);
            }
            Ready::Exec(at, part) => {
                self.execs.handle(at, part, flags, &mut self.piece);
            }
            _ => {}
        }
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
                self.connected += 1;
                self.connections.push(Connection {
                    number: self.connected,
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
        let reply = match self.handle(at, message, container) {
            Ok(Some(reply)) => reply,
            // It is answered later.
            Ok(None) => return,
            Err(e) => Reply::Refused { message: e.to_string() },
        };
        self.connections[at].answer(&reply);
    }

    fn handle(
        &mut self,
        at: usize,
        mut message: Message,
        container: &dyn Container,
    ) -> Result<Option<Reply>, Error> {
        let refused = Error::Refused;
        match message.parse()? {
            Request::Attach(asked) => {
                let socket = message.fds.pop().ok_or_else(|| {
                    Error::Protocol("no socket came".to_string())
                })?;
                self.session.attach(socket, asked, &message.payload);
            }
            Request::Monitor => {
                self.connections[at].monitors = true;
                let state =
                    State { execs: self.execs.states(), ..self.state.clone() };
                return Ok(Some(Reply::State { state }));
            }
            Request::Resize { rows, cols, exec } => match exec.as_str() {
                "" => self.session.resize(rows, cols)?,
                id => self.execs.resize(id, rows, cols)?,
            },
            Request::Signal { number, exec } => match exec.as_str() {
                "" => container.signal(number).map_err(refused)?,
                id => self.execs.signal(id, number)?,
            },
            Request::Exec { start, attach } => {
                let number = self.connections[at].number;
                let early = std::mem::take(&mut message.payload);
                let client = message.fds.pop();
                let client = client.map(|socket| (socket, attach, early));
                self.execs.begin(*start, client, number, container)?;
                return Ok(None);
            }
            Request::ExecState { id } => {
                let exec = self.execs.state(&id)?;
                return Ok(Some(Reply::Exec { exec }));
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
        Ok(Some(Reply::Done))
    }

    /// Tells what has happened to the programs beside, and drops what is
    /// over.
    fn tidy(&mut self) {
        self.log.tick();
        self.session.tidy();
        if std::mem::take(&mut self.session.has_detached) {
            self.tell_monitors(&Reply::Detached { exec: String::new() });
        }
        for (to, reply) in self.execs.tidy(&mut self.piece) {
            let asked = |c: &&mut Connection| Some(c.number) == to;
            match self.connections.iter_mut().find(asked) {
                Some(connection) => connection.answer(&reply),
                None if to.is_none() => self.tell_monitors(&reply),
                None => {}
            }
        }
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
