//! The process's own environment: variables that are a message for it alone,
//! or from it to what it starts.

use std::sync::Mutex;

use super::{Error, Result};

/// Held while variables change, so that two callers cannot meet.
static CHANGING: Mutex<()> = Mutex::new(());

/// Reads variables and removes them, so that no child sees them. One that
/// is not UTF-8 counts as not set.
///
/// # Errors
/// EBUSY, with everything left alone, if the process has a second thread
/// already: it could be reading the environment.
pub fn take<const N: usize>(
    names: [&'static str; N],
) -> Result<[Option<String>; N]> {
    let _changing = CHANGING.lock();
    refuse_threads("unsetenv(…)")?;
    Ok(names.map(|name| {
        let value = std::env::var(name).ok();
        // SAFETY: this is the only thread of the process.
        unsafe { std::env::remove_var(name) };
        value
    }))
}

/// Sets a variable.
///
/// # Errors
/// EBUSY, with everything left alone, if the process has a second thread.
pub fn set(name: &str, value: &str) -> Result<()> {
    let _changing = CHANGING.lock();
    refuse_threads("setenv(…)")?;
    // SAFETY: this is the only thread of the process.
    unsafe { std::env::set_var(name, value) };
    Ok(())
}

fn refuse_threads(call: &'static str) -> Result<()> {
    let threads = std::fs::read_dir("/proc/self/task")
        .map_or(1, |tasks| tasks.take(2).count());
    match threads > 1 {
        true => Err(Error::new(call, libc::EBUSY)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beside_other_threads_nothing_is_removed() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || receiver.recv());
        let error = take(["PATH"]).unwrap_err();
        assert_eq!(error.errno(), libc::EBUSY);
        assert!(std::env::var_os("PATH").is_some());
        drop(sender);
        assert!(other.join().unwrap().is_err());
    }
}
