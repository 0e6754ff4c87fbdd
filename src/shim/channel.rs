//! How messages travel between the daemon and a monitor: over a Unix stream
//! socket, each message with a head of twelve bytes, little-endian:
//!
//! ```text
//! 0  u16  version of the protocol
//! 2  u16  number of descriptors (SCM_RIGHTS on the head)
//! 4  u32  length of the JSON
//! 8  u32  length of the payload, raw bytes behind the JSON
//! ```
//!
//! Neither side ever waits for a peer that stalls in the middle of a
//! message: bytes are taken as they come, and the time is bounded by the
//! caller.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::Error;
use crate::json::{self, FromJson};
use crate::sys::poll::{self, PollFd, PollFlags};
use crate::sys::socket;
use crate::sys::stream::{Moved, recv_fds_now, send_now};

/// The version that this build speaks.
pub const VERSION: u16 = 1;

/// The oldest version that this build still understands: the one before,
/// once there is one.
pub const OLDEST: u16 = 1;

/// The most bytes of a message, head excluded.
pub const LIMIT: usize = 8 * 1024 * 1024;

/// The most descriptors of a message.
const FD_LIMIT: usize = 4;

const HEAD: usize = 12;

/// A whole message.
#[derive(Debug)]
pub(super) struct Message {
    /// Version of the protocol that the sender spoke.
    pub version: u16,
    /// The JSON.
    pub json: Vec<u8>,
    /// Raw bytes behind it.
    pub payload: Vec<u8>,
    /// Descriptors.
    pub fds: Vec<OwnedFd>,
}

impl Message {
    /// Reads the JSON as a request or a reply, if it is of a version that
    /// this build understands.
    pub(super) fn parse<T: FromJson>(&self) -> Result<T, Error> {
        if !(OLDEST..=VERSION).contains(&self.version) {
            return Err(Error::Protocol(format!(
                "version {} of the protocol is not spoken here",
                self.version
            )));
        }
        json::from_slice(&self.json)
            .map_err(|e| Error::Protocol(format!("a message is damaged: {e}")))
    }
}

/// The receiving side of one connection: what has come of a message.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    head: [u8; HEAD],
    /// Bytes of the head that have come.
    headed: usize,
    body: Vec<u8>,
    fds: Vec<OwnedFd>,
}

/// What [`Receiver::receive`] got.
#[derive(Debug)]
pub(super) enum Received {
    /// A whole message.
    Message(Message),
    /// Nothing whole yet: poll.
    Nothing,
    /// The other side is gone.
    End,
}

impl Receiver {
    /// Takes what has come on `socket`, without waiting.
    pub(super) fn receive(
        &mut self,
        socket: impl AsFd,
    ) -> Result<Received, Error> {
        while self.headed < HEAD {
            // Exactly the head: descriptors of the next message stay with
            // the next message.
            let rest = &mut self.head[self.headed..];
            match recv_fds_now(&socket, rest, &mut self.fds) {
                Moved::Bytes(n) => self.headed += n,
                Moved::Nothing => return Ok(Received::Nothing),
                Moved::Closed => return Ok(Received::End),
            }
        }
        let (version, fds, json, payload) = self.read_head();
        let len = json.saturating_add(payload);
        if len > LIMIT || fds > FD_LIMIT || self.fds.len() > FD_LIMIT {
            return Err(Error::Protocol(format!(
                "a message of {len} bytes and {fds} descriptors is too large"
            )));
        }
        while self.body.len() < len {
            // Memory grows with what has really come.
            let old = self.body.len();
            self.body.resize(len.min(old + 64 * 1024), 0);
            let moved =
                recv_fds_now(&socket, &mut self.body[old..], &mut self.fds);
            let got = match moved {
                Moved::Bytes(n) => n,
                _ => 0,
            };
            self.body.truncate(old + got);
            match moved {
                Moved::Bytes(_) => {}
                Moved::Nothing => return Ok(Received::Nothing),
                Moved::Closed => return Ok(Received::End),
            }
        }
        let mut body = std::mem::take(&mut self.body);
        let taken = std::mem::take(&mut self.fds);
        self.headed = 0;
        if taken.len() != fds {
            return Err(Error::Protocol(format!(
                "{} of {fds} descriptors have come",
                taken.len()
            )));
        }
        let payload = body.split_off(json);
        Ok(Received::Message(Message {
            version,
            json: body,
            payload,
            fds: taken,
        }))
    }

