//! The keys that leave an attached terminal without ending the program.

/// Docker's default: ctrl-p, ctrl-q.
pub const DEFAULT_KEYS: [u8; 2] = [16, 17];

/// Reads keys as Docker writes them: `ctrl-p,ctrl-q`, `a`, `ctrl-@,DEL`.
/// The error is the key that is not known.
pub fn parse_keys(text: &str) -> Result<Vec<u8>, String> {
    text.split(',')
        .map(|key| parse_key(key).ok_or_else(|| key.to_string()))
        .collect()
}

fn parse_key(key: &str) -> Option<u8> {
    if let [byte] = key.as_bytes() {
        return Some(*byte);
    }
    if key == "DEL" {
        return Some(127);
    }
    match key.strip_prefix("ctrl-")?.as_bytes() {
        [b'@'] => Some(0),
        [letter @ b'a'..=b'z'] => Some(letter - b'a' + 1),
        [sign @ b'['..=b'_'] => Some(sign - b'[' + 27),
        _ => None,
    }
}

/// Looks for the keys in what is typed. What may be the beginning of them
/// is held back until it is clear that it is not.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    keys: Vec<u8>,
    held: usize,
}

/// What [`Scanner::feed`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Only input for the program.
    Input,
    /// All keys: the rest of the input is dropped.
    Detach,
}

impl Scanner {
    /// Makes a scanner; without keys it never sees any.
    pub fn new(keys: Vec<u8>) -> Scanner {
        Scanner { keys, held: 0 }
    }

    /// Passes input on to `out`, except for the keys.
    pub fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Seen {
        if self.keys.is_empty() {
            out.extend_from_slice(input);
            return Seen::Input;
        }
        for byte in input {
            if *byte != self.keys[self.held] {
                out.extend_from_slice(&self.keys[..self.held]);
                self.held = 0;
                if *byte != self.keys[0] {
                    out.push(*byte);
                    continue;
                }
            }
            self.held += 1;
            if self.held == self.keys.len() {
                self.held = 0;
                return Seen::Detach;
            }
        }
        Seen::Input
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(keys: &[u8], pieces: &[&[u8]]) -> (Vec<u8>, Seen) {
        let mut scanner = Scanner::new(keys.to_vec());
        let mut out = Vec::new();
        for piece in pieces {
            if scanner.feed(piece, &mut out) == Seen::Detach {
                return (out, Seen::Detach);
            }
        }
        (out, Seen::Input)
    }

    #[test]
    fn keys_are_read_as_docker_writes_them() {
        assert_eq!(parse_keys("ctrl-p,ctrl-q"), Ok(DEFAULT_KEYS.to_vec()));
        assert_eq!(parse_keys("a,ctrl-@,ctrl-_,DEL"), Ok(vec![97, 0, 31, 127]));
        assert_eq!(parse_keys("ctrl-[,ctrl-\\"), Ok(vec![27, 28]));
        assert_eq!(parse_keys("ctrl-a,ctrl-Q"), Err("ctrl-Q".to_string()));
        assert_eq!(parse_keys(""), Err(String::new()));
    }

    #[test]
    fn the_keys_are_found_even_in_pieces() {
        assert_eq!(
            run(&[16, 17], &[b"ab\x10\x11cd"]),
            (b"ab".to_vec(), Seen::Detach)
        );
        assert_eq!(
            run(&[16, 17], &[b"ab\x10", b"\x11"]),
            (b"ab".to_vec(), Seen::Detach)
        );
        assert_eq!(
            run(&[16, 17], &[b"\x10\x10\x11"]),
            (b"\x10".to_vec(), Seen::Detach)
        );
    }

    #[test]
    fn what_only_begins_like_the_keys_passes() {
        assert_eq!(
            run(&[16, 17], &[b"\x10", b"x\x11"]),
            (b"\x10x\x11".to_vec(), Seen::Input)
        );
        assert_eq!(
            run(&[], &[b"\x10\x11"]),
            (b"\x10\x11".to_vec(), Seen::Input)
        );
    }
}
