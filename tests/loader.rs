//! A small load generator for an HTTP server on this machine, and the floor
//! to compare the server with.
//!
//! ```text
//! loader ping  ADDRESS PATH CONNECTIONS SECONDS   drives a server
//! loader floor ADDRESS CONNECTIONS SECONDS        drives a bare responder
//! ```
//!
//! ADDRESS is the path of a Unix socket (with or without `unix://`) or a
//! loopback `HOST:PORT`. Each connection is kept, has one thread, and sends
//! its next `GET` when the answer to the last is read. `floor` makes the
//! server itself: a thread for each connection that reads a head and writes
//! a fixed answer. The result is one line of `key=value` words.
//!
//! Bounded in connections, time and requests. Without these words (as
//! `cargo test` runs it) it says so and does nothing. It needs nothing but
//! std, so two seconds build it:
//! `rustc -O --edition 2024 -o target/loader tests/loader.rs`.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::{Duration, Instant};

const MAX_CONNECTIONS: usize = 256;
const MAX_SECONDS: f64 = 60.0;
const MAX_REQUESTS: u64 = 20_000_000;
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// What the floor answers: a `/_ping` in the form of Docker's.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n\
    Builder-Version: 1\r\nCache-Control: no-cache, no-store, \
    must-revalidate\r\nContent-Length: 2\r\nContent-Type: text/plain; \
    charset=utf-8\r\nDocker-Experimental: false\r\nOstype: linux\r\n\
    Pragma: no-cache\r\nServer: Floor/1.0 (linux)\r\nSwarm: inactive\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nOK";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["ping", address, path, connections, seconds] => {
            Plan::parse(address, path, connections, seconds)
                .and_then(|plan| Ok(plan.drive()?))
        }
        ["floor", address, connections, seconds] => {
            Plan::parse(address, "/_ping", connections, seconds)
                .and_then(|plan| floor(&plan))
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

/// Where the server is.
enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Address {
    fn parse(text: &str) -> Result<Address, Failure> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Address::Unix(PathBuf::from(path)));
        }
        let text = text.strip_prefix("tcp://").unwrap_or(text);
        let text = text.replace("localhost", "127.0.0.1");
        let address: SocketAddr =
            text.parse().map_err(|e| format!("{text:?} is no address: {e}"))?;
        let loopback = match address.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback(),
        };
        match loopback {
            true => Ok(Address::Tcp(address)),
            false => Err(format!("{address} is not this machine").into()),
        }
    }

    fn connect(&self) -> io::Result<Stream> {
        match self {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(Stream::Unix(stream))
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(bytes),
            Stream::Tcp(stream) => stream.read(bytes),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(bytes),
            Stream::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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

    /// Opens all connections, then sends on all of them until the time is
    /// over, and adds up what each saw.
    fn drive(&self) -> io::Result<Tally> {
        let streams: Vec<Stream> = (0..self.connections)
            .map(|_| self.address.connect())
            .collect::<io::Result<_>>()?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: docker\r\nUser-Agent: loader\r\n\r\n",
            self.path
        );
        let most = MAX_REQUESTS / self.connections as u64;
        let start = Barrier::new(self.connections);
        let mut sum = Tally::default();
        std::thread::scope(|scope| {
            let threads: Vec<_> = streams
                .into_iter()
                .map(|stream| {
                    let (request, start) = (request.as_bytes(), &start);
                    scope.spawn(move || {
                        start.wait();
                        drive_one(stream, request, self.time, most)
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

fn drive_one(
    mut stream: Stream,
    request: &[u8],
    time: Duration,
    most: u64,
) -> Tally {
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(64 * 1024);
    let begin = Instant::now();
    let mut before = begin;
    while before - begin < time && tally.requests < most {
        let answered = stream
            .write_all(request)
            .and_then(|()| read_answer(&mut stream, &mut buffer));
        let now = Instant::now();
        match answered {
            Ok(true) => tally.count(now - before),
            Ok(false) => tally.fail("the status is not 200"),
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

/// Reads one answer with a length or in chunks; true if it is a 200.
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
        let body = text.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse().ok())?
        });
        Head { length: end + 4, body, is_ok: text.starts_with("HTTP/1.1 200 ") }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// How many buckets a power of two is cut into: latencies are told to 6 %.
const STEPS: u32 = 16;

/// What one thread saw, or all of them.
struct Tally {
    connections: usize,
    requests: u64,
    errors: u64,
    first_error: Option<String>,
    time: Duration,
    longest: Duration,
    /// Counts by latency, logarithmic.
    buckets: Vec<u64>,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            connections: 1,
            requests: 0,
            errors: 0,
            first_error: None,
            time: Duration::ZERO,
            longest: Duration::ZERO,
            buckets: vec![0; (64 * STEPS) as usize],
        }
    }
}

impl Tally {
    fn count(&mut self, latency: Duration) {
        self.requests += 1;
        self.longest = self.longest.max(latency);
        self.buckets[bucket(latency.as_nanos() as u64)] += 1;
    }

    fn fail(&mut self, words: &str) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| words.to_string());
    }

    fn add(&mut self, other: Tally) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.time = self.time.max(other.time);
        self.longest = self.longest.max(other.longest);
        for (sum, more) in self.buckets.iter_mut().zip(other.buckets) {
            *sum += more;
        }
    }

    /// Returns the latency that this share of the requests kept, in
    /// microseconds.
    fn percentile(&self, share: f64) -> f64 {
        let wanted = (self.requests as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return nanos(index) / 1000.0;
            }
        }
        0.0
    }

    fn line(&self) -> String {
        let seconds = self.time.as_secs_f64().max(1e-9);
        let mut line = format!(
            "rate={:.0} p50_us={:.1} p90_us={:.1} p99_us={:.1} \
             p999_us={:.1} max_us={:.1} requests={} errors={} \
             connections={} seconds={seconds:.2}",
            self.requests as f64 / seconds,
            self.percentile(0.5),
            self.percentile(0.9),
            self.percentile(0.99),
            self.percentile(0.999),
            self.longest.as_secs_f64() * 1e6,
            self.requests,
            self.errors,
            self.connections,
        );
        if let Some(words) = &self.first_error {
            line.push_str(&format!(" first_error={words:?}"));
        }
        line
    }
}

fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(u64::from(STEPS));
    let power = nanos.ilog2();
    let step = (nanos >> (power - STEPS.ilog2())) as u32 - STEPS;
    (power * STEPS + step) as usize
}

/// Returns a bucket's upper end.
fn nanos(bucket: usize) -> f64 {
    let (power, step) = (bucket as u32 / STEPS, bucket as u32 % STEPS);
    f64::from(2u32).powi(power as i32)
        * (1.0 + f64::from(step + 1) / f64::from(STEPS))
}

/// Serves the plan's address with a bare responder and drives that.
fn floor(plan: &Plan) -> Result<Tally, Failure> {
    match &plan.address {
        Address::Unix(path) => {
            let listener = UnixListener::bind(path)?;
            let _guard = Socket(path);
            let accept = move || {
                listener.accept().map(|(stream, _)| Stream::Unix(stream))
            };
            serve(plan.connections, accept);
            Ok(plan.drive()?)
        }
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            let accept = move || {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            };
            serve(plan.connections, accept);
            Ok(plan.drive()?)
        }
    }
}

/// A socket file that is removed when it is no longer used.
struct Socket<'a>(&'a Path);

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// Accepts that many connections, each with a thread that ends with it.
fn serve(
    connections: usize,
    accept: impl Fn() -> io::Result<Stream> + Send + 'static,
) {
    std::thread::spawn(move || {
        for _ in 0..connections {
            let Ok(stream) = accept() else { return };
            std::thread::spawn(move || respond(stream));
        }
    });
}

fn respond(mut stream: Stream) {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    while let Ok(got) = stream.read(&mut buffer[filled..]) {
        if got == 0 {
            return;
        }
        filled += got;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(ANSWER.as_bytes()).is_err() {
                return;
            }
        }
    }
}
