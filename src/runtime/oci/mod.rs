//! Another OCI runtime (`runc`) that makes containers in place of the init
//! here; driven by the monitor, which has one thread.
//!
//! ```text
//!   monitor                                     runtime
//!   own mount namespace, root, config.json
//!   create --bundle --pid-file ───────────────▶ namespaces, cgroup, mounts;
//!     [console socket] ◀──── the terminal's master
//!     pid-file; its orphan, the init, becomes the monitor's child
//!   start ────────────────────────────────────▶ the program runs
//!   kill, exec --process --detach ────────────▶
//!   delete --force ───────────────────────────▶ cgroup and state are gone
//! ```
//!
//! Every call is bounded in time: a runtime that hangs is killed with all
//! that it has started, and the failure is told in containerd's words.

pub mod config;
mod exec;

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio as Std};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::cgroup::{Group, Layout};
use super::create::{Running, Stdio};
use super::error::{Result, StartError};
use super::init;
use super::spec::{Runtime, Spec};
use crate::json::{self, FromJson};
use crate::sys::{self, mount, poll, process, socket};

pub use exec::Executing;

/// How long a runtime may take for a step of a start.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long it may take for anything else.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);

/// Where runtimes and what they call are looked for.
const PATH: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The longest log of a runtime that is read, bytes.
const LONGEST_LOG: u64 = 1 << 20;

/// One container of another runtime.
#[derive(Clone, Debug)]
pub struct Oci {
    runtime: Runtime,
    id: String,
    /// Where the root is mounted, in the monitor's namespace.
    root: Option<PathBuf>,
}

/// A container that was made; its program does not run so far.
pub struct Made {
    /// Its first process.
    pub running: Running,
    /// The master of its terminal.
    pub console: Option<OwnedFd>,
}

/// Makes a container. If it fails, all is undone.
pub fn create(spec: &Spec, runtime: &Runtime, stdio: Stdio) -> Result<Made> {
    if spec.process.args.is_empty() {
        return Err(StartError::create("no command specified"));
    }
    if spec.init {
        return Err(StartError::runtime(
            "an init of ours is known to the built-in runtime only",
        ));
    }
    let group = Group::at(Layout::host(), &spec.cgroup.parent, &spec.id);
    let mut oci =
        Oci { runtime: runtime.clone(), id: spec.id.clone(), root: None };
    // Whatever a run before has left.
    let _ = std::fs::remove_dir_all(&runtime.dir);
    let made = oci.make(spec, stdio, &group);
    made.inspect_err(|_| oci.release(&group))
}

/// Lets a runtime forget a container of which nothing runs any more.
pub fn forget(runtime: &Runtime, id: &str) {
    let oci = Oci { runtime: runtime.clone(), id: id.into(), root: None };
    oci.delete();
}

