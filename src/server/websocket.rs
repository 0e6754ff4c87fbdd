//! WebSockets (RFC 6455), for attached clients in a browser. A monitor
//! speaks no HTTP, so it gets one end of a socket pair, and one thread moves
//! the bytes between the other end and the frames:
//!
//! ```text
//! client ─▶ frames of any size, masked ─▶ their bytes ─▶ pair ─▶ monitor
//!        ◀─ one frame for each block ◀────────────────── pair ◀─
//! ```
//!
//! The bytes that the monitor sends first are the answer's head, which goes
//! out as it is. A client's Close ends the program's input; the end of the
//! output closes the connection. Like a relay of TLS it lives in the daemon
//! and ends with it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::budget::Seat;
use super::connection::drain;
use super::relay::wait_for;
use crate::http::Stream;
use crate::sys::poll::PollFlags;
use crate::sys::stream::{Moved, recv_now, send_now};

/// What a key is joined with (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The most bytes moved at once.
const BLOCK: usize = 16 * 1024;

/// The stack of the thread.
const STACK: usize = 256 * 1024;

/// The most bytes of a control frame (RFC 6455, section 5.5).
const CONTROL: u64 = 125;

/// The most bytes of replies that wait while the client does not read.
const REPLIES: usize = 64 * 1024;

/// How long a client may take to read the last bytes.
const LINGER: Duration = Duration::from_secs(2);

/// What output is sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// Before API 1.28.
    Text = 1,
    /// From then on.
    Binary = 2,
}

/// Returns the answer to a client's key, if it is one (16 bytes).
pub(super) fn accept_key(key: &str) -> Option<String> {
    let key = key.trim();
    if STANDARD.decode(key).ok()?.len() != 16 {
        return None;
    }
    let text = format!("{key}{GUID}");
    Some(STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes())))
}

/// Starts the thread of a client; the returned end takes the place of the
/// client's socket. `head` bytes from the monitor go out unframed; `early`
/// is what the client sent behind its request.
pub(super) fn start(
    client: Arc<Stream>,
    seat: Arc<Seat>,
    frames: Frames,
    head: usize,
    early: Vec<u8>,
) -> io::Result<UnixStream> {
    let (near, far) = UnixStream::pair()?;
    client.set_nonblocking(true)?;
    let builder = thread::Builder::new().name("websocket".into());
    builder.stack_size(STACK).spawn(move || {
        let mut socket = Socket {
            client: &client,
            monitor: &near,
            parser: Parser::default(),
            frames,
            head,
            input: Vec::new(),
            taken: 0,
            output: Vec::new(),
            sent: 0,
            listening: true,
            serving: true,
            closing: false,
        };
        if let Err(e) = socket.run(early) {
            log::debug!("an attached websocket is gone: {e}");
        }
        drop(near);
        drop(client);
        drop(seat);
    })?;
    Ok(far)
}

struct Socket<'a> {
    client: &'a Stream,
    monitor: &'a UnixStream,
    parser: Parser,
    frames: Frames,
    /// Bytes of the answer's head that are still to come.
    head: usize,
    /// What the client sent and the monitor has not taken yet.
    input: Vec<u8>,
    taken: usize,
    /// Frames on their way to the client.
    output: Vec<u8>,
    sent: usize,
    /// More input may come.
    listening: bool,
    /// More output may come.
    serving: bool,
    /// A Close was sent.
    closing: bool,
}

