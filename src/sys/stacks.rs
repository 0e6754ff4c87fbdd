//! A table of different stacks with counters, for samples that are taken in
//! signal handlers and inside of the allocator: of a fixed size, without
//! locks, never waiting.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The slot is free.
const FREE: u64 = 0;
/// Somebody is writing its stack.
const BUSY: u64 = 1;
/// How many slots are looked at for one stack.
const PROBES: usize = 32;

/// How many counters a stack has.
pub const COUNTERS: usize = 4;

/// Up to `SLOTS` stacks of up to `DEPTH` frames.
#[derive(Debug)]
pub struct Table<const SLOTS: usize, const DEPTH: usize> {
    slots: [Slot<DEPTH>; SLOTS],
    lost: AtomicU64,
}

#[derive(Debug)]
struct Slot<const DEPTH: usize> {
    /// FREE, BUSY, or what the stack hashes to.
    key: AtomicU64,
    depth: AtomicUsize,
    frames: [AtomicUsize; DEPTH],
    counters: [AtomicU64; COUNTERS],
}

/// One stack of a table, and its counters at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The addresses, innermost first.
    pub frames: Vec<usize>,
    /// The counters.
    pub counters: [u64; COUNTERS],
}

impl<const SLOTS: usize, const DEPTH: usize> Table<SLOTS, DEPTH> {
    /// Makes an empty table.
    pub const fn empty() -> Self {
        Table {
            slots: [const { Slot::empty() }; SLOTS],
            lost: AtomicU64::new(0),
        }
    }

    /// Finds or makes the place of a stack; none if the table is full
    /// around it, which is counted.
    pub fn place(&self, frames: &[usize]) -> Option<usize> {
        let frames = &frames[..frames.len().min(DEPTH)];
        let key = hash(frames);
        for probe in 0..PROBES.min(SLOTS) {
            let index = (key as usize + probe) % SLOTS;
            let slot = &self.slots[index];
            // One that is being written may hold the same stack: then it
            // stands in the table twice, and both are counted.
            let found = slot.key.compare_exchange(
                FREE,
                BUSY,
                Ordering::Acquire,
                Ordering::Acquire,
            );
            match found {
                Ok(_) => {
                    for (frame, address) in slot.frames.iter().zip(frames) {
                        frame.store(*address, Ordering::Relaxed);
                    }
                    slot.depth.store(frames.len(), Ordering::Relaxed);
                    slot.key.store(key, Ordering::Release);
                    return Some(index);
                }
                Err(other) if other == key => return Some(index),
                Err(_) => {}
            }
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Adds to a counter of the stack at a place.
    pub fn add(&self, place: usize, counter: usize, n: u64) {
        self.slots[place].counters[counter].fetch_add(n, Ordering::Relaxed);
    }

    /// Returns all stacks.
    pub fn all(&self) -> Vec<Counted> {
        let written =
            |slot: &&Slot<DEPTH>| slot.key.load(Ordering::Acquire) > BUSY;
        let read = |slot: &Slot<DEPTH>| {
            let depth = slot.depth.load(Ordering::Relaxed).min(DEPTH);
            let frames = slot.frames[..depth].iter();
            Counted {
                frames: frames.map(|f| f.load(Ordering::Relaxed)).collect(),
                counters: std::array::from_fn(|at| {
                    slot.counters[at].load(Ordering::Relaxed)
                }),
            }
        };
        self.slots.iter().filter(written).map(read).collect()
    }

    /// Empties the table; nobody may be using it.
    pub fn clear(&self) {
        for slot in &self.slots {
            // Untouched pages stay untouched.
            if slot.key.load(Ordering::Relaxed) == FREE {
                continue;
            }
            for counter in &slot.counters {
                counter.store(0, Ordering::Relaxed);
            }
            slot.key.store(FREE, Ordering::Release);
        }
        self.lost.store(0, Ordering::Relaxed);
    }

    /// Returns how many times there was no place for a stack.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl<const DEPTH: usize> Slot<DEPTH> {
    const fn empty() -> Self {
        Slot {
            key: AtomicU64::new(FREE),
            depth: AtomicUsize::new(0),
            frames: [const { AtomicUsize::new(0) }; DEPTH],
            counters: [const { AtomicU64::new(0) }; COUNTERS],
        }
    }
}

/// Hashes a stack, never to FREE or BUSY.
fn hash(frames: &[usize]) -> u64 {
    let mixed = frames.iter().fold(0x9e37_79b9_7f4a_7c15, |sum: u64, frame| {
        let mixed = (sum ^ *frame as u64).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ (mixed >> 29)
    });
    mixed | 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stacks_share_a_place() {
        static TABLE: Table<64, 4> = Table::empty();
        let (one, two) = ([1, 2, 3], [1, 2, 4]);
        let place = TABLE.place(&one).unwrap();
        TABLE.add(place, 0, 2);
        TABLE.add(TABLE.place(&one).unwrap(), 1, 5);
        assert_ne!(TABLE.place(&two), Some(place));
        // A deeper one is cut.
        TABLE.place(&[9; 10]).unwrap();
        let mut all = TABLE.all();
        all.sort_by(|a, b| a.frames.cmp(&b.frames));
        let counted = Counted { frames: vec![1, 2, 3], counters: [2, 5, 0, 0] };
        assert_eq!(all[0], counted);
        assert_eq!(all[2].frames, [9; 4]);
        TABLE.clear();
        assert!(TABLE.all().is_empty());
    }

    #[test]
    fn a_full_table_counts_what_it_loses() {
        static TABLE: Table<8, 1> = Table::empty();
        let placed = (0..20).filter_map(|n| TABLE.place(&[n])).count();
        assert_eq!((placed, TABLE.lost()), (8, 12));
    }

    #[test]
    fn threads_may_count_at_once() {
        static TABLE: Table<256, 2> = Table::empty();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..10_000 {
                        let place = TABLE.place(&[n % 100, 7]).unwrap();
                        TABLE.add(place, 0, 1);
                    }
                });
            }
        });
        let counts = TABLE.all().into_iter().map(|c| c.counters[0]);
        assert_eq!(counts.sum::<u64>(), 40_000);
    }
}
