//! Taking the frames of attach and logs apart again.

use std::io;

use crate::api::stream::{self, HEAD, Stream};

/// The state between two pieces of a framed stream.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; HEAD],
    /// Bytes of `head` that have come.
    filled: usize,
    /// The frame under way, and the bytes that it still lacks.
    open: Option<(Stream, u32)>,
    /// What has come of a message of the engine itself.
    message: Vec<u8>,
}

/// A longer message of the engine itself is cut.
const LONGEST_MESSAGE: usize = 64 * 1024;

impl Frames {
    /// Takes the next piece apart; `sink` gets each part with its stream,
    /// which is never [`Stream::System`]: such a frame is an error.
    pub fn push(
        &mut self,
        mut piece: &[u8],
        mut sink: impl FnMut(Stream, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        while !piece.is_empty() {
            let Some((kind, left)) = self.open else {
                let n = piece.len().min(HEAD - self.filled);
                self.head[self.filled..self.filled + n]
                    .copy_from_slice(&piece[..n]);
                self.filled += n;
                piece = &piece[n..];
                if self.filled == HEAD {
                    self.filled = 0;
                    let Some(open) = stream::parse_head(self.head) else {
                        let number = self.head[0];
                        return Err(io::Error::other(format!(
                            "Unrecognized input header: {number}"
                        )));
                    };
                    self.open = Some(open);
                    self.close_if_done()?;
                }
                continue;
            };
            let n = piece.len().min(left as usize);
            if kind == Stream::System {
                let room = LONGEST_MESSAGE.saturating_sub(self.message.len());
                self.message.extend_from_slice(&piece[..n.min(room)]);
            } else {
                sink(kind, &piece[..n])?;
            }
            piece = &piece[n..];
            self.open = Some((kind, left - n as u32));
            self.close_if_done()?;
        }
        Ok(())
    }

    fn close_if_done(&mut self) -> io::Result<()> {
        if let Some((kind, 0)) = self.open {
            self.open = None;
            if kind == Stream::System {
                let text = String::from_utf8_lossy(&self.message).into_owned();
                return Err(io::Error::other(format!(
                    "error from daemon in stream: {text}"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed() -> Vec<u8> {
        let mut bytes = Vec::new();
        for (stream, text) in [
            (Stream::Stdout, "hello\n"),
            (Stream::Stderr, "bad\n"),
            (Stream::Stdout, ""),
            (Stream::Stdout, "end"),
        ] {
            bytes.extend(stream::head(stream, text.len() as u32));
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    #[test]
    fn pieces_of_any_size_come_apart_alike() {
        let bytes = framed();
        for size in 1..=bytes.len() {
            let mut frames = Frames::default();
            let (mut out, mut err) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(size) {
                frames
                    .push(piece, |stream, part| {
                        match stream {
                            Stream::Stdout => out.extend_from_slice(part),
                            _ => err.extend_from_slice(part),
                        }
                        Ok(())
                    })
                    .unwrap();
            }
            assert_eq!(
                (&out[..], &err[..]),
                (&b"hello\nend"[..], &b"bad\n"[..])
            );
        }
    }

    #[test]
    fn errors_of_the_engine_and_garbage_end_the_stream() {
        let mut bytes = stream::head(Stream::System, 4).to_vec();
        bytes.extend(b"oops");
        let error = Frames::default().push(&bytes, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "error from daemon in stream: oops");
        let garbage = b"HTTP/1.1 400";
        let error = Frames::default().push(garbage, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "Unrecognized input header: 72");
    }
}
