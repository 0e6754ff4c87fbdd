//! How many connections of one listener are served at once, and which one
//! gives way when there are too many.
//!
//! ```text
//!            admit                    begin_request
//! accepted ────────▶ waiting for a head ──────────▶ inside a request
//!                          ▲                             │
//!                          └───────── begin_wait ────────┘
//! ```
//!
//! At the bound the connection that has waited longest for a complete head
//! is closed. One that is inside a request is never touched, nor one that
//! has sent something which its worker has not come to read yet: so of a
//! crowd that waited at the gate nobody is lost. If all are so, the next
//! client waits a little for one of them to end.
//!
//! A connection's waiting since is an atomic of its own, so that a request
//! takes no lock. The order by it is brought up to date when it is asked
//! for: an entry that comes up is moved on to its true time, or to the
//! present if it cannot be closed now. Each move is paid for by what the
//! client has sent in between, so that closing one costs no more than the
//! logarithm of their number.

use std::collections::{BTreeSet, HashMap};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::Stream;
use crate::sys;

/// Inside a request.
const BUSY: u64 = 0;
/// Closed to make room.
const EVICTED: u64 = u64::MAX;

/// How long a client waits for a seat at most. It is the accept thread that
/// waits, and those behind it with it.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked whether a connection has begun to wait, which
/// nobody is told of.
const LOOK: Duration = Duration::from_millis(2);

/// From so many on their memory is given back when most of them have left.
const MANY: usize = 64;

