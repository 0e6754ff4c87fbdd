//! The allocator: that of the C library, with samples of what is allocated
//! once somebody asks for them.
//!
//! About one in [`RATE`] bytes is sampled: each thread counts down by what
//! it allocates, from a number drawn anew each time, so that the samples
//! fall as by chance (a Poisson process) and every allocation of a size has
//! the same probability. Without sampling an allocation costs one relaxed
//! load more.
//!
//! Nothing here allocates, waits or locks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::stacks::{Counted, Table};
use super::unwind::{self, Registers};

/// Bytes from one sample to the next, on average.
pub const RATE: u64 = 512 * 1024;

/// Frames kept of a stack.
const DEPTH: usize = 32;

/// The counters of a stack.
const ALLOCATED: usize = 0;
const ALLOCATED_BYTES: usize = 1;
const FREED: usize = 2;
const FREED_BYTES: usize = 3;

static SAMPLING: AtomicBool = AtomicBool::new(false);
static STACKS: Table<1024, DEPTH> = Table::empty();

/// The sampled allocations that live. One has its place in the set that its
/// address hashes to; if that is full the sample is not taken.
static LIVE: [[Live; WAYS]; SETS] =
    [const { [const { Live::new() }; WAYS] }; SETS];
const SETS: usize = 1024;
const WAYS: usize = 8;

/// A sampled allocation.
struct Live {
    /// 0: none; 1: being written.
    address: AtomicUsize,
    size: AtomicU64,
    stack: AtomicUsize,
}

impl Live {
    const fn new() -> Live {
        Live {
            address: AtomicUsize::new(0),
            size: AtomicU64::new(0),
            stack: AtomicUsize::new(0),
        }
    }
}

thread_local! {
    /// Bytes until the next sample; `UNDRAWN` before the first draw.
    static LEFT: Cell<i64> = const { Cell::new(UNDRAWN) };
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

const UNDRAWN: i64 = i64::MIN;

/// The allocator of the whole program.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

// SAFETY: all memory comes from and goes to `System`; what is noted besides
// touches only statics and thread-locals that need no allocation.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let at = unsafe { System.alloc(layout) };
        note(at, layout.size());
        at
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        let at = unsafe { System.alloc_zeroed(layout) };
        note(at, layout.size());
        at
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // Before another thread can get the same address.
        forget(at);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, old: Layout, size: usize) -> *mut u8 {
        // Should it fail, what was forgotten lives on unnoted: the program
        // is out of memory then.
        forget(at);
        // SAFETY: the caller's promise is passed on.
        let at = unsafe { System.realloc(at, old, size) };
        note(at, size);
        at
    }
}

/// Starts to sample; it never stops.
pub fn start() {
    unwind::prepare();
    SAMPLING.store(true, Ordering::Release);
}

/// Returns whether allocations are sampled.
pub fn is_sampled() -> bool {
    SAMPLING.load(Ordering::Relaxed)
}

/// What was sampled from one stack, not scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The addresses that calls return to, innermost first.
    pub frames: Vec<usize>,
    /// Allocations, and their bytes.
    pub allocated: (u64, u64),
    /// Those of them that were freed again.
    pub freed: (u64, u64),
}

/// Returns all that was sampled.
pub fn samples() -> Vec<Sampled> {
    let sampled = |Counted { frames, counters }: Counted| Sampled {
        // The first frame is this file's own.
        frames: frames.into_iter().skip(1).collect(),
        allocated: (counters[ALLOCATED], counters[ALLOCATED_BYTES]),
        freed: (counters[FREED], counters[FREED_BYTES]),
    };
    STACKS.all().into_iter().map(sampled).collect()
}

#[inline]
fn note(at: *mut u8, size: usize) {
    if SAMPLING.load(Ordering::Relaxed) {
        count_down(at, size);
    }
}

#[inline]
fn forget(at: *mut u8) {
    if SAMPLING.load(Ordering::Relaxed) {
        take_out(at as usize);
    }
}

fn count_down(at: *mut u8, size: usize) {
    let size = i64::try_from(size).unwrap_or(i64::MAX / 2);
    let left = match LEFT.get() {
        UNDRAWN => draw(),
        left => left,
    };
    match left - size {
        left if left > 0 => LEFT.set(left),
        _ => {
            LEFT.set(draw());
            if !at.is_null() {
                sample(at as usize, size as u64);
            }
        }
    }
}

