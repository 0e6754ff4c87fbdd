//! The Docker CLI against our daemon: what it prints is what it prints on
//! the reference.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::command::{Beside, Run};
use crate::harness::image::Image;
use crate::harness::recorded::same_as;
use crate::harness::registry::Registry;
use crate::harness::{Daemon, skip};

/// The Docker CLI, if it is here in the recorded version.
fn docker() -> Option<PathBuf> {
    let any = docker_of_any_version()?;
    let version = Run::of(Command::new(&any).arg("--version"), b"").out();
    if !version.starts_with("Docker version 28.") {
        skip(&format!("the Docker CLI is not version 28: {version}"));
        return None;
    }
    Some(any)
}

fn docker_of_any_version() -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = path.split(':').map(|at| Path::new(at).join("docker"));
    let found = found.into_iter().find(|file| file.is_file());
    if found.is_none() {
        skip("the Docker CLI is not installed");
    }
    found
}

/// Runs the Docker CLI to its end.
#[track_caller]
fn run(daemon: &Daemon, program: &Path, words: &[&str]) -> Run {
    Run::of(&mut daemon.client_of(program, words), b"")
}

#[test]
fn version_and_info() {
    let Some(docker) = docker() else { return };
    let daemon = Daemon::start();
    same_as("version", &run(&daemon, &docker, &["version"]), &[]);
    same_as("info", &run(&daemon, &docker, &["info"]), &[]);
}

#[test]
fn pull_and_images() {
    let Some(docker) = docker() else { return };
    let Some(registry) = Registry::start() else { return };
    registry.push("busybox", &[Image::busybox()]);
    let daemon = Daemon::start();
    let host = format!("127.0.0.1:{}", registry.port);
    let known = [("registry", host.as_str())];
    let name = registry.name("busybox");
    let tagged = format!("{name}:latest");
    let missing = format!("{name}:nosuchtag");
    let absent = registry.name("nosuch");
    for (file, words) in [
        ("pull", vec!["pull", name.as_str()]),
        ("pull-again", vec!["pull", tagged.as_str()]),
        ("pull-missing", vec!["pull", missing.as_str()]),
        ("pull-quiet", vec!["pull", "-q", name.as_str()]),
        ("run-missing-image", vec!["run", "--rm", absent.as_str(), "true"]),
    ] {
        same_as(file, &run(&daemon, &docker, &words), &known);
    }
}

#[test]
fn run_and_its_exit_codes() {
    let Some(docker) = docker() else { return };
    let daemon = Daemon::with_image();
    same_as("images", &run(&daemon, &docker, &["images"]), &[]);
    for (file, words) in [
        ("run-rm", &["echo", "hello"] as &[&str]),
        ("run-exit-code", &["sh", "-c", "exit 7"]),
        ("run-stderr", &["sh", "-c", "echo out; echo err >&2"]),
        ("run-not-found", &["nosuchcommand"]),
        ("run-not-executable", &["/etc"]),
    ] {
        let mut all = vec!["run", "--rm", "busybox"];
        all.extend(words);
        same_as(file, &run(&daemon, &docker, &all), &[]);
    }
    let words = ["run", "-i", "--rm", "busybox", "cat"];
    let mut command = daemon.client_of(&docker, &words);
    same_as("run-stdin", &Run::of(&mut command, b"from-stdin\n"), &[]);
    let list = run(&daemon, &docker, &["ps", "-aq"]).ok();
    assert_eq!(list.out(), "", "something was not removed");
}

#[test]
fn a_terminal_works_both_ways() {
    let Some(docker) = docker_of_any_version() else { return };
    let daemon = Daemon::with_image();
    let line = format!("{} run -it --rm busybox sh", docker.display());
    let words = ["-qec", &line, "/dev/null"];
    let mut terminal =
        Beside::start(&mut daemon.client_of(Path::new("script"), &words));
    let type_in = |terminal: &mut Beside, text: &str| {
        use std::io::Write;
        let stdin = terminal.stdin.as_mut().expect("it is open");
        stdin.write_all(text.as_bytes()).expect("it listens");
    };
    type_in(&mut terminal, "tty; echo a$((40+2))z\n");
    terminal.line_with("/dev/pts/0");
    terminal.line_with("a42z");
    type_in(&mut terminal, "exit 5\n");
    let (status, lines, errors) = terminal.end();
    assert_eq!(status, 5, "{lines:#?} {errors}");
}

