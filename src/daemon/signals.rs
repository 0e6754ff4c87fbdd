//! What ends the daemon: a signal, or a listener's failure.

use crossbeam_channel::{Receiver, unbounded};

use super::Error;
use super::reload::Reloader;
use crate::server::accept::Lost;
use crate::signal;
use crate::sys::sigset::Signals;
use crate::sys::{orphans, process};

/// Waits for the signal to end, or for a listener's failure. Each signal to
/// reload is passed on.
pub(super) fn await_end(
    signals: &Signals,
    lost: &Receiver<Lost>,
    reloader: &mut Reloader<'_>,
) -> Result<(), Error> {
    // A thread turns the failure into a signal to ourselves, so that there
    // is one thing to wait for.
    let (failed_sender, failed) = unbounded();
    let lost = lost.clone();
    let own_pid = std::process::id() as i32;
    std::thread::Builder::new()
        .name("lost".into())
        .stack_size(64 << 10)
        .spawn(move || {
            if let Ok(failure) = lost.recv() {
                let _ = failed_sender.send(failure);
                let _ = process::kill(own_pid, signal::SIGTERM);
            }
        })
        .map_err(|e| Error::System(format!("start a thread: {e}")))?;
    loop {
        let number = signals
            .wait()
            .map_err(|e| Error::System(format!("signals: {e}")))?;
        match number {
            signal::SIGCHLD => {
                if own_pid == 1 {
                    orphans::reap();
                }
            }
            signal::SIGHUP => reloader.reload(),
            _ => {
                if let Ok(failure) = failed.try_recv() {
                    return Err(Error::Lost(failure));
                }
                let name = signal::name(number).unwrap_or("a signal");
                log::info!("Processing signal '{name}'");
                return Ok(());
            }
        }
    }
}
