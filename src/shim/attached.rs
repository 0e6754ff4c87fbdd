//! One attached client, as the monitor sees it: what waits to be sent to
//! it, and what it types.
//!
//! Output that the client does not take is kept, up to a limit; beyond it
//! the client [is full](Attached::is_full) and the monitor stops reading
//! from the program until there is room: no byte is lost. Only a client
//! that is gone is dropped.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::detach::{Scanner, Seen};
use super::frame;
use super::message::{Attach, Framing, Streams};
use crate::logs::Stream;
use crate::sys::poll::PollFlags;
use crate::sys::stream::{Moved, recv_now, send_now, shutdown};

/// Bytes that may wait for one client before the program waits too.
pub(super) const LIMIT: usize = 1024 * 1024;

/// Bytes of a client's input taken at once.
const INPUT_BLOCK: usize = 16 * 1024;

/// One attached client. Dropping it ends its connection.
#[derive(Debug)]
pub(super) struct Attached {
    socket: OwnedFd,
    streams: Streams,
    framing: Framing,
    scanner: Scanner,
    /// Output on its way; the first `sent` bytes are gone already.
    queue: Vec<u8>,
    sent: usize,
    state: State,
    /// Input may still come.
    listening: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Gets output.
    Serving,
    /// Gets what waits, and nothing more.
    Finishing,
    /// Takes no more output. What it sent before it left may still be there
    /// to be read.
    Left,
}

/// What [`Attached::take_input`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Perhaps some bytes; more may come.
    Some,
    /// The client's input has ended.
    End,
    /// The client has pressed the detach keys.
    Detach,
}

/// What a container lets its clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manners {
    /// A terminal: output is raw, and the detach keys count.
    pub terminal: bool,
    /// The program has an input that clients can write to.
    pub input: bool,
}

impl Attached {
    /// Takes a client over.
    pub(super) fn new(
        socket: OwnedFd,
        asked: Attach,
        manners: Manners,
    ) -> Attached {
        let keys = match manners.terminal {
            true => asked.detach_keys,
            // Without a terminal the keys could be bytes of a file.
            false => Vec::new(),
        };
        let mut attached = Attached {
            socket,
            streams: asked.streams,
            framing: asked.framing,
            scanner: Scanner::new(keys),
            queue: asked.greeting,
            sent: 0,
            state: State::Serving,
            listening: asked.streams.stdin && manners.input,
        };
        attached.flush();
        attached
    }

    /// Sends a piece of output, or keeps it until the client takes it.
    /// `framed` is the piece behind room for a frame's head.
    pub(super) fn deliver(&mut self, stream: Stream, framed: &[u8]) {
        if self.takes(stream) {
            self.tell(framed);
        }
    }

    /// As [`Attached::deliver`], whichever streams the client wants.
    pub(super) fn tell(&mut self, framed: &[u8]) {
        let mut bytes = match self.framing {
            Framing::Raw => &framed[frame::HEAD..],
            Framing::Multiplexed => framed,
        };
        if self.queue.is_empty() {
            match send_now(&self.socket, bytes) {
                Moved::Bytes(n) => bytes = &bytes[n..],
                Moved::Nothing => {}
                Moved::Closed => return self.leave(),
            }
        }
        self.queue.extend_from_slice(bytes);
    }

    /// Sends on what waits.
    pub(super) fn flush(&mut self) {
        while self.sent < self.queue.len() {
            match send_now(&self.socket, &self.queue[self.sent..]) {
                Moved::Bytes(n) => self.sent += n,
                Moved::Nothing => break,
                Moved::Closed => return self.leave(),
            }
        }
        if self.sent == self.queue.len() {
            self.queue = Vec::new();
            self.sent = 0;
        } else if self.sent >= LIMIT / 2 {
            self.queue.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Tells whether the program has to wait before it writes more to this
    /// stream.
    pub(super) fn is_full(&self, stream: Stream) -> bool {
        self.takes(stream) && self.waiting() >= LIMIT
    }

    /// Returns how many bytes wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len() - self.sent
    }

    /// Lets the client go once it has got what waits.
    pub(super) fn finish(&mut self) {
        self.listening = false;
        if self.state == State::Serving {
            self.state = State::Finishing;
        }
    }

    /// Tells whether the client can be dropped.
    pub(super) fn is_over(&self) -> bool {
        match self.state {
            State::Serving => false,
            State::Finishing => self.waiting() == 0,
            State::Left => !self.listening,
        }
    }

    /// Returns what to poll for; `None` if there is nothing now.
    pub(super) fn interest(&self, room: InputRoom) -> Option<PollFlags> {
        let reads = self.listening && room == InputRoom::Some;
        if self.state == State::Left && !reads {
            // Its hang-up would be reported again and again.
            return None;
        }
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::IN, reads);
        let writes = self.waiting() > 0 && self.state != State::Left;
        flags.set(PollFlags::OUT, writes);
        Some(flags)
    }

