//! A registry for tests: answers raw bytes on a port of this machine, so
//! that it can cut, stall and lie as real ones do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::{Cancel, Client, Credentials, Pace, Repository, Settings};
use crate::oci::Reference;

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The head in full.
    pub head: String,
    /// The body.
    pub body: String,
    /// How many requests came before, over all connections.
    pub number: usize,
}

impl Seen {
    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// Returns where a range request starts.
    pub fn start(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?;
        range.strip_suffix('-')?.parse().ok()
    }
}

/// What to do after an answer.
pub enum Then {
    /// Read the next request.
    Keep,
    /// Close the connection.
    Close,
    /// Keep it open and say nothing for this long.
    Stall(Duration),
}

/// A running registry. Its threads end with the test's process.
pub struct Fake {
    /// Its port.
    pub port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    /// Starts one that answers with what `answer` gives.
    pub fn start(
        answer: impl Fn(&Seen) -> (Vec<u8>, Then) + Send + Sync + 'static,
    ) -> Fake {
        let listener =
            TcpListener::bind("127.0.0.1:0").expect("a fake may fail its test");
        let port =
            listener.local_addr().expect("a fake may fail its test").port();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let (log, answer) = (seen.clone(), Arc::new(answer));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (log, answer) = (log.clone(), answer.clone());
                let socket = socket.expect("a fake may fail its test");
                thread::spawn(move || serve(socket, &log, &*answer));
            }
        });
        Fake { port, seen }
    }

    /// Returns the requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a fake may fail its test").clone()
    }

    /// Returns the targets that were asked for so far.
    pub fn targets(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.target).collect()
    }

    /// Returns its `host:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Opens its repository `a/b` with a hasty client.
    pub fn repository(&self) -> Repository {
        self.repository_as(None, &Cancel::new())
    }

    /// The same with credentials and a handle.
    pub fn repository_as(
        &self,
        credentials: Option<Credentials>,
        cancel: &Cancel,
    ) -> Repository {
        let name = format!("{}/a/b", self.host());
        let reference =
            Reference::parse(&name).expect("a fake may fail its test");
        let client = Client::new(settings());
        client
            .repository(&reference, credentials, cancel)
            .expect("a fake may fail its test")
    }
}

/// Returns settings with short waits.
pub fn settings() -> Settings {
    let pace = Pace {
        stall: Duration::from_millis(300),
        document: Duration::from_secs(2),
        first_delay: Duration::from_millis(2),
        longest_delay: Duration::from_millis(20),
        ..Pace::default()
    };
    Settings { pace, ..Settings::default() }
}

/// Makes an answer with a length.
pub fn answer(status: u16, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 {status} Whatever\r\n").into_bytes();
    for header in headers {
        bytes.extend_from_slice(format!("{header}\r\n").as_bytes());
    }
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(length.as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn serve(
    mut socket: TcpStream,
    log: &Mutex<Vec<Seen>>,
    answer: &dyn Fn(&Seen) -> (Vec<u8>, Then),
) {
    while let Some(seen) = read(&mut socket, log) {
        let (bytes, then) = answer(&seen);
        if socket.write_all(&bytes).is_err() {
            return;
        }
        match then {
            Then::Keep => {}
            Then::Close => return,
            Then::Stall(time) => thread::sleep(time),
        }
    }
}

fn read(socket: &mut TcpStream, log: &Mutex<Vec<Seen>>) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if socket.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
        if head[0] == 0x16 {
            // The start of a TLS handshake: this server speaks plain text.
            let _ = socket.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
            return None;
        }
    }
    let head = String::from_utf8(head).expect("a fake may fail its test");
    let mut words = head.split(' ');
    let (method, target) = (words.next()?.to_string(), words.next()?.into());
    let mut seen =
        Seen { method, target, head, body: String::new(), number: 0 };
    let length = seen
        .header("content-length")
        .unwrap_or("0")
        .parse()
        .expect("a fake may fail its test");
    let mut body = vec![0; length];
    socket.read_exact(&mut body).ok()?;
    seen.body = String::from_utf8(body).expect("a fake may fail its test");
    let mut log = log.lock().expect("a fake may fail its test");
    seen.number = log.len();
    log.push(seen.clone());
    Some(seen)
}
