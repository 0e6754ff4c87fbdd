//! Cuts a stream of bytes into lines, and lines that are too long into
//! parts, as Docker's copier does.

use crate::sys::memory;
use crate::time::Timestamp;

/// The most bytes of one part (Docker's copier has a buffer of this size).
pub const PART_LIMIT: usize = 16 * 1024;

/// The lines of one stream. Holds at most [`PART_LIMIT`] bytes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// When the first part of the line that is going on was seen.
    going_on: Option<Timestamp>,
}

/// A piece that [`Lines`] gives out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A line, or the last part of one; the line feed is not included.
    Line(&'a [u8], Timestamp),
    /// A part that is not the last one.
    Part(&'a [u8], Timestamp),
}

impl Lines {
    /// Takes bytes read at `now`; calls `give` for each line that they end
    /// and each part that they fill.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        now: Timestamp,
        mut give: impl FnMut(Piece<'_>),
    ) {
        while !bytes.is_empty() {
            let room = PART_LIMIT - self.held.len();
            let window = &bytes[..bytes.len().min(room)];
            let Some(end) = memory::find_byte(window, b'\n') else {
                let (taken, rest) = bytes.split_at(window.len());
                bytes = rest;
                if taken.len() < room {
                    self.held.extend_from_slice(taken);
                    continue;
                }
                let time = *self.going_on.get_or_insert(now);
                self.give(taken, |part| give(Piece::Part(part, time)));
                continue;
            };
            let time = self.going_on.take().unwrap_or(now);
            self.give(&bytes[..end], |line| give(Piece::Line(line, time)));
            bytes = &bytes[end + 1..];
        }
    }

    /// Ends the stream: what is held goes out as a last part.
    pub(super) fn finish(
        &mut self,
        now: Timestamp,
        mut give: impl FnMut(Piece<'_>),
    ) {
        if !self.held.is_empty() {
            let time = self.going_on.take().unwrap_or(now);
            self.give(&[], |part| give(Piece::Part(part, time)));
        }
    }

    /// Gives out what is held followed by `more`, without copying when
    /// nothing is held.
    fn give(&mut self, more: &[u8], give: impl FnOnce(&[u8])) {
        if self.held.is_empty() {
            return give(more);
        }
        self.held.extend_from_slice(more);
        give(&self.held);
        // The memory goes back: most streams hold nothing most of the time.
        self.held = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&[u8]]) -> Vec<(char, Vec<u8>, i64)> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let mut give = |piece: Piece<'_>| match piece {
            Piece::Line(b, t) => out.push(('L', b.to_vec(), t.seconds)),
            Piece::Part(b, t) => out.push(('P', b.to_vec(), t.seconds)),
        };
        let mut second = 0;
        for chunk in chunks {
            lines.feed(chunk, Timestamp::from_unix(second, 0), &mut give);
            second += 1;
        }
        lines.finish(Timestamp::from_unix(second, 0), &mut give);
        out
    }

    #[test]
    fn lines_may_arrive_in_any_pieces() {
        assert_eq!(
            cut(&[b"a\nb", b"c", b"\n\nd"]),
            [
                ('L', b"a".to_vec(), 0),
                ('L', b"bc".to_vec(), 2),
                ('L', b"".to_vec(), 2),
                ('P', b"d".to_vec(), 3),
            ]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_keeps_its_first_time() {
        let long = vec![b'x'; PART_LIMIT * 2 + 5];
        let got = cut(&[&long, b"end\nnext\n"]);
        assert_eq!(got.len(), 4);
        assert_eq!((got[0].0, got[0].1.len()), ('P', PART_LIMIT));
        assert_eq!((got[1].0, got[1].1.len()), ('P', PART_LIMIT));
        assert_eq!(got[2], ('L', b"xxxxxend".to_vec(), 0));
        assert_eq!(got[3], ('L', b"next".to_vec(), 1));
    }

    #[test]
    fn a_line_of_exactly_the_limit_ends_with_an_empty_last_part() {
        let mut long = vec![b'x'; PART_LIMIT];
        long.push(b'\n');
        let got = cut(&[&long]);
        assert_eq!((got[0].0, got[0].1.len()), ('P', PART_LIMIT));
        assert_eq!(got[1], ('L', vec![], 0));
    }

    #[test]
    fn single_bytes_never_make_more_than_a_part_be_held() {
        let mut lines = Lines::default();
        let mut parts = 0;
        for _ in 0..PART_LIMIT + 10 {
            lines.feed(b"x", Timestamp::from_unix(0, 0), |_| parts += 1);
            assert!(lines.held.len() < PART_LIMIT);
        }
        assert_eq!(parts, 1);
    }
}
