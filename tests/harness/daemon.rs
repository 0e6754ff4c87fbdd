//! A daemon for one case: own root, run directory, socket, bridge and
//! subnet. `Drop` ends it and fails the case when something was left.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::{SOON, host, passed, until, within};

/// The name under which every case imports its image.
pub const IMAGE: &str = "busybox";

static COUNT: AtomicU32 = AtomicU32::new(0);

pub struct Daemon {
    pub directory: PathBuf,
    pub bridge: String,
    /// First three numbers of the /24 of this daemon's bridge.
    pub subnet: String,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    child: Option<Child>,
    ids: Vec<String>,
    may_leave: bool,
    own_subnet: bool,
    exec_below: String,
    data: PathBuf,
    passed: passed::Passed,
    has_addresses: bool,
    program: PathBuf,
}

impl Daemon {
    /// Starts a daemon and waits for its first answer.
    #[track_caller]
    pub fn start() -> Daemon {
        Daemon::with(&[])
    }

    /// Starts a daemon with more flags.
    #[track_caller]
    pub fn with(flags: &[&str]) -> Daemon {
        let mut daemon = Daemon::prepare(flags);
        daemon.launch();
        daemon
    }

    /// Starts a daemon that has the busybox image.
    #[track_caller]
    pub fn with_image() -> Daemon {
        let daemon = Daemon::start();
        daemon.import(IMAGE);
        daemon
    }

    /// A daemon that is not started so far.
    pub fn prepare(flags: &[&str]) -> Daemon {
        let own = std::process::id();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let directory = PathBuf::from(format!("/tmp/skt-{own}-{number}"));
        fs::create_dir_all(directory.join("config")).expect("/tmp is there");
        // 10.64.0.0 to 10.127.255.0, spread so that two runs of the tests on
        // one machine do not meet.
        let spread = (own.wrapping_mul(251).wrapping_add(number)) % (64 * 256);
        let subnet = format!("10.{}.{}", 64 + spread / 256, spread % 256);
        Daemon {
            bridge: format!("skt{:x}-{number}", own % 0xf_ffff),
            subnet,
            data: directory.join("data"),
            passed: passed::Passed::default(),
            has_addresses: true,
            program: program(),
            directory,
            flags: flags.iter().map(|flag| flag.to_string()).collect(),
            environment: Vec::new(),
            child: None,
            ids: Vec::new(),
            may_leave: false,
            own_subnet: true,
            exec_below: String::new(),
        }
    }

    /// Sets a variable of the daemon's environment before it starts.
    pub fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Adds a flag for the next start.
    pub fn add_flag(&mut self, flag: &str) {
        self.flags.push(flag.into());
    }

    /// Runs it from a copy of the program, which it returns.
    pub fn run_a_copy(&mut self) -> PathBuf {
        let copy = self.directory.join("skiff");
        fs::copy(&self.program, &copy).expect("there is room for a copy");
        self.program.clone_from(&copy);
        copy
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.join("sock")
    }

    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn exec(&self) -> PathBuf {
        let top = self.directory.join("exec");
        if self.exec_below.is_empty() {
            return top;
        }
        top.join(&self.exec_below)
    }

    /// Lets the daemon choose its subnet at the next start.
    pub fn forget_subnet(&mut self) {
        self.own_subnet = false;
    }

    /// Starts it on the data root of another one.
    pub fn use_root_of(&mut self, other: &Daemon) {
        self.data = other.data();
    }

    /// Gives it sockets at its start, as systemd does: at most two, with
    /// their names.
    pub fn pass(&mut self, names: &str, sockets: Vec<OwnedFd>) {
        self.passed = passed::Passed::new(names, sockets);
    }

    /// Starts it without a `-H`, in a mount namespace with an empty /run.
    pub fn without_addresses(&mut self) {
        self.has_addresses = false;
    }

    /// Says that the sockets are for another process.
    pub fn pass_to(&mut self, pid: &str) {
        self.passed.pid = pid.into();
    }

