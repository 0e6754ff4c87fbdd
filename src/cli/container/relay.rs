//! Between the terminal and a container: one poll loop over our standard
//! input, the container's stream, and the signals that are sent to us.
//!
//! ```text
//!        stdin ─▶ detach keys ─▶ pending ─▶ ┐
//!   stdout/err ◀─ frames or raw ◀────────── ┤ Attached
//!      signals ─▶ kill, resize ─▶ further calls
//! ```
//!
//! The stream does not block, so that a container that does not read never
//! keeps us from showing what it writes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::detach::DetachKeys;
use crate::api::container::WaitResponse;
use crate::api::stream::Stream;
use crate::cli::error::Error;
use crate::client::{self, Attached, Client, Condition, Frames, Waiting};
use crate::signal;
use crate::sys::poll::{PollFd, PollFlags, poll};
use crate::sys::sigset::{Signals, number};
use crate::sys::tty::{self, Output, RawMode};

/// Bytes moved at once.
const PIECE: usize = 32 * 1024;

/// How long the next daemon may take to come, when one has gone.
const NEXT_DAEMON: Duration = Duration::from_secs(10);

/// How often it is looked for.
const NEXT_TRY: Duration = Duration::from_millis(100);

/// How a container is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// It has a terminal: bytes as they are.
    Terminal,
    /// It has none: frames of two streams.
    Frames,
}

/// What becomes of the signals that we are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// They go to the container.
    On,
    /// They mean us.
    Off,
}

/// What ended the relay.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The container closed its streams.
    Closed,
    /// The detach keys were typed.
    Detached,
    /// We were sent a signal that ends us.
    Signal(i32),
}

/// The signals that are passed on: all but those that every process gets
/// for reasons of its own.
const PASSED_ON: &[i32] = &[
    number::HUP,
    number::INT,
    number::QUIT,
    number::USR1,
    number::USR2,
    14, // SIGALRM
    number::TERM,
    number::CONT,
    number::TSTP,
    number::TTIN,
    number::TTOU,
    number::WINCH,
];

/// The signals that end us, after the terminal has its old mode back.
const ENDING: &[i32] =
    &[number::HUP, number::INT, number::QUIT, number::TERM, number::WINCH];

/// What we are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Container,
    Exec,
}

/// Our side of an attached container.
pub struct Relay {
    id: String,
    of: Of,
    framing: Framing,
    proxy: Proxy,
    signals: Signals,
    raw: Option<RawMode>,
    keys: Option<DetachKeys>,
    forwards_stdin: bool,
}

impl Relay {
    /// Takes over signals and terminal. From here on signals wait until the
    /// relay runs. `keys` are the detach keys as typed.
    pub fn begin(
        id: &str,
        framing: Framing,
        proxy: Proxy,
        stdin: bool,
        keys: &str,
    ) -> Result<Relay, Error> {
        let numbers = match proxy {
            Proxy::On => PASSED_ON,
            Proxy::Off => ENDING,
        };
        let signals = Signals::block(numbers)
            .map_err(|error| Error::text(error.to_string()))?;
        let has_terminal = framing == Framing::Terminal
            && stdin
            && tty::is_terminal(io::stdin());
        let raw = match has_terminal {
            true => Some(
                tty::make_raw(io::stdin(), Output::Raw)
                    .map_err(|error| Error::text(error.to_string()))?,
            ),
            false => None,
        };
        let keys =
            (framing == Framing::Terminal).then(|| DetachKeys::parse(keys));
        Ok(Relay {
            id: id.to_owned(),
            of: Of::Container,
            framing,
            proxy,
            signals,
            raw,
            keys,
            forwards_stdin: stdin,
        })
    }

    /// Says that the id is that of a program beside a container's own.
    pub fn of_exec(mut self) -> Relay {
        self.of = Of::Exec;
        self
    }

    fn set_size(&self, client: &mut Client, rows: u16, cols: u16) {
        // It may have ended meanwhile; its size does not matter then.
        let _ = match self.of {
            Of::Container => client.resize(&self.id, rows, cols),
            Of::Exec => client.exec_resize(&self.id, rows, cols),
        };
    }

    /// Tells the container the size of our window, if it has a terminal and
    /// we do.
    pub fn resize(&self, client: &mut Client) {
        if self.framing != Framing::Terminal {
            return;
        }
        if let Some(size) = window_size() {
            self.set_size(client, size.rows, size.cols);
        }
    }

