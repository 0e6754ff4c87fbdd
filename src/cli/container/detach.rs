//! The keys that leave a container without ending it.

/// The usual ones: Ctrl-P, Ctrl-Q.
const USUAL: [u8; 2] = [0x10, 0x11];

/// Watches typed bytes for a sequence of keys.
#[derive(Debug)]
pub struct DetachKeys {
    keys: Vec<u8>,
    /// How many of them were just typed in a row; they are held back.
    matched: usize,
}

impl DetachKeys {
    /// Reads keys such as `ctrl-a,x`; what makes no sense gives the usual
    /// ones, and the daemon refuses it.
    pub fn parse(text: &str) -> DetachKeys {
        let keys = text.split(',').map(code).collect::<Option<Vec<u8>>>();
        let keys = keys.unwrap_or_else(|| USUAL.to_vec());
        DetachKeys { keys, matched: 0 }
    }

    /// Passes typed bytes on to `out`; true once the keys were typed. What
    /// follows them is dropped.
    pub fn feed(&mut self, typed: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in typed {
            if byte != self.keys[self.matched] {
                out.extend_from_slice(&self.keys[..self.matched]);
                self.matched = 0;
            }
            if byte != self.keys[self.matched] {
                out.push(byte);
                continue;
            }
            self.matched += 1;
            if self.matched == self.keys.len() {
                self.matched = 0;
                return true;
            }
        }
        false
    }
}

/// The byte that a key sends: `x`, or `ctrl-x` for a letter or one of
/// `@[\]^_`.
fn code(key: &str) -> Option<u8> {
    if let [byte] = key.as_bytes() {
        return Some(*byte);
    }
    match key.strip_prefix("ctrl-")?.as_bytes() {
        [byte @ b'a'..=b'z'] => Some(byte - b'a' + 1),
        [byte @ (b'@' | b'['..=b'_')] => Some(byte - b'@'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(keys: &str, typed: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut keys = DetachKeys::parse(keys);
        let mut out = Vec::new();
        let left = typed.iter().any(|part| keys.feed(part, &mut out));
        (out, left)
    }

    #[test]
    fn keys_leave_whether_typed_one_by_one_or_pasted() {
        assert_eq!(feed("", &[b"ab\x10\x11c"]), (b"ab".to_vec(), true));
        assert_eq!(feed("", &[b"\x10", b"\x11"]), (vec![], true));
        assert_eq!(feed("ctrl-a,x", &[b"\x01x"]), (vec![], true));
    }

    #[test]
    fn an_unfinished_sequence_is_passed_on() {
        assert_eq!(feed("", &[b"\x10", b"a"]), (b"\x10a".to_vec(), false));
        let twice = feed("", &[b"\x10\x10\x11"]);
        assert_eq!(twice, (b"\x10".to_vec(), true));
    }

    #[test]
    fn senseless_keys_give_the_usual_ones() {
        assert_eq!(DetachKeys::parse("foo").keys, USUAL);
        assert_eq!(DetachKeys::parse("ctrl-[,ctrl-@").keys, [27, 0]);
    }
}
