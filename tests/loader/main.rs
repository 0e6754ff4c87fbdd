//! A small load generator for an HTTP server on this machine, and the floor
//! to compare the server with.
//!
//! ```text
//! loader ping  ADDRESS PATH CONNECTIONS SECONDS  kept connections
//! loader fresh ADDRESS PATH CONNECTIONS SECONDS  one for each request
//! loader floor ADDRESS CONNECTIONS SECONDS       drives a bare responder
//! loader hold  ADDRESS PATH CONNECTIONS          asks once, then stays
//! loader drip  ADDRESS CONNECTIONS SECONDS       slow heads, a good client
//! loader life  ADDRESS CONNECTIONS SECONDS       containers, one by one
//! ```
//!
//! ADDRESS is the path of a Unix socket (with or without `unix://`) or a
//! loopback `HOST:PORT`. `ping` has a thread for each connection, which
//! sends its next `GET` when the answer to the last is read; `fresh` does
//! the same with a new connection each time. `floor` makes the server
//! itself: a thread for each connection that reads a head and writes a
//! fixed answer. `hold` says `held` when each connection has its answer,
//! and keeps them until its standard input ends. `drip` sends a byte of a
//! head each second on all connections, anew on those that the server
//! closes, and measures what a good client sees meanwhile. `life` counts
//! whole lives of containers. The result is one line of `key=value` words.
//!
//! Bounded in connections, time and requests. Without these words (as
//! `cargo test` runs it) it says so and does nothing. It needs nothing but
//! std, so two seconds build it:
//! `rustc -O --edition 2024 -o target/loader tests/loader/main.rs`.

mod address;
mod floor;
mod life;
mod many;
mod tally;

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use address::{Address, Stream};
use tally::Tally;

const MAX_CONNECTIONS: usize = 15_000;
/// Those that have a thread each.
const MAX_THREADS: usize = 256;
const MAX_SECONDS: f64 = 60.0;
const MAX_REQUESTS: u64 = 20_000_000;
/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["ping", address, path, connections, seconds] => {
            Plan::parse(address, path, connections, seconds)
                .and_then(|plan| plan.drive(drive_one))
        }
        ["fresh", address, path, connections, seconds] => {
            Plan::parse(address, path, connections, seconds)
                .and_then(|plan| plan.drive(drive_fresh))
        }
        ["floor", address, connections, seconds] => {
            Plan::parse(address, "/_ping", connections, seconds)
                .and_then(|plan| floor::floor(&plan))
        }
        ["hold", address, path, connections] => {
            Plan::parse(address, path, connections, "0")
                .and_then(|plan| many::hold(&plan))
        }
        ["drip", address, connections, seconds] => {
            Plan::parse(address, "/_ping", connections, seconds)
                .and_then(|plan| many::drip(&plan))
        }
        ["life", address, connections, seconds] => {
            Plan::parse(address, "/containers", connections, seconds)
                .and_then(|plan| plan.drive(life::drive_life))
        }
        _ => {
            println!("loader: skipped (it is run by scripts/bench)");
            return ExitCode::SUCCESS;
        }
    };
    match result {
        Ok(tally) => {
            println!("{}", tally.line());
            match tally.errors {
                0 => ExitCode::SUCCESS,
                _ => ExitCode::FAILURE,
            }
        }
        Err(error) => {
            eprintln!("loader: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Plan {
    address: Address,
    path: String,
    connections: usize,
    time: Duration,
}

impl Plan {
    fn parse(
        address: &str,
        path: &str,
        connections: &str,
        seconds: &str,
    ) -> Result<Plan, Failure> {
        let connections: usize = connections.parse()?;
        let seconds: f64 = seconds.parse()?;
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            return Err(format!("1 to {MAX_CONNECTIONS} connections").into());
        }
        if !(0.0..=MAX_SECONDS).contains(&seconds) {
            return Err(format!("up to {MAX_SECONDS} seconds").into());
        }
        if !path.starts_with('/') || path.contains(char::is_whitespace) {
            return Err(format!("{path:?} is no path").into());
        }
        Ok(Plan {
            address: Address::parse(address)?,
            path: path.to_string(),
            connections,
            time: Duration::from_secs_f64(seconds),
        })
    }

    fn request(&self) -> String {
        format!(
            "GET {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: loader\r\n\r\n",
            self.path
        )
    }

    /// Opens all connections, then sends on all of them until the time is
    /// over, and adds up what each saw.
    fn drive(
        &self,
        drive: impl Fn(&Plan, Stream, u64) -> Tally + Sync,
    ) -> Result<Tally, Failure> {
        if self.connections > MAX_THREADS {
            return Err(format!("at most {MAX_THREADS} connections").into());
        }
        let streams: Vec<Stream> = (0..self.connections)
            .map(|_| self.address.connect())
            .collect::<io::Result<_>>()?;
        let most = MAX_REQUESTS / self.connections as u64;
        let start = Barrier::new(self.connections);
        let mut sum = Tally::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = streams
                .into_iter()
                .map(|stream| {
                    let (start, drive) = (&start, &drive);
                    scope.spawn(move || {
                        start.wait();
                        drive(self, stream, most)
                    })
                })
                .collect();
            for thread in threads {
                sum.add(thread.join().expect("the loop does not panic"));
            }
        });
        sum.connections = self.connections;
        Ok(sum)
    }
}