    /// As [`Relay::resize`], but makes programs draw themselves again even
    /// if the size has not changed.
    pub fn redraw(&self, client: &mut Client) {
        if self.framing != Framing::Terminal {
            return;
        }
        if let Some(size) = window_size() {
            let (rows, cols) =
                (size.rows.saturating_add(1), size.cols.saturating_add(1));
            self.set_size(client, rows, cols);
            self.resize(client);
        }
    }

    /// Moves bytes until one side ends. The terminal has its old mode back
    /// when this returns.
    pub fn run(
        &mut self,
        mut attached: Attached,
        client: &mut Client,
    ) -> Result<End, Error> {
        let ended = self.relay(&mut attached, client);
        self.raw = None;
        ended
    }

    fn relay(
        &mut self,
        attached: &mut Attached,
        client: &mut Client,
    ) -> Result<End, Error> {
        attached.set_nonblocking().map_err(stream_error)?;
        let mut input = match self.forwards_stdin {
            true => duplicate(io::stdin()),
            false => None,
        };
        // Input that could not be opened is at its end.
        let mut owes_end = self.forwards_stdin;
        let mut out = Sinks::open()?;
        let (mut pending, mut piece) = (Vec::new(), vec![0; PIECE]);
        loop {
            if input.is_none() && owes_end && pending.is_empty() {
                // A stream that is closed already needs no end; one without
                // room gets it later.
                let told = attached.shutdown_write();
                owes_end = told.is_err_and(|e| is_retry(&e));
            }
            let ready = self.wait(attached, input.as_ref(), &pending)?;
            if ready.signal
                && let Some(end) = self.signals(client)
            {
                return Ok(end);
            }
            if ready.stream_in
                && self.receive(attached, &mut out, &mut piece)?
            {
                return Ok(End::Closed);
            }
            if ready.stream_out && pending.is_empty() {
                // Whether the stream is broken is what a read tells.
                let _ = attached.flush();
            } else if ready.stream_out {
                match attached.write(&pending) {
                    Ok(n) => drop(pending.drain(..n)),
                    Err(error) if is_retry(&error) => {}
                    // What the container wrote before it closed its input
                    // is still to come.
                    Err(_) => (input, pending) = (None, Vec::new()),
                }
            }
            if ready.input
                && let Some(source) = &mut input
            {
                match source.read(&mut piece) {
                    Ok(0) => input = None,
                    Ok(n) => match &mut self.keys {
                        Some(keys) => {
                            if keys.feed(&piece[..n], &mut pending) {
                                return Ok(End::Detached);
                            }
                        }
                        None => pending.extend_from_slice(&piece[..n]),
                    },
                    Err(error) if is_retry(&error) => {}
                    Err(_) => input = None,
                }
            }
        }
    }

    fn wait(
        &self,
        attached: &Attached,
        input: Option<&File>,
        pending: &[u8],
    ) -> Result<Ready, Error> {
        let mut stream = PollFlags::IN;
        if !pending.is_empty() || attached.wants_write() {
            stream |= PollFlags::OUT;
        }
        let has_early = attached.has_pending_input();
        let (socket, signals) = (attached.as_fd(), self.signals.as_fd());
        let input = input.filter(|_| pending.is_empty());
        let input = input.map(AsFd::as_fd);
        let mut fds = vec![
            PollFd::new(&socket, stream),
            PollFd::new(&signals, PollFlags::IN),
        ];
        if let Some(input) = &input {
            fds.push(PollFd::new(input, PollFlags::IN));
        }
        let timeout = has_early.then_some(Duration::ZERO);
        poll(&mut fds, timeout).map_err(|e| Error::text(e.to_string()))?;
        let seen = fds[0].revents();
        Ok(Ready {
            stream_in: has_early || !(seen - PollFlags::OUT).is_empty(),
            stream_out: seen.contains(PollFlags::OUT),
            signal: !fds[1].revents().is_empty(),
            input: fds.get(2).is_some_and(|fd| !fd.revents().is_empty()),
        })
    }

    /// Shows what the container wrote; true at the end of its stream.
    fn receive(
        &mut self,
        attached: &mut Attached,
        out: &mut Sinks,
        piece: &mut [u8],
    ) -> Result<bool, Error> {
        match attached.read(piece) {
            Ok(0) => Ok(true),
            Ok(n) => {
                out.show(self.framing, &piece[..n])?;
                Ok(false)
            }
            Err(error) if is_retry(&error) => Ok(false),
            // A proxy in between may cut what the container closed.
            Err(error) if is_cut(&error) => Ok(true),
            Err(error) => Err(stream_error(error)),
        }
    }