#[cold]
#[inline(never)]
fn sample(address: usize, size: u64) {
    let Some(free) = set_of(address).iter().find(|live| {
        let (order, failed) = (Ordering::Acquire, Ordering::Relaxed);
        live.address.compare_exchange(0, 1, order, failed).is_ok()
    }) else {
        return;
    };
    let stack = unwind::walk(Registers::here());
    let Some(place) = STACKS.place(stack.frames()) else {
        free.address.store(0, Ordering::Release);
        return;
    };
    STACKS.add(place, ALLOCATED, 1);
    STACKS.add(place, ALLOCATED_BYTES, size);
    free.size.store(size, Ordering::Relaxed);
    free.stack.store(place, Ordering::Relaxed);
    free.address.store(address, Ordering::Release);
}

fn take_out(address: usize) {
    // Whoever frees it is alone with it: nobody else removes it, and
    // nobody adds it before the allocator has it back.
    let live = set_of(address)
        .iter()
        .find(|live| live.address.load(Ordering::Acquire) == address);
    if let Some(live) = live {
        let place = live.stack.load(Ordering::Relaxed);
        STACKS.add(place, FREED, 1);
        STACKS.add(place, FREED_BYTES, live.size.load(Ordering::Relaxed));
        live.address.store(0, Ordering::Release);
    }
}

fn set_of(address: usize) -> &'static [Live; WAYS] {
    let mixed = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    &LIVE[(mixed >> 40) as usize % SETS]
}

/// Draws the bytes until the next sample: exponentially distributed around
/// the rate.
fn draw() -> i64 {
    let mut x = RANDOM.get();
    if x == 0 {
        static SEED: AtomicU64 = AtomicU64::new(1);
        let seed = SEED.fetch_add(1, Ordering::Relaxed);
        x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    }
    // xorshift64 (Marsaglia): three draws to leave the first seeds behind.
    for _ in 0..3 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    RANDOM.set(x);
    (minus_ln(x >> 32) * RATE as f64) as i64 + 1
}

/// Returns −ln of (n + 1) / 2³², within a hundredth.
fn minus_ln(n: u64) -> f64 {
    let n = (n + 1) as f64;
    let bits = n.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52) - 1.0;
    // log2 between two powers is nearly this parabola.
    let log = mantissa + 0.3398 * mantissa * (1.0 - mantissa);
    (32.0 - f64::from(exponent) - log) * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::sys::unwind::function_of;

    #[test]
    fn draws_are_around_the_rate() {
        for n in [0u64, 1, 1000, 1 << 31, (1 << 32) - 1] {
            let exact = -((n + 1) as f64 / 4294967296.0).ln();
            assert!((minus_ln(n) - exact).abs() < 0.01, "{n}");
        }
        let sum: i64 = (0..10_000).map(|_| draw()).sum();
        let mean = sum / 10_000;
        let rate = RATE as i64;
        assert!((rate * 9 / 10..rate * 11 / 10).contains(&mean), "{mean}");
    }

    #[inline(never)]
    fn hold(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|_| black_box(vec![1u8; 100_000])).collect()
    }

    fn of_hold() -> Sampled {
        let mut sum =
            Sampled { frames: Vec::new(), allocated: (0, 0), freed: (0, 0) };
        let wanted = Some(hold as *const () as usize);
        for stack in samples() {
            if stack.frames.iter().any(|f| function_of(f - 1) == wanted) {
                sum.allocated.0 += stack.allocated.0;
                sum.allocated.1 += stack.allocated.1;
                sum.freed.0 += stack.freed.0;
                sum.freed.1 += stack.freed.1;
            }
        }
        sum
    }

    #[test]
    fn what_lives_and_what_was_freed_is_told_apart() {
        start();
        // 200 MB: about 400 samples.
        let held = hold(1000);
        let _freed = hold(1000);
        drop(_freed);
        let seen = of_hold();
        // Each of them is sampled with a probability of 0.174.
        assert!((200..600).contains(&seen.allocated.0), "{seen:?}");
        assert_eq!(seen.allocated.1, seen.allocated.0 * 100_000);
        let live = seen.allocated.0 - seen.freed.0;
        assert!((100..300).contains(&live), "{seen:?}");
        drop(held);
        let seen = of_hold();
        assert_eq!(seen.allocated, seen.freed);
    }
}
