//! The small init of `--init`: PID 1 that starts the program, passes
//! signals on to it, reaps what is orphaned, and ends with its exit code.
//!
//! It is this very process, so no file of it is to be seen in the
//! container, and it cannot be looked into: it stays non-dumpable.

use super::execute::Program;
use crate::runtime::channel::Channel;
use crate::runtime::exit::Ended;
use crate::sys::process::{self, Namespaces, Side};

const SIGCHLD: i32 = 17;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;

/// Signals that are a fault of the process itself: blocked, they would
/// come again for ever (signal(7)): ILL TRAP ABRT BUS FPE SEGV SYS.
const FAULTS: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// Starts the program and waits for its end; returns the exit code. The
/// channel is closed once the program is executed.
pub(super) fn run(channel: Channel, program: &Program, terminal: bool) -> i32 {
    let mask = passed_on();
    process::set_signal_mask(mask);
    // Only matters where this is not PID 1.
    let _ = process::adopt_orphans();
    let child = match process::clone(Namespaces::default()) {
        Err(_) => return 255,
        Ok(Side::Parent(child)) => child.pid,
        Ok(Side::Child) => {
            // A group of its own, so that the terminal's signals reach the
            // program and not this process.
            let _ = process::new_group();
            if terminal {
                let _ = process::foreground(0);
            }
            process::set_signal_mask(0);
            process::exit(program.execute());
        }
    };
    drop(channel);
    // What ps shows.
    let _ = process::set_name(c"docker-init");
    let mut line = b"/sbin/docker-init\0--".to_vec();
    for arg in &program.args {
        line.push(0);
        line.extend(arg.to_bytes());
    }
    let _ = process::set_command_line(&line);
    loop {
        match process::wait_signal(mask) {
            Ok(SIGCHLD) => {
                if let Some(code) = reap(child) {
                    return code;
                }
            }
            // Those are for a process in the background of the terminal.
            Ok(SIGTTIN | SIGTTOU) => (),
            Ok(signal) => {
                // One that is just ending needs no signal.
                let _ = process::kill(child, signal);
            }
            Err(_) => return 255,
        }
    }
}

/// Reaps all that have ended; the code of the program if it is among them.
fn reap(child: i32) -> Option<i32> {
    while let Ok(Some((pid, status))) = process::try_wait(-1) {
        if pid == child {
            return Some(Ended::from_wait_status(status).code);
        }
    }
    None
}

/// The mask of all signals that are waited for.
fn passed_on() -> u64 {
    let bit = |signal: i32| 1u64 << (signal - 1);
    FAULTS.iter().fold(u64::MAX, |mask, fault| mask & !bit(*fault))
}
