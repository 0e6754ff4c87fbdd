//! A daemon on a hostile or a poor network: clients that say nothing, drip
//! their requests or keep their connections, and a system that is short of
//! descriptors and threads.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};

use crate::harness::{Daemon, Wire, host, skip, until};

/// What this process, and so a case, may open: the hard limit.
fn raise_own_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let _ = setrlimit(Resource::Nofile, raised);
    limit.maximum.map_or(usize::MAX, |most| most as usize)
}

/// A figure of the daemon's /proc/PID/status.
#[track_caller]
fn status(daemon: &Daemon, name: &str) -> u64 {
    host::status(daemon.pid(), name)
}

/// Sends a part of a head; one that was closed already is passed over.
fn part(daemon: &Daemon, bytes: &[u8]) -> Wire {
    let mut wire = daemon.wire();
    let _ = wire.try_write(bytes);
    wire
}

#[test]
fn two_thousand_slow_heads_hold_nobody_up() {
    let daemon = Daemon::start();
    if raise_own_limit() < 3000 {
        skip("too few descriptors for two thousand clients");
        return;
    }
    let before = status(&daemon, "RssAnon");
    let mut slow: Vec<Wire> =
        (0..2000).map(|_| part(&daemon, b"GET /_pi")).collect();
    for _ in 0..3 {
        for wire in &mut slow {
            let _ = wire.try_write(b"n");
        }
        daemon.get("/_ping").is(200);
        daemon.get("/containers/json").is(200);
        let threads = status(&daemon, "Threads");
        assert!(threads < 600, "{threads} threads");
        let grown = status(&daemon, "RssAnon").saturating_sub(before);
        assert!(grown < 25 * 1024, "{grown} KiB more");
    }
    drop(slow);
    until("the workers to go", || {
        (status(&daemon, "Threads") < 20).then_some(())
    });
}

#[test]
fn a_thousand_kept_connections_cost_little_and_leave_nothing() {
    /// Of the kernel, for each thread, in KiB.
    const KERNEL_STACK: u64 = 16;
    let daemon = Daemon::start();
    if raise_own_limit() < 2000 {
        skip("too few descriptors for a thousand clients");
        return;
    }
    // What stays of the first time is no part of what is measured.
    for round in 0..2 {
        let before = status(&daemon, "VmRSS");
        let threads = status(&daemon, "Threads");
        let mut all: Vec<Wire> = Vec::new();
        for _ in 0..1000 {
            let mut wire = daemon.wire();
            let list = "/containers/json";
            wire.exchange("GET", list, &[], None).is(200);
            all.push(wire);
        }
        let stacks = status(&daemon, "Threads") * KERNEL_STACK;
        // The program's own text is no part of what connections cost.
        let held = status(&daemon, "RssAnon") + stacks;
        assert!(held < 40 * 1024, "{held} KiB for a thousand connections");
        // The last one is kept, those that rested longest have given way.
        all[999].exchange("GET", "/_ping", &[], None).is(200);
        drop(all);
        until("the workers to go", || {
            (status(&daemon, "Threads") <= threads).then_some(())
        });
        if round == 1 {
            until("their memory to come back", || {
                (status(&daemon, "VmRSS") <= before + 1024).then_some(())
            });
        }
    }
}

#[test]
fn a_thousand_clients_at_once_are_all_answered() {
    let daemon = Daemon::start();
    raise_own_limit();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut all: Vec<Wire> = (0..125)
                    .map(|_| {
                        let mut wire = daemon.wire();
                        wire.write("GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n");
                        wire
                    })
                    .collect();
                for wire in &mut all {
                    wire.reply(false).is(200);
                }
            });
        }
    });
}

/// Sets a limit of the running daemon, and gives back what it was.
fn limit(daemon: &Daemon, what: Resource, most: u64) -> Rlimit {
    let new = Rlimit { current: Some(most), ..getrlimit(what) };
    let pid = Pid::from_raw(daemon.pid());
    prlimit(pid, what, new).expect("the limit of a child")
}

#[test]
fn a_daemon_without_descriptors_recovers() {
    let daemon = Daemon::start();
    let most = host::descriptors(daemon.pid()) as u64 + 8;
    let old = limit(&daemon, Resource::Nofile, most);
    // More than it can accept; each says nothing.
    let silent: Vec<Wire> = (0..40).map(|_| part(&daemon, b"")).collect();
    until("the shortage to be told", || {
        daemon.log().contains("Too many open files").then_some(())
    });
    // Silent ones give way, one each time it rests.
    let began = cpu_ticks(&daemon);
    daemon.get("/_ping").is(200);
    drop(silent);
    daemon.get("/_ping").is(200);
    // It did not spin: two seconds of processor time would be a hundredfold.
    assert!(cpu_ticks(&daemon) - began < 200, "a busy loop");
    let pid = Pid::from_raw(daemon.pid());
    prlimit(pid, Resource::Nofile, old).expect("the old limit");
    daemon.get("/containers/json").is(200);
    let told = daemon.log().matches("Too many open files").count();
    assert!(told < 5, "told {told} times");
}

/// Processor time in hundredths of a second.
fn cpu_ticks(daemon: &Daemon) -> u64 {
    let path = format!("/proc/{}/stat", daemon.pid());
    let text = fs::read_to_string(path).expect("a daemon that lives");
    let (_, rest) = text.rsplit_once(')').expect("a name");
    let words: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| words[at].parse::<u64>().expect("a number");
    number(11) + number(12)
}

#[test]
fn a_daemon_without_threads_says_so_and_recovers() {
    let daemon = Daemon::start();
    daemon.get("/_ping").is(200);
    until("no worker to be left", || {
        (status(&daemon, "Threads") < 10).then_some(())
    });
    // No room for one more stack: the C library keeps those of ended
    // workers, so several are asked for at once.
    let most = status(&daemon, "VmSize") * 1024 + 256 * 1024;
    let old = limit(&daemon, Resource::As, most);
    let mut held: Vec<Wire> = Vec::new();
    let refused = (0..64).find_map(|_| {
        // One that is turned away may be so before it has said a word.
        let mut wire =
            part(&daemon, b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
        let head = wire.head();
        held.push(wire);
        (head.status == 503).then_some(head)
    });
    assert!(refused.is_some(), "every client had a thread");
    let pid = Pid::from_raw(daemon.pid());
    prlimit(pid, Resource::As, old).expect("the old limit");
    daemon.get("/_ping").is(200);
    drop(held);
    until("the workers to go", || {
        (status(&daemon, "Threads") < 10).then_some(())
    });
}
