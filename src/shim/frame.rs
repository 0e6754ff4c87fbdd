//! Docker's frames on an attached connection without a terminal: eight
//! bytes before each piece of output, so that one connection carries both
//! streams (API: "Stream format" of `ContainerAttach`).

use crate::logs::Stream;

/// Bytes of a frame's head.
pub const HEAD: usize = 8;

/// Returns the head of a frame: the stream's number, three zeroes, the
/// length in network byte order.
pub fn head(stream: Stream, len: u32) -> [u8; HEAD] {
    let number = match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    };
    let [a, b, c, d] = len.to_be_bytes();
    [number, 0, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_names_stream_and_length() {
        assert_eq!(head(Stream::Stdout, 5), [1, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(
            head(Stream::Stderr, 0x1234),
            [2, 0, 0, 0, 0, 0, 0x12, 0x34]
        );
    }
}
