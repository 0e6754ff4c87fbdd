//! The process's own environment: variables that are a message for it alone.

use std::sync::Mutex;

use super::{Error, Result};

/// Held while variables are removed, so that two callers cannot meet.
static REMOVING: Mutex<()> = Mutex::new(());

/// Reads variables and removes them, so that no child sees them. One that
/// is not UTF-8 counts as not set.
///
/// # Errors
/// EBUSY, with everything left alone, if the process has a second thread
/// already: it could be reading the environment.
pub fn take<const N: usize>(
    names: [&'static str; N],
) -> Result<[Option<String>; N]> {
    let _removing = REMOVING.lock();
    let threads = std::fs::read_dir("/proc/self/task")
        .map_or(1, |tasks| tasks.take(2).count());
    if threads > 1 {
        return Err(Error::new("unsetenv(…)", libc::EBUSY));
    }
    Ok(names.map(|name| {
        let value = std::env::var(name).ok();
        // SAFETY: this is the only thread of the process.
        unsafe { std::env::remove_var(name) };
        value
    }))
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
