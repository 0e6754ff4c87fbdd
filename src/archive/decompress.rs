//! Decompression by the first bytes of a stream: gzip with all its
//! members, zstd with all its frames, or plain.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

use super::zstd::Zstd;
use super::{Error, Result};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Not at all.
    Plain,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// bzip2, which is not read.
    Bzip2,
    /// xz, which is not read.
    Xz,
}

/// How many bytes [`sniff`] wants to see.
pub const MAGIC: usize = 6;

const BUFFER: usize = 128 << 10;

/// Tells the format by the first bytes.
pub fn sniff(bytes: &[u8]) -> Format {
    match bytes {
        [0x1f, 0x8b, ..] => Format::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
        // A frame to be skipped may come first.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
        [b'B', b'Z', b'h', ..] => Format::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
        _ => Format::Plain,
    }
}

/// Reads the plain bytes of `input`, to its very end.
pub fn decompress<'a>(mut input: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut first = [0; MAGIC];
    let mut length = 0;
    while length < MAGIC {
        match input.read(&mut first[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(Error::Read(cause)),
        }
    }
    let format = sniff(&first[..length]);
    let whole = Cursor::new(first).take(length as u64).chain(input);
    let buffered = BufReader::with_capacity(BUFFER, whole);
    Ok(match format {
        Format::Plain => Box::new(buffered),
        Format::Gzip => Box::new(MultiGzDecoder::new(buffered)),
        Format::Zstd => Box::new(Zstd::new(buffered)),
        Format::Bzip2 => return Err(Error::Compression("bzip2")),
        Format::Xz => return Err(Error::Compression("xz")),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        ruzstd::encoding::compress_to_vec(bytes, level)
    }

    fn plain(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decompress(bytes).unwrap().read_to_end(&mut out)?;
        Ok(out)
    }

    /// Skipping frame, as pzstd and zstd:chunked write them.
    const SKIPPED: &[u8] = b"\x5a\x2a\x4d\x18\x03\0\0\0abc";

    #[test]
    fn all_members_and_frames_are_read() {
        let big = b"0123456789".repeat(100_000);
        let one = gzip(b"one ");
        let two = gzip(&big);
        let gzipped = [one, two].concat();
        assert_eq!(plain(&gzipped).unwrap(), [b"one ", &big[..]].concat());
        let zstded = [zstd(b"one "), SKIPPED.to_vec(), zstd(&big)].concat();
        assert_eq!(plain(&zstded).unwrap(), [b"one ", &big[..]].concat());
        let skipped_first = [SKIPPED, &zstd(b"x"), SKIPPED].concat();
        assert_eq!(plain(&skipped_first).unwrap(), b"x");
        assert_eq!(plain(b"abc").unwrap(), b"abc");
        assert_eq!(plain(b"").unwrap(), b"");
    }

    #[test]
    fn cut_and_broken_streams_are_errors() {
        let big = b"0123456789".repeat(1000);
        for whole in [gzip(&big), zstd(&big)] {
            for cut in [7, whole.len() / 2, whole.len() - 1] {
                assert!(plain(&whole[..cut]).is_err(), "{cut}");
            }
        }
        let tail = [gzip(b"x"), b"tail".to_vec()].concat();
        assert!(plain(&tail).is_err());
        let cut_skip = [&zstd(b"x")[..], &SKIPPED[..9]].concat();
        assert!(plain(&cut_skip).is_err());
    }

    #[test]
    fn a_zstd_window_beyond_the_bound_is_refused_before_it_is_allocated() {
        // Descriptor 0: a window byte follows; 0xf8 asks for 2 TiB.
        let frame = b"\x28\xb5\x2f\xfd\x00\xf8\x01\0\0";
        let error = plain(frame).unwrap_err().to_string();
        assert!(error.contains("window"), "{error}");
        // Single segment: the window is the content size of 8 bytes.
        let frame = b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f";
        let error = plain(frame).unwrap_err().to_string();
        assert!(error.contains("window"), "{error}");
    }

    #[test]
    fn xz_and_bzip2_are_named() {
        for (bytes, name) in [
            (&b"\xfd7zXZ\0..."[..], "xz compression is not supported"),
            (b"BZh91AY", "bzip2 compression is not supported"),
        ] {
            let error = decompress(bytes).err().unwrap();
            assert_eq!(error.to_string(), name);
        }
    }
}
