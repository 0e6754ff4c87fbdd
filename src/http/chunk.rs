//! The chunked transfer coding (RFC 9112 §7.1), in both directions, without
//! any I/O.
//!
//! The decoder is strict: CRLF only, no sign or space in a size, no control
//! bytes, bounded extensions and trailers. Trailers are passed over, so
//! that none can stand for a header. What is not data is bounded for a body
//! as a whole too, beside what chunks of an honest size need.

use std::fmt;

/// What ends a chunked body that has no trailers.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// The most bytes of extension after one chunk's size.
const MAX_EXTENSION: u32 = 256;

/// The most bytes of all trailers together.
const MAX_TRAILERS: u32 = 8 * 1024;

/// The most bytes of a body's lines beyond what its chunks need.
const MAX_WASTE: u64 = 16 * 1024;

/// What a chunk needs: its size, and twice CRLF.
const NEEDED: u64 = 16;

/// How a chunked body breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A size has no hexadecimal digit, or something else stands there.
    Size,
    /// A size has more than fifteen digits.
    SizeTooLarge,
    /// CRLF is missing at the end of a line or of a chunk.
    LineEnd,
    /// The extensions are too long, or no text.
    Extension,
    /// The trailers are too long, or no text.
    Trailers,
    /// There is far more around the data than data.
    Waste,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Malformed::Size => "invalid byte in chunk length",
            Malformed::SizeTooLarge => "http chunk length too large",
            Malformed::LineEnd => "missing CRLF",
            Malformed::Extension => "bad chunk extension",
            Malformed::Trailers => "bad trailers",
            Malformed::Waste => "chunked encoding contains too much non-data",
        })
    }
}

impl std::error::Error for Malformed {}

/// Where the decoder stands: what the next byte has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A digit of the size, or what ends it.
    Size { value: u64, digits: u32 },
    /// White space after the size: an extension follows, or nothing.
    SizeBlank { size: u64, length: u32 },
    /// A byte of the extension.
    Extension { size: u64, length: u32 },
    /// The LF after the size's CR.
    SizeLf { size: u64 },
    /// A byte of the data.
    Data { left: u64 },
    /// The CR after the data.
    DataCr,
    /// The LF after the data.
    DataLf,
    /// The first byte of a trailer line, or the CR of the last line.
    TrailerStart { total: u32 },
    /// A further byte of a trailer line.
    Trailer { total: u32 },
    /// The LF of a trailer line.
    TrailerLf { total: u32 },
    /// The LF of the last line.
    LastLf,
    /// Nothing: the body is over.
    Done,
}

/// Takes the chunks apart.
#[derive(Clone, Debug)]
pub struct Decoder {
    state: State,
    /// Bytes beyond what the chunks so far needed.
    waste: u64,
}

/// What one step of the decoder did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are used.
    pub consumed: usize,
    /// Bytes of data that were written.
    pub produced: usize,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// Makes one that stands before the first chunk.
    pub fn new() -> Decoder {
        Decoder { state: State::Size { value: 0, digits: 0 }, waste: 0 }
    }

    /// Returns whether the last chunk and its trailers have been seen.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Returns how many bytes of data follow directly; 0 outside of data.
    pub fn data_left(&self) -> u64 {
        match self.state {
            State::Data { left } => left,
            _ => 0,
        }
    }

    /// Notes that `n` bytes of data were taken by somebody else; at most
    /// [`Decoder::data_left`].
    pub fn skip_data(&mut self, n: u64) {
        if let State::Data { left } = self.state {
            self.state = after_data(left.saturating_sub(n));
        }
    }

    /// Decodes what it can: until the input is used up, the output is full,
    /// or the body is over.
    pub fn decode(
        &mut self,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<Step, Malformed> {
        let (mut consumed, mut produced) = (0, 0);
        while consumed < input.len() && self.state != State::Done {
            if let State::Data { left } = self.state {
                let room = (out.len() - produced).min(input.len() - consumed);
                let n = usize::try_from(left).map_or(room, |l| l.min(room));
                if n == 0 {
                    break;
                }
                out[produced..produced + n]
                    .copy_from_slice(&input[consumed..consumed + n]);
                consumed += n;
                produced += n;
                self.state = after_data(left - n as u64);
            } else {
                self.state = next(self.state, input[consumed])?;
                consumed += 1;
                self.count()?;
            }
        }
        Ok(Step { consumed, produced })
    }
}

