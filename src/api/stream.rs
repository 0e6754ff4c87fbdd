//! The frames of attach and logs without a terminal.
//!
//! Each frame is a head of eight bytes, `{stream, 0, 0, 0, size}` with the
//! size as four bytes big-endian, and then `size` bytes (API, "Attach to a
//! container").

/// Media type of a framed stream (API 1.42 and later).
pub const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";
/// Media type of a raw stream, and of any stream before API 1.42.
pub const RAW: &str = "application/vnd.docker.raw-stream";
/// Bytes of a frame's head.
pub const HEAD: usize = 8;

/// Which stream a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output (1).
    Stdout,
    /// Standard error (2).
    Stderr,
    /// An error of the engine itself (3).
    System,
}

/// Builds the head of a frame of `size` bytes.
pub fn head(stream: Stream, size: u32) -> [u8; HEAD] {
    let number = match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
        Stream::System => 3,
    };
    let [a, b, c, d] = size.to_be_bytes();
    [number, 0, 0, 0, a, b, c, d]
}

/// Reads the head of a frame: its stream and size. Stream 0 (stdin) counts
/// as stdout, as in Docker's client; a higher one than 3 is none.
pub fn parse_head(head: [u8; HEAD]) -> Option<(Stream, u32)> {
    let stream = match head[0] {
        0 | 1 => Stream::Stdout,
        2 => Stream::Stderr,
        3 => Stream::System,
        _ => return None,
    };
    let size = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    Some((stream, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_as_written() {
        let bytes = head(Stream::Stderr, 258);
        assert_eq!(bytes, [2, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(parse_head(bytes), Some((Stream::Stderr, 258)));
        assert_eq!(parse_head([9, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
