//! Sends lines to a logging service over its socket: syslog (RFC 3164,
//! RFC 5424) or the native protocol of systemd's journal.
//!
//! Nothing here waits. Messages stand in a bounded queue until the socket
//! takes them; what finds the queue full is dropped and counted. A service
//! that is gone is tried again, at most once a second.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Stream;
use super::lines::Piece;
use crate::json::FromJson;
use crate::sys::poll::{PollFd, PollFlags, poll};
use crate::sys::random;
use crate::sys::socket::{Peering, connect_now};
use crate::sys::stream::{Moved, send_now};
use crate::time::Timestamp;

/// How long a service that cannot be reached is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// How long the last messages of a container are waited for.
const LAST: Duration = Duration::from_millis(500);

/// The form of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Of the local syslog socket: without a host name.
    #[default]
    Local,
    /// RFC 3164.
    Rfc3164,
    /// RFC 5424, in whole seconds.
    Rfc5424,
    /// RFC 5424, in microseconds.
    Rfc5424Micro,
    /// The journal's native protocol.
    Journal,
}

/// Where and how lines are sent. Travels to the monitor as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Remote {
    /// The form of messages.
    pub form: Form,
    /// `udp`, `tcp`, `unix` or `unixgram`.
    pub protocol: String,
    /// An address with a port, or a path.
    pub address: String,
    /// The facility's number, shifted as in a priority.
    pub facility: u32,
    /// This machine's name.
    pub hostname: String,
    /// What stands for the program.
    pub tag: String,
    /// Fields of each message to the journal.
    pub fields: BTreeMap<String, String>,
    /// The most bytes that wait.
    pub room: u64,
}

/// The sending end.
#[derive(Debug)]
pub(super) struct Sender {
    config: Remote,
    peering: Peering,
    socket: Option<OwnedFd>,
    /// When to try again.
    retry_at: Option<Instant>,
    queue: VecDeque<Vec<u8>>,
    /// Bytes of the first message that are gone already.
    sent: usize,
    waiting: usize,
    /// The line that goes on in each stream: its id, and its parts so far.
    partial: [Option<(String, u32)>; 2],
    /// Messages that were dropped.
    pub dropped: u64,
}

impl Sender {
    pub(super) fn new(config: &Remote) -> Sender {
        let mut sender = Sender {
            config: config.clone(),
            peering: match config.protocol.as_str() {
                "tcp" => Peering::Tcp,
                "udp" => Peering::Udp,
                "unix" => Peering::Unix,
                _ => Peering::UnixDatagram,
            },
            socket: None,
            retry_at: None,
            queue: VecDeque::new(),
            sent: 0,
            waiting: 0,
            partial: [None, None],
            dropped: 0,
        };
        sender.connect();
        sender
    }

    /// Puts a line, or a part of one, into the queue.
    pub(super) fn add(&mut self, stream: Stream, piece: &Piece<'_>) {
        let (text, time, goes_on) = match piece {
            Piece::Line(text, time) => (*text, *time, false),
            Piece::Part(text, time) => (*text, *time, true),
        };
        // As Docker: an empty line is no message.
        let in_parts = self.partial[stream as usize].is_some();
        if text.is_empty() && !in_parts {
            return;
        }
        let message = match self.config.form {
            Form::Journal => self.journal(stream, text, time, goes_on),
            _ => self.syslog(stream, text),
        };
        let room = usize::try_from(self.config.room).unwrap_or(usize::MAX);
        if !self.queue.is_empty() && self.waiting + message.len() > room {
            self.dropped += 1;
            return;
        }
        self.waiting += message.len();
        self.queue.push_back(message);
    }

    fn syslog(&self, stream: Stream, text: &[u8]) -> Vec<u8> {
        let Remote { hostname, tag, facility, .. } = &self.config;
        let severity = match stream {
            Stream::Stdout => 6,
            Stream::Stderr => 3,
        };
        let priority = facility | severity;
        let pid = std::process::id();
        let now = Timestamp::now();
        let stamp = || now.stamp_local();
        let head = match self.config.form {
            Form::Rfc3164 => {
                format!("<{priority}>{} {hostname} {tag}[{pid}]: ", stamp())
            }
            Form::Rfc5424 => format!(
                "<{priority}>1 {}Z {hostname} {tag} {pid} {tag} - ",
                now.civil(0)
            ),
            Form::Rfc5424Micro => format!(
                "<{priority}>1 {}.{:06}Z {hostname} {tag} {pid} {tag} - ",
                now.civil(0),
                now.nanos / 1000
            ),
            _ => format!("<{priority}>{} {tag}[{pid}]: ", stamp()),
        };
        let mut message = head.into_bytes();
        message.extend_from_slice(text);
        message.push(b'\n');
        message
    }

