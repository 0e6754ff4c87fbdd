//! Programs run by a case: bounded in time, with a full report on failure.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::SOON;

/// A program that has ended.
pub struct Run {
    pub shown: String,
    /// Exit code, or 128 + the signal that ended it.
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl Run {
    /// Runs to the end; panics when that takes longer than 60 s, or when
    /// something still holds the output after the program has gone.
    pub fn of(command: &mut Command, input: &[u8]) -> Run {
        let shown = show(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|cause| panic!("{shown}: {cause}"));
        let mut stdin = child.stdin.take().expect("stdin was piped");
        let input = input.to_vec();
        std::thread::spawn(move || {
            // The program may end without reading: no failure of the case.
            let _ = stdin.write_all(&input);
        });
        let stdout = drain(child.stdout.take().expect("stdout was piped"));
        let stderr = drain(child.stderr.take().expect("stderr was piped"));
        let end = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = child.try_wait().expect("own child") {
                break status;
            }
            if Instant::now() > end {
                let _ = child.kill();
                let _ = child.wait();
                panic!(
                    "{shown}: still running after 60 s\n{}\n{}",
                    text(&stdout.recv_timeout(SOON).unwrap_or_default()),
                    text(&stderr.recv_timeout(SOON).unwrap_or_default())
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let held = |_| panic!("{shown}: ended, but its output is still held");
        let stdout = stdout.recv_timeout(SOON).unwrap_or_else(held);
        let stderr = stderr.recv_timeout(SOON).unwrap_or_else(held);
        Run { shown, status: code(status), stdout, stderr }
    }

    /// Asserts the exit status.
    #[track_caller]
    pub fn exits(self, status: i32) -> Run {
        assert!(self.status == status, "wanted exit {status}\n{self:?}");
        self
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Run {
        self.exits(0)
    }

    /// Standard output as text, without the last line break.
    pub fn out(&self) -> String {
        text(&self.stdout).trim_end_matches('\n').to_string()
    }

    /// Standard error as text, without the last line break.
    pub fn err(&self) -> String {
        text(&self.stderr).trim_end_matches('\n').to_string()
    }

    /// Asserts standard output.
    #[track_caller]
    pub fn says(self, wanted: &str) -> Run {
        assert!(self.out() == wanted, "wanted {wanted:?}\n{self:?}");
        self
    }

    /// Asserts a part of standard error.
    #[track_caller]
    pub fn complains(self, wanted: &str) -> Run {
        assert!(self.err().contains(wanted), "wanted {wanted:?}\n{self:?}");
        self
    }
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "$ {}\nexit status {}\n--- stdout\n{}\n--- stderr\n{}\n",
            self.shown,
            self.status,
            text(&self.stdout),
            text(&self.stderr)
        )
    }
}

/// A program that runs beside the case; ended when dropped.
pub struct Beside {
    pub shown: String,
    child: Child,
    pub stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
    errors: Receiver<Vec<u8>>,
}

impl Beside {
    pub fn start(command: &mut Command) -> Beside {
        let shown = show(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|cause| panic!("{shown}: {cause}"));
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("stdout was piped");
        let errors = drain(child.stderr.take().expect("stderr was piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n') {
                let Ok(line) = line else { break };
                if sender.send(text(&line)).is_err() {
                    break;
                }
            }
        });
        Beside { shown, child, stdin, lines, seen: Vec::new(), errors }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// The next line of standard output; `None` at its end.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(SOON) {
            Ok(line) => {
                self.seen.push(line.clone());
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!(
                "$ {}\nno line within {SOON:?}; so far {:#?}",
                self.shown, self.seen
            ),
        }
    }

    /// Reads lines until one holds `wanted`, and returns that one.
    #[track_caller]
    pub fn line_with(&mut self, wanted: &str) -> String {
        while let Some(line) = self.line() {
            if line.contains(wanted) {
                return line;
            }
        }
        panic!(
            "$ {}\nended without {wanted:?}: {:#?}\n--- stderr\n{}",
            self.shown,
            self.seen,
            text(&self.errors.recv_timeout(SOON).unwrap_or_default())
        );
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("own child");
    }

    /// Waits for the end; returns the status, the lines not read so far, and
    /// standard error.
    #[track_caller]
    pub fn end(mut self) -> (i32, Vec<String>, String) {
        drop(self.stdin.take());
        let mut rest = Vec::new();
        while let Some(line) = self.line() {
            rest.push(line);
        }
        let status =
            super::until(&format!("the end of {}", self.shown), || {
                self.child.try_wait().expect("own child")
            });
        let errors = self.errors.recv_timeout(SOON).unwrap_or_default();
        (code(status), rest, text(&errors))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn drain(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or(status.signal().map(|n| 128 + n)).expect("it ended")
}

fn show(command: &Command) -> String {
    let mut shown = command.get_program().to_string_lossy().into_owned();
    for word in command.get_args() {
        shown.push(' ');
        shown.push_str(&word.to_string_lossy());
    }
    shown
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
