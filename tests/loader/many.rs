//! Thousands of connections from one thread.

use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::address::Stream;
use super::tally::Tally;
use super::{Failure, Plan, read_answer};

/// How often each slow connection gets its next byte.
const BEAT: Duration = Duration::from_secs(1);

/// What the slow ones send, over and over: it never ends a head.
const HEAD: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

/// Asks once on each connection, one after the other, and keeps them all
/// until the standard input ends.
pub fn hold(plan: &Plan) -> Result<Tally, Failure> {
    let request = plan.request();
    let mut tally = Tally::of(plan.connections);
    let mut buffer = Vec::new();
    let mut held = Vec::with_capacity(plan.connections);
    let begin = Instant::now();
    for _ in 0..plan.connections {
        let before = Instant::now();
        let mut stream = plan.address.connect()?;
        stream.write_all(request.as_bytes())?;
        match read_answer(&mut stream, &mut buffer) {
            Ok(true) => tally.count(before.elapsed()),
            Ok(false) => tally.fail("the status is not 200"),
            Err(error) => tally.fail(&error.to_string()),
        }
        held.push(stream);
    }
    tally.time = begin.elapsed();
    println!("held");
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(tally)
}

/// A connection that never gets to the end of its request.
struct Slow {
    stream: Option<Stream>,
    sent: usize,
}

/// Tallies what a good client sees, with a new connection for each request,
/// while all the others are slow.
pub fn drip(plan: &Plan) -> Result<Tally, Failure> {
    let mut slow: Vec<Slow> = Vec::with_capacity(plan.connections);
    for _ in 0..plan.connections {
        let stream = plan.address.connect().ok();
        slow.push(Slow { stream, sent: 0 });
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = Instant::now();
            while !is_over.load(Ordering::Relaxed) {
                // Strangers keep no step: they are spread over the beat.
                for some in slow.chunks_mut(plan.connections.div_ceil(500)) {
                    some.iter_mut().for_each(|one| one.beat(plan));
                    next += BEAT / 500;
                    let rest = next.saturating_duration_since(Instant::now());
                    std::thread::sleep(rest);
                }
            }
        });
        let tally = good_client(plan);
        is_over.store(true, Ordering::Relaxed);
        Ok(tally)
    })
}

fn good_client(plan: &Plan) -> Tally {
    let request = plan.request();
    let mut tally = Tally::of(plan.connections);
    let mut buffer = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < plan.time {
        let before = Instant::now();
        let answered = plan.address.connect().and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            read_answer(&mut stream, &mut buffer)
        });
        match answered {
            Ok(true) => tally.count(before.elapsed()),
            Ok(false) => tally.fail("the status is not 200"),
            Err(error) => tally.fail(&error.to_string()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    tally.time = begin.elapsed();
    tally
}

impl Slow {
    /// Sends the next byte; comes again if it was sent away.
    fn beat(&mut self, plan: &Plan) {
        let byte = HEAD.get(self.sent).copied().unwrap_or(b'x');
        let sent = match &mut self.stream {
            Some(stream) => stream.write_all(&[byte]).is_ok(),
            None => false,
        };
        if sent {
            self.sent += 1;
        } else {
            *self = Slow { stream: plan.address.connect().ok(), sent: 0 };
        }
    }
}
