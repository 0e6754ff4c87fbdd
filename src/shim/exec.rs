//! The programs that were executed beside the container's own, from their
//! begin to the last byte that a client is owed.
//!
//! ```text
//! begin ─▶ Starting ──▶ Running ──▶ Ended, outputs drained ─▶ gone
//!             └─ failed ─────────────┘ (with the reason as its output)
//! ```
//!
//! The client is greeted at once and attached when the program runs: what
//! it writes meanwhile waits in its pipes. How one ended is remembered for a
//! while after it is gone, for a daemon that was not there.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::Error;
use super::message::{Attach, ExecState, Reply, StartExec};
use super::output::Piece;
use super::service::Container;
use super::session::{self, Kind, Session};
use crate::runtime::{Ended, Executing, Program, StartError, Step};
use crate::sys::poll::PollFlags;
use crate::sys::process;
use crate::sys::stream::{Moved, send_now};
use crate::time::Timestamp;

/// The most programs at once.
const MOST: usize = 1024;

/// How many ends are remembered.
const REMEMBERED: usize = 256;

/// How long outputs are read after a program's end, if others hold them.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// All programs beside the container's own.
#[derive(Default)]
pub(super) struct Execs {
    list: Vec<Exec>,
    /// Those that are gone, the oldest first.
    ended: VecDeque<ExecState>,
    /// What is to be told: to one connection, or to all that monitor.
    news: Vec<(Option<u64>, Reply)>,
}

/// One of them.
struct Exec {
    state: ExecState,
    session: Session,
    stage: Stage,
}

/// A client: its connection, what it wants, and what it has sent already.
pub(super) type Client = (OwnedFd, Attach, Vec<u8>);

enum Stage {
    /// It is about to run.
    Starting(Box<Starting>),
    /// It runs.
    Running(Program),
    /// It has ended; its outputs are read until then at most.
    Ended(Instant),
}

struct Starting {
    executing: Executing,
    /// The connection that waits for the outcome.
    asker: u64,
    client: Option<Client>,
    /// The size that its terminal is to have, if it was asked for since.
    size: Option<(u16, u16)>,
}

/// Which part of one is ready.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// It has told how its start goes.
    Start,
    /// Its process has ended.
    End,
    /// Its streams.
    Stream(session::Part),
}

impl Execs {
    /// Begins a program. Whoever asked is answered when it runs or has
    /// failed.
    pub(super) fn begin(
        &mut self,
        asked: StartExec,
        mut client: Option<Client>,
        asker: u64,
        container: &dyn Container,
    ) -> Result<(), Error> {
        if self.list.len() >= MOST {
            return Err(Error::Refused(format!(
                "{MOST} programs are executed in this container already"
            )));
        }
        let StartExec { id, label, spec, stdin } = asked;
        let kind = match spec.tty {
            Some(_) => Kind::Terminal,
            None => Kind::Pipes,
        };
        let (stdio, session) = Session::open(kind, stdin)?;
        if let Some(client) = &mut client {
            greet(client);
        }
        let state = ExecState { id, label, ..ExecState::default() };
        let mut exec =
            Exec { state, session, stage: Stage::Ended(Instant::now()) };
        match container.exec(&spec, stdio) {
            Ok(executing) => {
                let size = None;
                let starting = Starting { executing, asker, client, size };
                exec.stage = Stage::Starting(Box::new(starting));
            }
            Err(error) => self.news.push(exec.fail(error, asker, client)),
        }
        self.list.push(exec);
        Ok(())
    }

    /// Adds what is to be polled.
    pub(super) fn poll_for<'a>(
        &'a self,
        add: &mut impl FnMut(usize, Part, BorrowedFd<'a>, PollFlags),
    ) {
        for (at, exec) in self.list.iter().enumerate() {
            match &exec.stage {
                Stage::Starting(starting) => {
                    let fd = starting.executing.as_fd();
                    add(at, Part::Start, fd, PollFlags::IN);
                    continue;
                }
                Stage::Running(program) => {
                    if let Some(pidfd) = &program.pidfd {
                        add(at, Part::End, pidfd.as_fd(), PollFlags::IN);
                    }
                }
                Stage::Ended(_) => {}
            }
            exec.session.poll_for(&mut |part, fd, flags| {
                add(at, Part::Stream(part), fd, flags);
            });
        }
    }

