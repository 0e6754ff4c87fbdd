//! The client on another machine's daemon, through ssh: a stand-in that
//! runs the command here, as the machine over there would.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use crate::harness::Daemon;
use crate::harness::command::Run;
use crate::harness::daemon::program;

/// Notes its arguments, and lets a shell run the last.
const SSH: &str = "#!/bin/sh\necho \"$*\" >>\"$SSH_LOG\"\n\
                   for word; do :; done\nexec sh -c \"$word\"\n";

/// A directory for `PATH` with that `ssh`, and the client as `docker`.
fn path(daemon: &Daemon) -> PathBuf {
    let directory = daemon.directory.join("path");
    fs::create_dir(&directory).expect("a directory");
    let ssh = directory.join("ssh");
    fs::write(&ssh, SSH).expect("a script");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&ssh, mode).expect("a mode");
    symlink(program(), directory.join("docker")).expect("a link");
    directory
}

fn remote(daemon: &Daemon, words: &[&str]) -> Command {
    let socket = daemon.socket();
    let directory = daemon.directory.join("path");
    let mut command = Command::new(program());
    command
        .args(words)
        .env("DOCKER_HOST", format!("ssh://me@far:22{}", socket.display()))
        .env("DOCKER_CONFIG", &daemon.directory)
        .env("SSH_LOG", daemon.directory.join("ssh.log"))
        .env("PATH", format!("{}:/usr/bin:/bin", directory.display()));
    command
}

#[test]
fn a_daemon_is_reached_through_ssh() {
    let daemon = Daemon::with_image();
    path(&daemon);
    let words = ["run", "-i", "--rm", "busybox", "cat"];
    let input = vec![b'x'; 300_000];
    let run = Run::of(&mut remote(&daemon, &words), &input).ok();
    assert_eq!(run.out().len(), input.len());
    let failing = ["run", "--rm", "busybox", "sh", "-c", "exit 7"];
    Run::of(&mut remote(&daemon, &failing), b"").exits(7);
    let log = fs::read_to_string(daemon.directory.join("ssh.log"));
    let log = log.expect("the arguments");
    assert!(log.starts_with("-o ConnectTimeout=30 -T -l me -p 22 -- far "));
}

#[test]
fn a_machine_that_cannot_be_reached_is_told() {
    let daemon = Daemon::start();
    let directory = path(&daemon);
    let broken = "#!/bin/sh\necho 'ssh: no route to far' >&2\nexit 255\n";
    fs::write(directory.join("ssh"), broken).expect("a script");
    Run::of(&mut remote(&daemon, &["ps"]), b"")
        .exits(1)
        .complains("ssh: no route to far");
    fs::remove_file(directory.join("ssh")).expect("a script");
    let mut command = remote(&daemon, &["ps"]);
    command.env("PATH", &directory);
    Run::of(&mut command, b"").exits(1).complains("no such file or directory");
}
