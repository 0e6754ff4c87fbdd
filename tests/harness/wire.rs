//! A small HTTP/1.1 client of the tests' own, close to the bytes: it must not
//! share a mistake with the product's.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::command::text;

/// The longest that a read waits before the case fails.
const PATIENCE: Duration = Duration::from_secs(30);

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// One connection.
pub struct Wire {
    socket: Socket,
    unread: Vec<u8>,
    sent: String,
}

/// Status line and headers of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
}

/// A whole answer.
pub struct Reply {
    pub request: String,
    pub head: Head,
    pub body: Vec<u8>,
}

impl Head {
    /// Value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found =
            self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn is_chunked(&self) -> bool {
        self.header("Transfer-Encoding") == Some("chunked")
    }

    fn has_no_body(&self) -> bool {
        self.status < 200 || self.status == 204 || self.status == 304
    }
}

impl Reply {
    /// Asserts the status.
    #[track_caller]
    pub fn is(self, status: u16) -> Reply {
        assert!(self.head.status == status, "wanted {status}\n{self:?}");
        self
    }

    /// Asserts the status and the `message` of an error.
    #[track_caller]
    pub fn refuses(self, status: u16, message: &str) -> Reply {
        let reply = self.is(status);
        let said = reply.message();
        assert!(said == message, "wanted {message:?}\n{reply:?}");
        reply
    }

    pub fn text(&self) -> String {
        text(&self.body)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|cause| panic!("no JSON: {cause}\n{self:?}"))
    }

    /// Each line of a stream of JSON values.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        serde_json::Deserializer::from_slice(&self.body)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap_or_else(|cause| panic!("no JSON: {cause}\n{self:?}"))
    }

    #[track_caller]
    pub fn message(&self) -> String {
        let json = self.json();
        json["message"].as_str().unwrap_or_default().to_string()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, ">>> {}", self.request)?;
        writeln!(f, "<<< {} {}", self.head.status, self.head.reason)?;
        for (name, value) in &self.head.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let body = text(&self.body);
        let end =
            body.char_indices().nth(6000).map_or(body.len(), |(at, _)| at);
        writeln!(f, "\n{}", &body[..end])
    }
}

impl Wire {
    /// Connects to a Unix socket.
    #[track_caller]
    pub fn unix(path: &Path) -> Wire {
        let socket = UnixStream::connect(path)
            .unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        socket.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Wire::over(Socket::Unix(socket))
    }

    /// Connects to a TCP port of the loopback.
    #[track_caller]
    pub fn tcp(port: u16) -> Wire {
        Wire::at((Ipv4Addr::LOCALHOST, port).into())
    }

    /// Connects to a TCP address.
    #[track_caller]
    pub fn at(address: SocketAddr) -> Wire {
        let socket = TcpStream::connect(address)
            .unwrap_or_else(|cause| panic!("{address}: {cause}"));
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        socket.set_write_timeout(Some(PATIENCE)).expect("a time-out");
        Wire::over(Socket::Tcp(socket))
    }

    fn over(socket: Socket) -> Wire {
        Wire { socket, unread: Vec::new(), sent: String::new() }
    }

