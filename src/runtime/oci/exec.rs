//! A further program in a container of another runtime. The runtime is
//! waited for by polling, as the monitor serves meanwhile.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::{
    Adopting, Console, Oci, PATIENCE, config, give_streams, hung, kill_group,
    read_pid, spawn, system, told, words,
};
use crate::runtime::create::{Running, Stdio};
use crate::runtime::error::{Result, StartError};
use crate::runtime::exec::{Program, Step};
use crate::runtime::init;
use crate::runtime::spec::Spec;
use crate::sys::{mount, process};

/// Names the files of one.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// A program that the runtime is about to execute. Dropped, the runtime is
/// killed.
#[derive(Debug)]
pub struct Executing {
    child: Option<Child>,
    pidfd: OwnedFd,
    deadline: Instant,
    oci: Oci,
    files: Files,
    _adopting: Adopting,
}

#[derive(Debug)]
struct Files {
    log: String,
    process: String,
    pid: String,
    console: Option<Console>,
}

impl Oci {
    /// Begins a further program.
    pub fn exec(
        &self,
        spec: &Spec,
        container: &Running,
        stdio: Stdio,
    ) -> Result<Executing> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = &self.runtime.dir;
        let root = format!("/proc/{}/root", container.pid);
        let root =
            mount::open_path(Path::new(&root)).map_err(system("exec"))?;
        let user = init::find_user(&spec.process, root.as_fd())?;
        let name = |what: &str| format!("exec-{number}.{what}");
        let files = Files {
            log: name("log"),
            process: name("json"),
            pid: name("pid"),
            console: Console::listen(spec, dir, name("sock"))?,
        };
        let text = config::process(spec, &user).to_string();
        let file = dir.join(&files.process);
        std::fs::write(&file, text).map_err(|e| told(&file, &e))?;
        let mut command = self.command(&files.log);
        command.args(["exec", "--detach", "--process", &files.process]);
        command.args(["--pid-file", &files.pid]);
        if let Some(console) = &files.console {
            command.arg("--console-socket").arg(&console.name);
        }
        command.arg(&self.id);
        give_streams(&mut command, stdio);
        let adopting = Adopting::begin().map_err(system("exec"))?;
        let mut child = spawn(&mut command)
            .map_err(|said| StartError::foreign("exec", &said))?;
        let pidfd = process::pidfd_open(child.id() as i32)
            .inspect_err(|_| kill_group(&mut child))
            .map_err(system("exec"))?;
        Ok(Executing {
            child: Some(child),
            pidfd,
            deadline: Instant::now() + PATIENCE,
            oci: self.clone(),
            files,
            _adopting: adopting,
        })
    }
}

impl Executing {
    /// Sees what has become of it.
    pub fn step(&mut self) -> Step {
        let Some(child) = &mut self.child else {
            return failed("the runtime is gone");
        };
        let status = match child.try_wait() {
            Ok(Some(status)) => status,
            Ok(None) if Instant::now() < self.deadline => {
                return Step::Nothing;
            }
            _ => {
                self.end();
                return failed(&hung(PATIENCE));
            }
        };
        self.child = None;
        let dir = &self.oci.runtime.dir;
        if !status.success() {
            return failed(&words(&dir.join(&self.files.log), status));
        }
        let pid = match read_pid(&dir.join(&self.files.pid)) {
            Ok(pid) => pid,
            Err(said) => return failed(&said),
        };
        let program = Program { pid, pidfd: process::pidfd_open(pid).ok() };
        match self.files.console.take().map(Console::accept).transpose() {
            Ok(console) => Step::Runs(program, console),
            Err(error) => {
                let _ = program.kill(9);
                Step::Failed(error)
            }
        }
    }

    /// Until when the runtime may take.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_group(&mut child);
        }
    }
}

fn failed(said: &str) -> Step {
    Step::Failed(StartError::foreign("exec", said))
}

impl AsFd for Executing {
    /// Readable when the runtime has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Executing {
    fn drop(&mut self) {
        self.end();
        let Files { log, process, pid, .. } = &self.files;
        for name in [log, process, pid] {
            let _ = std::fs::remove_file(self.oci.runtime.dir.join(name));
        }
    }
}
