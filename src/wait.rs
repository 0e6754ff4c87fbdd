//! Waits that can be polled: every wait of the engine is a descriptor, so
//! that a handler can watch it together with its client's hang-up.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use crate::sys::poll::{self, PollFd, PollFlags};

pub use crate::sys::poll::EventFd;

/// What came of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// This one of the descriptors can be read, or has an error.
    Fd(usize),
    /// The client has gone.
    HungUp,
    /// The time is over.
    TimedOut,
}

/// Waits until one of the descriptors can be read, the client has hung up
/// (what it sends does not matter), or the time is over (`None`: never).
pub fn first_ready(
    fds: &[BorrowedFd<'_>],
    client: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> crate::sys::Result<Ready> {
    let fd = |fd| PollFd::new(fd, PollFlags::IN);
    let mut polled: Vec<PollFd<'_>> = fds.iter().map(fd).collect();
    if let Some(client) = &client {
        polled.push(PollFd::new(client, PollFlags::RDHUP));
    }
    if poll::poll(&mut polled, timeout)? == 0 {
        return Ok(Ready::TimedOut);
    }
    let first = polled.iter().position(|fd| !fd.revents().is_empty());
    Ok(match first {
        Some(place) if place < fds.len() => Ready::Fd(place),
        Some(_) => Ready::HungUp,
        None => Ready::TimedOut,
    })
}

/// Tells whether the other end of a socket is gone altogether. Does not
/// wait.
pub fn is_hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&fd, PollFlags::empty())];
    match poll::poll(&mut polled, Some(Duration::ZERO)) {
        Ok(ready) => ready > 0,
        Err(_) => true,
    }
}

/// One party's wait for a value: readable once the value is there.
#[derive(Debug)]
pub struct Waiter<T> {
    event: EventFd,
    value: OnceLock<T>,
}

impl<T> Waiter<T> {
    /// Opens a wait for a value that is not there yet.
    pub fn open() -> crate::sys::Result<Arc<Waiter<T>>> {
        let event = EventFd::open()?;
        Ok(Arc::new(Waiter { event, value: OnceLock::new() }))
    }

    /// Gives the value, once; a later one is dropped.
    pub fn give(&self, value: T) {
        if self.value.set(value).is_ok() {
            self.event.notify();
        }
    }

    /// Returns the value if it is there.
    pub fn value(&self) -> Option<&T> {
        self.value.get()
    }
}

impl<T> AsFd for Waiter<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// The waits for one thing. A party that gives up just drops its end.
#[derive(Debug)]
pub struct Waiters<T>(Mutex<Vec<Weak<Waiter<T>>>>);

impl<T> Default for Waiters<T> {
    fn default() -> Waiters<T> {
        Waiters(Mutex::new(Vec::new()))
    }
}

impl<T: Clone> Waiters<T> {
    /// Adds a wait.
    pub fn add(&self, waiter: &Arc<Waiter<T>>) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.retain(|other| other.strong_count() > 0);
        list.push(Arc::downgrade(waiter));
    }

    /// Gives the value to all that wait now.
    pub fn give(&self, value: &T) {
        let list = std::mem::take(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
        );
        for waiter in list.iter().filter_map(Weak::upgrade) {
            waiter.give(value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::poll::wait_readable;

    #[test]
    fn a_wait_becomes_readable_with_its_value() {
        let waiters = Waiters::default();
        let first = Waiter::open().unwrap();
        waiters.add(&first);
        let none = Some(Duration::ZERO);
        assert!(!wait_readable(&*first, none).unwrap());
        waiters.give(&7);
        assert!(wait_readable(&*first, none).unwrap());
        waiters.give(&8);
        assert_eq!(first.value(), Some(&7));
    }
}