    /// Writes bytes as they are.
    #[track_caller]
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.try_write(bytes).unwrap_or_else(|cause| {
            panic!("cannot write {:?}: {cause}", text(bytes))
        });
    }

    /// Writes bytes to a peer that may have closed.
    pub fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.socket {
            Socket::Unix(socket) => socket.write_all(bytes),
            Socket::Tcp(socket) => socket.write_all(bytes),
        }
    }

    /// Sends a request; a body goes with its length.
    #[track_caller]
    pub fn send(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) {
        // As clients do: what a Unix socket's host is does not matter.
        let host = match &self.socket {
            Socket::Unix(_) => "docker".to_string(),
            Socket::Tcp(socket) => socket
                .peer_addr()
                .map_or_else(|_| "gone".into(), |at| at.to_string()),
        };
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.sent = format!("{method} {target}");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        // A refused upload may be answered and closed before it is read.
        let _ = self.try_write(&bytes);
    }

    /// Sends a request and reads its whole answer.
    #[track_caller]
    pub fn exchange(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Reply {
        self.send(method, target, headers, body);
        self.reply(method == "HEAD")
    }

    /// Reads a whole answer.
    #[track_caller]
    pub fn reply(&mut self, to_head: bool) -> Reply {
        let head = self.head();
        let body = if to_head { Vec::new() } else { self.body(&head) };
        Reply { request: self.sent.clone(), head, body }
    }

    /// Reads a head.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        self.try_head().unwrap_or_else(|| {
            panic!("{}: closed before an answer was complete", self.sent)
        })
    }

    /// Reads a head; `None` if the peer closes first.
    #[track_caller]
    pub fn try_head(&mut self) -> Option<Head> {
        let first = self.line()?;
        let mut words = first.splitn(3, ' ');
        let version = words.next().unwrap_or_default();
        assert!(version.starts_with("HTTP/1."), "no status line: {first:?}");
        let status = words.next().and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {first:?}"));
        let reason = words.next().unwrap_or_default().to_string();
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(Head { status, reason, headers });
            }
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("no header: {line:?}"));
            headers.push((name.to_string(), value.trim().to_string()));
        }
    }

    /// Reads the body that a head announces.
    #[track_caller]
    pub fn body(&mut self, head: &Head) -> Vec<u8> {
        if head.has_no_body() {
            return Vec::new();
        }
        if head.is_chunked() {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk() {
                body.extend_from_slice(&chunk);
            }
            return body;
        }
        match head.header("Content-Length") {
            Some(length) => {
                let length = length.parse().expect("a length is a number");
                self.exactly(length).unwrap_or_else(|| {
                    panic!("{}: closed within the body", self.sent)
                })
            }
            None => self.rest(),
        }
    }

    /// Reads a chunk; `None` at the last one.
    #[track_caller]
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.line().unwrap_or_else(|| {
            panic!("{}: closed without a last chunk", self.sent)
        });
        let length = usize::from_str_radix(&size, 16)
            .unwrap_or_else(|_| panic!("no chunk size: {size:?}"));
        let chunk = self.exactly(length).expect("a whole chunk");
        assert_eq!(self.line().as_deref(), Some(""), "a chunk ends a line");
        (length > 0).then_some(chunk)
    }

    /// Reads a frame of an attach stream: its stream number and bytes.
    #[track_caller]
    pub fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let head = self.exactly(8)?;
        assert_eq!(&head[1..4], [0, 0, 0], "three zeroes in {head:?}");
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
        let bytes = self.exactly(length as usize).expect("a whole frame");
        Some((head[0], bytes))
    }

    /// Reads frames to the end: what came on stdout, and on stderr.
    #[track_caller]
    pub fn frames(&mut self) -> (String, String) {
        let mut streams = [Vec::new(), Vec::new(), Vec::new()];
        while let Some((stream, bytes)) = self.frame() {
            streams[usize::from(stream)].extend_from_slice(&bytes);
        }
        (text(&streams[1]), text(&streams[2]))
    }

    /// Reads up to a line break, which is dropped; `None` at the end.
    #[track_caller]
    pub fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.unread.iter().position(|b| *b == b'\n') {
                let rest = self.unread.split_off(at + 1);
                let mut line = std::mem::replace(&mut self.unread, rest);
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Some(text(&line));
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// Reads until `wanted` has come; returns all that was read.
    #[track_caller]
    pub fn until(&mut self, wanted: &str) -> String {
        loop {
            let seen = text(&self.unread);
            if seen.contains(wanted) {
                self.unread.clear();
                return seen;
            }
            assert!(self.fill(), "closed without {wanted:?} after {seen:?}");
        }
    }

    /// Reads a number of bytes; `None` if the peer closes before them.
    #[track_caller]
    pub fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            if !self.fill() {
                return None;
            }
        }
        let rest = self.unread.split_off(length);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// Reads all until the peer closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.unread)
    }

    /// Whether nothing more comes for `quiet`, the connection being open.
    pub fn is_quiet_for(&mut self, quiet: Duration) -> bool {
        self.set_patience(quiet);
        let mut byte = [0];
        let came = self.read(&mut byte);
        self.set_patience(PATIENCE);
        match came {
            Ok(0) => false,
            Ok(_) => {
                self.unread.push(byte[0]);
                false
            }
            Err(cause) => {
                matches!(
                    cause.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut
                ) && self.unread.is_empty()
            }
        }
    }

    /// Closes the sending half.
    pub fn half_close(&mut self) {
        let how = std::net::Shutdown::Write;
        match &self.socket {
            Socket::Unix(socket) => socket.shutdown(how),
            Socket::Tcp(socket) => socket.shutdown(how),
        }
        .expect("the socket is connected");
    }

    fn set_patience(&mut self, patience: Duration) {
        match &self.socket {
            Socket::Unix(socket) => socket.set_read_timeout(Some(patience)),
            Socket::Tcp(socket) => socket.set_read_timeout(Some(patience)),
        }
        .expect("a time-out");
    }

    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = match &mut self.socket {
                Socket::Unix(socket) => socket.read(into),
                Socket::Tcp(socket) => socket.read(into),
            };
            match read {
                // A socket with a time-out is told of every stop.
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Reads some more; false at the end of the stream.
    #[track_caller]
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.unread.extend_from_slice(&buffer[..length]);
                true
            }
            Err(cause) if cause.kind() == ErrorKind::ConnectionReset => false,
            Err(cause) => panic!(
                "{}: {cause} after {PATIENCE:?}; unread {:?}",
                self.sent,
                text(&self.unread)
            ),
        }
    }
}
