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

/// What stands behind the text in lines of one stream and one time, made
/// once for a whole batch.
#[derive(Debug, Default)]
pub(super) struct Ending {
    time: Option<Timestamp>,
    bytes: Vec<u8>,
}

impl Ending {
    /// Returns it for a time; `attrs` is the ready JSON of the attributes,
    /// or empty.
    fn at(&mut self, time: Timestamp, stream: Stream, attrs: &str) -> &[u8] {
        if self.time != Some(time) {
            self.time = Some(time);
            self.bytes.clear();
            let out = &mut self.bytes;
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
        &self.bytes
    }
}

/// Appends one line of the file to `out`. `feed` is added to the text;
/// `ending` belongs to lines of this stream and these attributes alone.
pub(super) fn encode(
    out: &mut Vec<u8>,
    (stream, attrs): (Stream, &str),
    time: Timestamp,
    text: &[u8],
    feed: &str,
    ending: &mut Ending,
) {
    out.extend_from_slice(b"{\"log\":\"");
    escape(out, text);
    out.extend_from_slice(feed.as_bytes());
    out.extend_from_slice(ending.at(time, stream, attrs));
}

/// Appends bytes as the inside of a JSON string, with Docker's choice of
/// escapes; what is not UTF-8 becomes U+FFFD.
fn escape(out: &mut Vec<u8>, mut text: &[u8]) {
    loop {
        let (plain, rest) = text.split_at(plain_start(text));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = rest.split_first() else { return };
        text = after;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x80.. => {
                let end = rest.iter().position(u8::is_ascii);
                let (foreign, after) = rest.split_at(end.unwrap_or(rest.len()));
                escape_foreign(out, foreign);
                text = after;
            }
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
}

/// Appends bytes beyond ASCII.
fn escape_foreign(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        // These two are line ends to JavaScript.
        for c in chunk.valid().chars() {
            match c {
                '\u{2028}' => out.extend_from_slice(b"\\u2028"),
                '\u{2029}' => out.extend_from_slice(b"\\u2029"),
                c => {
                    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes())
                }
            }
        }
        // One for each byte, as Go's decoder goes on byte by byte.
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

/// Returns how many bytes at the start stand for themselves in JSON; looks
/// at eight of them at once.
fn plain_start(text: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = ONES << 7;
    // The lowest marked byte is always right, those above it may not be.
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let is = |x: u64, byte: u8| zero(x ^ (ONES * u64::from(byte)));
    let mut at = 0;
    let mut rest = text;
    loop {
        let (word, len) = match rest.first_chunk::<8>() {
            Some(chunk) => (u64::from_le_bytes(*chunk), 8),
            None => {
                let mut last = [b' '; 8];
                last[..rest.len()].copy_from_slice(rest);
                (u64::from_le_bytes(last), rest.len())
            }
        };
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let marked = (word
            | control
            | is(word, b'"')
            | is(word, b'\\')
            | is(word, b'&')
            // `<` and `>` differ in this one bit.
            | is(word | (ONES * 2), b'>'))
            & HIGHS;
        if marked != 0 {
            return at + (marked.trailing_zeros() / 8) as usize;
        }
        at += len;
        if len < 8 {
            return at;
        }
        rest = &rest[8..];
    }
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
        let whose = (Stream::Stdout, "");
        encode(&mut out, whose, time, text, ending, &mut Ending::default());
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
    fn plain_bytes_are_found_wherever_they_end() {
        for byte in 0..=255u8 {
            let plain =
                matches!(byte, 0x20..0x80) && !b"\"\\<>&".contains(&byte);
            for before in 0..20 {
                let mut text = vec![b'x'; before];
                text.push(byte);
                text.extend_from_slice(b"yy\x01");
                let wanted = if plain { before + 3 } else { before };
                assert_eq!(plain_start(&text), wanted, "{byte} {before}");
            }
        }
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
        let whose = (Stream::Stderr, "{\"a\":\"b\"}");
        encode(&mut out, whose, time, b"x", "", &mut Ending::default());
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
