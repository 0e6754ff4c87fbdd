//! Waits that can be polled: every wait of the engine is a descriptor, so
//! that a handler can watch it together with its client's hang-up.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
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

/// Ends a pause early. It holds no descriptor: no client waits for it.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// Notified, and not forgotten since.
    notified: Mutex<bool>,
    told: Condvar,
}

impl Interrupt {
    /// Ends the pause that goes on, or the next one.
    pub fn notify(&self) {
        *self.lock() = true;
        self.told.notify_all();
    }

    /// Takes the notification back.
    pub fn forget(&self) {
        *self.lock() = false;
    }

    /// Waits for so long, or until notified.
    pub fn pause(&self, time: Duration) {
        let waited =
            self.told
                .wait_timeout_while(self.lock(), time, |notified| !*notified);
        // A poisoned lock guards one word, which is whole.
        drop(waited);
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.notified.lock().unwrap_or_else(PoisonError::into_inner)
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
pub struct Waiters<T>(Mutex<Waiting<T>>);

#[derive(Debug)]
struct Waiting<T> {
    parties: Vec<Weak<Waiter<T>>>,
    /// What is given to all that come, once nothing else can happen.
    last: Option<T>,
}

impl<T> Default for Waiters<T> {
    fn default() -> Waiters<T> {
        Waiters(Mutex::new(Waiting { parties: Vec::new(), last: None }))
    }
}

impl<T: Clone> Waiters<T> {
    /// Adds a wait; it is over at once after [`Waiters::give_last`].
    pub fn add(&self, waiter: &Arc<Waiter<T>>) {
        let mut waiting = self.lock();
        if let Some(last) = &waiting.last {
            return waiter.give(last.clone());
        }
        waiting.parties.retain(|other| other.strong_count() > 0);
        waiting.parties.push(Arc::downgrade(waiter));
    }

    /// Gives the value to all that wait now.
    pub fn give(&self, value: &T) {
        let parties = std::mem::take(&mut self.lock().parties);
        for waiter in parties.iter().filter_map(Weak::upgrade) {
            waiter.give(value.clone());
        }
    }

    /// Gives the value to all that wait now, and to all that ever will.
    pub fn give_last(&self, value: &T) {
        self.lock().last = Some(value.clone());
        self.give(value);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn who_comes_after_the_last_value_has_it_at_once() {
        let waiters = Waiters::default();
        let (early, late) = (Waiter::open().unwrap(), Waiter::open().unwrap());
        waiters.add(&early);
        waiters.give_last(&7);
        waiters.add(&late);
        for waiter in [early, late] {
            assert!(wait_readable(&*waiter, Some(Duration::ZERO)).unwrap());
            assert_eq!(waiter.value(), Some(&7));
        }
    }

    #[test]
    fn a_pause_is_ended_by_a_notification_before_or_in_it() {
        let interrupt = Arc::new(Interrupt::default());
        interrupt.pause(Duration::from_millis(1));
        interrupt.notify();
        interrupt.pause(Duration::from_secs(600));
        interrupt.forget();
        let other = Arc::clone(&interrupt);
        let pausing = std::thread::spawn(move || {
            other.pause(Duration::from_secs(600));
        });
        interrupt.notify();
        pausing.join().unwrap();
    }
}
