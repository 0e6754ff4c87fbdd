//! The last steps before the program runs: the user, the capabilities, the
//! system call filter, the working directory, the limits.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::execute::{self, Program};
use super::{Init, failed};
use crate::runtime::caps::Set;
use crate::runtime::error::{Result, StartError};
use crate::runtime::seccomp;
use crate::runtime::seccomp::profile::SPEC_ALLOW;
use crate::runtime::spec::{Filter, Process, Rlimit, Seccomp};
use crate::sys::credentials::{self, Capabilities, Limit};
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::seccomp::Instruction;
use crate::sys::{self, errno, process};
use crate::users::{self, Lookup};

/// Longer user files are not read: an image may hold anything.
const LONGEST_USER_FILE: u64 = 8 << 20;

impl Init<'_> {
    /// Becomes the user; returns the program to be executed.
    ///
    /// The order matters: the filter needs CAP_SYS_ADMIN unless
    /// `no_new_privs` is set, the bounding set needs CAP_SETPCAP, the ids
    /// need CAP_SETUID and CAP_SETGID, and only then are they given up.
    pub(super) fn become_user(&mut self) -> Result<Program> {
        let process = &self.spec.process;
        let root = sys::mount::open_path(Path::new("/"))
            .map_err(late("open the root"))?;
        let user = find_user(process, root.as_fd())?;
        self.own_streams(user.uid);
        let cwd = match process.cwd.as_os_str().is_empty() {
            true => PathBuf::from("/"),
            false => process.cwd.clone(),
        };
        let entered = self.enter_cwd(&cwd, Try::First)?;
        let sets = self.capability_sets()?;
        let filter = match &self.spec.seccomp {
            Seccomp::Unconfined => None,
            Seccomp::Default => {
                let set = match &self.spec.filter_for {
                    Some(names) => Set::parse(names).0,
                    None => Set(sets),
                };
                Some((SPEC_ALLOW, seccomp::default_filter(set)))
            }
            Seccomp::Filter(Filter { flags, code }) => {
                let code = code.iter().copied().map(Instruction::from);
                Some((*flags, code.collect()))
            }
        };
        if process.no_new_privileges {
            credentials::forbid_new_privileges()
                .map_err(late("unable to set no new privileges"))?;
        } else if let Some(filter) = &filter {
            set_filter(filter)?;
        }
        self.change_credentials(&user, sets)?;
        if !entered {
            self.enter_cwd(&cwd, Try::Last)?;
        }
        verify_cwd()?;
        if let Some(filter) = &filter
            && process.no_new_privileges
        {
            set_filter(filter)?;
        }
        // Lost with the change of the user.
        let signal = if self.spec.die_with_parent { 9 } else { 0 };
        process::set_parent_death_signal(signal)
            .map_err(late("set parent death signal"))?;
        let mut program = Program {
            path: c"".into(),
            args: self.plan.args.clone(),
            env: self.plan.env.clone(),
        };
        if !program.env.iter().any(|v| v.to_bytes().starts_with(b"HOME=")) {
            program
                .env
                .extend(execute::c_string(&format!("HOME={}", user.home)));
        }
        program.path = execute::find(&program.args, &program.env)?;
        process::set_umask(process.umask.unwrap_or(0o022));
        Ok(program)
    }

    /// Gives the standard streams to the user, so that it can open them
    /// again through /dev/stdout.
    fn own_streams(&self, uid: u32) {
        let streams = [
            std::io::stdin().as_fd().try_clone_to_owned(),
            std::io::stdout().as_fd().try_clone_to_owned(),
            std::io::stderr().as_fd().try_clone_to_owned(),
        ];
        for stream in streams.into_iter().flatten() {
            let Ok(stat) = fs::stat(&stream) else { continue };
            // /dev/null belongs to everybody.
            if stat.uid == uid || stat.rdev == (1, 3) {
                continue;
            }
            // A read-only file system, or a file of somebody who does not
            // give it away: the program can do without.
            let _ = fs::chown(&stream, uid, stat.gid);
        }
    }

    /// Changes into the working directory. At first, as root; what root
    /// may not enter (a directory of a network file system) is tried again
    /// as the user. Tells whether it is done.
    fn enter_cwd(&self, path: &Path, which: Try) -> Result<bool> {
        match std::env::set_current_dir(path) {
            Ok(()) => Ok(true),
            Err(error) => {
                let error =
                    sys::Error::from_io(format!("chdir({path:?})"), &error);
                let again =
                    matches!(error.errno(), errno::EACCES | errno::EPERM);
                if which == Try::First && again {
                    return Ok(false);
                }
                Err(StartError::create(&format!(
                    "chdir to cwd ({path:?}) set in config.json failed: {}",
                    error.reason()
                ))
                .with(&error))
            }
        }
    }

    /// The capabilities that the container gets: those that are asked for,
    /// as far as this process has them itself.
    fn capability_sets(&self) -> Result<u64> {
        let (wanted, unknown) = Set::parse(&self.spec.process.capabilities);
        if !unknown.is_empty() {
            self.warn(format!("unknown capabilities: {}", unknown.join(", ")));
        }
        let own = credentials::capabilities()
            .map_err(late("unable to read capabilities"))?;
        let missing = Set(wanted.0 & !own.permitted);
        if missing != Set::default() {
            self.warn(format!(
                "capabilities that cannot be given here: {}",
                missing.names().join(", ")
            ));
        }
        Ok(wanted.0 & own.permitted)
    }

    fn change_credentials(&self, user: &Lookup, set: u64) -> Result<()> {
        for number in 0..64u32 {
            if set & (1 << number) != 0 {
                continue;
            }
            match credentials::drop_bounding(number) {
                // Beyond the last that this kernel knows.
                Err(error) if error.errno() == errno::EINVAL => break,
                other => other.map_err(late("unable to apply bounding set"))?,
            }
        }
        // An old kernel has no such set.
        let _ = credentials::clear_ambient();
        credentials::set_groups(&user.groups)
            .map_err(late("unable to setup user: setgroups"))?;
        credentials::set_gid(user.gid)
            .map_err(late("unable to setup user: setgid"))?;
        if user.uid != 0 {
            credentials::keep_capabilities()
                .map_err(late("unable to set keep caps"))?;
        }
        credentials::set_uid(user.uid)
            .map_err(late("unable to setup user: setuid"))?;
        credentials::set_capabilities(&Capabilities {
            effective: set,
            permitted: set,
            inheritable: 0,
        })
        .map_err(late("unable to apply caps"))
    }

    /// Sets a resource limit. Where it may not be raised, it is left as
    /// high as it can be, and told.
    pub(super) fn set_limit(&self, limit: &Rlimit) -> Result<()> {
        let words = format!("error setting rlimits for {}", limit.name);
        let Some(resource) = credentials::resource(&limit.name) else {
            return Err(StartError::init(format!("{words}: unknown resource")));
        };
        // -1 is no limit, which is the highest number.
        let wanted = Limit { soft: limit.soft as u64, hard: limit.hard as u64 };
        let error = match credentials::set_limit(resource, wanted) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let now = credentials::limit(resource).map_err(failed(&words))?;
        if error.errno() != errno::EPERM || wanted.hard <= now.hard {
            return Err(failed(&words)(error));
        }
        let most = Limit { soft: wanted.soft.min(now.hard), hard: now.hard };
        self.warn(format!(
            "limit {} cannot be raised to {} here: it stays at {}",
            limit.name, wanted.hard, now.hard
        ));
        credentials::set_limit(resource, most).map_err(failed(&words))
    }

    /// Sets how soon the kernel kills the program for want of memory.
    pub(super) fn set_oom_score(&self, score: i32) -> Result<()> {
        let path = "/proc/self/oom_score_adj";
        match std::fs::write(path, score.to_string()) {
            // To lower it needs CAP_SYS_RESOURCE.
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                self.warn(format!("{path}: {score} is not allowed here"));
                Ok(())
            }
            Err(e) => {
                let error = sys::Error::from_io(path, &e);
                Err(failed(format!("write {path}"))(error))
            }
            Ok(()) => Ok(()),
        }
    }
}

