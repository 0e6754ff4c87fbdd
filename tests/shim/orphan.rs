//! The monitor alone: without its daemon, or gone itself.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use skiff::shim::{self, Attachment, Framing, Gone, Report, Stdin};
use skiff::sys::poll;

use super::{ALL, Box, alive, cgroups, kill, read_all, read_until, until};

/// Where the environment tells a test that it is the daemon's double.
const DOUBLE: &str = "SKIFF_TEST_DAEMON";

#[test]
fn the_container_dies_with_its_monitor() {
    let container = Box::new("sleep 1000");
    let (state, mut monitor) = container.run(Vec::new());
    kill(state.shim_pid);
    until("the first process dies", || !alive(state.pid));
    assert!(
        poll::wait_readable(&monitor, Some(Duration::from_secs(5))).unwrap()
    );
    assert_eq!(monitor.read(), Report::Gone);
    let gone = shim::reconnect(&container.start.run_dir).unwrap_err();
    assert!(matches!(gone, Gone::Lost(s) if s == state));
    for dir in cgroups(&container.start.id) {
        until("the cgroup is empty", || std::fs::remove_dir(&dir).is_ok());
    }
}

#[test]
fn the_monitor_stands_alone_small_and_asleep() {
    let container = Box::new("sleep 1000");
    let (state, _monitor) = container.run(Vec::new());
    let pid = state.shim_pid;
    let read = |name: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap()
    };
    assert_eq!(read("comm"), "skiff-shim\n");
    assert!(read("cmdline").starts_with("skiff-shim\0"));
    let link =
        |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    assert_eq!(link("cwd"), Path::new("/"));
    assert_eq!(link("fd/0"), Path::new("/dev/null"));
    assert_eq!(link("fd/1"), Path::new("/dev/null"));
    assert_eq!(link("fd/2"), container.start.run_dir.join("shim.log"));
    // Session and group of its own (fields 5 and 6).
    let stat = read("stat");
    let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    assert_eq!((fields[3], fields[4]), (&*pid.to_string(), &*pid.to_string()));
    let status = |name: &str| {
        let text = read("status");
        let line = text.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(status("Threads:"), 1);
    // It gives its memory back first.
    std::thread::sleep(Duration::from_millis(1500));
    let before = status("voluntary_ctxt_switches:");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(status("voluntary_ctxt_switches:"), before);
    let rollup = read("smaps_rollup");
    let private: u64 = rollup
        .lines()
        .filter(|l| l.starts_with("Private_Dirty:"))
        .map(|l| l.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap())
        .sum();
    println!("private {private} kB, RSS {} kB", status("VmRSS:"));
    assert!(private <= 300, "private {private} kB");
    // Without optimisation the text is several times as large.
    if !cfg!(debug_assertions) {
        assert!(status("VmRSS:") <= 1024, "RSS {} kB", status("VmRSS:"));
    }
}

/// Starts a container, says so, and waits to be killed: a daemon. Run by
/// the next test in a process of its own; standard input is a client's
/// socket.
#[test]
#[ignore = "a part of another test"]
fn a_daemons_double() {
    let Ok(dir) = std::env::var(DOUBLE) else { return };
    let dir = PathBuf::from(dir);
    let id = dir.file_name().unwrap().to_str().unwrap().to_string();
    let mut container = Box::at(
        dir.clone(),
        &id,
        &std::fs::read_to_string(dir.join("script")).unwrap(),
    );
    container.start.stdin = Stdin::Open;
    let attachment = Attachment {
        socket: std::io::stdin().as_fd().try_clone_to_owned().unwrap(),
        early: Vec::new(),
        streams: ALL,
        framing: Framing::Raw,
        detach_keys: Vec::new(),
        greeting: Vec::new(),
    };
    let (_, monitor) = container.run(vec![attachment]);
    std::fs::write(dir.join("running"), "").unwrap();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let _ = &monitor;
    }
}

#[test]
fn a_client_never_notices_that_the_daemon_was_killed() {
    let mut container =
        Box::new("i=0; while read x; do i=$((i+1)); echo $i:$x; done; exit 9");
    container.start.stdin = Stdin::Open;
    std::fs::write(
        container.dir.join("script"),
        container.start.spec.process.args.last().unwrap(),
    )
    .unwrap();
    let dir = container.dir.clone();
    let id = dir.file_name().unwrap().to_str().unwrap().to_string();
    container.start.id = id;
    let (mut near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut double = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "shim::orphan::a_daemons_double",
            "--ignored",
            "--nocapture",
        ])
        .env(DOUBLE, &dir)
        .stdin(Stdio::from(OwnedFd::from(far)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until("the container runs", || dir.join("running").exists());
    near.write_all(b"one\n").unwrap();
    read_until(&mut near, "1:one\n");
    kill(double.id() as i32);
    let status = double.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    // The orphan holds neither of the daemon's pipes: both end.
    let mut rest = Vec::new();
    double.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
    double.stderr.take().unwrap().read_to_end(&mut rest).unwrap();

    near.write_all(b"two\n").unwrap();
    read_until(&mut near, "2:two\n");
    let (state, monitor) = shim::reconnect(&container.start.run_dir).unwrap();
    assert!(alive(state.pid) && alive(state.shim_pid));
    let mut second = container.attach();
    second.write_all(b"three\n").unwrap();
    read_until(&mut near, "3:three\n");
    read_until(&mut second, "3:three\n");
    // And once more: the end comes while no daemon is there.
    drop(monitor);
    shim::signal(&container.start.run_dir, None, 9).unwrap();
    assert_eq!(read_all(near), b"");
    let mut exit = None;
    until("the end is recorded", || {
        if let Err(Gone::Exited(e)) = shim::reconnect(&container.start.run_dir)
        {
            exit = Some(e);
        }
        exit.is_some()
    });
    let exit = exit.unwrap();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
    assert_eq!(container.log(), b"1:one\n2:two\n3:three\n");
    until("the monitor ends", || !alive(state.shim_pid));
}
