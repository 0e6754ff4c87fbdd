//! The streams of one program, the container's own or one that was executed
//! in it: input, outputs, terminal, and the clients attached to them.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::attached::{Attached, LIMIT, Manners, Taken};
use super::frame;
use super::input::Input;
use super::message::{Attach, Stdin};
use super::output::{Output, Piece};
use super::{Error, note};
use crate::logs::{self, Writer};
use crate::runtime::Stdio;
use crate::sys;
use crate::sys::poll::{self, PollFd, PollFlags};
use crate::sys::stream::{
    Moved, open_pipe, open_terminal_peer, set_nonblocking,
};
use crate::sys::tty::{self, WindowSize};
use crate::time::Timestamp;

/// How often outputs are read after their program's time: more than a pipe
/// holds.
const REST: usize = 64;

/// The streams of one program.
pub(super) struct Session {
    stdin: Stdin,
    input: Input,
    outputs: Vec<Output>,
    /// The terminal's master, for its size.
    terminal: Option<OwnedFd>,
    /// The terminal's other end, held so that a program that closes its
    /// terminal and opens it again is not taken for one that has ended.
    peer: Option<OwnedFd>,
    attached: Vec<Attached>,
    /// Detach keys were pressed, and nobody has been told so far.
    pub has_detached: bool,
}

/// Which part of a session is ready.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Input,
    Output(usize),
    Attached(usize),
}

/// What a program gets as its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Pipes.
    Pipes,
    /// A terminal, which is not there yet.
    Terminal,
}

impl Session {
    /// Makes a program's streams: its ends and ours.
    pub(super) fn open(
        kind: Kind,
        stdin: Stdin,
    ) -> Result<(Stdio, Session), Error> {
        if kind == Kind::Terminal {
            let session = Session::of(stdin, None, Vec::new());
            return Ok((Stdio::Terminal, session));
        }
        let (reader, input) = match stdin {
            Stdin::Closed => (open_null()?, None),
            Stdin::Open | Stdin::Once => {
                let (reader, writer) = open_pipe().map_err(Error::System)?;
                set_nonblocking(&writer).map_err(Error::System)?;
                (reader, Some(writer))
            }
        };
        let (out, stdout) = open_pipe().map_err(Error::System)?;
        let (err, stderr) = open_pipe().map_err(Error::System)?;
        let outputs = vec![
            Output::new(out, logs::Stream::Stdout)?,
            Output::new(err, logs::Stream::Stderr)?,
        ];
        let stdio = Stdio::Files { stdin: reader, stdout, stderr };
        Ok((stdio, Session::of(stdin, input, outputs)))
    }

    /// Puts a session together.
    pub(super) fn of(
        stdin: Stdin,
        input: Option<OwnedFd>,
        outputs: Vec<Output>,
    ) -> Session {
        Session {
            stdin,
            input: Input::new(input),
            outputs,
            terminal: None,
            peer: None,
            attached: Vec::new(),
            has_detached: false,
        }
    }

    /// Takes the terminal's master, once it is there.
    pub(super) fn set_terminal(
        &mut self,
        master: OwnedFd,
    ) -> Result<(), Error> {
        self.peer = open_terminal_peer(&master).ok();
        if self.stdin != Stdin::Closed {
            self.input = Input::new(Some(copy(&master)?));
        }
        self.outputs.push(Output::new(copy(&master)?, logs::Stream::Stdout)?);
        self.terminal = Some(master);
        Ok(())
    }

    /// Lets go of the terminal's other end: once the program's are closed,
    /// its output ends.
    pub(super) fn let_terminal_end(&mut self) {
        self.peer = None;
    }

    /// Adds what is to be polled.
    pub(super) fn poll_for<'a>(
        &'a self,
        add: &mut impl FnMut(Part, BorrowedFd<'a>, PollFlags),
    ) {
        if let Some(fd) = self.input.waiting() {
            add(Part::Input, fd, PollFlags::OUT);
        }
        for (at, output) in self.outputs.iter().enumerate() {
            let full = |a: &Attached| a.is_full(output.stream);
            if !self.attached.iter().any(full) {
                add(Part::Output(at), output.as_fd(), PollFlags::IN);
            }
        }
        let room = self.input.room();
        for (at, client) in self.attached.iter().enumerate() {
            if let Some(flags) = client.interest(room) {
                add(Part::Attached(at), client.as_fd(), flags);
            }
        }
    }