impl Decoder {
    /// Counts a byte that is no data. A chunk makes good for as much as it
    /// needs, and for twice its data: who sends a byte a time is in no
    /// debt.
    fn count(&mut self) -> Result<(), Malformed> {
        self.waste += 1;
        if let State::Data { left } = self.state {
            let good = left.saturating_mul(2).saturating_add(NEEDED);
            self.waste = self.waste.saturating_sub(good);
        }
        match self.waste > MAX_WASTE {
            true => Err(Malformed::Waste),
            false => Ok(()),
        }
    }
}

fn after_data(left: u64) -> State {
    if left == 0 { State::DataCr } else { State::Data { left } }
}

fn next(state: State, byte: u8) -> Result<State, Malformed> {
    Ok(match (state, byte) {
        (State::Size { digits: 0, .. }, b) if !b.is_ascii_hexdigit() => {
            return Err(Malformed::Size);
        }
        (State::Size { value, .. }, b'\r') => State::SizeLf { size: value },
        (State::Size { value, .. }, b';') => {
            State::Extension { size: value, length: 1 }
        }
        (State::Size { value, .. }, b' ' | b'\t') => {
            State::SizeBlank { size: value, length: 1 }
        }
        (State::Size { value, digits }, b) => {
            let digit = char::from(b).to_digit(16).ok_or(Malformed::Size)?;
            // No body is that long; leading zeros count too, or they could
            // go on for ever.
            if digits >= 15 {
                return Err(Malformed::SizeTooLarge);
            }
            State::Size {
                value: value << 4 | u64::from(digit),
                digits: digits + 1,
            }
        }
        (
            State::SizeBlank { size, .. } | State::Extension { size, .. },
            b'\r',
        ) => State::SizeLf { size },
        (State::SizeBlank { .. } | State::Extension { .. }, b'\n') => {
            return Err(Malformed::LineEnd);
        }
        (
            State::SizeBlank { length: MAX_EXTENSION, .. }
            | State::Extension { length: MAX_EXTENSION, .. },
            _,
        ) => return Err(Malformed::Extension),
        (State::SizeBlank { size, length }, b';') => {
            State::Extension { size, length: length + 1 }
        }
        (State::SizeBlank { size, length }, b' ' | b'\t') => {
            State::SizeBlank { size, length: length + 1 }
        }
        (State::SizeBlank { .. }, _) => return Err(Malformed::Size),
        (State::Extension { size, length }, b) => match is_text(b) {
            true => State::Extension { size, length: length + 1 },
            false => return Err(Malformed::Extension),
        },
        (State::SizeLf { size: 0 }, b'\n') => State::TrailerStart { total: 0 },
        (State::SizeLf { size }, b'\n') => State::Data { left: size },
        (State::DataCr, b'\r') => State::DataLf,
        (State::DataLf, b'\n') => State::Size { value: 0, digits: 0 },
        (State::TrailerStart { .. }, b'\r') => State::LastLf,
        (State::Trailer { total }, b'\r') => State::TrailerLf { total },
        (State::TrailerLf { total }, b'\n') => State::TrailerStart { total },
        (State::TrailerStart { total } | State::Trailer { total }, b) => {
            if b == b'\n' {
                return Err(Malformed::LineEnd);
            }
            if total >= MAX_TRAILERS || !is_text(b) {
                return Err(Malformed::Trailers);
            }
            State::Trailer { total: total + 1 }
        }
        (State::LastLf, b'\n') => State::Done,
        (State::Data { .. } | State::Done, _) => state,
        _ => return Err(Malformed::LineEnd),
    })
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// Appends the line that stands before a chunk of `length` bytes, which
/// must not be 0.
pub fn push_size(out: &mut Vec<u8>, length: usize) {
    debug_assert!(length > 0, "an empty chunk ends the body");
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = (length >> (place * 4)) & 0xf;
        out.push(b"0123456789abcdef"[digit]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_in_steps(
        input: &[u8],
        step: usize,
    ) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let mut decoder = Decoder::new();
        let (mut data, mut used) = (Vec::new(), 0);
        let mut out = [0; 7];
        while used < input.len() && !decoder.is_done() {
            let end = (used + step).min(input.len());
            let did = decoder.decode(&input[used..end], &mut out)?;
            data.extend_from_slice(&out[..did.produced]);
            used += did.consumed;
        }
        Ok((data, used, decoder.is_done()))
    }

    #[test]
    fn bodies_decode_however_they_are_cut() {
        let cases: &[(&[u8], &[u8])] = &[
            (b"0\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"5 ; x\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", b"hello!"),
            (b"5;a=\"b;c 5\"\r\nhello\r\n0 \r\n\r\n", b"hello"),
            (b"00A\r\n0123456789\r\n000\r\nX: y\r\n\r\n", b"0123456789"),
            (b"1\r\n\n\r\n0\r\nA: b\r\nC: d\r\n\r\n", b"\n"),
        ];
        for (input, expected) in cases {
            let mut with_rest = input.to_vec();
            with_rest.extend_from_slice(b"GET /");
            for step in 1..=with_rest.len() {
                let (data, used, done) =
                    decode_in_steps(&with_rest, step).unwrap();
                assert_eq!(
                    (&*data, used, done),
                    (*expected, input.len(), true)
                );
            }
        }
    }

    #[test]
    fn bad_bodies_are_refused_with_a_reason() {
        let long_extension = [b"1;".to_vec(), vec![b'x'; 300]].concat();
        let long_trailer = [b"0\r\nA: ".to_vec(), vec![b'x'; 9000]].concat();
        let wasteful = b"1;xxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n!\r\n".repeat(2000);
        let cases: &[(&[u8], Malformed)] = &[
            (&wasteful, Malformed::Waste),
            (b"5 5\r\n", Malformed::Size),
            (b"5 \n", Malformed::LineEnd),
            (b"5;\0\r\n", Malformed::Extension),
            (b"5;\x7f\r\n", Malformed::Extension),
            (b"0\r\nA: \0\r\n", Malformed::Trailers),
            (b"\r\n", Malformed::Size),
            (b"-1\r\n", Malformed::Size),
            (b"+1\r\n", Malformed::Size),
            (b" 1\r\n", Malformed::Size),
            (b"0x1\r\n", Malformed::Size),
            (b"1\n", Malformed::Size),
            (b"1\r1", Malformed::LineEnd),
            (b"1;x\n", Malformed::LineEnd),
            (b"1\r\nab", Malformed::LineEnd),
            (b"1\r\na\n", Malformed::LineEnd),
            (b"1\r\na\rb", Malformed::LineEnd),
            (b"0\r\n\n", Malformed::LineEnd),
            (b"0\r\nA: b\n", Malformed::LineEnd),
            (b"0\r\n\rx", Malformed::LineEnd),
            (b"ffffffffffffffff\r\n", Malformed::SizeTooLarge),
            (b"0000000000000001\r\n", Malformed::SizeTooLarge),
            (&long_extension, Malformed::Extension),
            (&long_trailer, Malformed::Trailers),
        ];
        for (input, expected) in cases {
            let got = decode_in_steps(input, input.len());
            assert_eq!(got.unwrap_err(), *expected, "{input:?}");
        }
    }

    #[test]
    fn small_chunks_are_no_waste() {
        let body = [b"1\r\nx\r\n".repeat(100_000), LAST.to_vec()].concat();
        let (data, used, done) = decode_in_steps(&body, body.len()).unwrap();
        assert_eq!((data.len(), used, done), (100_000, body.len(), true));
    }

    #[test]
    fn an_incomplete_body_is_not_done() {
        for input in [b"".as_slice(), b"5\r\nhel", b"0\r\n", b"0\r\n\r"] {
            assert!(!decode_in_steps(input, 3).unwrap().2);
        }
    }

    #[test]
    fn sizes_are_written_in_hexadecimal() {
        for n in [1, 9, 15, 16, 255, 256, 0x1f56, 1 << 40] {
            let mut out = Vec::new();
            push_size(&mut out, n);
            assert_eq!(out, format!("{n:x}\r\n").into_bytes());
        }
    }

    /// Whatever comes, the decoder answers, never panics, never gives more
    /// data than came in, and always gets on.
    #[test]
    fn mutated_bodies_never_panic() {
        let seed = b"5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: r\r\n\r\n";
        let special = b"\r\n;0f \xff:";
        let mut state = 0x853c_49e6_748f_ea9b_u64;
        for _ in 0..50_000 {
            let mut input = seed.to_vec();
            for _ in 0..4 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = (state >> 16) as usize % input.len();
                input[at] = special[state as usize % special.len()];
            }
            let step = (state >> 32) as usize % 9 + 1;
            if let Ok((data, used, _)) = decode_in_steps(&input, step) {
                assert!(data.len() <= used && used <= input.len());
            }
        }
    }
}
