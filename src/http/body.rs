//! Bodies: the decoder that both sides share, and the reader that a server
//! gives to its handlers.
//!
//! ```text
//! server:  head ─ expects 100? ─▶ Pending ─ first read ─▶ sends 100, reads
//!                                    └──── never read ──▶ connection closes
//! ```

use std::io::{self, Read, Write};
use std::time::Duration;

use super::head::Framing;
use super::input::Input;
use super::{Error, Phase, Result, Stream, chunk};
use crate::sys;

/// The most bytes of an unread body that are read and thrown away, so that
/// the connection can be kept (Go's server has the same bound).
pub const MAX_DRAIN: u64 = 256 * 1024;

/// Takes a body out of its framing.
#[derive(Debug)]
pub struct Decoder {
    state: State,
}

#[derive(Debug)]
enum State {
    Length(u64),
    Chunked(chunk::Decoder),
    UntilClose,
    Done,
}

impl Decoder {
    /// Makes one for a body with this framing.
    pub fn new(framing: Framing) -> Decoder {
        Decoder {
            state: match framing {
                Framing::Empty | Framing::Length(0) => State::Done,
                Framing::Length(n) => State::Length(n),
                Framing::Chunked => State::Chunked(chunk::Decoder::new()),
                Framing::UntilClose => State::UntilClose,
            },
        }
    }

    /// Returns whether the body has been read to its end.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Returns how many bytes the body still has, if that is known.
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length(n) => Some(n),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Reads a part of the body; 0 is its end. `wait` is called before each
    /// read from the stream.
    pub fn read(
        &mut self,
        mut stream: &Stream,
        input: &mut Input,
        out: &mut [u8],
        mut wait: impl FnMut() -> Result<()>,
    ) -> Result<usize> {
        let failed = |e| Error::from_io(Phase::Body, e);
        while !self.is_done() && !out.is_empty() {
            // Bytes that are there already are used before any are awaited.
            if !input.is_empty() {
                let n = self.take(input, out)?;
                if n > 0 {
                    return Ok(n);
                }
                continue;
            }
            wait()?;
            // A large read goes past the window, without a second copy.
            let direct = match &self.state {
                State::Length(left) => *left,
                State::Chunked(decoder) => decoder.data_left(),
                State::UntilClose => u64::MAX,
                State::Done => 0,
            };
            let room = usize::try_from(direct).unwrap_or(usize::MAX);
            let room = room.min(out.len());
            if room >= 4096 {
                let n = stream.read(&mut out[..room]).map_err(failed)?;
                self.note_direct(n)?;
                return Ok(n);
            }
            if input.fill(stream).map_err(failed)? == 0 {
                match self.state {
                    State::UntilClose => self.state = State::Done,
                    _ => return Err(Error::Closed(Phase::Body)),
                }
            }
        }
        Ok(0)
    }

    fn take(&mut self, input: &mut Input, out: &mut [u8]) -> Result<usize> {
        let bytes = input.bytes();
        let limit = match &mut self.state {
            State::Chunked(decoder) => {
                let step = decoder.decode(bytes, out)?;
                if decoder.is_done() {
                    self.state = State::Done;
                }
                input.consume(step.consumed);
                return Ok(step.produced);
            }
            State::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            State::UntilClose => usize::MAX,
            State::Done => 0,
        };
        let n = bytes.len().min(out.len()).min(limit);
        out[..n].copy_from_slice(&bytes[..n]);
        input.consume(n);
        self.note_length(n as u64);
        Ok(n)
    }

    fn note_direct(&mut self, n: usize) -> Result<()> {
        if n == 0 {
            return match self.state {
                State::UntilClose => {
                    self.state = State::Done;
                    Ok(())
                }
                _ => Err(Error::Closed(Phase::Body)),
            };
        }
        if let State::Chunked(decoder) = &mut self.state {
            decoder.skip_data(n as u64);
        }
        self.note_length(n as u64);
        Ok(())
    }

    fn note_length(&mut self, n: u64) {
        if let State::Length(left) = &mut self.state {
            *left -= n;
            if *left == 0 {
                self.state = State::Done;
            }
        }
    }
}