    /// Moves bytes of a part that is ready.
    pub(super) fn handle(
        &mut self,
        part: Part,
        flags: PollFlags,
        piece: &mut Piece,
        log: Option<&mut Writer>,
    ) {
        match part {
            Part::Input => self.input.flush(),
            Part::Output(at) => {
                // An earlier event of this turn may have removed one.
                if at < self.outputs.len() {
                    self.read_output(at, piece, log);
                }
            }
            Part::Attached(at) => self.serve(at, flags),
        }
    }

    /// Reads once from an output and passes it on; true if something came.
    fn read_output(
        &mut self,
        at: usize,
        piece: &mut Piece,
        log: Option<&mut Writer>,
    ) -> bool {
        let stream = self.outputs[at].stream;
        let len = match self.outputs[at].read(piece) {
            Moved::Bytes(len) => len,
            Moved::Nothing => return false,
            Moved::Closed => {
                self.outputs.remove(at);
                return true;
            }
        };
        // The log first: it waits for no reader.
        if let Some(log) = log {
            log.feed(stream, piece.bytes(len), Timestamp::now());
        }
        let framed = piece.framed(len);
        for client in &mut self.attached {
            client.deliver(stream, framed);
        }
        true
    }

    /// Reads what the program left in its outputs, until they end, the
    /// deadline has come, or clients that are far behind would make it too
    /// much to keep.
    pub(super) fn drain(
        &mut self,
        deadline: Instant,
        piece: &mut Piece,
        mut log: Option<&mut Writer>,
    ) {
        while !self.outputs.is_empty() {
            let mut progress = false;
            for at in (0..self.outputs.len()).rev() {
                progress |= self.read_output(at, piece, log.as_deref_mut());
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
            Taken::Detach => {
                self.attached[at].finish();
                self.has_detached = true;
            }
            // As Docker: the first client's end is the input's end, else
            // the client is let go and the input stays for the next.
            Taken::End if self.closes_with_client() => self.input.end(),
            Taken::End => self.attached[at].finish(),
        }
    }

    fn closes_with_client(&self) -> bool {
        self.stdin == Stdin::Once && self.terminal.is_none()
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

    /// Tells the clients why there is no program, on its output.
    pub(super) fn tell(&mut self, text: &str) {
        let mut framed =
            frame::head(logs::Stream::Stdout, text.len() as u32).to_vec();
        framed.extend_from_slice(text.as_bytes());
        for client in &mut self.attached {
            client.tell(&framed);
        }
    }

    /// Sets the terminal's size. Without a terminal there is nothing to do,
    /// as in Docker.
    pub(super) fn resize(&self, rows: u16, cols: u16) -> Result<(), Error> {
        let Some(terminal) = &self.terminal else { return Ok(()) };
        tty::set_window_size(terminal, WindowSize { rows, cols })
            .map_err(Error::System)
    }

    /// Lets those clients go that have got everything, the others when they
    /// have.
    pub(super) fn part(&mut self) {
        for client in &mut self.attached {
            client.finish();
        }
        self.tidy();
    }

    /// Tells whether the program's outputs have ended.
    pub(super) fn is_drained(&self) -> bool {
        self.outputs.is_empty()
    }

    /// Tells whether a reader is so far behind that an output waits for it.
    pub(super) fn is_held_up(&self) -> bool {
        let full =
            |o: &Output| self.attached.iter().any(|a| a.is_full(o.stream));
        self.outputs.iter().any(full)
    }

    /// Reads what is in the outputs now, and no more after that, whoever
    /// holds them; unless a reader is behind, who is waited for.
    pub(super) fn read_rest(&mut self, piece: &mut Piece) {
        for _ in 0..REST {
            let mut progress = false;
            for at in (0..self.outputs.len()).rev() {
                if self.is_held_up() {
                    return;
                }
                progress |= self.read_output(at, piece, None);
            }
            if !progress {
                break;
            }
        }
        self.outputs.clear();
    }

    /// Reads no more of the outputs, whoever holds them.
    pub(super) fn close_outputs(&mut self) {
        self.outputs.clear();
    }

    /// Tells whether a client is attached.
    pub(super) fn has_clients(&self) -> bool {
        !self.attached.is_empty()
    }

    /// Drops clients that are over.
    pub(super) fn tidy(&mut self) {
        self.attached.retain(|client| !client.is_over());
    }
}

fn open_null() -> Result<OwnedFd, Error> {
    match File::open("/dev/null") {
        Ok(file) => Ok(file.into()),
        Err(e) => {
            Err(Error::System(sys::Error::from_io("open(\"/dev/null\")", &e)))
        }
    }
}

fn copy(fd: &OwnedFd) -> Result<OwnedFd, Error> {
    fd.try_clone()
        .map_err(|e| Error::System(sys::Error::from_io("fcntl(F_DUPFD)", &e)))
}
