//! Values that follow each other on a stream, one text at a time.

use std::io::{self, BufRead};

/// The longest text of one value, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// Cuts a stream into the texts of its values: objects and lists by their
/// brackets, anything else at white space. Reads no further than the end of
/// a value, so one that has come is never held back.
pub struct Texts<R>(R);

/// Where in a text the next byte stands.
#[derive(Default)]
struct Place {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Place {
    /// Goes past a byte; tells whether the value ends with it.
    fn pass(&mut self, byte: u8) -> bool {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return false;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => return self.depth == 0 && byte.is_ascii_whitespace(),
        }
        false
    }
}

impl<R: BufRead> Texts<R> {
    /// Begins at the reader's place.
    pub fn new(reader: R) -> Texts<R> {
        Texts(reader)
    }

    /// Reads the next text; empty at the end.
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let (mut text, mut place) = (Vec::new(), Place::default());
        loop {
            let ready = match self.0.fill_buf() {
                Ok([]) => return Ok(text),
                Ok(ready) => ready,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            let skipped = match text.is_empty() {
                true => {
                    let blank = |b: &&u8| b.is_ascii_whitespace();
                    ready.iter().take_while(blank).count()
                }
                false => 0,
            };
            let rest = &ready[skipped..];
            let end = rest.iter().position(|byte| place.pass(*byte));
            let taken = end.map_or(rest.len(), |end| end + 1);
            text.extend_from_slice(&rest[..taken]);
            self.0.consume(skipped + taken);
            if end.is_some() {
                return Ok(text);
            }
            if text.len() > LONGEST {
                return Err(io::Error::other("a JSON value is too long"));
            }
        }
    }
}

impl<R: BufRead> Iterator for Texts<R> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        match self.read() {
            Ok(text) if text.is_empty() => None,
            other => Some(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_where_they_end() {
        let stream =
            b" {\"a\":\"}\\\"\"}{\"b\":[{}]}\n\n12 \"x y\"\n[1,\n2] tr";
        for size in [1, 2, 3, 100] {
            let reader = io::BufReader::with_capacity(size, &stream[..]);
            let texts: Vec<String> = Texts::new(reader)
                .map(|text| String::from_utf8(text.unwrap()).unwrap())
                .collect();
            let trimmed: Vec<&str> = texts.iter().map(|t| t.trim()).collect();
            assert_eq!(
                trimmed,
                [
                    "{\"a\":\"}\\\"\"}",
                    "{\"b\":[{}]}",
                    "12",
                    "\"x y\"",
                    "[1,\n2]",
                    "tr"
                ]
            );
        }
    }
}
