//! The container's first process until it becomes the user's program: it
//! carries the plan out, step by step, and tells the caller how it went.
//!
//! It is a copy of the caller after a clone, so it owns nothing of what
//! the caller's variables own, and never returns.

mod apparmor;
mod become_user;
mod cgroups;
mod dev;
mod execute;
mod mounts;
mod nodes;
mod place;
mod reaper;
mod root;
pub mod view;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use self::mounts::Held;
use super::cgroup::{Group, Layout};
use super::channel::{Channel, Message, Received};
use super::create::Stdio;
use super::error::{Result, StartError};
use super::exec::join_group;
use super::features::{self, Features};
use super::plan::{Plan, Step};
use super::spec::Spec;
use crate::sys::mount::{self, Propagation, Reach};
use crate::sys::process::Namespaces;
use crate::sys::{self, credentials, descriptors, process};

pub(super) use become_user::find_user;
pub(super) use nodes::host_devices;

/// What the init is given.
pub struct Orders<'a> {
    /// The container.
    pub spec: &'a Spec,
    /// What to do.
    pub plan: &'a Plan,
    /// Standard input, output and error.
    pub stdio: &'a Stdio,
    /// Its end of the channel.
    pub channel: BorrowedFd<'a>,
    /// Its group.
    pub group: &'a Group,
    /// Whether it must join the group by itself.
    pub joins: bool,
    /// Which new calls may be tried.
    pub features: Features,
    /// For a further program: the namespaces that it joins.
    pub joining: Option<&'a Joining>,
}

/// Namespaces of a running container, in the order of joining.
pub type Joining = Vec<(OwnedFd, Namespaces)>;

/// Mounts a container's root for another runtime upon a place (an overlay;
/// a lone directory stays where it is), in a mount namespace of the calling
/// process, which has one thread; returns a descriptor of it.
pub fn mount_root_alone(spec: &Spec, place: &Path) -> Result<OwnedFd> {
    process::unshare(Namespaces::MOUNT)
        .map_err(failed("unshare mount namespace"))?;
    let (channel, _) = Channel::pair().map_err(failed("socketpair"))?;
    let group = Group::at(Layout::default(), "", &spec.id);
    let plan = Plan {
        clone: Namespaces::default(),
        pid_namespace: None,
        steps: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
    };
    let mut init = Init {
        spec,
        plan: &plan,
        group: &group,
        joins: false,
        features: Features::from_env(),
        channel,
        root: None,
        sources: Vec::new(),
        pts: None,
        console: None,
        hidden: None,
        proc: None,
        joining: None,
    };
    init.carry_out(&Step::CutPropagation)?;
    init.mount_root(Some(place))?;
    init.root.ok_or_else(|| StartError::init("the root is not mounted"))
}

/// The state of the init at work.
struct Init<'a> {
    spec: &'a Spec,
    plan: &'a Plan,
    group: &'a Group,
    joins: bool,
    features: Features,
    channel: Channel,
    /// The root of the container; set by [`Step::MountRoot`].
    root: Option<OwnedFd>,
    /// The hosts' ends of binds.
    sources: Vec<Held>,
    /// The container's devpts.
    pts: Option<OwnedFd>,
    /// The container's proc: what is written there is written through it.
    proc: Option<OwnedFd>,
    /// The terminal's master, until it is handed over.
    console: Option<OwnedFd>,
    /// A hidden directory, of which others are clones.
    hidden: Option<OwnedFd>,
    /// For a further program: the namespaces that it joins.
    joining: Option<&'a Joining>,
}

/// Carries the orders out. Never returns.
pub fn run(orders: &Orders<'_>) -> ! {
    // A panic must not run the caller's destructors.
    let outcome = std::panic::catch_unwind(|| work(orders));
    let code = outcome.unwrap_or(255);
    process::exit(code)
}

