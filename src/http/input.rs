//! The bytes that were read from a stream and not yet used.

use std::io::{self, Read};

/// How much one read asks for, and how much an idle connection keeps.
const STEP: usize = 8 * 1024;

/// A growing window over a stream: filled at the end, consumed at the
/// start, allocated once for a connection.
#[derive(Debug, Default)]
pub struct Input {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Makes an empty one, which has not allocated yet.
    pub fn new() -> Input {
        Input::default()
    }

    /// Returns the unused bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Returns whether all bytes are used.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Marks the first `n` unused bytes as used.
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Reads once from the stream; 0 means its end. The caller bounds the
    /// growth by looking at `bytes().len()`.
    pub fn fill(&mut self, mut stream: impl Read) -> io::Result<usize> {
        if self.buf.len() - self.end < STEP / 2 {
            self.make_room();
        }
        let got = stream.read(&mut self.buf[self.end..])?;
        self.end += got;
        Ok(got)
    }

    /// Takes the unused bytes out.
    pub fn take(&mut self) -> Vec<u8> {
        let rest = self.bytes().to_vec();
        (self.start, self.end) = (0, 0);
        rest
    }

    /// Gives back what one long head or body made it grow by.
    pub fn shrink(&mut self) {
        if self.is_empty() && self.buf.len() > 4 * STEP {
            self.buf = Vec::new();
        }
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.buf.len() - self.end < STEP / 2 {
            let size = (self.buf.len() * 2).max(STEP);
            self.buf.resize(size, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_growing_and_consuming() {
        let source: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let mut reader = source.as_slice();
        let (mut input, mut seen) = (Input::new(), Vec::new());
        while input.fill(&mut reader).unwrap() > 0 {
            let n = input.bytes().len().min(1000);
            seen.extend_from_slice(&input.bytes()[..n]);
            input.consume(n);
        }
        seen.extend(input.take());
        assert_eq!(seen, source);
        input.shrink();
        assert!(input.is_empty());
    }
}
