//! The program's standard input: one writer for all clients.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::attached::InputRoom;
use crate::sys::stream::{Moved, write_now};

/// The writing end of the program's input.
#[derive(Debug)]
pub(super) struct Input {
    /// `None` once the program cannot be written to any more.
    fd: Option<OwnedFd>,
    /// What the program has not yet taken; the first `written` bytes are
    /// gone already. New input is read only when this is empty.
    pending: Vec<u8>,
    written: usize,
    /// To be closed when nothing is pending.
    ending: bool,
}

impl Input {
    /// Takes the writing end (non-blocking), if there is one.
    pub(super) fn new(fd: Option<OwnedFd>) -> Input {
        Input { fd, pending: Vec::new(), written: 0, ending: false }
    }

    /// Tells whether more may be read from clients. Input for a program
    /// that does not read any more is taken and dropped, so that the end of
    /// the client's connection is still seen.
    pub(super) fn room(&self) -> InputRoom {
        match self.pending.is_empty() {
            true => InputRoom::Some,
            false => InputRoom::None,
        }
    }

    /// Writes input, now or when the program takes it.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.fd.is_some() && !self.ending {
            self.pending.extend_from_slice(bytes);
            self.flush();
        }
    }

    /// Writes on what is pending.
    pub(super) fn flush(&mut self) {
        let Some(fd) = &self.fd else { return };
        let mut closed = false;
        while self.written < self.pending.len() {
            match write_now(fd, &self.pending[self.written..]) {
                Moved::Bytes(n) => self.written += n,
                Moved::Nothing => return,
                Moved::Closed => {
                    closed = true;
                    break;
                }
            }
        }
        self.pending = Vec::new();
        self.written = 0;
        if closed || self.ending {
            self.fd = None;
        }
    }

    /// Closes the input once the program has got all of it.
    pub(super) fn end(&mut self) {
        self.ending = true;
        self.flush();
    }

    /// Returns the descriptor to poll for writing, if something is pending.
    pub(super) fn waiting(&self) -> Option<BorrowedFd<'_>> {
        match self.pending.is_empty() {
            true => None,
            false => self.fd.as_ref().map(AsFd::as_fd),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::sys::stream::set_nonblocking;

    fn pipe() -> (std::io::PipeReader, Input) {
        let (reader, writer) = std::io::pipe().unwrap();
        set_nonblocking(&writer).unwrap();
        (reader, Input::new(Some(writer.into())))
    }

    #[test]
    fn all_input_arrives_before_the_end() {
        let (mut reader, mut input) = pipe();
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        input.write(&bytes);
        assert_eq!(input.room(), InputRoom::None);
        input.end();
        let mut got = Vec::new();
        let mut block = [0; 4096];
        loop {
            let n = reader.read(&mut block).unwrap();
            if n == 0 {
                break;
            }
            got.extend_from_slice(&block[..n]);
            input.flush();
        }
        assert_eq!(got, bytes);
        assert!(input.waiting().is_none());
    }

    #[test]
    fn input_for_a_program_that_does_not_read_is_dropped() {
        let (reader, mut input) = pipe();
        drop(reader);
        input.write(b"x");
        assert_eq!(input.room(), InputRoom::Some);
        input.write(b"y");
        assert!(input.waiting().is_none());
    }
}
