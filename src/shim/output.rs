//! The program's outputs: two pipes, or the master of its terminal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Error;
use super::frame;
use crate::logs::Stream;
use crate::sys::stream::{Moved, read_now, set_nonblocking};

/// Bytes taken from the program at once.
const BLOCK: usize = 32 * 1024;

/// One open output.
#[derive(Debug)]
pub(super) struct Output {
    fd: OwnedFd,
    /// Which stream it is to clients and log.
    pub stream: Stream,
}

/// A piece of output in a buffer with room for a frame's head before it.
#[derive(Debug)]
pub(super) struct Piece(Vec<u8>);

impl Piece {
    pub(super) fn new() -> Piece {
        Piece(vec![0; frame::HEAD + BLOCK])
    }

    /// The piece behind its frame's head.
    pub(super) fn framed(&self, len: usize) -> &[u8] {
        &self.0[..frame::HEAD + len]
    }

    /// The piece alone.
    pub(super) fn bytes(&self, len: usize) -> &[u8] {
        &self.0[frame::HEAD..frame::HEAD + len]
    }
}

impl Output {
    /// Takes over the reading end of a pipe, or a terminal's master.
    pub(super) fn new(fd: OwnedFd, stream: Stream) -> Result<Output, Error> {
        set_nonblocking(&fd).map_err(Error::System)?;
        Ok(Output { fd, stream })
    }

    /// Reads what the program has written.
    pub(super) fn read(&self, piece: &mut Piece) -> Moved {
        let moved = read_now(&self.fd, &mut piece.0[frame::HEAD..]);
        if let Moved::Bytes(len) = moved {
            let head = frame::head(self.stream, len as u32);
            piece.0[..frame::HEAD].copy_from_slice(&head);
        }
        moved
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
