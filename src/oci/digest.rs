//! Content digests. Only SHA-256 is accepted: it is what every registry
//! serves, and a digest that cannot be checked must not be trusted.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::json::{self, FromJson, Value};

/// A SHA-256 digest, written `sha256:<64 lower-case hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is not a digest; the words are Docker's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not of the form `algorithm:hex`.
    Format,
    /// The hexadecimal part is too short or too long.
    Length,
    /// An algorithm other than SHA-256.
    Unsupported,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Format => "invalid checksum digest format",
            Error::Length => "invalid checksum digest length",
            Error::Unsupported => "unsupported digest algorithm",
        })
    }
}

impl std::error::Error for Error {}

impl Digest {
    /// Computes the digest of some bytes.
    pub fn of_bytes(bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Makes a digest from its 32 raw bytes.
    pub fn from_raw(raw: [u8; 32]) -> Digest {
        Digest(raw)
    }

    /// Parses `sha256:<hex>`.
    pub fn parse(text: &str) -> Result<Digest, Error> {
        let (algorithm, hex) = text.split_once(':').ok_or(Error::Format)?;
        if algorithm.is_empty() || hex.is_empty() {
            return Err(Error::Format);
        }
        if algorithm != "sha256" {
            return Err(if has_digest_form(text) {
                Error::Unsupported
            } else {
                Error::Format
            });
        }
        if hex.len() != 64 {
            return Err(Error::Length);
        }
        Digest::from_hex(hex).ok_or(Error::Format)
    }

    /// Makes a digest from 64 lower-case hexadecimal digits.
    pub fn from_hex(hex: &str) -> Option<Digest> {
        let hex = hex.as_bytes();
        if hex.len() != 64 {
            return None;
        }
        let mut raw = [0u8; 32];
        for (byte, pair) in raw.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Digest(raw))
    }

    /// Returns the 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(64);
        for byte in self.0 {
            hex.push(DIGITS[usize::from(byte >> 4)] as char);
            hex.push(DIGITS[usize::from(byte & 15)] as char);
        }
        hex
    }

    /// Returns the first twelve hexadecimal digits, as lists show them.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }
}

/// The value of a lower-case hexadecimal digit.
fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Whether a text has the general form of a digest of any algorithm: words
/// that start with a letter, joined by `-_+.`, then a colon and at least 32
/// hexadecimal digits of either case.
pub(super) fn has_digest_form(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let words = algorithm.split(['-', '_', '+', '.']).all(|word| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    words && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Digest, Error> {
        Digest::parse(text)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl FromJson for Digest {
    fn kind() -> &'static str {
        "digest.Digest"
    }

    /// No content has this digest.
    fn zero() -> Digest {
        Digest([0; 32])
    }

    fn fill(&mut self, value: Value) -> json::Result<()> {
        let read = json::from_text(value, Digest::parse)?;
        *self = read.unwrap_or(*self);
        Ok(())
    }
}

/// Computes a digest piece by piece.
#[derive(Clone)]
pub struct Hasher(ring::digest::Context);

impl Hasher {
    /// Starts with nothing hashed.
    pub fn new() -> Hasher {
        Hasher(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes that were added.
    pub fn finish(self) -> Digest {
        let mut raw = [0u8; 32];
        raw.copy_from_slice(self.0.finish().as_ref());
        Digest(raw)
    }
}

impl Default for Hasher {
    fn default() -> Hasher {
        Hasher::new()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl std::io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb924\
                         27ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(Digest::of_bytes(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY), Ok(Digest::of_bytes(b"")));
        assert_eq!(Digest::of_bytes(b"").short(), "e3b0c44298fc");
    }

    #[test]
    fn a_digest_in_pieces_equals_one_in_a_whole() {
        let mut hasher = Hasher::new();
        hasher.update(b"ab");
        hasher.update(b"c");
        assert_eq!(hasher.finish(), Digest::of_bytes(b"abc"));
    }

    #[test]
    fn a_wrong_digest_is_refused_in_dockers_words() {
        let hex = "a".repeat(64);
        let cases = [
            (String::new(), Error::Format),
            ("sha256:".into(), Error::Format),
            (format!(":{hex}"), Error::Format),
            (hex.clone(), Error::Format),
            ("sha256:abc".into(), Error::Length),
            (format!("sha256:{hex}a"), Error::Length),
            (format!("sha256:{}", "A".repeat(64)), Error::Format),
            (format!("sha256:{}", "é".repeat(32)), Error::Format),
            (format!("sha512:{hex}{hex}"), Error::Unsupported),
            (format!("md5!:{hex}"), Error::Format),
        ];
        for (text, error) in cases {
            assert_eq!(Digest::parse(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_digest_is_a_string_in_json() {
        let json = format!("\"{EMPTY}\"");
        let digest: Digest = json::from_slice(json.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), json);
        assert!(json::from_slice::<Digest>(b"\"sha256:x\"").is_err());
    }
}
