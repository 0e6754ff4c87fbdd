//! What a daemon may leave on the host: processes, mounts, links, cgroups.
//! Each can be found by the case's own paths and names, and ended by pid.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

/// A process that is reached through a file below some directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Holder {
    pub pid: i32,
    pub name: String,
    pub file: PathBuf,
}

fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).collect()
}

/// Processes, but for this one, with an open file, a working directory or an
/// argument below `directory`.
pub fn holders(directory: &Path) -> Vec<Holder> {
    let own = std::process::id() as i32;
    let mut found = Vec::new();
    for pid in pids() {
        if pid == own {
            continue;
        }
        if let Some(file) = held_file(pid, directory) {
            found.push(Holder { pid, name: process_name(pid), file });
        }
    }
    found
}

fn held_file(pid: i32, directory: &Path) -> Option<PathBuf> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let mut links = vec![process.join("cwd"), process.join("root")];
    if let Ok(entries) = fs::read_dir(process.join("fd")) {
        links.extend(entries.flatten().map(|entry| entry.path()));
    }
    let targets = links.iter().filter_map(|link| fs::read_link(link).ok());
    let mut below = targets.filter(|target| target.starts_with(directory));
    if let Some(file) = below.next() {
        return Some(file);
    }
    let line = fs::read(process.join("cmdline")).ok()?;
    let shown = directory.to_str()?;
    let mut words = line.split(|byte| *byte == 0);
    words.find_map(|word| {
        let word = String::from_utf8_lossy(word);
        word.contains(shown).then(|| PathBuf::from(word.into_owned()))
    })
}

/// The name that a process gave itself.
pub fn process_name(pid: i32) -> String {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.unwrap_or_default().trim_end().to_string()
}

/// The names of the threads of a process that lives.
#[track_caller]
pub fn threads(pid: i32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let name = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm"));
        name.unwrap_or_default().trim_end().to_string()
    };
    tasks.expect("a process that lives").flatten().map(name).collect()
}

/// How many descriptors a process has open.
pub fn descriptors(pid: i32) -> usize {
    names_in(format!("/proc/{pid}/fd")).len()
}

/// A figure of /proc/PID/status, in its own unit.
#[track_caller]
pub fn status(pid: i32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status"));
    let text = text.expect("a process that lives");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| {
        rest.trim_start_matches(':').split_whitespace().next()
    });
    number.and_then(|n| n.parse().ok()).expect(name)
}

/// Whether a process exists and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    !state.starts_with('Z') && !state.starts_with('X')
}

/// Sends a signal to a process that may have gone.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// The parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// Mount points of the host that name `directory`.
pub fn mounts(directory: &Path) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo");
    let shown = directory.to_str().expect("test paths are UTF-8");
    let table = table.unwrap_or_default();
    let lines = table.lines().filter(|line| line.contains(shown));
    lines.filter_map(|line| Some(line.split(' ').nth(4)?.into())).collect()
}

/// Links that are plugged into a bridge.
pub fn ports(bridge: &str) -> Vec<String> {
    names_in(format!("/sys/class/net/{bridge}/brif"))
}

/// Whether a network link exists.
pub fn has_link(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

pub fn names_in(directory: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// Directories of the cgroup trees that are named after one of the ids.
pub fn cgroups(ids: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if !ids.is_empty() {
        walk_cgroups(Path::new("/sys/fs/cgroup"), 5, ids, &mut found);
    }
    found
}

fn walk_cgroups(
    at: &Path,
    depth: usize,
    ids: &[String],
    found: &mut Vec<PathBuf>,
) {
    for name in names_in(at) {
        let path = at.join(&name);
        let real = fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir());
        if !real {
            continue;
        }
        if depth > 1 {
            walk_cgroups(&path, depth - 1, ids, found);
        }
        if ids.iter().any(|id| name.contains(id.as_str())) {
            found.push(path);
        }
    }
}

/// Files and directories below a directory, without following links.
pub fn tree(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for name in names_in(directory) {
        let path = directory.join(name);
        let is_directory =
            fs::symlink_metadata(&path).is_ok_and(|data| data.is_dir());
        if is_directory {
            all.extend(tree(&path));
        }
        all.push(path);
    }
    all.sort();
    all
}

/// Inode of a namespace of a process, as in `net`.
pub fn namespace(pid: i32, kind: &str) -> Option<u64> {
    let data = fs::metadata(format!("/proc/{pid}/ns/{kind}")).ok()?;
    Some(data.ino())
}
