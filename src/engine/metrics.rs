//! What the engine counts for those who watch it, under dockerd's names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Engine;

/// The bounds of a histogram's buckets: Prometheus' usual ones, seconds.
pub const BOUNDS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is done to containers, and timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Listing what was changed in the file system.
    Changes,
    /// Making an image.
    Commit,
    /// Making it.
    Create,
    /// Removing it.
    Delete,
    /// Starting it.
    Start,
}

impl Action {
    /// All of them, sorted by name.
    pub const ALL: [Action; 5] = [
        Action::Changes,
        Action::Commit,
        Action::Create,
        Action::Delete,
        Action::Start,
    ];

    /// Returns dockerd's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Changes => "changes",
            Action::Commit => "commit",
            Action::Create => "create",
            Action::Delete => "delete",
            Action::Start => "start",
        }
    }
}

/// The counters of an engine.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    actions: [Histogram; Action::ALL.len()],
    /// Checks of health, and those of them that failed.
    checks: [AtomicU64; 2],
}

#[derive(Debug, Default)]
struct Histogram {
    /// One for each bound, and one for what is beyond all.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Metrics {
    /// Counts an action that was carried out, and how long it took.
    pub(super) fn observe(&self, action: Action, took: Duration) {
        let histogram = &self.actions[action as usize];
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().take_while(|b| seconds > **b).count();
        histogram.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(0);
        histogram.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Counts a check of a container's health.
    pub(super) fn checked(&self, exit_code: i32) {
        let [all, failed] = &self.checks;
        all.fetch_add(1, Ordering::Relaxed);
        failed.fetch_add(u64::from(exit_code != 0), Ordering::Relaxed);
    }
}

/// How long one action took.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    /// The action.
    pub action: Action,
    /// How many took as long as each bound or less; the last: all.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All of them together, in seconds.
    pub seconds: f64,
}

/// The figures of an engine at one moment.
#[derive(Clone, Debug)]
pub struct Measures {
    /// What the engine is.
    pub info: [(&'static str, String); 9],
    /// Containers that are paused, that run, that do neither.
    pub states: [(&'static str, i64); 3],
    /// CPUs of the host.
    pub cpus: u64,
    /// Bytes of the host's memory.
    pub memory: i64,
    /// Events that were published.
    pub events: u64,
    /// Those who read them.
    pub subscribers: u64,
    /// Checks of health, and those of them that failed.
    pub checks: [u64; 2],
    /// How long actions took.
    pub actions: Vec<Timed>,
}

impl Engine {
    /// Returns the figures of this engine.
    pub fn measures(&self) -> Measures {
        let version = self.version();
        let (os, os_version) = self.host.os.clone();
        let containers = self.containers.count();
        let read = |action: Action| {
            let histogram = &self.metrics.actions[action as usize];
            let mut buckets = histogram
                .buckets
                .each_ref()
                .map(|bucket| bucket.load(Ordering::Relaxed));
            for at in 1..buckets.len() {
                buckets[at] += buckets[at - 1];
            }
            let nanos = histogram.nanos.load(Ordering::Relaxed);
            Timed { action, buckets, seconds: nanos as f64 / 1e9 }
        };
        Measures {
            info: [
                ("architecture", "x86_64".into()),
                ("commit", version.git_commit),
                ("daemon_id", self.identity.id.clone()),
                ("graphdriver", "overlay2".into()),
                ("kernel", version.kernel_version),
                ("os", os),
                ("os_type", version.os),
                ("os_version", os_version),
                ("version", version.version),
            ],
            states: [
                ("paused", containers.paused),
                ("running", containers.running),
                ("stopped", containers.stopped()),
            ],
            cpus: self.host.cpus as u64,
            memory: self.host.memory,
            events: self.events.published(),
            subscribers: self.events.listeners() as u64,
            checks: self
                .metrics
                .checks
                .each_ref()
                .map(|count| count.load(Ordering::Relaxed)),
            actions: Action::ALL.map(read).to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_falls_into_the_bucket_of_its_time() {
        let metrics = Metrics::default();
        for millis in [1, 5, 6, 20_000] {
            metrics.observe(Action::Start, Duration::from_millis(millis));
        }
        let buckets = metrics.actions[Action::Start as usize]
            .buckets
            .each_ref()
            .map(|bucket| bucket.load(Ordering::Relaxed));
        assert_eq!(buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
