//! One line of a `json-file` log: how it is written, byte for byte as
//! Docker writes it, and how it is read back.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write;

use serde::Deserialize;

use super::Stream;
use crate::time::Timestamp;

/// A logged line, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the program wrote it.
    pub stream: Stream,
    /// When it was read from the program.
    pub time: Timestamp,
    /// The bytes; they end with a line feed unless the line goes on in the
    /// next entry of the same stream, or the program ended in mid-line.
    pub line: Vec<u8>,
    /// The extra attributes (labels, environment, tag).
    pub attrs: BTreeMap<String, String>,
}

impl Entry {
    /// Tells whether the line goes on in the stream's next entry.
    pub fn is_partial(&self) -> bool {
        self.line.last() != Some(&b'\n')
    }
}

/// Appends one line of the file to `out`. `line_feed` is added to the text;
/// `attrs` is the ready JSON of the attributes, or empty.
pub(super) fn encode(
    out: &mut Vec<u8>,
    stream: Stream,
    time: Timestamp,
    text: &[u8],
    ending: &str,
    attrs: &str,
) {
    out.extend_from_slice(b"{\"log\":\"");
    escape(out, text);
    out.extend_from_slice(ending.as_bytes());
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.name().as_bytes());
    out.push(b'"');
    if !attrs.is_empty() {
        out.extend_from_slice(b",\"attrs\":");
        out.extend_from_slice(attrs.as_bytes());
    }
    // Writing to memory cannot fail.
    let _ = writeln!(out, ",\"time\":\"{time}\"}}");
}

/// Appends bytes as the inside of a JSON string, with Docker's choice of
/// escapes; what is not UTF-8 becomes U+FFFD.
fn escape(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        escape_str(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            // One for each byte, as Go's decoder goes on byte by byte.
            for _ in chunk.invalid() {
                out.extend_from_slice(b"\\ufffd");
            }
        }
    }
}

fn escape_str(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut plain = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        // U+2028 and U+2029 are line ends to JavaScript: E2 80 A8, E2 80 A9.
        let separator = byte == 0xe2
            && bytes[at..].starts_with(&[0xe2, 0x80])
            && matches!(bytes.get(at + 2), Some(0xa8 | 0xa9));
        let special =
            byte < 0x20 || matches!(byte, b'"' | b'\\' | b'<' | b'>' | b'&');
        if !special && !separator {
            at += 1;
            continue;
        }
        out.extend_from_slice(&bytes[plain..at]);
        let mut width = 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0xe2 => {
                width = 3;
                let last = if bytes[at + 2] == 0xa8 { b'8' } else { b'9' };
                out.extend_from_slice(b"\\u202");
                out.push(last);
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
        at += width;
        plain = at;
    }
    out.extend_from_slice(&bytes[plain..]);
}

/// Reads one line of the file, without its line feed. `None` if it is not
/// a whole entry: a half line left by a power cut, zeroes, foreign text.
pub(super) fn decode(line: &[u8]) -> Option<Entry> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow, default)]
        log: Cow<'a, str>,
        #[serde(borrow)]
        stream: Cow<'a, str>,
        #[serde(borrow)]
        time: Cow<'a, str>,
        #[serde(default)]
        attrs: BTreeMap<String, String>,
    }
    let line: Line<'_> = serde_json::from_slice(line).ok()?;
    Some(Entry {
        stream: Stream::of(&line.stream)?,
        time: Timestamp::parse_rfc3339(&line.time)?,
        line: line.log.into_owned().into_bytes(),
        attrs: line.attrs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &[u8], ending: &str) -> String {
        let mut out = Vec::new();
        let time = Timestamp::from_unix(1_700_000_000, 120_000_000);
        encode(&mut out, Stream::Stdout, time, text, ending, "");
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_written_as_docker_writes_it() {
        assert_eq!(
            encoded(b"hello", "\\n"),
            "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\
             \"time\":\"2023-11-14T22:13:20.12Z\"}\n"
        );
    }

    #[test]
    fn special_bytes_are_escaped_as_docker_escapes_them() {
        let line =
            encoded(b"a\tb\"\\<&>\x7f\r\xff\xfe\xe2\x80\xa8\xc3\xa9", "");
        assert!(
            line.starts_with(
                "{\"log\":\"a\\u0009b\\\"\\\\\\u003c\\u0026\\u003e\x7f\\r\
                 \\ufffd\\ufffd\\u2028é\""
            ),
            "{line}"
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "tab\t quote\" é \u{2028} <x>\r".as_bytes();
        let line = encoded(text, "\\n");
        let entry = decode(line.trim_end().as_bytes()).unwrap();
        assert_eq!(entry.line, [text, b"\n"].concat());
        assert_eq!(entry.stream, Stream::Stdout);
        assert!(!entry.is_partial());
    }

    #[test]
    fn half_a_line_is_no_entry() {
        let line = encoded(b"hello", "\\n");
        for end in 0..line.len() - 1 {
            assert_eq!(decode(&line.as_bytes()[..end]), None);
        }
        assert_eq!(decode(&[0; 40]), None);
    }

    #[test]
    fn attributes_stand_before_the_time() {
        let mut out = Vec::new();
        let time = Timestamp::from_unix(0, 0);
        encode(&mut out, Stream::Stderr, time, b"x", "", "{\"a\":\"b\"}");
        let text = String::from_utf8(out.clone()).unwrap();
        assert_eq!(
            text,
            "{\"log\":\"x\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"b\"},\
             \"time\":\"1970-01-01T00:00:00Z\"}\n"
        );
        let entry = decode(text.trim_end().as_bytes()).unwrap();
        assert_eq!(entry.attrs["a"], "b");
        assert!(entry.is_partial());
    }
}