    /// Waits for a message, at most until `deadline`. `None` is the end.
    pub(super) fn wait(
        &mut self,
        socket: impl AsFd,
        deadline: Instant,
    ) -> Result<Option<Message>, Error> {
        loop {
            match self.receive(&socket)? {
                Received::Message(message) => return Ok(Some(message)),
                Received::End => return Ok(None),
                Received::Nothing => {}
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !poll::wait_readable(&socket, Some(left))
                .map_err(Error::System)?
            {
                return Err(Error::Timeout);
            }
        }
    }

    fn read_head(&self) -> (u16, usize, usize, usize) {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = self.head;
        (
            u16::from_le_bytes([a, b]),
            usize::from(u16::from_le_bytes([c, d])),
            u32::from_le_bytes([e, f, g, h]) as usize,
            u32::from_le_bytes([i, j, k, l]) as usize,
        )
    }
}

/// Sends a message in the given version, within `patience`. After an error
/// the connection is of no more use: half a message may be on its way.
pub(super) fn send(
    socket: impl AsFd,
    version: u16,
    message: &impl Serialize,
    payload: &[u8],
    fds: &[BorrowedFd<'_>],
    patience: Duration,
) -> Result<(), Error> {
    let deadline = Instant::now() + patience;
    let json = serde_json::to_vec(message)
        .map_err(|e| Error::Protocol(format!("encoding a message: {e}")))?;
    if json.len().saturating_add(payload.len()) > LIMIT || fds.len() > FD_LIMIT
    {
        return Err(Error::Protocol(format!(
            "a message of {} bytes is too large",
            json.len() + payload.len()
        )));
    }
    let mut bytes = Vec::with_capacity(HEAD + json.len() + payload.len());
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&(fds.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&(json.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&json);
    bytes.extend_from_slice(payload);
    let mut done = 0;
    if !fds.is_empty() {
        wait_writable(&socket, deadline)?;
        // The head alone: it always fits where anything fits, so that this
        // call never waits for long.
        done = socket::send_with_fds(&socket, &bytes[..HEAD], fds)
            .map_err(|_| Error::Gone)?;
    }
    while done < bytes.len() {
        match send_now(&socket, &bytes[done..]) {
            Moved::Bytes(n) => done += n,
            Moved::Closed => return Err(Error::Gone),
            Moved::Nothing => wait_writable(&socket, deadline)?,
        }
    }
    Ok(())
}

fn wait_writable(socket: impl AsFd, deadline: Instant) -> Result<(), Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    let mut fds = [PollFd::new(&socket, PollFlags::OUT)];
    match poll::poll(&mut fds, Some(left)).map_err(Error::System)? {
        0 => Err(Error::Timeout),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn soon() -> Instant {
        Instant::now() + SECOND
    }

    #[test]
    fn a_message_travels_with_payload_and_descriptors() {
        let (a, b) = UnixStream::pair().unwrap();
        let (c, _d) = UnixStream::pair().unwrap();
        send(&a, 1, &"first", b"raw", &[c.as_fd()], SECOND).unwrap();
        send(&a, 1, &"second", b"", &[c.as_fd(), c.as_fd()], SECOND).unwrap();
        let mut receiver = Receiver::default();
        let first = receiver.wait(&b, soon()).unwrap().unwrap();
        assert_eq!(first.parse::<String>().unwrap(), "first");
        assert_eq!(first.payload, b"raw");
        assert_eq!(first.fds.len(), 1);
        let second = receiver.wait(&b, soon()).unwrap().unwrap();
        assert_eq!(second.fds.len(), 2);
        drop(a);
        assert!(receiver.wait(&b, soon()).unwrap().is_none());
    }

    #[test]
    fn a_message_may_come_byte_by_byte() {
        let (a, b) = UnixStream::pair().unwrap();
        let (c, d) = UnixStream::pair().unwrap();
        send(&a, 1, &"slow", b"xy", &[], SECOND).unwrap();
        let mut bytes = vec![0; 256];
        let Moved::Bytes(n) = recv_fds_now(&b, &mut bytes, &mut Vec::new())
        else {
            panic!("no bytes");
        };
        let mut receiver = Receiver::default();
        for byte in &bytes[..n - 1] {
            send_now(&c, &[*byte]);
            assert!(matches!(receiver.receive(&d).unwrap(), Received::Nothing));
        }
        send_now(&c, &bytes[n - 1..n]);
        let Received::Message(message) = receiver.receive(&d).unwrap() else {
            panic!("no message");
        };
        assert_eq!(message.payload, b"xy");
    }

    #[test]
    fn a_large_message_does_not_block_the_receiver() {
        let (a, b) = UnixStream::pair().unwrap();
        let payload = vec![7; 3 << 20];
        let sender = std::thread::spawn(move || {
            send(&a, 1, &"big", &payload, &[], 5 * SECOND).unwrap();
        });
        let mut receiver = Receiver::default();
        let message = receiver.wait(&b, soon() + 4 * SECOND).unwrap().unwrap();
        assert_eq!(message.payload.len(), 3 << 20);
        sender.join().unwrap();
    }

    #[test]
    fn too_large_a_message_is_refused_before_memory_is_taken() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut head = vec![1, 0, 0, 0];
        head.extend_from_slice(&u32::MAX.to_le_bytes());
        head.extend_from_slice(&u32::MAX.to_le_bytes());
        send_now(&a, &head);
        let error = Receiver::default().receive(&b).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)));
    }

    #[test]
    fn missing_descriptors_are_noticed() {
        let (a, b) = UnixStream::pair().unwrap();
        send_now(&a, &[1, 0, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0, b'"', b'"']);
        let error = Receiver::default().receive(&b).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)));
    }

    #[test]
    fn a_stalled_peer_costs_no_more_than_the_patience() {
        let (a, b) = UnixStream::pair().unwrap();
        send_now(&a, &[1, 0, 0]);
        let deadline = Instant::now() + Duration::from_millis(20);
        let error = Receiver::default().wait(&b, deadline).unwrap_err();
        assert!(matches!(error, Error::Timeout));
        let payload = vec![0; 4 << 20];
        let patience = Duration::from_millis(20);
        let error = send(&a, 1, &"x", &payload, &[], patience).unwrap_err();
        assert!(matches!(error, Error::Timeout));
    }
}
