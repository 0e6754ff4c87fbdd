//! Sockets for a daemon that is started with them, without systemd.
//!
//! A shell in between moves them from its standard streams to 3 and 4, and
//! becomes the daemon: only so can the variable with its pid be right.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

/// What a daemon is started with.
#[derive(Default)]
pub struct Passed {
    names: String,
    sockets: Vec<OwnedFd>,
    /// The process that they are announced for.
    pub pid: String,
}

impl Passed {
    pub fn new(names: &str, sockets: Vec<OwnedFd>) -> Passed {
        assert!(sockets.len() <= 2, "there are two streams to pass them by");
        Passed { names: names.into(), sockets, pid: "$$".into() }
    }

    /// Puts the shell around a daemon's command.
    pub fn wrap(&self, command: Command) -> Command {
        let Some(first) = self.sockets.first() else { return command };
        let moves = match self.sockets.len() {
            1 => "exec 3<&0 0</dev/null 1>&2",
            _ => "exec 3<&0 4<&1 0</dev/null 1>&2",
        };
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!(
                "{moves}; export LISTEN_PID={}; exec \"$@\"",
                self.pid
            ))
            .arg("sh")
            .arg(command.get_program())
            .args(command.get_args())
            .env("LISTEN_FDS", self.sockets.len().to_string())
            .env("LISTEN_FDNAMES", &self.names);
        keep_environment(&command, &mut shell);
        let copy = |socket: &OwnedFd| {
            Stdio::from(socket.try_clone().expect("a second descriptor"))
        };
        shell.stdin(copy(first));
        if let Some(second) = self.sockets.get(1) {
            shell.stdout(copy(second));
        }
        shell
    }
}

/// Puts a mount namespace with an empty /run around a daemon's command.
pub fn with_own_run(command: &Command) -> Command {
    let mut shell = Command::new("unshare");
    shell
        .args(["--mount", "sh", "-c"])
        .arg("mount -t tmpfs none /run && exec \"$@\"")
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    keep_environment(command, &mut shell);
    shell
}

fn keep_environment(from: &Command, to: &mut Command) {
    for (name, value) in from.get_envs() {
        match value {
            Some(value) => to.env(name, value),
            None => to.env_remove(name),
        };
    }
}