impl Oci {
    fn make(
        &mut self,
        spec: &Spec,
        stdio: Stdio,
        group: &Group,
    ) -> Result<Made> {
        let dir = self.runtime.dir.clone();
        let place = dir.join("rootfs");
        let mut builder = std::fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&place);
        made.map_err(|e| told(&place, &e))?;
        let root = init::mount_root_alone(spec, &place)?;
        let path = match spec.root.lower.is_empty() {
            true => spec.root.upper.clone(),
            false => place,
        };
        self.root = Some(path.clone());
        let user = init::find_user(&spec.process, root.as_fd())?;
        let config = config::config(spec, &user, &path)?;
        let file = dir.join("config.json");
        std::fs::write(&file, config.to_string())
            .map_err(|e| told(&file, &e))?;
        drop(root);
        let console = Console::listen(spec, &dir, "console.sock".into())?;
        let mut command = self.command("log");
        command.arg("create").arg("--bundle").arg(&dir);
        command.args(["--pid-file", "init.pid"]);
        if let Some(console) = &console {
            command.arg("--console-socket").arg(&console.name);
        }
        command.arg(&self.id);
        give_streams(&mut command, stdio);
        let adopting = Adopting::begin().map_err(system("create"))?;
        self.run(&mut command, "log", PATIENCE)
            .map_err(|said| StartError::foreign("create", &said))?;
        drop(adopting);
        let pid = read_pid(&dir.join("init.pid"))
            .map_err(|said| StartError::foreign("create", &said))?;
        let running = Running {
            pid,
            pidfd: process::pidfd_open(pid).ok(),
            cgroup: group.clone(),
            oci: Some(self.clone()),
        };
        let console = console.map(Console::accept).transpose()?;
        Ok(Made { running, console })
    }

    /// Runs the program.
    pub fn start(&self) -> Result<()> {
        let mut command = self.command("log");
        command.arg("start").arg(&self.id);
        self.run(quiet(&mut command), "log", PATIENCE)
            .map_err(|said| StartError::foreign("start", &said))
    }

    /// Sends a signal to the first process; false if the runtime does not
    /// do it.
    pub fn kill(&self, signal: i32) -> bool {
        let mut command = self.command("log.kill");
        command.arg("kill").arg(&self.id).arg(signal.to_string());
        self.run(quiet(&mut command), "log.kill", SHORT_PATIENCE).is_ok()
    }

    /// Removes what is left of the container; its first process has ended.
    pub fn release(&self, group: &Group) {
        // What a broken runtime has left; the group's own errors are seen
        // when it is removed.
        let _ = group.kill_all();
        self.delete();
        let _ = group.remove();
        if let Some(root) = &self.root {
            // It goes with this process at the latest.
            let _ = mount::detach(root);
        }
        let _ = std::fs::remove_dir_all(&self.runtime.dir);
    }

    fn delete(&self) {
        // Without it, the runtime has never kept anything.
        if !self.runtime.dir.join("state").exists() {
            return;
        }
        let mut command = self.command("log.delete");
        command.args(["delete", "--force"]).arg(&self.id);
        // What it does not remove is removed without it.
        let _ = self.run(quiet(&mut command), "log.delete", SHORT_PATIENCE);
    }

    fn command(&self, log: &str) -> Command {
        let Runtime { path, args, dir } = &self.runtime;
        let mut command = Command::new(path);
        command.env_clear().env("PATH", PATH).current_dir(dir);
        command.args(args).arg("--root").arg(dir.join("state"));
        command.arg("--log").arg(dir.join(log));
        command.args(["--log-format", "json"]);
        command
    }

    /// Runs the runtime to its end; the error is why, in its own words if
    /// it has any.
    fn run(
        &self,
        command: &mut Command,
        log: &str,
        patience: Duration,
    ) -> std::result::Result<(), String> {
        let log = self.runtime.dir.join(log);
        let _ = std::fs::remove_file(&log);
        let mut child = spawn(command)?;
        match wait(&mut child, patience) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(words(&log, status)),
            None => Err(hung(patience)),
        }
    }
}

/// While one of these is there, orphans of runtimes become children of this
/// process: the containers' processes are to. Others do not concern it.
#[derive(Debug)]
struct Adopting;

/// How many there are.
static ADOPTING: AtomicU32 = AtomicU32::new(0);

impl Adopting {
    fn begin() -> sys::Result<Adopting> {
        process::adopt_orphans()?;
        ADOPTING.fetch_add(1, Ordering::Relaxed);
        Ok(Adopting)
    }
}

impl Drop for Adopting {
    fn drop(&mut self) {
        if ADOPTING.fetch_sub(1, Ordering::Relaxed) == 1 {
            // It was possible to ask for it.
            let _ = process::leave_orphans();
        }
    }
}

/// Starts a runtime, in a process group of its own.
fn spawn(command: &mut Command) -> std::result::Result<Child, String> {
    sys::orphans::tie(command);
    let path = command.get_program().to_owned();
    let spawned = command.process_group(0).spawn();
    spawned.map_err(|error| {
        let reason = sys::Error::from_io("execve", &error).reason();
        format!(
            "unable to retrieve OCI runtime error: exec: {path:?}: {reason}"
        )
    })
}

fn hung(patience: Duration) -> String {
    format!("the runtime has not answered within {patience:?}")
}

/// Waits for the end of a runtime; one that does not end in time is killed
/// with its group, which is told by none.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    let pidfd = process::pidfd_open(child.id() as i32).ok();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        match &pidfd {
            Some(pidfd) => {
                let _ = poll::wait_readable(pidfd, Some(left));
            }
            // Before Linux 5.3.
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
    kill_group(child);
    None
}

fn kill_group(child: &mut Child) {
    // One that has ended meanwhile is as good as killed.
    let _ = process::kill(-(child.id() as i32), 9);
    let _ = child.wait();
}

/// Has a command be heard by nobody.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Std::null()).stdout(Std::null()).stderr(Std::null())
}

/// Gives the runtime the streams of the program: it hands them on.
fn give_streams(command: &mut Command, stdio: Stdio) {
    match stdio {
        Stdio::Files { stdin, stdout, stderr } => {
            command.stdin(stdin).stdout(stdout).stderr(stderr);
        }
        Stdio::Terminal => drop(quiet(command)),
    }
}

/// A line of the runtime's log.
#[derive(Default, FromJson)]
#[serde(default)]
struct Line {
    level: String,
    msg: String,
}