fn work(orders: &Orders<'_>) -> i32 {
    let channel = match settle(orders) {
        Ok(channel) => channel,
        Err(error) => {
            let channel = Channel::borrowed(orders.channel);
            return report(channel.as_ref(), StartError::init(error));
        }
    };
    let mut init = Init {
        spec: orders.spec,
        plan: orders.plan,
        group: orders.group,
        joins: orders.joins,
        features: orders.features,
        channel,
        root: None,
        sources: Vec::new(),
        pts: None,
        proc: None,
        console: None,
        hidden: None,
        joining: orders.joining,
    };
    match init.build() {
        Ok(program) => init.wait_and_execute(program),
        Err(error) => report(Some(&init.channel), error),
    }
}

fn report(channel: Option<&Channel>, error: StartError) -> i32 {
    if let Some(channel) = channel {
        // A caller that is gone cannot be told.
        let _ = channel.send(&Message::Failed(error), &[]);
    }
    1
}

/// Makes a process of its own of the copy: dies with the caller, leads a
/// session, has no signal set, and no descriptor but its own four and those
/// of what it joins.
fn settle(orders: &Orders<'_>) -> sys::Result<Channel> {
    process::set_parent_death_signal(9)?;
    process::forbid_dump()?;
    process::reset_signals();
    process::new_session()?;
    process::set_umask(0);
    let channel = descriptors::copy_above(orders.channel, 3)?;
    if let Stdio::Files { stdin, stdout, stderr } = orders.stdio {
        // Copies first: one may stand where another goes.
        let copies = [
            descriptors::copy_above(stdin, 3)?,
            descriptors::copy_above(stdout, 3)?,
            descriptors::copy_above(stderr, 3)?,
        ];
        for (number, copy) in copies.iter().enumerate() {
            descriptors::place(copy, number as i32)?;
        }
    }
    let mut kept = vec![channel.as_raw_fd()];
    let joining = orders.joining.into_iter().flatten();
    kept.extend(joining.map(|(fd, _)| fd.as_raw_fd()));
    close_all_but(&mut kept, orders.features)?;
    Ok(Channel::from_fd(channel))
}

/// Closes all descriptors from 3 on but those that are kept.
fn close_all_but(kept: &mut [i32], features: Features) -> sys::Result<()> {
    kept.sort_unstable();
    if features.allow(features::CLOSE_RANGE) {
        let close_gaps = || {
            let mut first = 3;
            for number in kept.iter() {
                descriptors::close_range(first, number - 1)?;
                first = number + 1;
            }
            descriptors::close_range(first, i32::MAX)
        };
        match close_gaps() {
            Err(error) if error.is_missing_call() => (),
            other => return other,
        }
    }
    let failed = |e| sys::Error::from_io("open(\"/proc/self/fd\")", &e);
    let entries = std::fs::read_dir("/proc/self/fd").map_err(failed)?;
    let numbers: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    // The list's own descriptor is closed by now; closing it again is
    // harmless.
    for number in numbers.into_iter().filter(|n| *n > 2 && !kept.contains(n)) {
        descriptors::close(number);
    }
    Ok(())
}

/// Makes an error in the words of the runtime, with the reason behind.
fn failed(
    words: impl std::fmt::Display,
) -> impl FnOnce(sys::Error) -> StartError {
    move |error| {
        StartError::init(format!("{words}: {}", error.reason())).with(&error)
    }
}

