//! A container's life under its monitor: made, given up, ended.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use skiff::runtime::spec::Namespace;
use skiff::shim::{self, Framing, Gone};

use super::{Box, alive, cgroups, client, read_all, until, wait};

#[test]
fn a_container_runs_is_logged_and_its_end_reported() {
    let container = Box::new("echo out; echo err >&2; exit 3");
    let (near, attachment) = client(Framing::Multiplexed);
    let (state, mut monitor) = container.run(vec![attachment]);
    let exit = wait(&mut monitor);
    assert_eq!((exit.code, exit.signal, exit.oom), (3, None, false));
    assert!(exit.at >= state.started_at);
    let output = read_all(near);
    assert!(output.windows(12).any(|w| w == b"\x01\0\0\0\0\0\0\x04out\n"));
    assert!(output.windows(12).any(|w| w == b"\x02\0\0\0\0\0\0\x04err\n"));
    let mut log = container.log();
    log.sort_unstable();
    assert_eq!(log.len(), 8);
    until("the monitor ends", || !alive(state.shim_pid));
    assert_eq!(cgroups(&container.start.id), Vec::<PathBuf>::new());
    let gone = shim::reconnect(&container.start.run_dir).unwrap_err();
    assert!(matches!(gone, Gone::Exited(e) if e == exit));
}

#[test]
fn the_network_can_be_made_before_the_program_runs() {
    let mut container = Box::new("exit 0");
    container.start.wait_for_network = true;
    let mut launch = container.spawn();
    launch.begin(&container.start, Vec::new()).unwrap();
    let created = launch.created().unwrap();
    assert!(alive(created.pid));
    assert_eq!(shim::start_time(created.pid), created.start_time);
    let own = std::fs::read_link("/proc/self/ns/net").unwrap();
    let fd = format!("/proc/self/fd/{}", { created.netns.as_fd().as_raw_fd() });
    assert_ne!(std::fs::read_link(fd).unwrap(), own);
    let (_, mut monitor) = launch.proceed().unwrap();
    assert_eq!(wait(&mut monitor).code, 0);
}

#[test]
fn a_start_that_is_given_up_is_undone() {
    let mut container = Box::new("sleep 1000");
    container.start.wait_for_network = true;
    let mut launch = container.spawn();
    let shim_pid = launch.shim_pid();
    launch.begin(&container.start, Vec::new()).unwrap();
    let created = launch.created().unwrap();
    drop(launch);
    assert!(!alive(created.pid));
    until("the monitor ends", || !alive(shim_pid));
    assert_eq!(cgroups(&container.start.id), Vec::<PathBuf>::new());
    let left = shim::reconnect(&container.start.run_dir).unwrap_err();
    assert!(matches!(left, Gone::Unknown));
}

#[test]
fn a_program_that_is_not_there_is_an_error_in_dockers_words() {
    let mut container = Box::new("");
    container.start.spec.process.args = vec!["nosuchcommand".to_string()];
    let mut launch = container.spawn();
    launch.begin(&container.start, Vec::new()).unwrap();
    let error = launch.proceed().unwrap_err();
    let shim::Error::Start(start) = &error else { panic!("{error}") };
    assert_eq!(start.kind.exit_code(), 127);
    assert!(
        error.to_string().contains(
            "exec: \"nosuchcommand\": executable file not found in $PATH"
        ),
        "{error}"
    );
    assert_eq!(cgroups(&container.start.id), Vec::<PathBuf>::new());
}

#[test]
fn signals_arrive_and_the_signal_is_reported() {
    let container = Box::new(
        "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done",
    );
    let (_, mut monitor) = container.run(Vec::new());
    until("ready", || container.log() == b"ready\n");
    shim::pause(&container.start.run_dir).unwrap();
    shim::resume(&container.start.run_dir).unwrap();
    shim::signal(&container.start.run_dir, None, 15).unwrap();
    assert_eq!(wait(&mut monitor).code, 7);

    let container = Box::new("sleep 1000");
    let (_, mut monitor) = container.run(Vec::new());
    shim::signal(&container.start.run_dir, None, 9).unwrap();
    let exit = wait(&mut monitor);
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

#[test]
fn other_processes_that_hold_the_pipes_do_not_hold_the_end_up() {
    let mut container = Box::new("sleep 60 & echo started; exit 2");
    container.start.spec.namespaces.pid = Namespace::Host;
    let begun = Instant::now();
    let (_, mut monitor) = container.run(Vec::new());
    assert_eq!(wait(&mut monitor).code, 2);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(container.log(), b"started\n");
    assert_eq!(cgroups(&container.start.id), Vec::<PathBuf>::new());
}

#[test]
fn the_calls_of_old_kernels_do_as_well() {
    const VARIABLE: &str = "SKIFF_WITHOUT";
    if std::env::var_os(VARIABLE).is_some() {
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["shim::life::", "shim::streams::a_terminal"])
        .env(VARIABLE, "all")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
}
