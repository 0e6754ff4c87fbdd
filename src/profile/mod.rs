//! Profiles of this process, in the form that `go tool pprof` reads.
//!
//! `sys` takes the samples, [`proto`] writes them down; here they get their
//! meaning. The shipped file has no symbols: `go tool pprof
//! target/skiff.debug profile` finds the names.

pub mod heap;
pub mod process;
pub mod proto;
pub mod threads;

use std::time::{Duration, SystemTime};

use proto::{Label, Profile, Sample};

use crate::sys::sampling::{HERTZ, Samples};

/// Makes the CPU profile of some samples.
pub fn cpu(samples: &Samples, began: SystemTime, took: Duration) -> Profile {
    let period = 1_000_000_000 / i64::from(HERTZ);
    let sample = |stack: &crate::sys::stacks::Counted| {
        let count = stack.counters[0] as i64;
        Sample {
            frames: calls(&stack.frames, First::Interrupted),
            values: vec![count, count * period],
            labels: Vec::new(),
        }
    };
    let comments = match samples.lost {
        0 => Vec::new(),
        lost => vec![format!("{lost} samples found no room")],
    };
    Profile {
        kinds: vec![("samples", "count"), ("cpu", "nanoseconds")],
        period_kind: ("cpu", "nanoseconds"),
        period,
        began,
        took,
        samples: samples.stacks.iter().map(sample).collect(),
        comments,
        ..Profile::default()
    }
}

/// Makes the profile of threads: one sample for each.
pub fn threads(threads: &[threads::Thread], kind: &'static str) -> Profile {
    let sample = |thread: &threads::Thread| Sample {
        frames: calls(&thread.stack, First::Interrupted),
        values: vec![1],
        labels: vec![
            Label::Text("thread", thread.name.clone()),
            Label::Text("state", thread.state.to_string()),
            Label::Number("tid", i64::from(thread.id)),
        ],
    };
    Profile {
        kinds: vec![(kind, "count")],
        period_kind: (kind, "count"),
        period: 1,
        samples: threads.iter().map(sample).collect(),
        ..Profile::default()
    }
}

/// What the first address of a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// The instruction that came next.
    Interrupted,
    /// Where a call returns to, as all others.
    Return,
}

/// Turns return addresses into addresses inside of the calls: a call may be
/// the last instruction of its function.
fn calls(frames: &[usize], first: First) -> Vec<u64> {
    let inside = |(at, frame): (usize, &usize)| match (at, first) {
        (0, First::Interrupted) => *frame as u64,
        _ => frame.saturating_sub(1) as u64,
    };
    frames.iter().enumerate().map(inside).collect()
}

/// Writes addresses as text profiles have them: ` 0x1 0x2`.
fn hex(frames: &[usize]) -> String {
    frames.iter().map(|frame| format!(" {frame:#x}")).collect()
}