    /// Deals with all signals that have come.
    fn signals(&self, client: &mut Client) -> Option<End> {
        while let Some(signal) = self.signals.next() {
            let has_terminal = self.framing == Framing::Terminal;
            if signal == number::WINCH && has_terminal {
                self.resize(client);
            } else if self.proxy == Proxy::On {
                let name = signal::name(signal).unwrap_or_default();
                let name = name.strip_prefix("SIG").unwrap_or(name);
                // It may have ended meanwhile.
                let _ = client.kill(&self.id, name);
            } else if signal != number::WINCH {
                return Some(End::Signal(signal));
            }
        }
        None
    }

    /// Waits for the container's end, still passing signals on; the status
    /// to exit with.
    pub fn finish(
        &self,
        waiting: Waiting,
        client: &mut Client,
    ) -> Result<i32, Error> {
        while !waiting.has_ended() {
            let (answer, signals) = (waiting.as_fd(), self.signals.as_fd());
            let mut fds = [
                PollFd::new(&answer, PollFlags::IN),
                PollFd::new(&signals, PollFlags::IN),
            ];
            poll(&mut fds, None).map_err(|e| Error::text(e.to_string()))?;
            if !fds[1].revents().is_empty()
                && let Some(End::Signal(signal)) = self.signals(client)
            {
                return Ok(128 + signal);
            }
            if !fds[0].revents().is_empty() {
                break;
            }
        }
        let ended = match waiting.finish() {
            Err(lost) if lost.is_broken_off() => self.ask_again(client, lost),
            ended => ended,
        };
        super::exit::status(ended)
    }

    /// Asks the next daemon how the container ended: the one that was asked
    /// has gone, but neither the container nor the attached stream did.
    fn ask_again(
        &self,
        client: &mut Client,
        lost: client::Error,
    ) -> Result<WaitResponse, client::Error> {
        let deadline = Instant::now() + NEXT_DAEMON;
        while Instant::now() < deadline {
            let waiting = client.wait(&self.id, Condition::NotRunning);
            match waiting.and_then(Waiting::finish) {
                Ok(ended) => return Ok(ended),
                // It has removed itself: nobody knows any more.
                Err(client::Error::Daemon { .. }) => break,
                Err(_) => std::thread::sleep(NEXT_TRY),
            }
        }
        Err(lost)
    }
}

/// What can go on.
struct Ready {
    stream_in: bool,
    stream_out: bool,
    signal: bool,
    input: bool,
}

/// Standard output and error without buffers in between.
pub struct Sinks {
    frames: Frames,
    out: Option<File>,
    err: Option<File>,
}

impl Sinks {
    /// Opens both; one that is closed swallows what it is given.
    pub fn open() -> Result<Sinks, Error> {
        Ok(Sinks {
            frames: Frames::default(),
            out: duplicate(io::stdout()),
            err: duplicate(io::stderr()),
        })
    }

    /// Shows a piece of a container's stream.
    pub fn show(
        &mut self,
        framing: Framing,
        piece: &[u8],
    ) -> Result<(), Error> {
        let Sinks { frames, out, err } = self;
        let shown = match framing {
            Framing::Terminal => write(out, piece),
            Framing::Frames => {
                frames.push(piece, |stream, part| match stream {
                    Stream::Stderr => write(err, part),
                    _ => write(out, part),
                })
            }
        };
        shown.map_err(|error| match error.kind() {
            ErrorKind::Other => stream_error(error),
            _ => Error::Output(error),
        })
    }
}

fn write(sink: &mut Option<File>, part: &[u8]) -> io::Result<()> {
    match sink {
        Some(sink) => sink.write_all(part),
        None => Ok(()),
    }
}

fn duplicate(stream: impl AsFd) -> Option<File> {
    stream.as_fd().try_clone_to_owned().ok().map(File::from)
}

/// The size of the window that we write to; none if it is no terminal, or
/// one that has no size.
pub fn window_size() -> Option<tty::WindowSize> {
    let size = tty::window_size(io::stdout()).ok()?;
    (size.rows > 0 || size.cols > 0).then_some(size)
}

fn is_retry(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn is_cut(error: &io::Error) -> bool {
    let kind = error.kind();
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)
}

fn stream_error(error: io::Error) -> Error {
    Error::text(error.to_string())
}
