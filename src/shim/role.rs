//! The monitor's life from its first instruction to its last: stands alone,
//! makes the container, serves it, and settles its end.
//!
//! Whatever fails before the program runs is undone, and then told; the
//! daemon's end of the start socket being gone counts as a failure.

use std::cell::Cell;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use super::channel::{Received, Receiver, VERSION};
use super::exec::Execs;
use super::message::{Exit, Reply, Request, Start, State};
use super::output::Piece;
use super::service::{Connection, Container, Service, answer};
use super::session::{Kind, Session};
use super::{Error, ROLE, note, record};
use crate::logs::Writer;
use crate::runtime::cgroup::{self, Layout, OomWatch};
use crate::runtime::features::{self, Features};
use crate::runtime::spec::Namespace;
use crate::runtime::{
    self, Ended, Executing, Running, Spec, StartError, Stdio,
};
use crate::sys::poll::{self, PollFd, PollFlags};
use crate::sys::sigset::{self, Signals};
use crate::sys::{self, memory, session, socket};
use crate::time::Timestamp;

/// How long the daemon may take to say what to make.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long outputs are read after the end of the container, if a process
/// outside of it still holds them.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// How long the monitor of an earlier start may take to undo it.
const UNDO_PATIENCE: Duration = Duration::from_secs(15);

/// The monitor's `main`: entered when the program is executed under the
/// name [`ROLE`], with the start socket as descriptor 0.
pub fn main() -> ! {
    memory::use_one_arena();
    let code = match run() {
        Ok(()) => 0,
        Err(error) => {
            note(&error.to_string());
            1
        }
    };
    std::process::exit(code)
}

fn run() -> Result<(), Error> {
    let socket = session::stand_alone(ROLE).map_err(Error::System)?;
    let mut daemon = Daemon {
        socket: UnixStream::from(socket),
        receiver: Receiver::default(),
    };
    leave_cgroup();
    let start = daemon.start()?;
    // Held until this process ends.
    let _own = take_run_dir(&start.run_dir)?;
    match make(&start, &mut daemon) {
        Ok((running, root, mut service)) => {
            let running = Watched::new(running)?;
            let Daemon { socket, receiver } = daemon;
            let connection = Connection::monitoring(socket, receiver);
            service.connections.push(connection);
            let pid_shared = start.spec.namespaces.pid != Namespace::New;
            let run_dir = start.run_dir.clone();
            // Not needed any more; a container may run for years.
            drop(start);
            service.run(&running);
            settle(running, root, service, &run_dir, pid_shared)
        }
        Err(error) => {
            // All is undone by now.
            record::clear(&start.run_dir);
            let error = match error {
                Error::Start(error) => error,
                other => StartError::plain(other),
            };
            answer(&daemon.socket, &Reply::Failed { error }, &[])
        }
    }
}

/// Takes the run directory for this monitor alone. One of an earlier start
/// may still be undoing it, after its daemon died: what it clears away, the
/// cgroup included, has the names that this one is to use.
fn take_run_dir(run_dir: &Path) -> Result<File, Error> {
    let system = |e| Error::System(sys::Error::from_io("open(run_dir)", &e));
    let directory = File::open(run_dir).map_err(system)?;
    let deadline = Instant::now() + UNDO_PATIENCE;
    loop {
        match sys::fs::try_lock(directory.as_fd()) {
            Ok(true) => return Ok(directory),
            Ok(false) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(false) => {
                return Err(Error::Protocol(
                    "another monitor has this container".into(),
                ));
            }
            Err(error) => return Err(Error::System(error)),
        }
    }
}

/// The daemon that starts this container.
struct Daemon {
    socket: UnixStream,
    receiver: Receiver,
}

impl Daemon {
    fn start(&mut self) -> Result<Start, Error> {
        let deadline = Instant::now() + PATIENCE;
        let message = self.receiver.wait(&self.socket, deadline)?;
        match message.ok_or(Error::Gone)?.parse()? {
            Request::Start(start) => Ok(*start),
            _ => Err(Error::Protocol("the start message is missing".into())),
        }
    }

