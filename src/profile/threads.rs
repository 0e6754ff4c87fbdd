//! The threads of this process: they stand for what goroutines are in Go.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use super::hex;
use crate::sys::sampling;

/// One thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// Its number.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// What it does: `running`, `poll`, `sleeping` and so on.
    pub state: &'static str,
    /// Where it is, innermost first; empty if it did not tell.
    pub stack: Vec<usize>,
}

/// Whether threads are asked where they are, which wakes them for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stacks {
    /// They are.
    Taken,
    /// They are left alone.
    Left,
}

/// Returns the threads of this process.
pub fn list(stacks: Stacks) -> Vec<Thread> {
    let mut threads = read(Path::new("/proc/self/task"));
    if stacks == Stacks::Taken {
        for thread in &mut threads {
            thread.stack = sampling::stack_of(thread.id).unwrap_or_default();
        }
    }
    threads
}

fn read(directory: &Path) -> Vec<Thread> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let ids = entries.filter_map(|e| e.file_name().to_str()?.parse().ok());
    let mut ids: Vec<i32> = ids.collect();
    ids.sort_unstable();
    // One that ends meanwhile is left out.
    ids.into_iter().filter_map(|id| look(directory, id)).collect()
}

fn look(directory: &Path, id: i32) -> Option<Thread> {
    let own = directory.join(id.to_string());
    let name = fs::read_to_string(own.join("comm")).ok()?;
    let stat = fs::read_to_string(own.join("stat")).ok()?;
    let letter = stat.rsplit(") ").next()?.chars().next()?;
    let call = fs::read_to_string(own.join("syscall")).unwrap_or_default();
    let state = match (letter, system_call(&call)) {
        ('R', _) => "running",
        (_, Some(call)) => call,
        ('D', None) => "uninterruptible",
        ('T' | 't', None) => "stopped",
        ('Z' | 'X', None) => "dead",
        _ => "sleeping",
    };
    let name = name.trim_end().to_string();
    Some(Thread { id, name, state, stack: Vec::new() })
}

/// Names the system call that a thread waits in (proc_pid_syscall(5)).
fn system_call(text: &str) -> Option<&'static str> {
    let number: u32 = text.split(' ').next()?.trim().parse().ok()?;
    // x86_64, those that wait.
    Some(match number {
        0 | 17 | 19 => "read",
        1 | 20 => "write",
        7 | 271 => "poll",
        35 | 230 => "sleep",
        42 => "connect",
        43 | 288 => "accept",
        44 | 46 => "send",
        45 | 47 => "receive",
        61 | 247 => "wait for a child",
        73 => "file lock",
        74 | 75 | 162 | 306 => "sync",
        202 => "futex",
        _ => return None,
    })
}

/// Writes the threads as Go writes goroutines with `debug=1`: equal stacks
/// together, the most frequent first.
pub fn text(threads: &[Thread], kind: &str) -> String {
    let mut groups: Vec<(usize, &Thread)> = Vec::new();
    for thread in threads {
        let same = |other: &Thread| {
            (&other.stack, &other.name, &other.state)
                == (&thread.stack, &thread.name, &thread.state)
        };
        match groups.iter_mut().find(|(_, other)| same(other)) {
            Some((count, _)) => *count += 1,
            None => groups.push((1, thread)),
        }
    }
    groups.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let mut text = format!("{kind} profile: total {}\n", threads.len());
    for (count, thread) in groups {
        let Thread { name, state, stack, .. } = thread;
        let _ = writeln!(text, "{count} @{}", hex(stack));
        let labels = serde_json::json!({ "thread": name, "state": state });
        let _ = writeln!(text, "# labels: {labels}\n");
    }
    text
}

/// Writes the threads one after the other, as Go does with `debug=2`.
pub fn long_text(threads: &[Thread]) -> String {
    let mut text = String::new();
    for thread in threads {
        let _ = writeln!(text, "goroutine {} [{}]:", thread.id, thread.state);
        for frame in &thread.stack {
            let _ = writeln!(text, "\t{frame:#x}");
        }
        let _ = writeln!(text, "thread {}\n", thread.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn threads_are_read_with_name_and_state() {
        let dir = TempDir::new("threads");
        dir.file("12/comm", "accept\n");
        dir.file("12/stat", "12 (acc) ept) S 1 1");
        dir.file("12/syscall", "288 0x3 0x0\n");
        dir.file("7/comm", "skiff\n");
        dir.file("7/stat", "7 (skiff) R 1 1");
        dir.file("7/syscall", "running\n");
        dir.file("9/comm", "gone\n");
        let threads = read(dir.path());
        let seen: Vec<_> =
            threads.iter().map(|t| (t.id, t.name.as_str(), t.state)).collect();
        assert_eq!(seen, [(7, "skiff", "running"), (12, "accept", "accept")]);
    }

    #[test]
    fn equal_stacks_are_told_once() {
        let thread = |id, stack: &[usize]| Thread {
            id,
            name: "worker".into(),
            state: "poll",
            stack: stack.to_vec(),
        };
        let threads = [thread(1, &[1]), thread(2, &[16]), thread(3, &[16])];
        let labels = "# labels: {\"state\":\"poll\",\"thread\":\"worker\"}";
        assert_eq!(
            text(&threads, "goroutine"),
            format!(
                "goroutine profile: total 3\n2 @ 0x10\n{labels}\n\n\
                 1 @ 0x1\n{labels}\n\n"
            )
        );
        assert_eq!(
            long_text(&threads[..1]),
            "goroutine 1 [poll]:\n\t0x1\nthread worker\n\n"
        );
    }

    #[test]
    fn own_threads_tell_where_they_are() {
        let threads = list(Stacks::Taken);
        assert!(threads.iter().any(|thread| thread.stack.len() > 3));
    }
}