    /// Does what a part that is ready is ready for.
    pub(super) fn handle(
        &mut self,
        at: usize,
        part: Part,
        flags: PollFlags,
        piece: &mut Piece,
    ) {
        let Some(exec) = self.list.get_mut(at) else { return };
        match part {
            Part::Start => {
                self.news.extend(exec.step());
                // The signal of one that is so quick is passed already.
                exec.reap(&mut self.news);
            }
            Part::End => exec.reap(&mut self.news),
            Part::Stream(part) => {
                exec.session.handle(part, flags, piece, None);
            }
        }
    }

    /// Looks whose processes have ended.
    pub(super) fn reap(&mut self) {
        for exec in &mut self.list {
            exec.reap(&mut self.news);
        }
    }

    /// Ends what still runs: the container has ended.
    pub(super) fn end(&mut self) {
        for exec in &mut self.list {
            match &mut exec.stage {
                Stage::Running(program) => {
                    // It may have ended by itself.
                    let _ = program.kill(9);
                    let status = process::wait(program.pid).map(|(_, s)| s);
                    exec.ended(status.unwrap_or(9), &mut self.news);
                }
                Stage::Starting(starting) => {
                    let (asker, client) =
                        (starting.asker, starting.client.take());
                    let error = StartError::plain(
                        "the container ended before the program ran",
                    );
                    self.news.push(exec.fail(error, asker, client));
                }
                Stage::Ended(_) => {}
            }
        }
    }

    /// Reads what is left in the outputs, until a deadline.
    pub(super) fn drain(&mut self, deadline: Instant, piece: &mut Piece) {
        for exec in &mut self.list {
            exec.session.let_terminal_end();
            exec.session.drain(deadline, piece, None);
        }
    }

    /// Lets those clients go that have got everything.
    pub(super) fn part(&mut self) {
        for exec in &mut self.list {
            exec.session.part();
        }
    }

    /// Tells whether clients are attached.
    pub(super) fn have_clients(&self) -> bool {
        self.list.iter().any(|exec| exec.session.has_clients())
    }

    /// How long nothing has to happen before something is to be done.
    pub(super) fn wake_in(&self) -> Option<Duration> {
        let now = Instant::now();
        let until = self.list.iter().filter_map(|exec| match exec.stage {
            // A reader that is behind wakes us itself.
            Stage::Ended(until)
                if !exec.session.is_drained() && !exec.session.is_held_up() =>
            {
                Some(until.saturating_duration_since(now))
            }
            Stage::Starting(ref starting) => {
                let until = starting.executing.deadline()?;
                Some(until.saturating_duration_since(now))
            }
            _ => None,
        });
        until.min()
    }

    /// Lets go of what is over, and takes what is to be told: to the
    /// connection of that number, or to all that monitor.
    pub(super) fn tidy(
        &mut self,
        piece: &mut Piece,
    ) -> Vec<(Option<u64>, Reply)> {
        let now = Instant::now();
        for exec in &mut self.list {
            if let Stage::Starting(starting) = &exec.stage
                && starting.executing.deadline().is_some_and(|at| now >= at)
            {
                self.news.extend(exec.step());
            }
            exec.session.tidy();
            if std::mem::take(&mut exec.session.has_detached) {
                let id = exec.state.id.clone();
                self.news.push((None, Reply::Detached { exec: id }));
            }
            let Stage::Ended(until) = exec.stage else { continue };
            if now >= until {
                exec.session.read_rest(piece);
            }
            if exec.session.is_drained() {
                exec.session.part();
            }
        }
        let ended = &mut self.ended;
        self.list.retain(|exec| {
            let is_over = matches!(exec.stage, Stage::Ended(_))
                && exec.session.is_drained()
                && !exec.session.has_clients();
            if is_over {
                ended.push_back(exec.state.clone());
            }
            !is_over
        });
        while self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
        std::mem::take(&mut self.news)
    }

    /// What is known of all of them.
    pub(super) fn states(&self) -> Vec<ExecState> {
        let list = self.list.iter().map(|exec| &exec.state);
        self.ended.iter().chain(list).cloned().collect()
    }