/// Sends on one connection as long as it lasts.
fn drive_one(plan: &Plan, mut stream: Stream, most: u64) -> Tally {
    let (request, time) = (plan.request(), plan.time);
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(64 * 1024);
    let begin = Instant::now();
    let mut before = begin;
    while before - begin < time && tally.requests < most {
        let answered = stream
            .write_all(request.as_bytes())
            .and_then(|()| read_answer(&mut stream, &mut buffer));
        let now = Instant::now();
        match answered {
            Ok(true) => tally.count(now - before),
            Ok(false) => tally.fail("the status is not 2xx"),
            Err(error) => {
                // The connection is of no more use.
                tally.fail(&error.to_string());
                break;
            }
        }
        before = now;
    }
    tally.time = begin.elapsed();
    tally
}

/// Sends each request on a connection of its own.
fn drive_fresh(plan: &Plan, first: Stream, most: u64) -> Tally {
    drop(first);
    let request = plan.request();
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(64 * 1024);
    let begin = Instant::now();
    let mut before = begin;
    while before - begin < plan.time && tally.requests < most {
        let answered = plan.address.connect().and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            read_answer(&mut stream, &mut buffer)
        });
        let now = Instant::now();
        match answered {
            Ok(true) => tally.count(now - before),
            Ok(false) => tally.fail("the status is not 2xx"),
            Err(error) => tally.fail(&error.to_string()),
        }
        before = now;
    }
    tally.time = begin.elapsed();
    tally
}

/// Reads one answer with a length, in chunks, or without a body (204); true
/// if it tells success.
fn read_answer(stream: &mut Stream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    buffer.clear();
    let mut piece = [0; 16 * 1024];
    let mut head = None;
    loop {
        let got = stream.read(&mut piece)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.extend_from_slice(&piece[..got]);
        if head.is_none() {
            head = find(buffer, b"\r\n\r\n").map(|at| Head::parse(buffer, at));
        }
        let Some(known) = &head else {
            if buffer.len() > MAX_ANSWER {
                return Err(io::Error::other("the head has no end"));
            }
            continue;
        };
        let body = &buffer[known.length..];
        let complete = match known.body {
            Some(length) => body.len() >= length,
            None => body.ends_with(b"0\r\n\r\n"),
        };
        if complete {
            return Ok(known.is_ok);
        }
        if buffer.len() > MAX_ANSWER {
            return Err(io::Error::other("the answer is too long"));
        }
    }
}

/// What must be known of an answer's head.
struct Head {
    length: usize,
    /// The body's length; `None` if it comes in chunks.
    body: Option<usize>,
    is_ok: bool,
}

impl Head {
    fn parse(bytes: &[u8], end: usize) -> Head {
        let text = std::str::from_utf8(&bytes[..end]).unwrap_or("");
        let is_ok = text.starts_with("HTTP/1.1 2");
        let body = text.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().ok())?
        });
        let body = match text.starts_with("HTTP/1.1 204 ") {
            true => Some(0),
            false => body,
        };
        Head { length: end + 4, body, is_ok }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