/// What became of a request's `Expect: 100-continue`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Continue {
    /// The client did not ask.
    #[default]
    NotAsked,
    /// The client waits for an answer.
    Pending,
    /// `100 Continue` was sent.
    Sent,
}

/// The body of one request, in a server.
#[derive(Debug)]
pub struct Incoming {
    decoder: Decoder,
    asked: Continue,
    read: u64,
    limit: u64,
    idle: Duration,
    failed: bool,
}

impl Incoming {
    /// Makes the reader of a request's body. `idle` bounds the wait for each
    /// next part of it.
    pub fn new(framing: Framing, asked: Continue, idle: Duration) -> Incoming {
        let decoder = Decoder::new(framing);
        Incoming {
            decoder,
            asked,
            read: 0,
            limit: u64::MAX,
            idle,
            failed: false,
        }
    }

    /// Sets how many bytes the body may have; one that announces more is
    /// refused before it is read.
    pub fn set_limit(&mut self, limit: u64) -> Result<()> {
        self.limit = limit;
        match self.decoder.left() {
            Some(left) if left.saturating_add(self.read) > limit => {
                self.failed = true;
                Err(Error::TooLarge(limit))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether it has been read to its end.
    pub fn is_done(&self) -> bool {
        self.decoder.is_done()
    }

    /// Returns whether the client still waits for `100 Continue`.
    pub fn is_awaited(&self) -> bool {
        self.asked == Continue::Pending && !self.is_done()
    }

    /// Reads a part; 0 is the end. Before the first one the client gets its
    /// `100 Continue`.
    pub fn read(
        &mut self,
        stream: &Stream,
        input: &mut Input,
        out: &mut [u8],
    ) -> Result<usize> {
        let got = self.read_part(stream, input, out);
        self.failed |= got.is_err();
        got
    }

    /// Returns whether the next request can be found behind this body: it
    /// is sound, and its rest is short or may be.
    pub fn can_drain(&self) -> bool {
        !self.failed
            && !self.is_awaited()
            && self.decoder.left().is_none_or(|n| n <= MAX_DRAIN)
    }

    fn read_part(
        &mut self,
        stream: &Stream,
        input: &mut Input,
        out: &mut [u8],
    ) -> Result<usize> {
        if self.is_awaited() {
            // A client may have lost its patience and sent the body.
            if input.is_empty() {
                let mut stream = stream;
                stream
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                    .and_then(|()| stream.flush())
                    .map_err(|e| Error::from_io(Phase::Body, e))?;
            }
            self.asked = Continue::Sent;
        }
        let idle = self.idle;
        let wait = || wait_readable(stream, idle);
        let n = self.decoder.read(stream, input, out, wait)?;
        self.read += n as u64;
        if self.read > self.limit {
            return Err(Error::TooLarge(self.limit));
        }
        Ok(n)
    }

    /// Reads away what the handler left, within bounds. Returns whether the
    /// connection stands at the start of the next request now.
    pub fn drain(&mut self, stream: &Stream, input: &mut Input) -> bool {
        if self.is_done() {
            return true;
        }
        if !self.can_drain() {
            return false;
        }
        let mut left = MAX_DRAIN;
        let mut waste = [0; 4096];
        self.idle = self.idle.min(Duration::from_secs(5));
        self.limit = u64::MAX;
        while !self.is_done() {
            match self.read(stream, input, &mut waste) {
                Ok(n) if (n as u64) <= left => left -= n as u64,
                _ => return false,
            }
        }
        true
    }
}

fn wait_readable(stream: &Stream, idle: Duration) -> Result<()> {
    if stream.has_pending_input() {
        return Ok(());
    }
    match sys::poll::wait_readable(stream, Some(idle)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::TimedOut(Phase::Body)),
        Err(e) => Err(Error::Io(Phase::Body, e.into())),
    }
}

/// One request's body as `std::io::Read`, over the parts of its connection.
pub struct Reader<'a> {
    /// The state of the body.
    pub body: &'a mut Incoming,
    /// The connection.
    pub stream: &'a Stream,
    /// The bytes that were read ahead.
    pub input: &'a mut Input,
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        Ok(self.body.read(self.stream, self.input, out)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::thread;

    use super::*;

    const IDLE: Duration = Duration::from_secs(5);

    fn read_all(framing: Framing, sent: Vec<u8>) -> Result<(Vec<u8>, Vec<u8>)> {
        let (near, mut far) = UnixStream::pair().unwrap();
        let writer = thread::spawn(move || far.write_all(&sent));
        let stream = Stream::Unix(near);
        let mut input = Input::new();
        let mut body = Incoming::new(framing, Continue::NotAsked, IDLE);
        let (mut data, mut part) = (Vec::new(), [0; 9000]);
        loop {
            match body.read(&stream, &mut input, &mut part)? {
                0 => break,
                n => data.extend_from_slice(&part[..n]),
            }
        }
        let _ = writer.join().unwrap();
        Ok((data, input.take()))
    }

    #[test]
    fn bodies_of_every_framing_arrive_whole() {
        let data: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let mut chunked = Vec::new();
        for part in data.chunks(30_000) {
            chunk::push_size(&mut chunked, part.len());
            chunked.extend_from_slice(part);
            chunked.extend_from_slice(b"\r\n");
        }
        chunked.extend_from_slice(chunk::LAST);
        for (framing, sent) in [
            (Framing::Length(100_000), data.clone()),
            (Framing::Chunked, chunked),
            (Framing::UntilClose, data.clone()),
        ] {
            assert_eq!(read_all(framing, sent).unwrap().0, data);
        }
    }

    #[test]
    fn bytes_behind_a_body_are_left_alone() {
        let got = read_all(Framing::Length(3), b"abcGET".to_vec()).unwrap();
        assert_eq!(got, (b"abc".to_vec(), b"GET".to_vec()));
        let got = read_all(Framing::Empty, b"GET".to_vec()).unwrap();
        assert_eq!(got.0, b"");
    }

    #[test]
    fn a_cut_body_is_an_error() {
        for (framing, sent) in [
            (Framing::Length(10), b"abc".to_vec()),
            (Framing::Length(10_000), b"abc".to_vec()),
            (Framing::Chunked, b"3\r\nab".to_vec()),
        ] {
            let error = read_all(framing, sent).unwrap_err();
            assert!(matches!(error, Error::Closed(Phase::Body)), "{error:?}");
        }
    }

    #[test]
    fn a_body_beyond_its_limit_is_refused() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let stream = Stream::Unix(near);
        let mut body =
            Incoming::new(Framing::Length(11), Continue::NotAsked, IDLE);
        assert!(body.set_limit(11).is_ok());
        assert!(matches!(body.set_limit(10), Err(Error::TooLarge(10))));

        far.write_all(b"b\r\nhello world\r\n0\r\n\r\n").unwrap();
        let mut body =
            Incoming::new(Framing::Chunked, Continue::NotAsked, IDLE);
        body.set_limit(10).unwrap();
        let got = body.read(&stream, &mut Input::new(), &mut [0; 100]);
        assert!(matches!(got, Err(Error::TooLarge(10))));
    }

    #[test]
    fn a_stalled_body_times_out() {
        let (near, _far) = UnixStream::pair().unwrap();
        let idle = Duration::from_millis(20);
        let mut body =
            Incoming::new(Framing::Length(1), Continue::NotAsked, idle);
        let got =
            body.read(&Stream::Unix(near), &mut Input::new(), &mut [0; 1]);
        assert!(matches!(got, Err(Error::TimedOut(Phase::Body))));
    }

    #[test]
    fn what_a_handler_leaves_is_drained_within_bounds() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let stream = Stream::Unix(near);
        let mut input = Input::new();
        far.write_all(b"hello").unwrap();
        let mut short =
            Incoming::new(Framing::Length(5), Continue::NotAsked, IDLE);
        assert!(short.drain(&stream, &mut input));
        let long = Framing::Length(MAX_DRAIN + 1);
        let mut long = Incoming::new(long, Continue::NotAsked, IDLE);
        assert!(!long.drain(&stream, &mut input));
        let mut asked =
            Incoming::new(Framing::Length(5), Continue::Pending, IDLE);
        assert!(!asked.drain(&stream, &mut input));
    }
}