    /// What has become of one; it is looked at now.
    pub(super) fn state(&mut self, id: &str) -> Result<ExecState, Error> {
        if let Some(exec) = self.list.iter_mut().find(|e| e.state.id == id) {
            exec.reap(&mut self.news);
            return Ok(exec.state.clone());
        }
        let ended = self.ended.iter().find(|state| state.id == id);
        ended.cloned().ok_or_else(|| unknown(id))
    }

    /// Sets the size of one's terminal; one that is not there yet gets it
    /// when it is.
    pub(super) fn resize(
        &mut self,
        id: &str,
        rows: u16,
        cols: u16,
    ) -> Result<(), Error> {
        let exec = self.list.iter_mut().find(|exec| exec.state.id == id);
        let exec = exec.ok_or_else(|| unknown(id))?;
        if let Stage::Starting(starting) = &mut exec.stage {
            starting.size = Some((rows, cols));
            return Ok(());
        }
        exec.session.resize(rows, cols)
    }

    /// Sends a signal to one's process.
    pub(super) fn signal(&self, id: &str, number: i32) -> Result<(), Error> {
        match self.list.iter().find(|exec| exec.state.id == id) {
            Some(Exec { stage: Stage::Running(program), .. }) => {
                program.kill(number).map_err(Error::System)
            }
            _ => Err(unknown(id)),
        }
    }
}

/// Sends the greeting ahead. Clients that read the head of an answer with a
/// buffer (docker-py) lose what comes right behind it: the program takes its
/// time to begin, which is time enough for them.
fn greet((socket, asked, _): &mut Client) {
    if let Moved::Bytes(n) = send_now(&*socket, &asked.greeting) {
        asked.greeting.drain(..n);
    }
}

fn unknown(id: &str) -> Error {
    Error::Refused(format!("no program {id} runs in this container"))
}

impl Exec {
    /// Takes what the program to be has told; an answer if that is the
    /// outcome.
    fn step(&mut self) -> Option<(Option<u64>, Reply)> {
        let Stage::Starting(starting) = &mut self.stage else { return None };
        match starting.executing.step() {
            Step::Nothing => None,
            Step::Failed(error) => {
                let (asker, client) = (starting.asker, starting.client.take());
                Some(self.fail(error, asker, client))
            }
            Step::Runs(program, console) => {
                let (asker, client) = (starting.asker, starting.client.take());
                for warning in starting.executing.warnings() {
                    super::note(warning);
                }
                self.state.pid = program.pid;
                let size = starting.size;
                if let Some(master) = console {
                    let sized =
                        self.session.set_terminal(master).and_then(|()| {
                            match size {
                                Some((rows, cols)) => {
                                    self.session.resize(rows, cols)
                                }
                                None => Ok(()),
                            }
                        });
                    if let Err(error) = sized {
                        super::note(&error.to_string());
                    }
                }
                self.stage = Stage::Running(program);
                self.attach(client);
                let exec = self.state.clone();
                Some((Some(asker), Reply::Exec { exec }))
            }
        }
    }

    fn attach(&mut self, client: Option<Client>) {
        if let Some((socket, asked, early)) = client {
            self.session.attach(socket, asked, &early);
        }
    }

    /// Ends what has not begun: the client is told on its output.
    fn fail(
        &mut self,
        error: StartError,
        asker: u64,
        client: Option<Client>,
    ) -> (Option<u64>, Reply) {
        self.attach(client);
        self.session.close_outputs();
        self.session.tell(&format!("{error}\r\n"));
        self.state.exit_code = Some(error.kind.exit_code());
        self.state.ended_at = Timestamp::now();
        self.stage = Stage::Ended(Instant::now());
        (Some(asker), Reply::Failed { error })
    }

    /// Sees whether the process has ended.
    fn reap(&mut self, news: &mut Vec<(Option<u64>, Reply)>) {
        let Stage::Running(program) = &self.stage else { return };
        if let Ok(Some(status)) = program.try_wait() {
            self.ended(status, news);
        }
    }

    fn ended(&mut self, status: i32, news: &mut Vec<(Option<u64>, Reply)>) {
        self.state.exit_code = Some(Ended::from_wait_status(status).code);
        self.state.ended_at = Timestamp::now();
        self.stage = Stage::Ended(Instant::now() + DRAIN_PATIENCE);
        self.session.let_terminal_end();
        news.push((None, Reply::Exec { exec: self.state.clone() }));
    }
}
