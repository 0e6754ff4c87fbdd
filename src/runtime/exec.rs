//! A further program in a running container (`docker exec`): cloned into
//! the container's cgroup and pid namespace, it joins the others itself and
//! becomes the program. The caller stays its parent.
//!
//! ```text
//!   caller                              the new process
//!   1 exec: clone into cgroup, pids ──▶ closes what is the host's,
//!                                       limits, namespaces, user
//!     ◀──────── Warning*, Built [console]
//!   2 step: end of file: it runs        execve
//!     (or Failed, at any time)
//! ```

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use super::cgroup::Group;
use super::channel::{Channel, Message, Received};
use super::create::{self, Running, Stdio, clone_init, failed};
use super::error::{Result, StartError};
use super::features::{self, Features};
use super::init::{self, Joining};
use super::oci;
use super::plan::exec_plan;
use super::spec::Spec;
use crate::sys::process::{self, Child, Namespaces, Side};
use crate::sys::{self, errno};

/// The namespaces of a process, as they are named in `/proc/PID/ns`; the
/// one with the mounts last, as it takes the host's files away.
const SPACES: [(&str, Namespaces); 5] = [
    ("ipc", Namespaces::IPC),
    ("uts", Namespaces::UTS),
    ("net", Namespaces::NETWORK),
    ("cgroup", Namespaces::CGROUP),
    ("mnt", Namespaces::MOUNT),
];

/// A further program that is about to run. Dropped, it is killed.
#[derive(Debug)]
pub enum Executing {
    /// By this runtime.
    Own(Own),
    /// By another one.
    Oci(Box<oci::Executing>),
}

/// One of this runtime's.
#[derive(Debug)]
pub struct Own {
    process: Option<Program>,
    channel: Channel,
    console: Option<OwnedFd>,
    warnings: Vec<String>,
    is_built: bool,
}

/// A further program of a container.
#[derive(Debug)]
pub struct Program {
    /// Its process id. To be used while it is not reaped only.
    pub pid: i32,
    /// Refers to it; readable once it has ended. None before Linux 5.3.
    pub pidfd: Option<OwnedFd>,
}

/// What has become of it so far.
#[derive(Debug)]
pub enum Step {
    /// Nothing new: poll [`Executing::as_fd`].
    Nothing,
    /// It runs; with the master of its terminal, if it has one.
    Runs(Program, Option<OwnedFd>),
    /// It does not, and is gone.
    Failed(StartError),
}

/// Begins a further program. Of `spec` only the process, the terminal and
/// the filter count. The caller must have one thread only.
pub fn exec(
    spec: &Spec,
    container: &Running,
    stdio: Stdio,
) -> Result<Executing> {
    if let Some(oci) = &container.oci {
        let executing = oci.exec(spec, container, stdio).map(Box::new);
        return executing.map(Executing::Oci);
    }
    let own = begin(spec, container, stdio).map_err(StartError::of_exec);
    own.map(Executing::Own)
}

fn begin(spec: &Spec, container: &Running, stdio: Stdio) -> Result<Own> {
    let features = Features::from_env();
    let plan = exec_plan(spec)?;
    // What is cloned has this mark: nobody in the container can look into
    // it before it is the program.
    process::forbid_dump().map_err(failed("forbid dumps"))?;
    let spaces = spaces(container)?;
    let (ours, theirs) = Channel::pair().map_err(failed("socketpair"))?;
    let pids = format!("/proc/{}/ns/pid", container.pid);
    let restore = create::enter_pid_namespace(Some(pids.as_ref()))?;
    let cloned = clone_init(&plan, &container.cgroup, features)?;
    let child = match cloned {
        (Side::Parent(child), _) => child,
        (Side::Child, joins) => init::run(&init::Orders {
            spec,
            plan: &plan,
            stdio: &stdio,
            channel: theirs.as_fd(),
            group: &container.cgroup,
            joins,
            features,
            joining: Some(&spaces),
        }),
    };
    drop(restore);
    let Child { pid, mut pidfd } = child;
    if !features.allow(features::PIDFD) {
        pidfd = None;
    }
    Ok(Own {
        process: Some(Program { pid, pidfd }),
        channel: ours,
        console: None,
        warnings: Vec::new(),
        is_built: false,
    })
}

/// Opens the namespaces of a container's first process. It is not reaped:
/// its id is nobody else's.
fn spaces(container: &Running) -> Result<Joining> {
    let mut list = Joining::new();
    for (name, kind) in SPACES {
        let path = format!("/proc/{}/ns/{name}", container.pid);
        match File::open(&path) {
            Ok(file) => list.push((file.into(), kind)),
            Err(error) => {
                let error =
                    sys::Error::from_io(format!("open({path})"), &error);
                // A kernel without this kind.
                if error.errno() == errno::ENOENT && name == "cgroup" {
                    continue;
                }
                return Err(failed(format!("join namespace {path}"))(error));
            }
        }
    }
    Ok(list)
}

impl Executing {
    /// Takes what it has told; waits only if [`Executing::as_fd`] is not
    /// readable.
    pub fn step(&mut self) -> Step {
        match self {
            Executing::Own(own) => own.step(),
            Executing::Oci(oci) => oci.step(),
        }
    }

    /// What this host could not do of what was asked for.
    pub fn warnings(&self) -> &[String] {
        match self {
            Executing::Own(own) => &own.warnings,
            Executing::Oci(_) => &[],
        }
    }

    /// When it is to be asked though it has told nothing.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Executing::Own(_) => None,
            Executing::Oci(oci) => Some(oci.deadline()),
        }
    }
}

impl Own {
    fn step(&mut self) -> Step {
        let words = failed("read from the program to be");
        match self.channel.receive() {
            Err(error) => self.fail(words(error)),
            Ok(Received::Message(Message::Failed(error), _)) => {
                self.fail(error)
            }
            Ok(Received::Message(Message::Warning(text), _)) => {
                self.warnings.push(text);
                Step::Nothing
            }
            Ok(Received::Message(Message::Built, fds)) => {
                self.console = fds.into_iter().next();
                self.is_built = true;
                Step::Nothing
            }
            Ok(Received::Message(..)) => Step::Nothing,
            Ok(Received::End) => match self.process.take() {
                Some(program) if self.is_built => {
                    Step::Runs(program, self.console.take())
                }
                process => {
                    self.process = process;
                    self.fail(StartError::create("process exited prematurely"))
                }
            },
        }
    }

    fn fail(&mut self, error: StartError) -> Step {
        self.end();
        Step::Failed(StartError::of_exec(error))
    }

    fn end(&mut self) {
        if let Some(program) = self.process.take() {
            // It may have ended by itself.
            let _ = program.kill(9);
            let _ = process::wait(program.pid);
        }
    }
}

impl AsFd for Executing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Executing::Own(own) => own.channel.as_fd(),
            Executing::Oci(oci) => oci.as_fd(),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.end();
    }
}

impl Program {
    /// Sends a signal to it.
    pub fn kill(&self, signal: i32) -> sys::Result<()> {
        match &self.pidfd {
            Some(pidfd) => process::pidfd_signal(pidfd, signal),
            None => process::kill(self.pid, signal),
        }
    }

    /// Reaps it if it has ended; its wait status.
    pub fn try_wait(&self) -> sys::Result<Option<i32>> {
        Ok(process::try_wait(self.pid)?.map(|(_, status)| status))
    }
}

/// The group of a container, for those that join it.
pub(super) fn join_group(group: &Group) -> Result<()> {
    group.join().map_err(|error| {
        StartError::create(&format!(
            "unable to apply cgroup configuration: {error}"
        ))
    })
}