impl Socket<'_> {
    fn run(&mut self, early: Vec<u8>) -> io::Result<()> {
        self.parse(&early);
        while self.serving || self.has_output() {
            let mut moved = self.send()?;
            moved |= self.give_input();
            moved |= self.take_input()?;
            moved |= self.take_output();
            if !moved {
                self.wait()?;
            }
        }
        let _ = self.client.shutdown_write();
        drain(self.client, LINGER, usize::MAX);
        Ok(())
    }

    fn has_output(&self) -> bool {
        self.sent < self.output.len()
    }

    fn has_input(&self) -> bool {
        self.taken < self.input.len()
    }

    /// Frames to the client.
    fn send(&mut self) -> io::Result<bool> {
        let mut client = self.client;
        if client.wants_write() {
            return settle(client.flush().map(|()| 1));
        }
        if !self.has_output() {
            return Ok(false);
        }
        match client.write(&self.output[self.sent..]) {
            Ok(n) => {
                self.sent += n;
                if !self.has_output() {
                    self.output.clear();
                    self.sent = 0;
                }
                Ok(true)
            }
            Err(e) => settle(Err(e)),
        }
    }

    /// Bytes to the monitor.
    fn give_input(&mut self) -> bool {
        if !self.has_input() {
            return false;
        }
        match send_now(self.monitor, &self.input[self.taken..]) {
            Moved::Bytes(n) => self.taken += n,
            Moved::Nothing => return false,
            // Nobody reads it any more; output may still be there.
            Moved::Closed => self.taken = self.input.len(),
        }
        if !self.has_input() {
            self.input.clear();
            self.taken = 0;
            if !self.listening {
                let _ = self.monitor.shutdown(Shutdown::Write);
            }
        }
        true
    }

    /// One block from the client, unless what it sent last waits still.
    fn take_input(&mut self) -> io::Result<bool> {
        if !self.listens() {
            return Ok(false);
        }
        let mut block = [0; BLOCK];
        let mut client = self.client;
        match client.read(&mut block) {
            Ok(0) => {
                self.end_input();
                // Without a Close: it is gone.
                self.serving = false;
                Ok(true)
            }
            Ok(n) => {
                self.parse(&block[..n]);
                Ok(true)
            }
            Err(e) => settle(Err(e)),
        }
    }

    fn listens(&self) -> bool {
        self.listening && !self.has_input() && self.output.len() < REPLIES
    }

    fn end_input(&mut self) {
        self.listening = false;
        if !self.has_input() {
            let _ = self.monitor.shutdown(Shutdown::Write);
        }
    }

    fn parse(&mut self, bytes: &[u8]) {
        let Socket { parser, input, output, .. } = self;
        let end = parser.feed(bytes, input, |code, payload| {
            frame(output, code, payload);
        });
        let code = match end {
            Ok(End::No) => return,
            Ok(End::Close(code)) => code,
            Err(code) => code,
        };
        self.close(code);
        self.end_input();
        // Who closes wants no more.
        self.serving = false;
    }

    fn close(&mut self, code: u16) {
        if !std::mem::replace(&mut self.closing, true) {
            frame(&mut self.output, CLOSE, &code.to_be_bytes());
        }
    }

    /// One block from the monitor, unless the last waits still.
    fn take_output(&mut self) -> bool {
        if !self.serving || self.has_output() || self.client.wants_write() {
            return false;
        }
        let mut block = [0; BLOCK];
        match recv_now(self.monitor, &mut block) {
            Moved::Bytes(n) => {
                let (head, rest) = block[..n].split_at(self.head.min(n));
                self.head -= head.len();
                self.output.extend_from_slice(head);
                if !rest.is_empty() {
                    frame(&mut self.output, self.frames as u8, rest);
                }
            }
            Moved::Nothing => return false,
            Moved::Closed => {
                self.serving = false;
                self.close(NORMAL);
            }
        }
        true
    }

    fn wait(&self) -> io::Result<()> {
        let is_full = self.client.wants_write() || self.has_output();
        let mut from_client = PollFlags::empty();
        from_client.set(PollFlags::IN, self.listens());
        from_client.set(PollFlags::OUT, is_full);
        let mut from_monitor = PollFlags::empty();
        from_monitor.set(PollFlags::IN, self.serving && !is_full);
        from_monitor.set(PollFlags::OUT, self.has_input());
        wait_for((self.client, from_client), (self.monitor, from_monitor))
    }
}

/// No room is no failure.
fn settle(moved: io::Result<usize>) -> io::Result<bool> {
    match moved {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(e) => Err(e),
    }
}

const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;