/// Which attempt it is.
#[derive(Clone, Copy, PartialEq)]
enum Try {
    First,
    Last,
}

/// Makes an error of what fails after the root is ready; the runtime says
/// no "during container init" then.
fn late(
    words: impl std::fmt::Display,
) -> impl FnOnce(sys::Error) -> StartError {
    move |error| {
        let text = format!("{words}: {}", error.reason());
        StartError::create(&text).with(&error)
    }
}

fn set_filter((flags, code): &(u32, Vec<Instruction>)) -> Result<()> {
    sys::seccomp::set_filter(*flags, code)
        .map_err(late("unable to init seccomp: error loading seccomp filter"))
}

/// The working directory must lie in the container (CVE-2024-21626: one
/// reached through a descriptor of the host does not).
fn verify_cwd() -> Result<()> {
    match std::env::current_dir() {
        Ok(path) if path.is_absolute() => Ok(()),
        _ => Err(StartError::create(
            "current working directory is outside of container mount \
             namespace root -- possible container breakout detected",
        )),
    }
}

/// Looks the user up in the container's own files.
pub fn find_user(process: &Process, root: BorrowedFd<'_>) -> Result<Lookup> {
    let passwd = read_user_file(root, Path::new("/etc/passwd"));
    let group = read_user_file(root, Path::new("/etc/group"));
    let mut user = users::resolve(&process.user, &passwd, &group)
        .map_err(StartError::plain)?;
    let more = users::additional_groups(&process.group_add, &group)
        .map_err(StartError::plain)?;
    for gid in more {
        if !user.groups.contains(&gid) {
            user.groups.push(gid);
        }
    }
    Ok(user)
}

/// Reads a user file of the container; what is missing, no plain file or
/// too long counts as empty.
fn read_user_file(root: BorrowedFd<'_>, path: &Path) -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let scope = sys::resolve::Scope::InRoot;
    let file = sys::resolve::open(root, path, flags, 0, scope);
    let Ok(file) = file else { return String::new() };
    let is_plain = fs::stat(&file).is_ok_and(|s| s.kind == Kind::File);
    if !is_plain {
        return String::new();
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::from(file).take(LONGEST_USER_FILE);
    match { file }.read_to_end(&mut bytes) {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(),
    }
}