#[test]
fn a_detached_containers_life() {
    let Some(docker) = docker() else { return };
    let daemon = Daemon::with_image();
    let line = "echo started; while true; do sleep 1; done";
    let words = [
        "run",
        "-d",
        "--name",
        "web",
        "-e",
        "A=1",
        "-l",
        "role=web",
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        "--restart",
        "on-failure:3",
        "busybox",
        "sh",
        "-c",
        line,
    ];
    same_as("run-detached", &run(&daemon, &docker, &words), &[]);
    daemon.until_logged("web", "started");
    for (file, words) in [
        ("ps", "ps"),
        ("ps-all", "ps -a --no-trunc"),
        ("inspect", "inspect web"),
        ("inspect-missing", "inspect nosuch"),
        ("logs", "logs web"),
        ("logs-tail", "logs --tail 1 -t web"),
        ("top", "top web"),
        ("stats", "stats --no-stream web"),
        ("rename", "rename web web2"),
        ("rename", "rename web2 web"),
        ("pause", "pause web"),
        ("ps-paused", "ps"),
        ("unpause", "unpause web"),
        ("rm-running", "rm web"),
        ("update", "update --memory 80m --memory-swap 160m web"),
        ("restart", "restart -t 0 web"),
        ("kill", "kill -s USR1 web"),
        ("stop", "stop -t 0 web"),
        ("stop-again", "stop web"),
        ("start", "start web"),
        ("rm-force", "rm -f web"),
        ("rm-missing", "rm nosuch"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        same_as(file, &run(&daemon, &docker, &words), &[]);
    }
}

#[test]
fn wait_create_and_start_attached() {
    let Some(docker) = docker() else { return };
    let daemon = Daemon::with_image();
    let words = ["run", "-d", "--name", "ww", "busybox", "sh", "-c", "exit 4"];
    run(&daemon, &docker, &words).ok();
    same_as("wait", &run(&daemon, &docker, &["wait", "ww"]), &[]);
    let words = ["create", "--name", "cc", "busybox", "echo", "created"];
    let mut both = run(&daemon, &docker, &words).ok();
    let start = run(&daemon, &docker, &["start", "-a", "cc"]);
    both.stdout.extend_from_slice(&start.stdout);
    both.stderr.extend_from_slice(&start.stderr);
    same_as("create-start-attach", &both, &[]);
    same_as("rm", &run(&daemon, &docker, &["rm", "cc", "ww"]), &[]);
    let words = ["create", "--name", "cc", "busybox", "true"];
    run(&daemon, &docker, &words).ok();
    let words = ["container", "prune", "-f"];
    same_as("container-prune", &run(&daemon, &docker, &words), &[]);
}

#[test]
fn logs_follow_and_end_with_the_container() {
    let Some(docker) = docker_of_any_version() else { return };
    let daemon = Daemon::with_image();
    daemon.run("web", "echo one; sleep 0.3; echo two");
    let words = ["logs", "-f", "web"];
    let mut logs = Beside::start(&mut daemon.client_of(&docker, &words));
    assert_eq!(logs.line().as_deref(), Some("one"));
    let (status, rest, errors) = logs.end();
    assert_eq!((status, rest.as_slice()), (0, ["two".into()].as_slice()));
    assert_eq!(errors, "");
}

#[test]
fn events_of_a_run() {
    let Some(docker) = docker() else { return };
    let daemon = Daemon::with_image();
    let words = ["run", "--rm", "busybox", "true"];
    run(&daemon, &docker, &words).ok();
    let words = [
        "events",
        "--since",
        "1m",
        "--until",
        "0s",
        "--filter",
        "type=container",
        "--filter",
        "type=network",
    ];
    // The client cuts "now" to the second.
    let seen = crate::harness::until("the last event", || {
        let run = run(&daemon, &docker, &words);
        run.out().contains("destroy").then_some(run)
    });
    same_as("events", &seen, &[]);
}

#[test]
fn events_come_live() {
    let Some(docker) = docker_of_any_version() else { return };
    let daemon = Daemon::with_image();
    let words = ["events", "--format", "{{.Action}}"];
    let mut events = Beside::start(&mut daemon.client_of(&docker, &words));
    crate::harness::until("the subscription", || {
        let info = daemon.get("/info").is(200).json();
        (info["NEventsListener"].as_i64() > Some(0)).then_some(())
    });
    daemon.run("web", "true");
    for wanted in ["create", "start", "die"] {
        events.line_with(wanted);
    }
}