impl Init<'_> {
    /// Carries all steps out; returns the program, ready to be executed.
    fn build(&mut self) -> Result<execute::Program> {
        let plan = self.plan;
        for step in &plan.steps {
            if *step == Step::Become {
                return self.become_user();
            }
            self.carry_out(step)?;
        }
        Err(StartError::init("the plan has no end"))
    }

    fn carry_out(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::AppArmor(profile) => apparmor::ask(profile),
            Step::Enter(kind, path) => {
                let words = format!("join namespace {}", path.display());
                let file = std::fs::File::open(path)
                    .map_err(|e| sys::Error::from_io(&words, &e))
                    .map_err(failed(&words))?;
                process::enter_namespace(file, *kind).map_err(failed(&words))
            }
            Step::OpenSource(planned) => self.open_source(planned),
            Step::CutPropagation => {
                let slave = Propagation::Slave;
                mount::set_propagation(Path::new("/"), Reach::Tree, slave)
                    .map_err(failed("error preparing rootfs"))
            }
            Step::MountRoot => self.mount_root(None),
            Step::Hostname(name) => {
                process::set_hostname(name).map_err(failed("sethostname"))
            }
            Step::Domainname(name) => {
                process::set_domainname(name).map_err(failed("setdomainname"))
            }
            Step::Loopback => {
                process::loopback_up().map_err(failed("set lo up"))
            }
            Step::JoinCgroup { namespace } => self.join_cgroup(*namespace),
            Step::Mount(planned) => self.mount(planned),
            Step::Node(device) => self.make_node(device),
            Step::HostNodes => self.make_host_nodes(),
            Step::Console { rows, cols } => self.make_console(*rows, *cols),
            Step::Terminal { rows, cols } => self.make_terminal(*rows, *cols),
            Step::Join => self.join_container(),
            Step::MakeCwd(path) => self.make_cwd(path),
            Step::Sysctl(path, value) => self.set_sysctl(path, value),
            Step::ReadOnly(path) => self.make_read_only(path),
            Step::Mask(path) => self.mask(path),
            Step::ReadOnlyRoot => self.make_root_read_only(),
            Step::Pivot => self.pivot(),
            Step::Limit(limit) => self.set_limit(limit),
            Step::OomScore(score) => self.set_oom_score(*score),
            Step::Keyring => self.leave_keyring(),
            Step::Become => Ok(()),
        }
    }

    /// Joins a running container: its group, while the host's files are
    /// there, then its namespaces.
    fn join_container(&mut self) -> Result<()> {
        if self.joins {
            join_group(self.group)?;
        }
        for (fd, kinds) in self.joining.into_iter().flatten() {
            process::enter_namespace(fd, *kinds)
                .map_err(failed("join namespaces"))?;
            descriptors::close(fd.as_raw_fd());
        }
        Ok(())
    }

    /// The container's root.
    fn root(&self) -> Result<BorrowedFd<'_>> {
        match &self.root {
            Some(root) => Ok(root.as_fd()),
            None => Err(StartError::init("the root is not mounted")),
        }
    }

    /// Tells the caller what this host cannot do.
    fn warn(&self, text: impl std::fmt::Display) {
        // A caller that is gone needs no warning.
        let _ = self.channel.send(&Message::Warning(text.to_string()), &[]);
    }

    fn leave_keyring(&self) -> Result<()> {
        if let Err(error) = credentials::new_session_keyring() {
            // No keys in this kernel: then there are none to be seen.
            if error.errno() != sys::errno::ENOSYS {
                self.warn(format!("session keyring: {error}"));
            }
        }
        Ok(())
    }

    /// Tells the caller that the root is ready, waits for the word to go,
    /// and executes the program. Returns the exit code if that fails.
    fn wait_and_execute(mut self, program: execute::Program) -> i32 {
        let mut fds = Vec::new();
        fds.extend(self.root.as_ref().map(AsFd::as_fd));
        fds.extend(self.console.as_ref().map(AsFd::as_fd));
        if self.channel.send(&Message::Built, &fds).is_err() {
            return 1;
        }
        drop(fds);
        self.console = None;
        if self.joining.is_some() {
            return program.execute();
        }
        match self.channel.receive() {
            Ok(Received::Message(Message::Go, _)) => (),
            _ => return 1,
        }
        let terminal = self.spec.tty.is_some();
        if self.spec.init {
            return reaper::run(self.channel, &program, terminal);
        }
        program.execute()
    }
}
