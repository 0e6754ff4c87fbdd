//! The caller's side: cloning the init, making its cgroup, following it
//! until the program runs.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::cgroup::{self, Group, Kind, Layout};
use super::channel::{Channel, Message, Received};
use super::devices;
use super::error::{Result, StartError};
use super::features::{self, Features};
use super::init::{self, Orders};
use super::oci::{self, Oci};
use super::plan::{Plan, plan};
use super::spec::Spec;
use crate::sys::process::{self, Child, Namespaces, Side};
use crate::sys::{self, mount};

/// What the program's standard streams are.
#[derive(Debug)]
pub enum Stdio {
    /// Three open files (pipes, mostly).
    Files {
        /// Standard input.
        stdin: OwnedFd,
        /// Standard output.
        stdout: OwnedFd,
        /// Standard error.
        stderr: OwnedFd,
    },
    /// The terminal that the init makes ([`Spec::tty`]).
    Terminal,
}

/// A container whose root is being built. Dropped, it is killed and its
/// cgroup removed.
#[derive(Debug)]
pub struct Creating {
    init: Option<Running>,
    /// None to another runtime's.
    channel: Option<Channel>,
    spec_resources: super::spec::Resources,
    rules: Option<Vec<super::spec::DeviceRule>>,
    group_is_made: bool,
    root: Option<OwnedFd>,
    console: Option<OwnedFd>,
    wants_console: bool,
    warnings: Vec<String>,
    built: bool,
}

/// A container whose program runs.
#[derive(Debug)]
pub struct Running {
    /// The process id of its first process. To be used while it is not
    /// reaped only.
    pub pid: i32,
    /// Refers to its first process; readable once it has ended. None
    /// before Linux 5.3.
    pub pidfd: Option<OwnedFd>,
    /// Its cgroup.
    pub cgroup: Group,
    /// The runtime that has made it, if it was another one.
    pub oci: Option<Oci>,
}

/// Makes the first process of a container in new namespaces; it begins to
/// build the root at once. The caller must have one thread only; it stays
/// the parent, and is to wait for [`Running::pid`].
pub fn create(spec: &Spec, stdio: Stdio) -> Result<Creating> {
    create_with(spec, stdio, Features::from_env())
}

/// As [`create`], with these features of the kernel only.
pub fn create_with(
    spec: &Spec,
    stdio: Stdio,
    features: Features,
) -> Result<Creating> {
    if let Some(runtime) = &spec.runtime {
        return oci::create(spec, runtime, stdio).map(Creating::of_another);
    }
    let plan = plan(spec)?;
    let group = Group::at(Layout::host(), &spec.cgroup.parent, &spec.id);
    let rules = devices::rules(spec);
    let resources = spec.cgroup.resources.clone();
    let mut warnings = Vec::new();
    // A v2 group is made first, to be born into it; those of v1 are made
    // while the init builds the root.
    let group_is_made = group.kind() == Kind::V2;
    let mut undo = None;
    if group_is_made {
        warnings = make_group(&group, &resources, rules.as_deref())?;
        undo = Some(RemoveGroup(&group));
    }
    let (ours, theirs) = Channel::pair().map_err(failed("socketpair"))?;
    let _restore = enter_pid_namespace(plan.pid_namespace.as_deref())?;
    let (side, joins) = clone_init(&plan, &group, features)?;
    let child = match side {
        Side::Parent(child) => child,
        Side::Child => init::run(&Orders {
            spec,
            plan: &plan,
            stdio: &stdio,
            channel: theirs.as_fd(),
            group: &group,
            joins,
            features,
            joining: None,
        }),
    };
    std::mem::forget(undo);
    let Child { pid, pidfd } = child;
    Ok(Creating {
        init: Some(Running { pid, pidfd, cgroup: group, oci: None }),
        channel: Some(ours),
        spec_resources: resources,
        rules,
        group_is_made,
        root: None,
        console: None,
        wants_console: spec.tty.is_some(),
        warnings,
        built: false,
    })
}

impl Creating {
    /// What another runtime has made: nothing is left to do but the start.
    fn of_another(made: oci::Made) -> Creating {
        Creating {
            init: Some(made.running),
            channel: None,
            spec_resources: super::spec::Resources::default(),
            rules: None,
            group_is_made: true,
            root: None,
            wants_console: made.console.is_some(),
            console: made.console,
            warnings: Vec::new(),
            built: true,
        }
    }

