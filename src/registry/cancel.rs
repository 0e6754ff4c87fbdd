//! Ends a fetch from another thread: waits return at once, and so do reads
//! and writes on the sockets that the fetch has open.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Shutdown, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A handle shared by all that work on one fetch.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Guards whether it is over and the sockets to end then.
    state: Mutex<State>,
    /// Notified when it is over.
    over: Condvar,
}

#[derive(Default)]
struct State {
    cancelled: bool,
    next: u64,
    sockets: BTreeMap<u64, TcpStream>,
}

impl Cancel {
    /// Makes a handle that nobody has cancelled.
    pub fn new() -> Cancel {
        Cancel::default()
    }

    /// Ends the fetch. Never blocks for long; may be called repeatedly.
    pub fn cancel(&self) {
        let mut state = self.lock();
        state.cancelled = true;
        for socket in state.sockets.values() {
            // The peer may have closed it already.
            let _ = socket.shutdown(Shutdown::Both);
        }
        self.0.over.notify_all();
    }

    /// Whether the fetch was ended.
    pub fn is_cancelled(&self) -> bool {
        self.lock().cancelled
    }

    /// Waits; false if the fetch was ended before the time was over.
    pub fn sleep(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut state = self.lock();
        while !state.cancelled {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = match self.0.over.wait_timeout(state, left) {
                Ok((state, _)) => state,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        false
    }

    /// Ends reads and writes on `socket` too when the fetch is ended, until
    /// the guard is dropped.
    pub(super) fn watch(&self, socket: BorrowedFd<'_>) -> Watch {
        let Ok(copy) = socket.try_clone_to_owned() else {
            // Out of descriptors: the read time-outs end it instead.
            return Watch { cancel: self.clone(), key: None };
        };
        let copy = TcpStream::from(copy);
        let mut state = self.lock();
        if state.cancelled {
            let _ = copy.shutdown(Shutdown::Both);
            return Watch { cancel: self.clone(), key: None };
        }
        let key = state.next;
        state.next += 1;
        state.sockets.insert(key, copy);
        Watch { cancel: self.clone(), key: Some(key) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel({})", self.is_cancelled())
    }
}

/// Keeps a socket under watch.
#[derive(Debug)]
pub(super) struct Watch {
    cancel: Cancel,
    key: Option<u64>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.cancel.lock().sockets.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::os::fd::AsFd;
    use std::thread;

    use super::*;

    #[test]
    fn a_blocked_read_ends_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut near = TcpStream::connect(address).unwrap();
        let _far = listener.accept().unwrap();
        let cancel = Cancel::new();
        let watch = cancel.watch(near.as_fd());
        let other = cancel.clone();
        let thread = thread::spawn(move || other.cancel());
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
        thread.join().unwrap();
        drop(watch);
        assert!(cancel.lock().sockets.is_empty());
        let mut late = TcpStream::connect(address).unwrap();
        let _watch = cancel.watch(late.as_fd());
        assert_eq!(late.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_sleep_ends_at_once() {
        let cancel = Cancel::new();
        assert!(cancel.sleep(Duration::from_millis(1)));
        let other = cancel.clone();
        let thread = thread::spawn(move || other.cancel());
        assert!(!cancel.sleep(Duration::from_secs(60)));
        thread.join().unwrap();
        assert!(cancel.is_cancelled());
    }
}