/// Appends a frame as servers send it: whole, and not masked.
fn frame(out: &mut Vec<u8>, code: u8, payload: &[u8]) {
    out.push(0x80 | code);
    match payload.len() {
        len @ 0..126 => out.push(len as u8),
        len @ 126..0x1_0000 => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Whether a client has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    /// With a Close; the code to answer with.
    Close(u16),
}

/// Takes a client's frames apart, as they come.
#[derive(Debug, Default)]
struct Parser {
    /// The head of a frame, as far as it has come.
    head: Vec<u8>,
    /// The frame that goes on.
    current: Option<Current>,
    /// A message goes on in the next frame.
    fragmented: bool,
    /// Payload of a control frame.
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Current {
    code: u8,
    left: u64,
    mask: [u8; 4],
    at: usize,
}

impl Parser {
    /// Adds the bytes of messages to `out`; calls `reply` for what has to be
    /// sent back. The error is the code to close with.
    fn feed(
        &mut self,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
        mut reply: impl FnMut(u8, &[u8]),
    ) -> Result<End, u16> {
        loop {
            let Some(mut current) = self.current.take() else {
                let Some((first, rest)) = bytes.split_first() else {
                    return Ok(End::No);
                };
                self.head.push(*first);
                bytes = rest;
                self.current = self.begin()?;
                continue;
            };
            let most = usize::try_from(current.left).unwrap_or(usize::MAX);
            let (part, rest) = bytes.split_at(bytes.len().min(most));
            bytes = rest;
            let to = match current.code {
                0..CLOSE => &mut *out,
                _ => &mut self.control,
            };
            for byte in part {
                to.push(byte ^ current.mask[current.at % 4]);
                current.at += 1;
            }
            current.left -= part.len() as u64;
            if current.left > 0 {
                self.current = Some(current);
                return Ok(End::No);
            }
            let payload = std::mem::take(&mut self.control);
            match current.code {
                CLOSE => return close_code(&payload).map(End::Close),
                PING => reply(PONG, &payload),
                _ => {}
            }
        }
    }

    /// Reads a frame's head, once it is whole (RFC 6455, section 5.2).
    fn begin(&mut self) -> Result<Option<Current>, u16> {
        let head = &self.head[..];
        let &[first, second, ..] = head else { return Ok(None) };
        let (last, code) = (first & 0x80 != 0, first & 15);
        let is_control = code >= CLOSE;
        let fits = match code {
            0 => self.fragmented,
            1 | 2 => !self.fragmented,
            CLOSE..=PONG => last && u64::from(second & 127) <= CONTROL,
            _ => false,
        };
        // No extension was agreed on, and clients have to mask.
        if first & 0x70 != 0 || second & 0x80 == 0 || !fits {
            return Err(PROTOCOL_ERROR);
        }
        let extra = match second & 127 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if head.len() < 2 + extra + 4 {
            return Ok(None);
        }
        let mut left = 0;
        for byte in &head[2..2 + extra] {
            left = left << 8 | u64::from(*byte);
        }
        if extra == 0 {
            left = u64::from(second & 127);
        }
        if left >> 63 != 0 {
            return Err(PROTOCOL_ERROR);
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&head[2 + extra..]);
        if !is_control {
            self.fragmented = !last;
        }
        self.head.clear();
        Ok(Some(Current { code, left, mask, at: 0 }))
    }
}

/// The code to answer a Close with (RFC 6455, section 7.4).
fn close_code(payload: &[u8]) -> Result<u16, u16> {
    match payload {
        [] => Ok(NORMAL),
        [high, low, ..] => match u16::from_be_bytes([*high, *low]) {
            code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(code),
            _ => Err(PROTOCOL_ERROR),
        },
        _ => Err(PROTOCOL_ERROR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame(&mut out, first & 15, payload);
        out[0] = first;
        out[1] |= 0x80;
        let head = out.len() - payload.len();
        let mask = [1, 2, 3, 4];
        for (at, byte) in out[head..].iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        out.splice(head..head, mask);
        out
    }

    type Replies = Vec<(u8, Vec<u8>)>;

    /// Feeds byte by byte.
    fn feed(bytes: &[u8]) -> (Result<End, u16>, Vec<u8>, Replies) {
        let mut parser = Parser::default();
        let (mut out, mut replies) = (Vec::new(), Vec::new());
        for byte in bytes {
            let end = parser.feed(&[*byte], &mut out, |code, payload| {
                replies.push((code, payload.to_vec()));
            });
            if end != Ok(End::No) {
                return (end, out, replies);
            }
        }
        (Ok(End::No), out, replies)
    }

    #[test]
    fn the_key_is_answered_as_in_the_standard() {
        let answer = accept_key("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(answer.unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accept_key("short"), None);
    }

    #[test]
    fn messages_may_come_in_parts_with_pings_between() {
        let long = vec![b'x'; 70_000];
        let bytes = [
            masked(0x01, b"one "),
            masked(0x89, b"ping"),
            masked(0x80, b"two"),
            masked(0x82, &long),
            masked(0x82, b""),
            masked(0x88, &[3, 232]),
        ]
        .concat();
        let (end, out, replies) = feed(&bytes);
        assert_eq!(end, Ok(End::Close(1000)));
        assert_eq!(out, [b"one two".as_slice(), &long].concat());
        assert_eq!(replies, [(PONG, b"ping".to_vec())]);
    }

    #[test]
    fn what_breaks_the_rules_is_closed() {
        let mut naked = Vec::new();
        frame(&mut naked, 2, b"not masked");
        let mut endless = vec![0x82, 0xff];
        endless.extend([0xff; 12]);
        for bytes in [
            naked,
            endless,
            masked(0x80, b"goes on with nothing"),
            [masked(0x01, b"a"), masked(0x81, b"b")].concat(),
            masked(0xc2, b"reserved bit"),
            masked(0x83, b"reserved code"),
            masked(0x09, b"ping in parts"),
            masked(0x89, &[0; 126]),
            masked(0x88, &[1]),
            masked(0x88, &[0, 1]),
        ] {
            assert_eq!(feed(&bytes).0, Err(PROTOCOL_ERROR), "{bytes:?}");
        }
    }
}
