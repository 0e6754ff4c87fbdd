//! The messages between the caller and the init, one packet each: a letter
//! and a text. The end of the channel is a message too: the program runs,
//! or the other side is dead.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::error::StartError;
use crate::json;
use crate::sys::{self, errno, socket};

/// Longer texts are cut.
const LONGEST: usize = 16 << 10;

/// One message.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// To the init: the cgroup is there, join it.
    Cgroup,
    /// To the init: execute the program.
    Go,
    /// From the init: something that this host cannot do was left out.
    Warning(String),
    /// From the init: the root is ready; comes with a descriptor of it and
    /// the master of the terminal, if there is one.
    Built,
    /// From the init: it failed and ends.
    Failed(StartError),
}

/// What was received.
#[derive(Debug)]
pub enum Received {
    /// A message and the descriptors that came with it.
    Message(Message, Vec<OwnedFd>),
    /// The other side has closed.
    End,
}

/// One end of the channel.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Makes both ends.
    pub fn pair() -> sys::Result<(Channel, Channel)> {
        let (a, b) = socket::packet_pair()?;
        Ok((Channel(a), Channel(b)))
    }

    /// Takes a descriptor as an end.
    pub fn from_fd(fd: OwnedFd) -> Channel {
        Channel(fd)
    }

    /// Takes a copy of a descriptor as an end; none if there cannot be one.
    pub fn borrowed(fd: BorrowedFd<'_>) -> Option<Channel> {
        fd.try_clone_to_owned().ok().map(Channel)
    }

    /// Sends a message.
    pub fn send(
        &self,
        message: &Message,
        fds: &[BorrowedFd<'_>],
    ) -> sys::Result<()> {
        let bytes = encode(message);
        socket::send_with_fds(&self.0, &bytes, fds).map(|_| ())
    }

    /// Waits for a message. One that is not understood counts as the end.
    pub fn receive(&self) -> sys::Result<Received> {
        let mut bytes = vec![0; LONGEST + 1024];
        let received = match socket::recv_with_fds(&self.0, &mut bytes) {
            // The other side has closed with a message of ours unread: told
            // once, in front of what it has sent itself.
            Err(error) if error.errno() == errno::ECONNRESET => {
                socket::recv_with_fds(&self.0, &mut bytes)
            }
            other => other,
        };
        let (count, fds) = match received {
            Err(error) if error.errno() == errno::ECONNRESET => {
                return Ok(Received::End);
            }
            other => other?,
        };
        Ok(match decode(&bytes[..count]) {
            Some(message) => Received::Message(message, fds),
            None => Received::End,
        })
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn encode(message: &Message) -> Vec<u8> {
    let (letter, text) = match message {
        Message::Cgroup => (b'c', String::new()),
        Message::Go => (b'g', String::new()),
        Message::Built => (b'b', String::new()),
        Message::Warning(text) => (b'w', cut(text)),
        Message::Failed(error) => {
            let error = StartError {
                kind: error.kind,
                message: cut(&error.message),
                detail: cut(&error.detail),
            };
            let text = serde_json::to_string(&error);
            (b'f', text.expect("strings and a name are always JSON"))
        }
    };
    let mut bytes = vec![letter];
    bytes.extend(text.bytes());
    bytes
}

fn cut(text: &str) -> String {
    // A third: quoting may make more of it.
    let mut end = text.len().min(LONGEST / 3);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}

fn decode(bytes: &[u8]) -> Option<Message> {
    let (letter, text) = bytes.split_first()?;
    Some(match letter {
        b'c' => Message::Cgroup,
        b'g' => Message::Go,
        b'b' => Message::Built,
        b'w' => Message::Warning(String::from_utf8_lossy(text).into_owned()),
        b'f' => Message::Failed(json::from_slice(text).ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_read_behind_a_reset() {
        let (a, b) = Channel::pair().unwrap();
        a.send(&Message::Cgroup, &[]).unwrap();
        b.send(&Message::Failed(StartError::plain("last words")), &[]).unwrap();
        drop(b);
        let Received::Message(Message::Failed(error), _) = a.receive().unwrap()
        else {
            panic!("no last words");
        };
        assert_eq!(error.message, "last words");
        assert!(matches!(a.receive().unwrap(), Received::End));
    }

    #[test]
    fn messages_keep_their_bounds_and_end_is_seen() {
        let (a, b) = Channel::pair().unwrap();
        a.send(&Message::Warning("w".repeat(100_000)), &[]).unwrap();
        let failed = Message::Failed(StartError::plain("no"));
        a.send(&failed, &[b.as_fd()]).unwrap();
        drop(a);
        let Received::Message(Message::Warning(text), _) = b.receive().unwrap()
        else {
            panic!("no warning");
        };
        assert_eq!(text.len(), LONGEST / 3);
        let Received::Message(message, fds) = b.receive().unwrap() else {
            panic!("no message");
        };
        assert_eq!((message, fds.len()), (failed, 1));
        assert!(matches!(b.receive().unwrap(), Received::End));
    }
}