    fn journal(
        &mut self,
        stream: Stream,
        text: &[u8],
        time: Timestamp,
        goes_on: bool,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 512);
        field(&mut out, "MESSAGE", text);
        let priority = match stream {
            Stream::Stdout => b"6",
            Stream::Stderr => b"3",
        };
        field(&mut out, "PRIORITY", priority);
        field(&mut out, "SYSLOG_TIMESTAMP", time.to_string().as_bytes());
        let partial = &mut self.partial[stream as usize];
        if goes_on || partial.is_some() {
            let (id, count) = partial.get_or_insert_with(|| {
                let hex = |b: &u8| format!("{b:02x}");
                (random::bytes::<32>().iter().map(hex).collect(), 0)
            });
            *count += 1;
            if goes_on {
                field(&mut out, "CONTAINER_PARTIAL_MESSAGE", b"true");
            }
            field(&mut out, "CONTAINER_PARTIAL_ID", id.as_bytes());
            let ordinal = count.to_string();
            let name = "CONTAINER_PARTIAL_ORDINAL";
            field(&mut out, name, ordinal.as_bytes());
            let last: &[u8] = if goes_on { b"false" } else { b"true" };
            field(&mut out, "CONTAINER_PARTIAL_LAST", last);
        }
        if !goes_on {
            *partial = None;
        }
        for (name, value) in &self.config.fields {
            field(&mut out, name, value.as_bytes());
        }
        out
    }

    /// Sends what the service takes now.
    pub(super) fn flush(&mut self) {
        let mut renewed = false;
        while !self.queue.is_empty() {
            if self.socket.is_none() && !self.connect() {
                return;
            }
            let (Some(socket), Some(message)) =
                (&self.socket, self.queue.front())
            else {
                return;
            };
            match send_now(socket, &message[self.sent..]) {
                Moved::Nothing => return,
                Moved::Bytes(n) => {
                    self.sent += n;
                    renewed = false;
                    if self.peering.is_stream() && self.sent < message.len() {
                        continue;
                    }
                }
                // A datagram that is refused twice is refused itself.
                Moved::Closed if renewed && !self.peering.is_stream() => {
                    self.dropped += 1;
                }
                Moved::Closed => {
                    self.socket = None;
                    self.sent = 0;
                    if self.peering.is_stream() {
                        self.retry_at = Some(Instant::now() + RETRY);
                        return;
                    }
                    renewed = true;
                    continue;
                }
            }
            self.waiting -= message.len();
            self.sent = 0;
            self.queue.pop_front();
        }
        self.queue = VecDeque::new();
    }

    /// Sends the last messages, as far as the service takes them soon.
    pub(super) fn finish(&mut self) {
        let deadline = Instant::now() + LAST;
        self.flush();
        while let Some(fd) = self.waits_for() {
            let now = Instant::now();
            if now >= deadline {
                break;
            }
            let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
            let _ = poll(&mut fds, Some(deadline - now));
            self.flush();
        }
        self.dropped += self.queue.len() as u64;
        self.queue.clear();
        self.waiting = 0;
        self.socket = None;
    }

    /// What is to become writable before more can be sent.
    pub(super) fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        let socket = self.socket.as_ref()?;
        (!self.queue.is_empty()).then(|| socket.as_fd())
    }

    /// When to try again to reach the service.
    pub(super) fn wake_in(&self) -> Option<Duration> {
        if self.socket.is_some() || self.queue.is_empty() {
            return None;
        }
        let at = self.retry_at?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    fn connect(&mut self) -> bool {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        self.socket = connect_now(self.peering, &self.config.address).ok();
        let failed = self.socket.is_none();
        self.retry_at = failed.then_some(now + RETRY);
        !failed
    }
}

/// Appends a field in the journal's native form.
fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        out.push(b'\n');
        out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        out.push(b'=');
    }
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn sender(form: Form, protocol: &str, address: String) -> Sender {
        Sender::new(&Remote {
            form,
            protocol: protocol.into(),
            address,
            facility: 24,
            hostname: "host".into(),
            tag: "tag".into(),
            fields: [("CONTAINER_ID".into(), "x".into())].into(),
            room: 100,
        })
    }

    #[test]
    fn a_message_has_its_form() {
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = far.local_addr().unwrap().to_string();
        let mut sender = sender(Form::Rfc5424, "udp", address);
        let now = Timestamp::now();
        sender.add(Stream::Stderr, &Piece::Line(b"hello", now));
        sender.flush();
        let mut block = [0; 512];
        let n = far.recv(&mut block).unwrap();
        let text = String::from_utf8_lossy(&block[..n]).into_owned();
        assert!(text.starts_with("<27>1 2"), "{text}");
        let end = format!("Z host tag {} tag - hello\n", std::process::id());
        assert!(text.ends_with(&end), "{text}");
    }

    #[test]
    fn parts_of_a_line_are_told_to_the_journal() {
        let mut sender = sender(Form::Journal, "unixgram", "/nosuch".into());
        let now = Timestamp::now();
        let text = |message: Vec<u8>| String::from_utf8(message).unwrap();
        let first = text(sender.journal(Stream::Stdout, b"a", now, true));
        assert!(first.contains("CONTAINER_PARTIAL_MESSAGE=true\n"));
        assert!(first.contains("CONTAINER_PARTIAL_ORDINAL=1\n"));
        let last = text(sender.journal(Stream::Stdout, b"b", now, false));
        assert!(last.contains("CONTAINER_PARTIAL_LAST=true\n"));
        assert!(last.contains("CONTAINER_PARTIAL_ORDINAL=2\n"));
        let other = text(sender.journal(Stream::Stdout, b"c", now, false));
        assert!(!other.contains("PARTIAL"), "{other}");
        assert!(other.contains("CONTAINER_ID=x\n"), "{other}");
    }

    #[test]
    fn a_service_that_is_gone_costs_no_more_than_its_queue() {
        let mut sender = sender(Form::Local, "unix", "/nosuch".into());
        let now = Timestamp::now();
        for _ in 0..100 {
            sender.add(Stream::Stdout, &Piece::Line(&[b'x'; 40], now));
            sender.flush();
        }
        assert!(sender.waiting <= 100 && sender.dropped >= 98);
        assert!(sender.wake_in().is_some());
        sender.finish();
        assert_eq!(sender.dropped, 100);
    }
}