/// The seats of one listener.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    /// Times are counted from here.
    epoch: Instant,
    /// More than half of the seats are taken.
    crowded: AtomicBool,
    /// The connections that are being served.
    seats: Mutex<Seats>,
    /// Told when a seat was given back.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Taken>,
    /// By waiting since and number.
    order: BTreeSet<(u64, u64)>,
    /// A client waits for one.
    awaited: bool,
    /// A client has waited in vain, and no seat was given back since.
    stuck: bool,
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
    /// Gone once it has left HTTP.
    stream: Option<Arc<Stream>>,
    since: Arc<AtomicU64>,
    /// Where it stands in the order.
    filed: u64,
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
        Arc::new(Budget {
            limit,
            epoch: Instant::now(),
            crowded: AtomicBool::new(false),
            seats: Mutex::default(),
            freed: Condvar::new(),
        })
    }

    /// Gives a connection its seat. If there is none left it closes another
    /// one for it, or waits for one within a bound.
    pub fn admit(
        self: &Arc<Budget>,
        stream: &Arc<Stream>,
    ) -> Result<Seat, Full> {
        let mut seats = self.lock();
        let end = Instant::now() + PATIENCE;
        while seats.taken.len() >= self.limit && !seats.evict(self.now()) {
            if seats.stuck || Instant::now() >= end {
                seats.stuck = true;
                seats.refused += 1;
                return Err(Full);
            }
            seats.awaited = true;
            let waited = self.freed.wait_timeout(seats, LOOK);
            seats = waited.unwrap_or_else(PoisonError::into_inner).0;
            seats.awaited = false;
        }
        let now = self.now();
        let since = Arc::new(AtomicU64::new(now));
        let number = seats.next;
        seats.next += 1;
        let stream = Some(stream.clone());
        let taken = Taken { stream, since: since.clone(), filed: now };
        seats.order.insert((now, number));
        seats.taken.insert(number, taken);
        seats.peak = seats.peak.max(seats.taken.len());
        self.note(&seats);
        Ok(Seat { budget: self.clone(), number, since })
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
        let seats = self.lock();
        for stream in seats.taken.values().filter_map(|t| t.stream.as_ref()) {
            let _ = sys::socket::shutdown(&**stream, Shutdown::Read);
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
    pub(super) fn len(&self) -> usize {
        self.lock().taken.len()
    }

    /// Nanoseconds since the epoch, never one of the two special values.
    fn now(&self) -> u64 {
        let nanos = self.epoch.elapsed().as_nanos();
        u64::try_from(nanos).unwrap_or(EVICTED - 1).max(1)
    }

    fn note(&self, seats: &Seats) {
        let is_crowded = seats.taken.len() > self.limit / 2;
        self.crowded.store(is_crowded, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// Closes the one that has waited longest.
    fn evict(&mut self, now: u64) -> bool {
        while let Some(&(filed, number)) = self.order.first() {
            let Some(taken) = self.taken.get_mut(&number) else {
                self.order.remove(&(filed, number));
                continue;
            };
            let since = taken.since.load(Ordering::Acquire);
            let idle = taken
                .stream
                .as_deref()
                .filter(|stream| since != BUSY && !has_unread(stream));
            let busy = idle.is_none();
            if busy && filed >= now {
                // It was looked at before, and so were all others.
                return false;
            }
            if busy || since > filed {
                taken.filed = if busy { now } else { since };
                let filed_anew = (taken.filed, number);
                self.order.remove(&(filed, number));
                self.order.insert(filed_anew);
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
            if let Some(stream) = idle {
                let _ = sys::socket::shutdown(stream, Shutdown::Both);
            }
            self.remove(number);
            self.evicted += 1;
            return true;
        }
        false
    }

    fn remove(&mut self, number: u64) {
        let Some(taken) = self.taken.remove(&number) else { return };
        self.order.remove(&(taken.filed, number));
        self.stuck = false;
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

/// Returns whether a client has sent what nobody has read yet.
fn has_unread(stream: &Stream) -> bool {
    sys::poll::wait_readable(stream, Some(Duration::ZERO)).unwrap_or(false)
        && !sys::socket::is_at_end(stream)
}

impl Seat {
    /// Returns whether the connection may soon have to make room.
    pub fn is_crowded(&self) -> bool {
        self.budget.crowded.load(Ordering::Relaxed)
    }

    /// Notes that what the client has sent is being read; returns since
    /// when it waited. `None`: the connection was closed to make room.
    pub fn begin_read(&self) -> Option<u64> {
        let since = self.since.load(Ordering::Acquire);
        let begun = since != EVICTED
            && self
                .since
                .compare_exchange(
                    since,
                    BUSY,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                )
                .is_ok();
        begun.then_some(since)
    }

    /// Notes that what was read is no whole head: the connection waits as
    /// long as it did.
    pub fn go_on_waiting(&self, since: Option<u64>) {
        if let Some(since) = since {
            self.since.store(since, Ordering::Release);
        }
    }

    /// Notes that a whole head is there. False: the connection was closed
    /// to make room, and the request must not be carried out.
    pub fn begin_request(&self) -> bool {
        self.begin_read().is_some()
    }

    /// Notes that the next head is awaited.
    pub fn begin_wait(&self) {
        self.since.store(self.budget.now(), Ordering::Release);
    }

    /// Returns whether the connection was closed to make room.
    #[cfg(test)]
    fn is_evicted(&self) -> bool {
        self.since.load(Ordering::Acquire) == EVICTED
    }

    /// Lets go of the stream, which has left HTTP and is nobody's to close
    /// here. The seat stays taken as long as somebody works for it.
    pub fn let_go(&self) {
        let mut seats = self.budget.lock();
        if let Some(taken) = seats.taken.get_mut(&self.number) {
            taken.stream = None;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.budget.lock();
        seats.remove(self.number);
        let emptied = seats.has_emptied();
        self.budget.note(&seats);
        let awaited = seats.awaited;
        drop(seats);
        if awaited {
            self.budget.freed.notify_one();
        }
        if emptied {
            sys::memory::trim_heap();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
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
        assert_eq!(budget.len(), 0);
        assert!(budget.admit(&two).is_ok());
    }

    #[test]
    fn who_has_left_http_keeps_its_seat_and_is_never_closed() {
        let budget = Budget::new(1);
        let (one, far_one) = connection();
        let (two, _far_two) = connection();
        let seat = budget.admit(&one).unwrap();
        assert!(seat.begin_request());
        seat.let_go();
        assert_eq!(Arc::strong_count(&one), 1);
        assert_eq!(budget.admit(&two).unwrap_err(), Full);
        assert_eq!(budget.close_idle(), 1);
        budget.hang_up();
        assert!(!is_closed(&far_one));
        drop(seat);
        assert!(budget.admit(&two).is_ok());
    }

    #[test]
    fn who_has_sent_something_is_not_closed_before_it_is_read() {
        let budget = Budget::new(2);
        let (one, mut far_one) = connection();
        let (two, far_two) = connection();
        let (three, _far_three) = connection();
        let seat_one = budget.admit(&one).unwrap();
        let _seat_two = budget.admit(&two).unwrap();
        far_one.write_all(b"GET").unwrap();
        let _seat_three = budget.admit(&three).unwrap();
        assert!(!is_closed(&far_one) && is_closed(&far_two));
        assert!(seat_one.begin_request());
    }

    #[test]
    fn a_client_waits_for_a_seat_that_is_given_back() {
        let budget = Budget::new(1);
        let (one, _far_one) = connection();
        let (two, _far_two) = connection();
        let seat = budget.admit(&one).unwrap();
        assert!(seat.begin_request());
        let waiting = {
            let (budget, two) = (budget.clone(), two.clone());
            std::thread::spawn(move || budget.admit(&two))
        };
        drop(seat);
        assert!(waiting.join().unwrap().is_ok());
    }

    #[test]
    fn those_that_asked_in_between_give_way_later() {
        let budget = Budget::new(3);
        let seats: Vec<_> = (0..3)
            .map(|_| {
                let (near, far) = connection();
                (budget.admit(&near).unwrap(), far)
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