    /// Notes that the client is gone: it gets nothing more.
    pub(super) fn leave(&mut self) {
        self.state = State::Left;
        self.queue = Vec::new();
        self.sent = 0;
    }

    /// Tells whether the client's input may still come.
    pub(super) fn is_listening(&self) -> bool {
        self.listening
    }

    /// Takes what the client has sent; it is added to `out`.
    pub(super) fn take_input(&mut self, out: &mut Vec<u8>) -> Taken {
        let mut block = [0; INPUT_BLOCK];
        match recv_now(&self.socket, &mut block) {
            Moved::Bytes(n) => self.scan(&block[..n], out),
            Moved::Nothing => Taken::Some,
            Moved::Closed => {
                self.listening = false;
                Taken::End
            }
        }
    }

    /// Passes input on except for the detach keys.
    pub(super) fn scan(&mut self, input: &[u8], out: &mut Vec<u8>) -> Taken {
        match self.scanner.feed(input, out) {
            Seen::Input => Taken::Some,
            Seen::Detach => Taken::Detach,
        }
    }

    fn takes(&self, stream: Stream) -> bool {
        let wanted = match stream {
            Stream::Stdout => self.streams.stdout,
            Stream::Stderr => self.streams.stderr,
        };
        wanted && self.state == State::Serving
    }
}

/// Whether the program's input takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputRoom {
    /// It does.
    Some,
    /// Something waits for it already.
    None,
}

impl AsFd for Attached {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // Others may still hold copies of the descriptor.
        shutdown(&self.socket);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    const ALL: Streams = Streams { stdin: true, stdout: true, stderr: true };

    fn attach(streams: Streams, manners: Manners) -> (UnixStream, Attached) {
        let (near, far) = UnixStream::pair().unwrap();
        let framing = match manners.terminal {
            true => Framing::Raw,
            false => Framing::Multiplexed,
        };
        let asked = Attach {
            streams,
            framing,
            detach_keys: vec![16, 17],
            greeting: Vec::new(),
        };
        (near, Attached::new(far.into(), asked, manners))
    }

    const PIPES: Manners = Manners { terminal: false, input: true };
    const TERMINAL: Manners = Manners { terminal: true, input: true };

    fn framed(text: &str) -> Vec<u8> {
        let head = frame::head(Stream::Stdout, text.len() as u32);
        [&head[..], text.as_bytes()].concat()
    }

    #[test]
    fn output_is_framed_as_asked() {
        for (manners, expected) in
            [(PIPES, framed("hi")), (TERMINAL, b"hi".to_vec())]
        {
            let (mut near, mut client) = attach(ALL, manners);
            client.deliver(Stream::Stdout, &framed("hi"));
            drop(client);
            let mut got = Vec::new();
            near.read_to_end(&mut got).unwrap();
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn a_stream_that_is_not_wanted_is_not_sent() {
        let streams = Streams { stderr: false, ..ALL };
        let (mut near, mut client) = attach(streams, PIPES);
        client.deliver(Stream::Stderr, &framed("hi"));
        drop(client);
        assert_eq!(near.read(&mut [0; 8]).unwrap(), 0);
    }

    #[test]
    fn a_slow_client_becomes_full_and_loses_nothing() {
        let (mut near, mut client) = attach(ALL, TERMINAL);
        let piece = framed(&"x".repeat(32 * 1024));
        let mut fed = 0;
        while !client.is_full(Stream::Stdout) {
            client.deliver(Stream::Stdout, &piece);
            fed += piece.len() - frame::HEAD;
        }
        assert!(client.waiting() >= LIMIT && fed < LIMIT * 2);
        let flags = client.interest(InputRoom::None).unwrap();
        assert_eq!(flags, PollFlags::OUT);
        client.finish();
        let mut got = 0;
        let mut block = vec![0; 64 * 1024];
        while !client.is_over() {
            got += near.read(&mut block).unwrap();
            client.flush();
        }
        drop(client);
        loop {
            match near.read(&mut block).unwrap() {
                0 => break,
                n => got += n,
            }
        }
        assert_eq!(got, fed);
    }

    #[test]
    fn input_of_a_client_that_left_is_still_taken() {
        let (mut near, mut client) = attach(ALL, PIPES);
        near.write_all(b"last words\x10\x11").unwrap();
        drop(near);
        client.deliver(Stream::Stdout, &framed("hi"));
        assert!(!client.is_over());
        assert_eq!(client.interest(InputRoom::None), None);
        let mut out = Vec::new();
        assert_eq!(client.take_input(&mut out), Taken::Some);
        assert_eq!(out, b"last words\x10\x11");
        assert_eq!(client.take_input(&mut out), Taken::End);
        assert!(client.is_over());
    }

    #[test]
    fn detach_keys_count_on_a_terminal() {
        let (mut near, mut client) = attach(ALL, TERMINAL);
        near.write_all(b"ls\n\x10\x11").unwrap();
        let mut out = Vec::new();
        assert_eq!(client.take_input(&mut out), Taken::Detach);
        assert_eq!(out, b"ls\n");
    }
}
