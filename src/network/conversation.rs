//! A conversation with the kernel over one netlink socket: requests go out
//! in one datagram, answers and acknowledgements are collected.

use super::message::{self, ACK, DUMP, Message, NLMSG_DONE, NLMSG_ERROR};
use super::{Error, Result};
use crate::sys;
use crate::sys::netlink::{Family, Socket};

/// The kernel cuts dumps to what a receiver takes, 32 KiB at most.
const BUFFER: usize = 32 * 1024;
/// No dump of a sane host has more datagrams (each several entries).
const DATAGRAMS: usize = 65_536;

/// The attribute of an acknowledgement that says what was wrong.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A request with the words for its error: what it does to what.
#[derive(Debug)]
pub struct Request {
    /// Such as `create bridge skiff0`.
    pub action: String,
    /// The message, without its number.
    pub message: Message,
}

impl Request {
    /// Joins a message and the words for it.
    pub fn new(action: impl Into<String>, message: Message) -> Request {
        Request { action: action.into(), message }
    }
}

/// One socket and the numbers of its requests.
#[derive(Debug)]
pub struct Conversation {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Conversation {
    /// Opens one about links and routes of the calling thread's network
    /// namespace.
    pub fn open() -> Result<Conversation> {
        Ok(Conversation::over(Socket::open(Family::Route)?))
    }

    /// Goes on over a socket that was opened elsewhere.
    pub fn over(socket: Socket) -> Conversation {
        Conversation { socket, sequence: 0, buffer: vec![0; BUFFER] }
    }

    /// Has the requests carried out in order and returns what each was
    /// answered (the last answer's payload; empty if there was none but
    /// the acknowledgement). The kernel does not stop at one that fails;
    /// the first failure is the error.
    pub fn ask(&mut self, requests: Vec<Request>) -> Result<Vec<Vec<u8>>> {
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        let mut actions = Vec::with_capacity(requests.len());
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            datagram.extend(request.message.finish(ACK, self.sequence));
            actions.push(request.action);
        }
        self.socket.send(&datagram)?;
        let mut answers = vec![Vec::new(); actions.len()];
        let mut failure = None;
        let mut open = actions.len();
        while open > 0 {
            for got in message::messages(self.socket.receive(&mut self.buffer)?)
            {
                // What belongs to no open request is passed over.
                let index = got.sequence.wrapping_sub(first) as usize;
                let Some(action) = actions.get(index) else { continue };
                if got.kind != NLMSG_ERROR {
                    answers[index] = got.payload.to_vec();
                    continue;
                }
                open -= 1;
                let result = outcome(action, got.flags, got.payload);
                failure = failure.or(result.err());
                if open == 0 {
                    break;
                }
            }
        }
        failure.map_or(Ok(answers), Err)
    }

    /// Has one request carried out.
    pub fn tell(&mut self, request: Request) -> Result<Vec<u8>> {
        let mut answers = self.ask(vec![request])?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Asks for all entries of a kind and gives each one's payload to
    /// `each`.
    pub fn dump(
        &mut self,
        request: Request,
        mut each: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.send(&request.message.finish(DUMP, self.sequence))?;
        for _ in 0..DATAGRAMS {
            for got in message::messages(self.socket.receive(&mut self.buffer)?)
            {
                if got.sequence != self.sequence {
                    continue;
                }
                match got.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => {
                        return outcome(
                            &request.action,
                            got.flags,
                            got.payload,
                        );
                    }
                    _ => each(got.payload),
                }
            }
        }
        Err(Error::Malformed(request.action))
    }
}

/// Reads an acknowledgement: a negative errno, or 0.
fn outcome(action: &str, flags: u16, payload: &[u8]) -> Result<()> {
    let code = message::read_u32(payload, 0)
        .ok_or_else(|| Error::Malformed(action.to_string()))?
        as i32;
    if code == 0 {
        return Ok(());
    }
    let cause = sys::Error::new(format!("netlink({action})"), -code.max(-4095));
    Err(Error::Kernel { cause, detail: detail(flags, payload) })
}

/// Returns the kernel's own words, if the acknowledgement has some.
fn detail(flags: u16, payload: &[u8]) -> Option<String> {
    const CAPPED: u16 = 0x100;
    const HAS_ATTRIBUTES: u16 = 0x200;
    if flags & HAS_ATTRIBUTES == 0 {
        return None;
    }
    // After the code comes the head of the request; all of the request if
    // the answer is not capped.
    let asked = match flags & CAPPED {
        0 => message::read_u32(payload, 4)? as usize,
        _ => 16,
    };
    let at = asked.checked_next_multiple_of(4)?.checked_add(4)?;
    let words = message::find(payload.get(at..)?, NLMSGERR_ATTR_MSG)?;
    message::read_text(words).map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(code: i32, rest: &[u8]) -> Vec<u8> {
        let mut bytes = code.to_ne_bytes().to_vec();
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn an_acknowledgement_is_success_or_an_errno() {
        assert_eq!(outcome("x", 0, &ack(0, &[])), Ok(()));
        let error = outcome("create veth1", 0, &ack(-17, &[0; 16]));
        assert_eq!(
            error.unwrap_err().to_string(),
            "netlink(create veth1): EEXIST"
        );
        for short in [&[][..], &[1, 2, 3]] {
            let error = outcome("x", 0, short);
            assert_eq!(error, Err(Error::Malformed("x".to_string())));
        }
        assert!(outcome("x", 0, &ack(i32::MIN, &[])).is_err());
        assert!(outcome("x", 0, &ack(i32::MAX, &[])).is_err());
    }

    #[test]
    fn the_kernels_words_are_found_behind_the_request() {
        let mut capped = vec![0; 16];
        capped.extend([8, 0, 1, 0, b'h', b'i', b'!', 0]);
        let payload = ack(-22, &capped);
        assert_eq!(detail(0x300, &payload).as_deref(), Some("hi!"));
        assert_eq!(detail(0, &payload), None);
        let mut whole = 20u32.to_ne_bytes().to_vec();
        whole.extend([0; 16]);
        whole.extend([7, 0, 1, 0, b'h', b'i', 0, 0]);
        let payload = ack(-22, &whole);
        assert_eq!(detail(0x200, &payload).as_deref(), Some("hi"));
        // A request's length that is not one.
        let wrong = ack(-22, &u32::MAX.to_ne_bytes());
        assert_eq!(detail(0x200, &wrong), None);
        assert_eq!(detail(0x300, &ack(-22, &[])), None);
    }
}
