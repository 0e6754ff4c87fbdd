//! A zstd stream (RFC 8878): frame after frame, those to be skipped
//! skipped, with a bound on the window that a frame may ask for.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window: what `zstd --long` (27) needs.
const MAX_WINDOW: u64 = 128 << 20;

const MAGIC: u32 = 0xfd2f_b528;

/// Decodes a stream as it is read.
pub struct Zstd<R> {
    source: R,
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> Zstd<R> {
    pub fn new(source: R) -> Zstd<R> {
        Zstd { source, frame: None }
    }

    /// Opens the next frame; `None` at the end of the stream.
    fn next_frame(&mut self) -> io::Result<Option<FrameDecoder>> {
        loop {
            if self.source.fill_buf()?.is_empty() {
                return Ok(None);
            }
            let mut word = [0; 4];
            self.source.read_exact(&mut word)?;
            let magic = u32::from_le_bytes(word);
            if (0x184d_2a50..=0x184d_2a5f).contains(&magic) {
                self.source.read_exact(&mut word)?;
                let length = u64::from(u32::from_le_bytes(word));
                let mut skipped = self.source.by_ref().take(length);
                if io::copy(&mut skipped, &mut io::sink())? < length {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                continue;
            }
            if magic != MAGIC {
                return Err(invalid("no zstd frame"));
            }
            let header = self.header()?;
            let mut decoder = FrameDecoder::new();
            decoder.init(header.as_slice()).map_err(invalid)?;
            return Ok(Some(decoder));
        }
    }

    /// Reads a frame's header and checks its window: the decoder itself
    /// would allocate what the header asks for.
    fn header(&mut self) -> io::Result<Vec<u8>> {
        let mut header = MAGIC.to_le_bytes().to_vec();
        let mut take = |count: usize| -> io::Result<u64> {
            let mut bytes = [0; 8];
            self.source.read_exact(&mut bytes[..count])?;
            header.extend_from_slice(&bytes[..count]);
            Ok(u64::from_le_bytes(bytes))
        };
        let descriptor = take(1)?;
        let single_segment = descriptor & 0x20 != 0;
        let window = if single_segment {
            None
        } else {
            let byte = take(1)?;
            let base = 1u64 << (10 + (byte >> 3));
            Some(base + base / 8 * (byte & 7))
        };
        take([0, 1, 2, 4][(descriptor & 3) as usize])?;
        let flag = (descriptor >> 6) as usize;
        let size_bytes = match flag {
            0 => usize::from(single_segment),
            flag => 1 << flag,
        };
        let content = take(size_bytes)?;
        let window = window.unwrap_or(content);
        if window > MAX_WINDOW {
            return Err(invalid(format!("zstd window of {window} bytes")));
        }
        Ok(header)
    }
}

fn invalid(
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                self.frame = self.next_frame()?;
                if self.frame.is_none() {
                    return Ok(0);
                }
                continue;
            };
            while frame.can_collect() < buffer.len() && !frame.is_finished() {
                let wanted = buffer.len() - frame.can_collect();
                frame
                    .decode_blocks(
                        &mut self.source,
                        BlockDecodingStrategy::UptoBytes(wanted),
                    )
                    .map_err(invalid)?;
            }
            let count = frame.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.frame = None;
        }
    }
}