    /// The process id of the init.
    pub fn pid(&self) -> i32 {
        self.init.as_ref().map_or(0, |init| init.pid)
    }

    /// Refers to the init; none before Linux 5.3.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.init.as_ref()?.pidfd.as_ref().map(AsFd::as_fd)
    }

    /// The container's cgroup.
    pub fn cgroup(&self) -> Option<&Group> {
        self.init.as_ref().map(|init| &init.cgroup)
    }

    /// Readable when the init has something to tell, or has ended; none
    /// where neither can be seen.
    pub fn news_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.channel {
            Some(channel) => Some(channel.as_fd()),
            None => self.pidfd(),
        }
    }

    /// Makes the cgroup, while the init builds the root; to be called once
    /// before waiting for [`Creating::news_fd`]. [`Creating::built`] does it
    /// by itself.
    pub fn make_cgroup(&mut self) -> Result<()> {
        let Some(init) = &self.init else { return Ok(()) };
        if !self.group_is_made {
            let rules = self.rules.as_deref();
            let told = make_group(&init.cgroup, &self.spec_resources, rules)?;
            self.warnings.extend(told);
            self.group_is_made = true;
            self.send(&Message::Cgroup);
        }
        Ok(())
    }

    /// Waits until the root is ready and nothing is left but to execute
    /// the program. Blocks; it will not for long once [`Creating::news_fd`]
    /// is readable.
    pub fn built(&mut self) -> Result<()> {
        self.make_cgroup()?;
        while !self.built {
            match self.receive()? {
                Some((Message::Built, fds)) => {
                    let mut fds = fds.into_iter();
                    self.root = fds.next();
                    if self.wants_console {
                        self.console = fds.next();
                    }
                    self.built = true;
                }
                Some(_) => (),
                None => return Err(self.died()),
            }
        }
        Ok(())
    }

    /// Takes the master of the terminal, once it is built.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// Takes a descriptor of the root. While it is held, the overlay is
    /// not unmounted: its last unmount syncs the file system of the
    /// read-write layer, which is to happen after the exit is reported.
    pub fn take_root(&mut self) -> Option<OwnedFd> {
        self.root.take()
    }

    /// What this host could not do of what was asked for.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Executes the program; returns once it runs.
    pub fn start(mut self) -> Result<Running> {
        self.built()?;
        if let Some(oci) = self.init.as_ref().and_then(|i| i.oci.as_ref()) {
            oci.start()?;
        }
        self.send(&Message::Go);
        while self.receive()?.is_some() {}
        match self.init.take() {
            Some(running) => Ok(running),
            None => Err(self.died()),
        }
    }

    fn send(&self, message: &Message) {
        if let Some(channel) = &self.channel {
            // A dead init is seen when it is heard next.
            let _ = channel.send(message, &[]);
        }
    }

    /// Receives the next message but warnings; none is the end.
    fn receive(&mut self) -> Result<Option<(Message, Vec<OwnedFd>)>> {
        loop {
            let Some(channel) = &self.channel else { return Ok(None) };
            let received = channel.receive();
            match received.map_err(failed("read from the init"))? {
                Received::End => return Ok(None),
                Received::Message(Message::Failed(error), _) => {
                    return Err(error);
                }
                Received::Message(Message::Warning(text), _) => {
                    self.warnings.push(text);
                }
                Received::Message(message, fds) => {
                    return Ok(Some((message, fds)));
                }
            }
        }
    }

    /// Why the init is gone without a word.
    fn died(&mut self) -> StartError {
        let killed = match self.init.as_ref().and_then(Group::kills) {
            Some(count) if count > 0 => {
                "container init was OOM-killed (memory limit too low?)"
            }
            _ => "container init exited prematurely",
        };
        StartError::create(killed)
    }
}

impl Drop for Creating {
    fn drop(&mut self) {
        let Some(init) = self.init.take() else { return };
        // It may have ended by itself.
        let _ = init.kill(9);
        let _ = process::wait(init.pid);
        // Nobody is left to tell that a directory stays.
        let _ = init.release();
    }
}

impl Running {
    /// Removes the cgroup, and what another runtime keeps; its processes
    /// have ended.
    pub fn release(&self) -> cgroup::Result<()> {
        match &self.oci {
            Some(oci) => {
                oci.release(&self.cgroup);
                Ok(())
            }
            None => self.cgroup.remove(),
        }
    }

