//! Waiting on descriptors: `poll(2)`, and the `eventfd(2)` that makes every
//! wait of the engine pollable.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, Timespec};
pub use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::{Error, Result};

/// Waits until a descriptor is ready or the time is over (`None`: no
/// bound). Returns how many are ready; 0 means the time is over. A signal
/// does not end the wait.
pub fn poll(
    fds: &mut [PollFd<'_>],
    timeout: Option<Duration>,
) -> Result<usize> {
    // One that lies beyond what a clock can say is no bound.
    let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
    loop {
        let left = deadline.map(|end| {
            let left = end.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos() as _,
            }
        });
        match rustix::event::poll(fds, left.as_ref()) {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(Error::from_rustix("poll(…)", errno)),
            Ok(ready) => return Ok(ready),
        }
    }
}

/// Waits until `fd` can be read, has an error or is hung up; false when
/// the time is over.
pub fn wait_readable(fd: impl AsFd, timeout: Option<Duration>) -> Result<bool> {
    let fd = fd.as_fd();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    Ok(poll(&mut fds, timeout)? > 0)
}

/// A counter that can be polled: readable once notified, until drained.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// Opens a new, unnotified one (close-on-exec, non-blocking).
    pub fn open() -> Result<EventFd> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        match rustix::event::eventfd(0, flags) {
            Ok(fd) => Ok(EventFd(fd)),
            Err(errno) => Err(Error::from_rustix("eventfd2(0, …)", errno)),
        }
    }

    /// Makes it readable. Never blocks and never fails.
    pub fn notify(&self) {
        // A full counter (EAGAIN) is readable already.
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
    }

    /// Takes the notification back; true if there was one.
    pub fn drain(&self) -> bool {
        let mut count = [0u8; 8];
        rustix::io::read(&self.0, &mut count).is_ok()
    }

    /// Waits until notified; false when the time is over.
    pub fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        wait_readable(&self.0, timeout)
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bound_is_none() {
        let event = EventFd::open().unwrap();
        event.notify();
        assert!(event.wait(Some(Duration::MAX)).unwrap());
    }

    #[test]
    fn a_notified_eventfd_is_readable_until_drained() {
        let event = EventFd::open().unwrap();
        let none = Some(Duration::ZERO);
        assert!(!event.wait(none).unwrap());
        event.notify();
        event.notify();
        assert!(event.wait(none).unwrap());
        assert!(event.drain());
        assert!(!event.wait(none).unwrap());
        assert!(!event.drain());
    }
}
