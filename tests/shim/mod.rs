//! The monitor on real containers, through the real binary. Needs root and
//! a static busybox.

mod life;
mod orphan;
mod streams;

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use skiff::logs::{Config, Next, Query, Reader};
use skiff::runtime::Spec;
use skiff::runtime::spec::Root;
use skiff::shim::{
    self, Attachment, Exit, Framing, Launch, Monitor, Report, Start, State,
    Streams,
};
use skiff::sys::poll;

const ALL: Streams = Streams { stdin: true, stdout: true, stderr: true };
const PROGRAM: &str = env!("CARGO_BIN_EXE_skiff");

/// A root file system with busybox, and the directories of one container.
struct Box {
    dir: PathBuf,
    start: Start,
}

impl Box {
    fn new(script: &str) -> Box {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("shimtest-{}-{n}", std::process::id());
        Box::at(std::env::temp_dir().join(format!("skiff-{id}")), &id, script)
    }

    fn at(dir: PathBuf, id: &str, script: &str) -> Box {
        for name in ["lower/bin", "upper", "work"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        let bin = dir.join("lower/bin");
        if !bin.join("busybox").exists() {
            std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
            for name in [
                "sh", "cat", "head", "tr", "sleep", "stty", "tty", "true",
                "echo", "seq", "kill", "readlink", "mount",
            ] {
                std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
            }
        }
        let root = Root {
            lower: vec![dir.join("lower")],
            upper: dir.join("upper"),
            work: dir.join("work"),
            volatile: false,
            sealed: false,
        };
        let mut spec = Spec::docker(id, root);
        spec.process.args =
            vec!["/bin/sh".to_string(), "-c".to_string(), script.to_string()];
        let start = Start {
            id: id.to_string(),
            spec,
            run_dir: dir.join("run"),
            log: Config::json_file(dir.join("log")),
            ..Start::default()
        };
        Box { dir, start }
    }

    fn spawn(&self) -> Launch {
        shim::spawn(Path::new(PROGRAM), &self.start.run_dir).unwrap()
    }

    fn run(&self, attachments: Vec<Attachment>) -> (State, Monitor) {
        let mut launch = self.spawn();
        let result = launch
            .begin(&self.start, attachments)
            .and_then(|()| launch.proceed());
        match result {
            Ok(running) => running,
            Err(error) => panic!("{error}\n{}", self.own_log()),
        }
    }

    fn own_log(&self) -> String {
        let path = self.start.run_dir.join("shim.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn log(&self) -> Vec<u8> {
        let mut reader =
            Reader::open(&self.start.log, Query::default()).unwrap();
        let mut all = Vec::new();
        while let Next::Entry(entry) = reader.next().unwrap() {
            all.extend(entry.line);
        }
        all
    }

    fn attach(&self) -> UnixStream {
        let (near, attachment) = client(Framing::Raw);
        shim::attach(&self.start.run_dir, attachment).unwrap();
        near
    }
}

impl Drop for Box {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the monitor's log:\n{}", self.own_log());
        }
        if let Ok((state, monitor)) = shim::reconnect(&self.start.run_dir) {
            let _ = shim::signal(&self.start.run_dir, None, 9);
            until("the monitor is gone", || !alive(state.shim_pid));
            drop(monitor);
        }
        let disk = self.dir.join("disk");
        if disk.exists() {
            // A failed test has left it mounted, or it fails harmlessly.
            let _ = std::process::Command::new("umount")
                .arg("-l")
                .arg(&disk)
                .stderr(std::process::Stdio::null())
                .status();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn client(framing: Framing) -> (UnixStream, Attachment) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let attachment = Attachment {
        socket: far.into(),
        early: Vec::new(),
        streams: ALL,
        framing,
        detach_keys: vec![16, 17],
        greeting: Vec::new(),
    };
    (near, attachment)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Lives, and is not a zombie.
fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|s| !s[s.rfind(')').unwrap()..].starts_with(") Z"))
}

fn wait(monitor: &mut Monitor) -> Exit {
    let mut exit = None;
    loop {
        assert!(
            poll::wait_readable(&*monitor, Some(Duration::from_secs(30)))
                .unwrap(),
            "the monitor does not report"
        );
        match monitor.read() {
            Report::Exit(report) => exit = Some(report),
            Report::Gone => break,
            Report::Nothing
            | Report::Oom
            | Report::Exec(_)
            | Report::Detached(_) => {}
        }
    }
    monitor.reap();
    exit.expect("the monitor went without a report")
}

fn cgroups(id: &str) -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from("/sys/fs/cgroup")];
    let entries = std::fs::read_dir("/sys/fs/cgroup").unwrap();
    roots.extend(entries.flatten().map(|e| e.path()));
    roots
        .iter()
        .map(|r| r.join("skiff").join(id))
        .filter(|p| p.exists())
        .collect()
}

fn read_all(mut client: UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    all
}

fn read_until(client: &mut UnixStream, text: &str) -> String {
    let mut got = String::new();
    let mut block = [0; 256];
    while !got.contains(text) {
        let n = client.read(&mut block).unwrap();
        assert!(n > 0, "the connection ended after {got:?}");
        got.push_str(&String::from_utf8_lossy(&block[..n]));
    }
    got
}

fn kill(pid: i32) {
    let fd = skiff::sys::process::pidfd_open(pid).unwrap();
    skiff::sys::process::pidfd_signal(fd, 9).unwrap();
}