    /// Puts the run directory below more than 107 bytes of path.
    pub fn deepen_exec_root(&mut self) {
        self.exec_below = ["a".repeat(60), "b".repeat(60)].join("/");
    }

    /// The daemon's pid.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        self.child.as_ref().expect("the daemon runs").id() as i32
    }

    /// What the daemon wrote to standard error so far.
    pub fn log(&self) -> String {
        let log = fs::read(self.directory.join("log")).unwrap_or_default();
        super::command::text(&log)
    }

    /// The command that starts this daemon.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-d");
        if self.has_addresses {
            let socket = format!("unix://{}", self.socket().display());
            command.arg("-H").arg(socket);
        }
        command
            .arg("--data-root")
            .arg(self.data())
            .arg("--exec-root")
            .arg(self.exec())
            .arg("-p")
            .arg(self.directory.join("pid"))
            .args(["--bridge", &self.bridge]);
        // Debug mode, unless a case leaves it to the environment.
        if !self.environment.iter().any(|(name, _)| name == "DEBUG") {
            command.arg("-D");
        }
        command
            .args(&self.flags)
            .envs(self.environment.iter().map(|(n, v)| (n, v)))
            .env_remove("DOCKER_HOST");
        if self.own_subnet {
            command.arg("--bip").arg(format!("{}.1/24", self.subnet));
        }
        command
    }

    /// Starts the daemon without waiting for an answer.
    #[track_caller]
    pub fn launch_only(&mut self) {
        assert!(self.child.is_none(), "the daemon runs");
        let path = self.directory.join("log");
        let log = File::options().create(true).append(true).open(path);
        let log = log.expect("the log can be written");
        let mut command = match self.has_addresses {
            true => self.command(),
            false => passed::with_own_run(&self.command()),
        };
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"));
        let child = self.passed.wrap(command).stderr(log).spawn();
        self.child = Some(child.expect("the program starts"));
    }

    /// Starts the daemon and waits for its first answer.
    #[track_caller]
    pub fn launch(&mut self) {
        self.launch_only();
        let socket = self.socket();
        until("the daemon's first answer", || {
            let child = self.child.as_mut().expect("just started");
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the daemon ended: {status}\n{}", self.log());
            }
            // A socket of a daemon that was killed in the middle of a fork
            // takes connections for a moment, and then drops them.
            let connected = std::os::unix::net::UnixStream::connect(&socket);
            connected.ok()?;
            let mut wire = super::wire::Wire::unix(&socket);
            wire.send("GET", "/_ping", &[], None);
            wire.try_head().filter(|head| head.status == 200)
        });
    }

    /// Ends the daemon as a crash would.
    #[track_caller]
    pub fn kill(&mut self) {
        self.remember_ids();
        let mut child = self.child.take().expect("the daemon runs");
        child.kill().expect("own child");
        child.wait().expect("own child");
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub fn terminate(&mut self) -> ExitStatus {
        self.remember_ids();
        host::signal(self.pid(), Signal::TERM);
        self.ended()
    }

    /// Waits for the daemon to end by itself.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the daemon runs");
        let status = within(SOON, || child.try_wait().expect("own child"));
        status.unwrap_or_else(|| {
            let _ = child.kill();
            let _ = child.wait();
            panic!("the daemon did not end\n{}", self.log())
        })
    }

    /// Tells that this case breaks things on purpose: leftovers are cleaned
    /// up but are no failure.
    pub fn may_leave_something(&mut self) {
        self.may_leave = true;
    }

    fn is_up(&mut self) -> bool {
        let ended = self.child.as_mut().map(|child| child.try_wait());
        matches!(ended, Some(Ok(None)))
    }

    /// The ids of the containers that were there when it last ended.
    pub fn container_ids(&self) -> Vec<String> {
        self.ids.clone()
    }

    /// Notes the ids of all containers, by which their cgroups are found.
    fn remember_ids(&mut self) {
        let known = host::names_in(self.data().join("containers"));
        self.ids.extend(known);
        self.ids.sort();
        self.ids.dedup();
    }

    /// Removes all containers and ends the daemon; what went wrong.
    fn shut_down(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        self.remember_ids();
        if !self.is_up() {
            self.child = None;
            self.may_leave = true;
            return problems;
        }
        let listed = std::panic::catch_unwind(|| {
            self.get("/containers/json?all=1").json()
        });
        let listed = listed.unwrap_or_default();
        for container in listed.as_array().into_iter().flatten() {
            let id = container["Id"].as_str().unwrap_or_default();
            let target = format!("/containers/{id}?force=1&v=1");
            let reply = std::panic::catch_unwind(|| self.delete(&target));
            match reply {
                // One that removes itself may be gone by now.
                Ok(reply) if matches!(reply.head.status, 204 | 404) => {}
                Ok(reply) => problems.push(format!("{reply:?}")),
                Err(_) => problems.push(format!("{target}: no answer")),
            }
        }
        let mut child = self.child.take().expect("it is up");
        host::signal(child.id() as i32, Signal::TERM);
        let ended = within(SOON, || child.try_wait().ok().flatten());
        match ended {
            Some(status) if status.success() => {}
            Some(status) => problems.push(format!("SIGTERM: {status}")),
            None => problems.push("still there after SIGTERM".into()),
        }
        let _ = child.kill();
        let _ = child.wait();
        problems
    }

    /// What of this daemon can still be found on the host.
    fn leftovers(&self) -> Vec<String> {
        let mut left = Vec::new();
        for holder in host::holders(&self.directory) {
            left.push(format!("process {holder:?}"));
        }
        for mount in host::mounts(&self.directory) {
            left.push(format!("mount {mount}"));
        }
        for port in host::ports(&self.bridge) {
            left.push(format!("link {port}"));
        }
        for group in host::cgroups(&self.ids) {
            left.push(format!("cgroup {}", group.display()));
        }
        left
    }

    /// Takes away by force whatever is left.
    fn sweep(&self) {
        for holder in host::holders(&self.directory) {
            host::signal(holder.pid, Signal::KILL);
        }
        for port in host::ports(&self.bridge) {
            delete_link(&port);
        }
        for group in host::cgroups(&self.ids) {
            let inside = fs::read_to_string(group.join("cgroup.procs"));
            for pid in inside.unwrap_or_default().lines() {
                host::signal(pid.parse().unwrap_or(0), Signal::KILL);
            }
            within(Duration::from_secs(2), || fs::remove_dir(&group).ok());
        }
        for mount in host::mounts(&self.directory) {
            let _ = Command::new("umount").args(["-l", &mount]).output();
        }
        if host::has_link(&self.bridge) {
            delete_link(&self.bridge);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let failing = std::thread::panicking();
        if failing {
            eprintln!("--- the daemon's log\n{}", tail(&self.log(), 120));
        }
        let mut problems = Vec::new();
        if failing {
            if let Some(mut child) = self.child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            self.remember_ids();
        } else {
            problems = self.shut_down();
        }
        if !self.may_leave && !failing {
            // Reaping and the namespaces' own clean-up take a moment.
            within(Duration::from_secs(5), || {
                self.leftovers().is_empty().then_some(())
            });
            problems.extend(self.leftovers());
        }
        let log = self.log();
        self.sweep();
        if !problems.is_empty() && !failing {
            let log = tail(&log, 60);
            panic!("left behind:\n{}\n{log}", problems.join("\n"));
        }
    }
}

/// The product under test.
pub fn program() -> PathBuf {
    std::env::var_os("SKIFF_TEST_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_skiff").into(), PathBuf::from)
}

fn delete_link(name: &str) {
    let _ = Command::new("ip").args(["link", "delete", name]).output();
}

fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