    /// Takes clients over until the daemon says that the program may run,
    /// or the container's first process has ended.
    fn proceed(
        &mut self,
        service: &mut Service,
        init: Option<BorrowedFd<'_>>,
    ) -> Result<(), Error> {
        loop {
            match self.receiver.receive(&self.socket)? {
                Received::End => return Err(Error::Gone),
                Received::Message(mut message) => match message.parse()? {
                    Request::Proceed => return Ok(()),
                    Request::Attach(asked) => {
                        if let Some(socket) = message.fds.pop() {
                            let early = &message.payload;
                            service.session.attach(socket, asked, early);
                        }
                    }
                    _ => {}
                },
                Received::Nothing => {
                    let mut fds =
                        vec![PollFd::new(&self.socket, PollFlags::IN)];
                    let init = init
                        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
                    fds.extend(init);
                    poll::poll(&mut fds, None).map_err(Error::System)?;
                    if fds[1..].iter().any(|fd| !fd.revents().is_empty()) {
                        // It died; the next step tells why.
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Makes the container and lets its program run. On failure everything is
/// undone.
fn make(
    start: &Start,
    daemon: &mut Daemon,
) -> Result<(Running, Option<OwnedFd>, Service), Error> {
    record::clear(&start.run_dir);
    let kind = match start.spec.tty {
        Some(_) => Kind::Terminal,
        None => Kind::Pipes,
    };
    let (stdio, mut session) = Session::open(kind, start.stdin)?;
    let mut creating =
        runtime::create(&start.spec, stdio).map_err(Error::Start)?;
    let pid = creating.pid();
    let start_time = record::start_time(pid);
    let netns = open_netns(pid)?;
    let created = Reply::Created { pid, start_time };
    answer(&daemon.socket, &created, &[netns.as_fd()])?;
    drop(netns);
    creating.make_cgroup().map_err(Error::Start)?;
    // While the init builds the root.
    let log = Writer::open(&start.log)
        .map_err(|e| Error::Start(StartError::plain(e)))?;
    let listener = listen(&start.run_dir)?;
    let boot_id = record::boot_id();
    creating.built().map_err(Error::Start)?;
    for warning in creating.warnings() {
        note(warning);
    }
    if let Some(master) = creating.take_console() {
        session.set_terminal(master)?;
    }
    let mut service = Service {
        state: State {
            version: VERSION,
            boot_id,
            id: start.id.clone(),
            shim_pid: std::process::id() as i32,
            ..State::default()
        },
        log,
        session,
        execs: Execs::default(),
        listener: Some(listener),
        connections: Vec::new(),
        connected: 0,
        piece: Piece::new(),
        stirred: true,
    };
    // Overlay syncs its whole file system when its last user goes. What is
    // mounted volatile does not, and for the others this descriptor puts it
    // off until the end has been reported.
    let root = creating.take_root().filter(|_| !start.spec.root.volatile);
    daemon.proceed(&mut service, creating.news_fd())?;
    let running = creating.start().map_err(Error::Start)?;
    let mut begun = || {
        service.state.pid = pid;
        service.state.start_time = start_time;
        service.state.started_at = Timestamp::now();
        record::save_state(&start.run_dir, &service.state)?;
        let started = Reply::Started { state: service.state.clone() };
        answer(&daemon.socket, &started, &[])
    };
    match begun() {
        Ok(()) => Ok((running, root, service)),
        Err(error) => {
            // Nobody knows of this container: it must not be.
            let _ = running.kill(9);
            let _ = running.wait();
            drop(root);
            release(&running);
            Err(error)
        }
    }
}

fn listen(run_dir: &Path) -> Result<UnixListener, Error> {
    let path = run_dir.join(record::SOCKET);
    let listener = socket::listen_unix(&path).map_err(Error::System)?;
    listener.set_nonblocking(true).map_err(|e| {
        Error::System(sys::Error::from_io("ioctl(FIONBIO)", &e))
    })?;
    Ok(listener)
}

/// Settles the end: drained, told, released; in this order.
fn settle(
    watched: Watched,
    root: Option<OwnedFd>,
    mut service: Service,
    run_dir: &Path,
    pid_shared: bool,
) -> Result<(), Error> {
    let at = Timestamp::now();
    let Watched { running, status, .. } = watched;
    let ended = Ended::from_wait_status(match status.get() {
        Some(status) => status,
        None => running.wait().map_err(Error::System)?,
    });
    if pid_shared {
        // The kernel ends the others only with a pid namespace.
        if let Err(error) = running.cgroup.kill_all() {
            note(&error.to_string());
        }
    }
    service.execs.end();
    service.session.let_terminal_end();
    service.drain(DRAIN_PATIENCE);
    let exit = Exit {
        code: ended.code,
        signal: ended.signal,
        oom: running.cgroup.oom_kills().unwrap_or(0) > 0,
        at,
        dropped_lines: service.log.dropped(),
    };
    if exit.dropped_lines > 0 {
        note(&format!("{} lines of the log were dropped", exit.dropped_lines));
    }
    service.part();
    let saved = record::save_exit(run_dir, &exit);
    service.report(&exit);
    // From here on nobody waits for us but a next start of this container:
    // it may begin when our connections and our socket have closed.
    drop(root);
    release(&running);
    service.connections.clear();
    service.listener = None;
    service.linger();
    saved
}

/// Removes the container's cgroup, and what else is kept for it.
fn release(running: &Running) {
    if let Err(error) = running.release() {
        note(&error.to_string());
    }
}

/// A running container whose end can be polled for.
struct Watched {
    running: Running,
    /// Takes the place of the pidfd before Linux 5.3.
    children: Option<Signals>,
    /// How the first process ended, once that was seen by the way.
    status: Cell<Option<i32>>,
    oom: Option<OomWatch>,
}

impl Watched {
    fn new(running: Running) -> Result<Watched, Error> {
        let oom = running.cgroup.watch_oom();
        let status = Cell::new(None);
        let mut watched = Watched { running, children: None, status, oom };
        if !Features::from_env().allow(features::PIDFD) {
            watched.running.pidfd = None;
        }
        if watched.running.pidfd.is_none() {
            let signals = Signals::block(&[sigset::number::CHLD]);
            watched.children = Some(signals.map_err(Error::System)?);
        }
        Ok(watched)
    }
}

impl Container for Watched {
    fn end_fd(&self) -> Option<BorrowedFd<'_>> {
        let pidfd = self.running.pidfd.as_ref().map(AsFd::as_fd);
        pidfd.or(self.children.as_ref().map(AsFd::as_fd))
    }

    fn oom_fd(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        self.oom.as_ref().map(OomWatch::poll_for)
    }

    fn has_run_out(&self) -> bool {
        self.oom.as_ref().is_some_and(OomWatch::has_happened)
    }

    fn has_ended(&self) -> bool {
        if let Some(signals) = &self.children {
            while signals.next().is_some() {}
        }
        if self.status.get().is_none() {
            self.status.set(self.running.try_wait().ok().flatten());
        }
        self.status.get().is_some()
    }

    fn signal(&self, number: i32) -> Result<(), String> {
        self.running.kill(number).map_err(|e| e.to_string())
    }

    fn pause(&self) -> Result<(), String> {
        self.running.cgroup.freeze().map_err(|e| e.to_string())
    }

    fn resume(&self) -> Result<(), String> {
        self.running.cgroup.thaw().map_err(|e| e.to_string())
    }

    fn exec(&self, spec: &Spec, stdio: Stdio) -> runtime::Result<Executing> {
        runtime::exec(spec, &self.running, stdio)
    }
}

/// Leaves the daemon's cgroup, so that ending its service does not end the
/// container. A host that forbids it is told of in the log.
fn leave_cgroup() {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let at_root = |line: &str| line.ends_with(":/");
    if own.lines().all(at_root) {
        return;
    }
    if let Err(error) = cgroup::leave(&Layout::host(), &own) {
        note(&format!("leaving the daemon's cgroup: {error}"));
    }
}

fn open_netns(pid: i32) -> Result<OwnedFd, Error> {
    let path = format!("/proc/{pid}/ns/net");
    match File::open(&path) {
        Ok(file) => Ok(file.into()),
        Err(e) => {
            let call = format!("open(\"{path}\")");
            Err(Error::System(sys::Error::from_io(call, &e)))
        }
    }
}
