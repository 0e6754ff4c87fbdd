//! How many connections of one listener are served at once, and which one
//! gives way when there are too many.
//!
//! ```text
//!            admit                    begin_request
//! accepted ────────▶ waiting for a head ──────────▶ inside a request
//!                      │    ▲   ▲                        │
//!          leave_worker│    │   └──── begin_wait ────────┘
//!                      ▼    │enter_worker
//!                     parked
//! ```
//!
//! There are two bounds: one of connections that hold a worker, and a wider
//! one of all. At a bound the connection that has waited longest for a
//! complete head is closed. One that is inside a request is never touched.
//!
//! A connection's waiting since is an atomic of its own, so that a request
//! takes no lock. The order by it is brought up to date when it is asked
//! for: an entry stands at a time that is never later than the true one, and
//! is moved on when it comes up. Each move is paid for by a request in
//! between, so that closing one costs no more than the logarithm of their
//! number.

use std::collections::{BTreeSet, HashMap};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::http::Stream;
use crate::sys;

/// Inside a request.
const BUSY: u64 = 0;
/// Closed to make room.
const EVICTED: u64 = u64::MAX;

/// How many connections there may be for each that may hold a worker.
const PER_WORKER: usize = 8;

/// From so many on their memory is given back when most of them have left.
const MANY: usize = 64;

/// The seats of one listener.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Times are counted from here.
    epoch: Instant,
    /// How many hold a worker.
    working: AtomicUsize,
    /// There are or were [`MANY`], and most of them are not gone yet.
    many: AtomicBool,
    /// The connections that are being served.
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Taken>,
    /// Those that hold a worker, by waiting since and number.
    working: BTreeSet<(u64, u64)>,
    /// Those that hold none, likewise.
    parked: BTreeSet<(u64, u64)>,
    /// The most of them since memory was given back.
    peak: usize,
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
    /// Where it stands in its order; never later than `since`.
    filed: u64,
    place: Place,
}