    /// Sends a signal to the first process.
    pub fn kill(&self, signal: i32) -> sys::Result<()> {
        // The end itself is nobody else's matter.
        if let Some(oci) = &self.oci
            && signal != 9
            && oci.kill(signal)
        {
            return Ok(());
        }
        match &self.pidfd {
            Some(pidfd) => process::pidfd_signal(pidfd, signal),
            None => process::kill(self.pid, signal),
        }
    }

    /// Reaps the first process if it has ended; its wait status.
    pub fn try_wait(&self) -> sys::Result<Option<i32>> {
        Ok(process::try_wait(self.pid)?.map(|(_, status)| status))
    }

    /// Waits for the end of the first process; its wait status.
    pub fn wait(&self) -> sys::Result<i32> {
        Ok(process::wait(self.pid)?.1)
    }
}

impl Group {
    fn kills(running: &Running) -> Option<u64> {
        running.cgroup.oom_kills()
    }
}

/// Removes a group that was made for nothing.
struct RemoveGroup<'a>(&'a Group);

impl Drop for RemoveGroup<'_> {
    fn drop(&mut self) {
        let _ = self.0.remove();
    }
}

fn make_group(
    group: &Group,
    resources: &super::spec::Resources,
    rules: Option<&[super::spec::DeviceRule]>,
) -> Result<Vec<String>> {
    group.create(resources, rules).map_err(|error: cgroup::Error| {
        StartError::create(&format!(
            "unable to apply cgroup configuration: {error}"
        ))
    })
}

/// Clones the init; tells whether it must join its group by itself.
pub(super) fn clone_init(
    plan: &Plan,
    group: &Group,
    features: Features,
) -> Result<(Side, bool)> {
    let mut attempts = Vec::new();
    if features.allow(features::CLONE3) {
        if features.allow(features::CLONE_INTO_CGROUP) {
            let dir = group.open_v2().map_err(|error| {
                StartError::create(&format!("cgroup: {error}"))
            })?;
            attempts.extend(dir.map(Some));
        }
        attempts.push(None);
    }
    for dir in &attempts {
        let dir = dir.as_ref().map(AsFd::as_fd);
        match process::clone3(plan.clone, dir) {
            Ok(side) => return Ok((side, dir.is_none())),
            // An old kernel, or a threaded or busy group.
            Err(_) if dir.is_some() => (),
            Err(error) if error.is_missing_call() => (),
            Err(error) => return Err(failed("clone")(error)),
        }
    }
    let side = process::clone(plan.clone).map_err(failed("clone"))?;
    Ok((side, true))
}

/// Puts the caller's later children back into its own pid namespace.
pub(super) struct RestorePid(OwnedFd);

impl Drop for RestorePid {
    fn drop(&mut self) {
        // It is the namespace that it came from.
        let _ = process::enter_namespace(&self.0, Namespaces::PID);
    }
}

/// Has the caller's next child be born into a pid namespace, until the
/// returned guard is dropped.
pub(super) fn enter_pid_namespace(
    path: Option<&Path>,
) -> Result<Option<RestorePid>> {
    let Some(path) = path else { return Ok(None) };
    let open = |path: &Path| {
        std::fs::File::open(path)
            .map(OwnedFd::from)
            .map_err(|e| sys::Error::from_io(format!("open({path:?})"), &e))
            .map_err(failed(format!("join namespace {}", path.display())))
    };
    let own = open(Path::new("/proc/self/ns/pid"))?;
    let other = open(path)?;
    process::enter_namespace(other, Namespaces::PID)
        .map_err(failed(format!("join namespace {}", path.display())))?;
    Ok(Some(RestorePid(own)))
}

pub(super) fn failed(
    words: impl std::fmt::Display,
) -> impl FnOnce(sys::Error) -> StartError {
    move |error| {
        let text = format!("{words}: {}", error.reason());
        StartError::create(&text).with(&error)
    }
}

/// Whether overlayfs works with directories at `dir`: proven by a real
/// mount that is gone when this returns.
pub fn probe_overlay(dir: &Path) -> sys::Result<()> {
    let builder = mount::Builder::open(c"overlay")?;
    for (key, name) in
        [("lowerdir", "lower"), ("upperdir", "upper"), ("workdir", "work")]
    {
        builder.set(key, dir.join(name))?;
    }
    builder.mount(mount::Flags::default()).map(drop)
}
