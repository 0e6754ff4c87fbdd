//! How many connections of one listener are served at once, and which one
//! gives way when there are too many.
//!
//! ```text
//!            admit                    begin_request
//! accepted ────────▶ waiting for a head ──────────▶ inside a request
//!                      │        ▲                        │
//!               evicted│        └──── begin_wait ────────┘
//!                      ▼
//!                   closed
//! ```
//!
//! At the bound the connection that has waited longest for a complete head
//! is closed. One that is inside a request is never touched.

use std::collections::HashMap;
use std::net::Shutdown;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::http::Stream;
use crate::sys;

/// Inside a request.
const BUSY: u64 = 0;
/// Closed to make room.
const EVICTED: u64 = u64::MAX;

/// The seats of one listener.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Times are counted from here.
    epoch: Instant,
    /// The connections that are being served.
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Taken>,
    evicted: u64,
    refused: u64,
}

/// The connections of one listener, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Those that are being served.
    pub open: u64,
    /// Those that were ever served.
    pub total: u64,
    /// Those that were closed to make room.
    pub evicted: u64,
    /// Those for which there was no room.
    pub refused: u64,
}

#[derive(Debug)]
struct Taken {
    stream: Arc<Stream>,
    since: Arc<AtomicU64>,
}

/// All connections are inside requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The place of one connection, given back on drop.
#[derive(Debug)]
pub struct Seat {
    budget: Arc<Budget>,
    number: u64,
    /// BUSY, EVICTED, or since when a head is awaited.
    since: Arc<AtomicU64>,
}

impl Budget {
    /// Makes a budget of so many connections.
    pub fn new(limit: usize) -> Arc<Budget> {
        let seats = Mutex::new(Seats::default());
        Arc::new(Budget { limit, epoch: Instant::now(), seats })
    }

    /// Gives a connection its seat, and closes another one for it if there
    /// is none left.
    pub fn admit(
        self: &Arc<Budget>,
        stream: &Arc<Stream>,
    ) -> Result<Seat, Full> {
        let mut seats = self.lock();
        if seats.taken.len() >= self.limit && !evict_longest(&mut seats) {
            seats.refused += 1;
            return Err(Full);
        }
        let since = Arc::new(AtomicU64::new(self.now()));
        let number = seats.next;
        seats.next += 1;
        let taken = Taken { stream: stream.clone(), since: since.clone() };
        seats.taken.insert(number, taken);
        Ok(Seat { budget: self.clone(), number, since })
    }

    /// Closes the connection that has waited longest for a complete head.
    /// Returns whether there was one.
    pub fn evict(&self) -> bool {
        evict_longest(&mut self.lock())
    }

    /// Closes all connections that are not inside a request, and returns
    /// how many are.
    pub fn close_idle(&self) -> usize {
        let mut seats = self.lock();
        while evict_longest(&mut seats) {}
        seats.taken.len()
    }

    /// Makes the connections that are inside a request look as if their
    /// clients had hung up: what waits there for events, logs or an exit
    /// gives up, what is working can still answer.
    pub fn hang_up(&self) {
        for taken in self.lock().taken.values() {
            let _ = sys::socket::shutdown(&*taken.stream, Shutdown::Read);
        }
    }

    /// Returns how many connections there are and were.
    pub fn connections(&self) -> Connections {
        let seats = self.lock();
        Connections {
            open: seats.taken.len() as u64,
            total: seats.next,
            evicted: seats.evicted,
            refused: seats.refused,
        }
    }

    /// Returns how many connections are served.
    pub fn len(&self) -> usize {
        self.lock().taken.len()
    }

    /// Returns whether no connection is served.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Nanoseconds since the epoch, never one of the two special values.
    fn now(&self) -> u64 {
        let nanos = self.epoch.elapsed().as_nanos();
        u64::try_from(nanos).unwrap_or(EVICTED - 1).max(1)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn evict_longest(seats: &mut Seats) -> bool {
    loop {
        let waiting = seats.taken.iter().filter_map(|(number, taken)| {
            let since = taken.since.load(Ordering::Acquire);
            (since != BUSY).then_some((since, *number))
        });
        let Some((since, number)) = waiting.min() else { return false };
        let taken = seats.taken.get(&number).expect("it was just found");
        // Its worker may have got a head in the meantime.
        let evicted = taken.since.compare_exchange(
            since,
            EVICTED,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if evicted.is_err() {
            continue;
        }
        // The worker reads an end of file and goes.
        let _ = sys::socket::shutdown(&*taken.stream, Shutdown::Both);
        seats.taken.remove(&number);
        seats.evicted += 1;
        return true;
    }
}

impl Seat {
    /// Notes that a whole head is there. False: the connection was closed
    /// to make room, and the request must not be carried out.
    pub fn begin_request(&self) -> bool {
        let since = self.since.load(Ordering::Acquire);
        since != EVICTED
            && self
                .since
                .compare_exchange(
                    since,
                    BUSY,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                )
                .is_ok()
    }

    /// Notes that the next head is awaited.
    pub fn begin_wait(&self) {
        self.since.store(self.budget.now(), Ordering::Release);
    }

    /// Gives the seat back early: the connection left HTTP.
    pub fn leave(&self) {
        self.budget.lock().taken.remove(&self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn connection() -> (Arc<Stream>, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        (Arc::new(Stream::Unix(near)), far)
    }

    fn is_closed(mut far: &UnixStream) -> bool {
        matches!(far.read(&mut [0]), Ok(0))
    }

    #[test]
    fn the_longest_waiting_connection_gives_way() {
        let budget = Budget::new(2);
        let (one, far_one) = connection();
        let (two, far_two) = connection();
        let (three, _far_three) = connection();
        let seat_one = budget.admit(&one).unwrap();
        let seat_two = budget.admit(&two).unwrap();
        assert!(seat_one.begin_request());
        seat_one.begin_wait();
        let seat_three = budget.admit(&three).unwrap();
        assert!(!is_closed(&far_one) && is_closed(&far_two));
        assert!(!seat_two.begin_request() && seat_three.begin_request());
        let counted = Connections { open: 2, total: 3, evicted: 1, refused: 0 };
        assert_eq!(budget.connections(), counted);
    }

    #[test]
    fn requests_are_never_cut() {
        let budget = Budget::new(1);
        let (one, far_one) = connection();
        let (two, _far_two) = connection();
        let seat = budget.admit(&one).unwrap();
        assert!(seat.begin_request());
        assert_eq!(budget.admit(&two).unwrap_err(), Full);
        assert_eq!(budget.connections().refused, 1);
        assert_eq!(budget.close_idle(), 1);
        assert!(!is_closed(&far_one));
        drop(seat);
        assert!(budget.is_empty() && budget.admit(&two).is_ok());
    }
}