/// Where a connection waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With a worker of its own.
    Worker,
    /// With many others.
    Parked,
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
    /// Makes a budget of so many connections with a worker.
    pub fn new(limit: usize) -> Arc<Budget> {
        Arc::new(Budget {
            limit,
            epoch: Instant::now(),
            working: AtomicUsize::new(0),
            many: AtomicBool::new(false),
            seats: Mutex::default(),
        })
    }

    /// Gives a connection its seat, and closes another one for it if there
    /// is none left.
    pub fn admit(
        self: &Arc<Budget>,
        stream: &Arc<Stream>,
        place: Place,
    ) -> Result<Seat, Full> {
        let now = self.now();
        let mut seats = self.lock();
        let all = self.limit.saturating_mul(PER_WORKER);
        let has_room = (seats.taken.len() < all || seats.evict(now))
            && (place == Place::Parked || self.has_worker(&mut seats, now));
        if !has_room {
            seats.refused += 1;
            return Err(Full);
        }
        let since = Arc::new(AtomicU64::new(now));
        let number = seats.next;
        seats.next += 1;
        let taken = Taken {
            stream: stream.clone(),
            since: since.clone(),
            filed: now,
            place,
        };
        seats.order(place).insert((now, number));
        seats.taken.insert(number, taken);
        seats.peak = seats.peak.max(seats.taken.len());
        self.note(&seats);
        Ok(Seat { budget: self.clone(), number, since })
    }

    /// Makes sure that one more connection can have a worker.
    fn has_worker(&self, seats: &mut Seats, now: u64) -> bool {
        seats.working.len() < self.limit || seats.evict_from(Place::Worker, now)
    }

    /// Returns whether so many workers are taken that none should be kept
    /// by a connection that says nothing.
    pub fn is_crowded(&self) -> bool {
        self.working.load(Ordering::Relaxed) > self.limit / 2
    }

    /// Returns whether there were so many connections that what each leaves
    /// behind counts.
    pub fn has_many(&self) -> bool {
        self.many.load(Ordering::Relaxed)
    }

    /// Closes the connection that has waited longest for a complete head.
    /// Returns whether there was one.
    pub fn evict(&self) -> bool {
        let now = self.now();
        let mut seats = self.lock();
        let evicted = seats.evict(now);
        self.note(&seats);
        evicted
    }

    /// Closes all connections that are not inside a request, and returns
    /// how many are.
    pub fn close_idle(&self) -> usize {
        let now = self.now();
        let mut seats = self.lock();
        while seats.evict(now) {}
        self.note(&seats);
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
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.lock().taken.len()
    }

    /// Returns how many connections hold a worker.
    #[cfg(test)]
    pub fn working(&self) -> usize {
        self.lock().working.len()
    }

    /// Nanoseconds since the epoch, never one of the two special values.
    fn now(&self) -> u64 {
        let nanos = self.epoch.elapsed().as_nanos();
        u64::try_from(nanos).unwrap_or(EVICTED - 1).max(1)
    }

    fn note(&self, seats: &Seats) {
        self.working.store(seats.working.len(), Ordering::Relaxed);
        self.many.store(seats.peak >= MANY, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn order(&mut self, place: Place) -> &mut BTreeSet<(u64, u64)> {
        match place {
            Place::Worker => &mut self.working,
            Place::Parked => &mut self.parked,
        }
    }

    /// Closes the one that has waited longest: a parked one if there is any.
    fn evict(&mut self, now: u64) -> bool {
        self.evict_from(Place::Parked, now)
            || self.evict_from(Place::Worker, now)
    }

    fn evict_from(&mut self, place: Place, now: u64) -> bool {
        while let Some(&(filed, number)) = self.order(place).first() {
            let Some(taken) = self.taken.get_mut(&number) else {
                self.order(place).remove(&(filed, number));
                continue;
            };
            let since = taken.since.load(Ordering::Acquire);
            if since == BUSY && filed >= now {
                // It was looked at before, and so were all others.
                return false;
            }
            if since == BUSY || since > filed {
                taken.filed = if since == BUSY { now } else { since };
                let filed_anew = (taken.filed, number);
                self.order(place).remove(&(filed, number));
                self.order(place).insert(filed_anew);
                continue;
            }
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
            self.remove(number);
            self.evicted += 1;
            return true;
        }
        false
    }

    fn move_to(&mut self, number: u64, place: Place) {
        let Some(taken) = self.taken.get_mut(&number) else { return };
        let entry = (taken.filed, number);
        let from = std::mem::replace(&mut taken.place, place);
        self.order(from).remove(&entry);
        self.order(place).insert(entry);
    }

    fn remove(&mut self, number: u64) {
        let Some(taken) = self.taken.remove(&number) else { return };
        self.order(taken.place).remove(&(taken.filed, number));
    }

    /// Returns whether most of many have left since this was last true.
    fn has_emptied(&mut self) -> bool {
        let left = self.taken.len();
        if self.peak < MANY || left > self.peak / 8 {
            return false;
        }
        self.peak = left;
        self.taken.shrink_to_fit();
        true
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

    /// Returns its number, which no other seat of the budget ever has.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns whether the connection was closed to make room.
    pub fn is_evicted(&self) -> bool {
        self.since.load(Ordering::Acquire) == EVICTED
    }

    /// Returns whether an idle connection should leave its worker at once.
    pub fn is_crowded(&self) -> bool {
        self.budget.is_crowded()
    }

    /// Notes that the connection holds no worker any more.
    pub fn leave_worker(&self) {
        let mut seats = self.budget.lock();
        seats.move_to(self.number, Place::Parked);
        self.budget.note(&seats);
    }

    /// Makes sure that the connection may hold a worker; another one may be
    /// closed for that.
    pub fn enter_worker(&self) -> Result<(), Full> {
        let now = self.budget.now();
        let mut seats = self.budget.lock();
        if !self.budget.has_worker(&mut seats, now) {
            seats.refused += 1;
            return Err(Full);
        }
        seats.move_to(self.number, Place::Worker);
        self.budget.note(&seats);
        Ok(())
    }

    /// Gives the seat back early: the connection left HTTP.
    pub fn leave(&self) {
        let mut seats = self.budget.lock();
        seats.remove(self.number);
        let emptied = seats.has_emptied();
        self.budget.note(&seats);
        drop(seats);
        if emptied {
            sys::memory::trim_heap();
        }
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
        let seat_one = budget.admit(&one, Place::Worker).unwrap();
        let seat_two = budget.admit(&two, Place::Worker).unwrap();
        assert!(seat_one.begin_request());
        seat_one.begin_wait();
        let seat_three = budget.admit(&three, Place::Worker).unwrap();
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
        let seat = budget.admit(&one, Place::Worker).unwrap();
        assert!(seat.begin_request());
        assert_eq!(budget.admit(&two, Place::Worker).unwrap_err(), Full);
        assert_eq!(budget.connections().refused, 1);
        assert_eq!(budget.close_idle(), 1);
        assert!(!is_closed(&far_one));
        drop(seat);
        assert_eq!(budget.len(), 0);
        assert!(budget.admit(&two, Place::Worker).is_ok());
    }

    #[test]
    fn a_parked_connection_holds_no_worker_and_gives_way_last_to_none() {
        let budget = Budget::new(1);
        let (one, far_one) = connection();
        let (two, _far_two) = connection();
        let parked = budget.admit(&one, Place::Worker).unwrap();
        parked.leave_worker();
        let working = budget.admit(&two, Place::Worker).unwrap();
        assert!(!is_closed(&far_one) && working.begin_request());
        assert!(budget.is_crowded());
        assert_eq!(parked.enter_worker(), Err(Full));
        working.begin_wait();
        // It speaks, and the silent one with a worker is closed for it.
        assert_eq!(parked.enter_worker(), Ok(()));
        assert!(working.is_evicted() && !parked.is_evicted());
        parked.leave_worker();
        assert!(budget.evict() && parked.is_evicted() && !budget.evict());
    }

    #[test]
    fn the_sum_of_all_connections_is_bounded_too() {
        let budget = Budget::new(2);
        let all: Vec<_> = (0..2 * PER_WORKER + 1)
            .map(|_| {
                let (near, far) = connection();
                (budget.admit(&near, Place::Parked).unwrap(), far)
            })
            .collect();
        assert_eq!(budget.len(), 2 * PER_WORKER);
        assert!(all[0].0.is_evicted() && is_closed(&all[0].1));
        assert!(!all[1].0.is_evicted());
    }

    #[test]
    fn those_that_asked_in_between_give_way_later() {
        let budget = Budget::new(3);
        let seats: Vec<_> = (0..3)
            .map(|_| {
                let (near, far) = connection();
                (budget.admit(&near, Place::Worker).unwrap(), far)
            })
            .collect();
        assert!(seats[0].0.begin_request() && seats[1].0.begin_request());
        seats[1].0.begin_wait();
        for expected in [2, 1] {
            assert!(budget.evict());
            assert!(seats[expected].0.is_evicted(), "{expected}");
        }
        assert!(!budget.evict());
        seats[0].0.begin_wait();
        assert!(budget.evict() && seats[0].0.is_evicted());
    }
}
