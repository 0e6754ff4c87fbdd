//! Many clients at once that leave again: what they took is given back.

use crate::harness::wire::{Head, Wire};
use crate::harness::{Daemon, host, until};

/// What a daemon holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    threads: usize,
    descriptors: usize,
    /// Resident memory that is its own, in KiB.
    memory: u64,
}

fn held(pid: i32) -> Held {
    Held {
        threads: host::threads(pid).len(),
        descriptors: host::descriptors(pid),
        memory: host::status(pid, "RssAnon"),
    }
}

/// Opens many streams in rounds that a listener's budget can hold, drops
/// them, and waits until the daemon holds what it held before.
#[track_caller]
fn open_and_drop(daemon: &Daemon, method: &str, target: &str) {
    const ROUNDS: usize = 4;
    const EACH: usize = 250;
    // The first ones bring what stays: caches, tables, the allocator's own.
    let open = |count| -> Vec<(Wire, Head)> {
        (0..count).map(|_| daemon.open(method, target)).collect()
    };
    let is_back = |limit: Held| {
        until("what was taken to come back", || {
            let now = held(daemon.pid());
            let back = now.threads <= limit.threads
                && now.descriptors <= limit.descriptors
                && now.memory <= limit.memory;
            back.then_some(())
        });
    };
    let before = held(daemon.pid());
    drop(open(EACH));
    let idle = until("the first ones to be gone", || {
        let now = held(daemon.pid());
        (now.threads <= before.threads).then_some(now)
    });
    for _ in 0..ROUNDS {
        let streams = open(EACH);
        let now = held(daemon.pid());
        assert!(now.threads >= EACH, "{target}: {now:?} of {idle:?}");
        drop(streams);
        is_back(Held { memory: idle.memory + 2048, ..idle });
    }
}

#[test]
fn a_thousand_events_opened_and_dropped_leave_nothing() {
    let daemon = Daemon::start();
    open_and_drop(&daemon, "GET", "/events");
}

#[test]
fn a_thousand_waits_opened_and_dropped_leave_nothing() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    // The answer's head comes at once with an explicit condition.
    open_and_drop(&daemon, "POST", "/containers/web/wait?condition=removed");
}

#[test]
fn a_thousand_followed_logs_opened_and_dropped_leave_nothing() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo x; sleep 1000");
    let target = "/containers/web/logs?stdout=1&follow=1";
    open_and_drop(&daemon, "GET", target);
}

#[test]
fn a_thousand_stats_opened_and_dropped_leave_nothing() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    open_and_drop(&daemon, "GET", "/containers/web/stats");
}
