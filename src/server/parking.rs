//! Where idle connections stand: a client that keeps its connection for
//! later holds a descriptor and a few hundred bytes, no thread and no
//! buffer. The accept thread waits for the next client and for all of these
//! at once.
//!
//! ```text
//!          idle for a moment              speaks
//! worker ───────────────────▶ parked ───────────────▶ a new worker
//!                                └── hangs up, evicted ──▶ closed
//! ```

use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::http::Stream;
use crate::sys;
use crate::sys::epoll::{Epoll, Trigger};

use super::budget::Seat;

/// The listener's number; no seat has it.
const LISTENER: u64 = u64::MAX;

/// The parked connections of one listener.
#[derive(Debug)]
pub(super) struct Lot {
    epoll: Epoll,
    /// By the seat's number.
    parked: Mutex<HashMap<u64, Parked>>,
}

/// A connection that waits for its next request.
#[derive(Debug)]
pub(super) struct Parked {
    /// The stream; nothing of a request was read from it.
    pub stream: Arc<Stream>,
    /// Its place among the listener's connections.
    pub seat: Arc<Seat>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Somebody wants to be accepted.
    Client,
    /// A parked connection speaks. It has left the lot.
    Speaks(Parked),
}

impl Lot {
    /// Opens one before a listener, which must not block; these are what
    /// tells of its clients and its end.
    pub fn open<'a>(
        listener: impl IntoIterator<Item = BorrowedFd<'a>>,
    ) -> io::Result<Lot> {
        let epoll = Epoll::open()?;
        for fd in listener {
            epoll.add(fd, LISTENER, Trigger::Level)?;
        }
        Ok(Lot { epoll, parked: Mutex::default() })
    }

    /// Takes a connection in; gives it back if it cannot be watched.
    pub fn park(&self, parked: Parked) -> Result<(), Parked> {
        if parked.stream.has_pending_input() {
            return Err(parked);
        }
        parked.seat.leave_worker();
        // Under the lock, so that an event finds its connection.
        let mut all = self.lock();
        let number = parked.seat.number();
        match self.epoll.add(&*parked.stream, number, Trigger::Once) {
            Ok(()) => {
                all.insert(number, parked);
                Ok(())
            }
            Err(e) => {
                log::debug!("a connection keeps its worker: {e}");
                Err(parked)
            }
        }
    }

    /// Waits for events. Connections that were closed meanwhile, by either
    /// side, are let go of here.
    pub fn wait(
        &self,
        ready: &mut Vec<u64>,
        mut act: impl FnMut(Event),
    ) -> io::Result<()> {
        self.epoll.wait(ready)?;
        for number in ready.drain(..) {
            if number == LISTENER {
                act(Event::Client);
                continue;
            }
            let Some(parked) = self.lock().remove(&number) else { continue };
            if let Err(e) = self.epoll.remove(&*parked.stream) {
                log::debug!("a connection that was parked: {e}");
            }
            let gone = parked.seat.is_evicted()
                || sys::socket::is_at_end(&*parked.stream);
            if !gone {
                act(Event::Speaks(parked));
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::server::budget::{Budget, Place};

    #[test]
    fn who_speaks_leaves_the_lot_and_who_is_gone_is_let_go_of() {
        let path = std::env::temp_dir()
            .join(format!("skiff-parking-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let lot = Lot::open([listener.as_fd()]).unwrap();
        let budget = Budget::new(3);
        let mut far = Vec::new();
        for _ in 0..3 {
            let (near, other) = UnixStream::pair().unwrap();
            let stream = Arc::new(Stream::Unix(near));
            let seat = budget.admit(&stream, Place::Worker).unwrap();
            let seat = Arc::new(seat);
            lot.park(Parked { stream, seat }).unwrap();
            far.push(other);
        }
        assert_eq!(budget.len(), 3);
        // The first is the one that gives way, the second goes by itself.
        assert!(budget.evict());
        drop(far.remove(1));
        far[1].write_all(b"GET").unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        let (mut clients, mut spoke) = (0, Vec::new());
        let mut ready = Vec::new();
        while clients == 0 || spoke.is_empty() || budget.len() > 1 {
            lot.wait(&mut ready, |event| match event {
                Event::Client => clients += 1,
                Event::Speaks(parked) => {
                    assert!(parked.seat.enter_worker().is_ok());
                    spoke.push(parked);
                }
            })
            .unwrap();
        }
        assert_eq!((spoke.len(), budget.len()), (1, 1));
        std::fs::remove_file(&path).unwrap();
    }
}
