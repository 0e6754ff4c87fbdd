//! The heap's profile: what lives, and what was ever allocated.

use std::fmt::Write;

use super::proto::{Profile, Sample};
use super::{First, calls, hex};
use crate::sys::heap::{RATE, Sampled};
use crate::sys::memory::Usage;

/// Which kind of values a profile shows first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// The bytes that live.
    Live,
    /// All bytes that were ever allocated.
    Allocated,
}

/// Functions that allocate for others: they are left out, so that what is
/// allocated is seen to be their callers'.
const ALLOCATOR: &str = "(.*::)?(__r.*alloc.*|(alloc|realloc|allocate|grow|finish_grow|try_allocate|with_capacity|try_with_capacity|try_new|new_uninit|try_new_uninit|exchange_malloc|reserve|try_reserve|do_reserve|to_vec|to_owned|from_elem|extend_from_slice|append_elements|spec_new)(_.*)?)(<.*>)?";

/// Makes the profile of what was sampled.
pub fn profile(samples: &[Sampled], view: View) -> Profile {
    let sample = |stack: &Sampled| {
        let live = live(stack);
        let (allocated, allocated_bytes) = scale(stack.allocated);
        let (live, live_bytes) = scale(live);
        Sample {
            frames: calls(&stack.frames, First::Return),
            values: vec![allocated, allocated_bytes, live, live_bytes],
            labels: Vec::new(),
        }
    };
    Profile {
        kinds: vec![
            ("alloc_objects", "count"),
            ("alloc_space", "bytes"),
            ("inuse_objects", "count"),
            ("inuse_space", "bytes"),
        ],
        default_kind: match view {
            View::Live => "inuse_space",
            View::Allocated => "alloc_space",
        },
        period_kind: ("space", "bytes"),
        period: RATE as i64,
        samples: samples.iter().map(sample).collect(),
        drop_frames: ALLOCATOR,
        ..Profile::default()
    }
}

/// Writes the profile as text, as Go does with `debug=1`: the samples as
/// they are, and the rate for whoever scales them.
pub fn text(samples: &[Sampled], usage: Usage) -> String {
    let line = |live: (u64, u64), all: (u64, u64)| {
        format!("{}: {} [{}: {}] @", live.0, live.1, all.0, all.1)
    };
    let add = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
    let all = samples.iter().fold((0, 0), |sum, s| add(sum, s.allocated));
    let alive = samples.iter().fold((0, 0), |sum, s| add(sum, live(s)));
    let head = line(alive, all);
    let mut text = format!("heap profile: {head} heap/{}\n", RATE * 2);
    let mut sorted: Vec<&Sampled> = samples.iter().collect();
    sorted.sort_by_key(|stack| std::cmp::Reverse(live(stack).1));
    for stack in sorted {
        let counts = line(live(stack), stack.allocated);
        let _ = writeln!(text, "{counts}{}\n", hex(&stack.frames));
    }
    text.push_str("\n# runtime.MemStats\n");
    for (name, value) in figures(samples, usage) {
        let _ = writeln!(text, "# {name} = {value}");
    }
    text
}

/// Returns the figures of the heap by the names of Go's `MemStats`. What
/// was ever allocated is estimated from the samples.
pub fn figures(samples: &[Sampled], usage: Usage) -> [(&'static str, u64); 10] {
    let sum = |of: fn(&Sampled) -> (u64, u64)| {
        samples.iter().fold((0, 0), |(objects, bytes), stack| {
            let scaled = scale(of(stack));
            (objects + scaled.0 as u64, bytes + scaled.1 as u64)
        })
    };
    let allocated = sum(|stack| stack.allocated);
    let freed = sum(|stack| stack.freed);
    [
        ("Alloc", usage.used),
        ("TotalAlloc", allocated.1.max(usage.used)),
        ("Sys", usage.obtained),
        ("Mallocs", allocated.0),
        ("Frees", freed.0),
        ("HeapAlloc", usage.used),
        ("HeapSys", usage.obtained),
        ("HeapIdle", usage.obtained.saturating_sub(usage.used)),
        ("HeapInuse", usage.used),
        ("HeapObjects", allocated.0.saturating_sub(freed.0)),
    ]
}

fn live(stack: &Sampled) -> (u64, u64) {
    let (all, freed) = (stack.allocated, stack.freed);
    // Another thread may be counting in between.
    (all.0.saturating_sub(freed.0), all.1.saturating_sub(freed.1))
}

/// Estimates how many allocations there were from how many were sampled: of
/// a size, 1 − e^(−size/rate) of them are.
fn scale((count, bytes): (u64, u64)) -> (i64, i64) {
    if count == 0 || bytes == 0 {
        return (0, 0);
    }
    let average = bytes as f64 / count as f64;
    // e^−x as (1 + x/1024)^−1024, within what sampling tells at all.
    let mut power = 1.0 / (1.0 + average / RATE as f64 / 1024.0);
    for _ in 0..10 {
        power *= power;
    }
    let factor = 1.0 / (1.0 - power);
    ((count as f64 * factor) as i64, (bytes as f64 * factor) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack() -> Sampled {
        Sampled { frames: vec![16, 32], allocated: (3, 300), freed: (1, 100) }
    }

    #[test]
    fn small_objects_stand_for_many_and_large_ones_for_themselves() {
        let (count, bytes) = scale((2, 2 * 1024));
        assert!((1020..1030).contains(&count), "{count}");
        assert!((1_044_000..1_054_000).contains(&bytes), "{bytes}");
        assert_eq!(scale((3, 3 * (64 << 20))), (3, 3 * (64 << 20)));
        assert_eq!(scale((0, 0)), (0, 0));
    }

    #[test]
    fn text_profiles_look_like_gos() {
        let usage = Usage { used: 5, obtained: 9 };
        let text = text(&[stack()], usage);
        assert!(
            text.starts_with(
                "heap profile: 2: 200 [3: 300] @ heap/1048576\n\
                 2: 200 [3: 300] @ 0x10 0x20\n"
            ),
            "{text}"
        );
        assert!(text.contains("\n# HeapAlloc = 5\n"), "{text}");
    }

    #[test]
    fn both_views_hold_all_values() {
        let profile = profile(&[stack()], View::Allocated);
        assert_eq!(profile.default_kind, "alloc_space");
        let values = &profile.samples[0].values;
        assert!(values[0] > values[2] && values[1] > values[3]);
        assert_eq!(profile.samples[0].frames, [15, 31]);
    }
}
