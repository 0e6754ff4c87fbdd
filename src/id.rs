//! The 64-hex ids of containers, images, networks and execs, and their
//! short forms.

use crate::sys::random;

/// How many digits a short id has.
pub const SHORT: usize = 12;

/// How many digits a whole id has.
pub const FULL: usize = 64;

/// Returns a new random id of 64 lower-case hexadecimal digits.
///
/// As with Docker, its short form is never a decimal number: it becomes
/// the host name, and some programs refuse one that is all digits.
pub fn random() -> String {
    loop {
        let id = hex(&random::bytes::<32>());
        if short(&id).bytes().any(|b| b.is_ascii_alphabetic()) {
            return id;
        }
    }
}

/// Returns the first twelve digits of an id; a shorter text as it is.
pub fn short(id: &str) -> &str {
    id.get(..SHORT).unwrap_or(id)
}

/// Tells if a text can be an id or a prefix of one: 1 to 64 lower-case
/// hexadecimal digits.
pub fn is_hex_id(text: &str) -> bool {
    (1..=FULL).contains(&text.len())
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Tells if a text is a whole id: 64 lower-case hexadecimal digits.
pub fn is_full(text: &str) -> bool {
    text.len() == FULL && is_hex_id(text)
}

/// Writes bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_full_and_differ() {
        let (a, b) = (random(), random());
        assert!(is_full(&a) && is_full(&b));
        assert_ne!(a, b);
        assert!(short(&a).parse::<u64>().is_err());
    }

    #[test]
    fn a_short_id_has_twelve_digits() {
        let id = "1fee7daf8d9430c6c150b868b66413b5";
        assert_eq!(short(id), "1fee7daf8d94");
        assert_eq!(short("1fee"), "1fee");
        // A cut inside a character is no cut.
        assert_eq!(short("abcdefghijké"), "abcdefghijké");
    }

    #[test]
    fn prefixes_are_lower_case_hex() {
        assert!(is_hex_id("0") && is_hex_id("1fee7daf8d94"));
        for bad in ["", "1FEE", "g", "web", " 1", &"0".repeat(65)] {
            assert!(!is_hex_id(bad), "{bad:?}");
        }
        assert!(is_full(&"a".repeat(64)) && !is_full(&"a".repeat(63)));
    }

    #[test]
    fn bytes_are_written_as_hex() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
    }
}