/// What a runtime says of its failure: the last error of its log.
fn words(log: &Path, status: ExitStatus) -> String {
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "it has ended".to_string(),
    };
    let mut text = Vec::new();
    let read = std::fs::File::open(log)
        .and_then(|file| file.take(LONGEST_LOG).read_to_end(&mut text));
    if let Err(error) = read {
        let reason = sys::Error::from_io("open", &error).reason();
        // Not "no such file", which would be taken for the program's.
        let reason = reason.replace("no such file or directory", "it has none");
        return format!(
            "unable to retrieve OCI runtime error (its log: {reason}): {ended}"
        );
    }
    let text = String::from_utf8_lossy(&text);
    let lines = text
        .lines()
        .filter_map(|line| json::from_slice::<Line>(line.as_bytes()).ok());
    let mut errors = lines.filter(|line| line.level == "error");
    match errors.next_back() {
        Some(line) => line.msg.trim().to_string(),
        None => ended,
    }
}

/// Reads the pid that a runtime has written.
fn read_pid(path: &Path) -> std::result::Result<i32, String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let pid = text.trim().parse().ok().filter(|pid| *pid > 1);
    pid.ok_or_else(|| "the runtime has told no process id".to_string())
}

/// Where a runtime hands the master of a terminal over.
#[derive(Debug)]
struct Console {
    listener: UnixListener,
    /// Within the directory that the runtime runs in: a path may be longer
    /// than an address.
    name: String,
    path: PathBuf,
}

impl Console {
    fn listen(
        spec: &Spec,
        dir: &Path,
        name: String,
    ) -> Result<Option<Console>> {
        if spec.tty.is_none() {
            return Ok(None);
        }
        let path = dir.join(&name);
        let _ = std::fs::remove_file(&path);
        let listener = socket::listen_unix(&path).map_err(system("create"))?;
        Ok(Some(Console { listener, name, path }))
    }

    /// Takes the master; the runtime has sent it by now.
    fn accept(self) -> Result<OwnedFd> {
        let missing = || {
            StartError::foreign("create", "the runtime has sent no terminal")
        };
        let wait = |fd: &dyn Fn() -> sys::Result<bool>| match fd() {
            Ok(true) => Ok(()),
            _ => Err(missing()),
        };
        let patience = Some(SHORT_PATIENCE);
        wait(&|| poll::wait_readable(&self.listener, patience))?;
        let (stream, _) = self.listener.accept().map_err(|_| missing())?;
        wait(&|| poll::wait_readable(&stream, patience))?;
        let mut name = [0; 4096];
        let received = socket::recv_with_fds(&stream, &mut name);
        let fds = received.map(|(_, fds)| fds).unwrap_or_default();
        fds.into_iter().next().ok_or_else(missing)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn told(path: &Path, error: &std::io::Error) -> StartError {
    let reason = sys::Error::from_io("open", error).reason();
    StartError::foreign("create", &format!("{}: {reason}", path.display()))
}

fn system(step: &str) -> impl FnOnce(sys::Error) -> StartError + '_ {
    move |error| StartError::foreign(step, &error.reason()).with(&error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn the_last_error_of_the_log_is_told() {
        let dir = TempDir::new("oci-log");
        let log = dir.path().join("log");
        let status = ExitStatus::from_raw(1 << 8);
        let without = words(&log, status);
        assert!(without.contains("its log: it has none"), "{without}");
        assert!(without.ends_with("exit status 1"));
        let text = "{\"level\":\"error\",\"msg\":\"first\"}\n\
                    garbage\n\
                    {\"level\":\"error\",\"msg\":\"last \\n\"}\n\
                    {\"level\":\"info\",\"msg\":\"after\"}\n";
        std::fs::write(&log, text).unwrap();
        assert_eq!(words(&log, status), "last");
        std::fs::write(&log, "nothing of use").unwrap();
        assert_eq!(words(&log, ExitStatus::from_raw(9)), "signal 9");
    }

    #[test]
    fn a_runtime_that_hangs_is_killed_with_its_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & wait"]);
        let mut child = spawn(&mut command).unwrap();
        let group = child.id() as i32;
        assert_eq!(wait(&mut child, Duration::from_millis(50)), None);
        let gone = || process::kill(-group, 0).is_err();
        let deadline = Instant::now() + Duration::from_secs(5);
        while !gone() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(gone());
    }

    #[test]
    fn a_pid_is_a_number_of_a_process() {
        let dir = TempDir::new("oci-pid");
        let path = dir.path().join("pid");
        for (text, wanted) in
            [("42\n", Some(42)), ("1", None), ("-7", None), ("x", None)]
        {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_pid(&path).ok(), wanted, "{text}");
        }
    }
}
