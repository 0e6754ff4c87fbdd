//! Percent decoding, and the query of a request as Docker reads it.

use std::fmt;

/// An escape that is none, or text that is not UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// A `%` without two hexadecimal digits; holds what stands there.
    Escape(String),
    /// The decoded bytes are no UTF-8.
    Utf8,
    /// A decoded NUL, which no name and no path can hold.
    Nul,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Escape(text) => {
                write!(f, "invalid URL escape {text:?}")
            }
            Malformed::Utf8 => f.write_str("invalid UTF-8 in URL"),
            Malformed::Nul => f.write_str("invalid NUL in URL"),
        }
    }
}

impl std::error::Error for Malformed {}

/// The name and value pairs behind a target's `?`, decoded, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Parses the text behind the `?`. A pair with a semicolon is dropped,
    /// as Go does.
    pub fn parse(text: &str) -> Result<Query, Malformed> {
        let mut pairs = Vec::new();
        for pair in text.split('&') {
            if pair.is_empty() || pair.contains(';') {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((
                decode(name, Plus::Space)?,
                decode(value, Plus::Space)?,
            ));
        }
        Ok(Query { pairs })
    }

    /// Returns the first value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Returns the first value of `name`, or the empty string.
    pub fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// Returns all values of `name`, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_string();
        self.pairs.iter().filter(move |p| p.0 == name).map(|p| p.1.as_str())
    }

    /// Returns whether `name` is given at all.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Reads a boolean as Docker does: nothing, `0`, `no`, `false` and
    /// `none` are false, everything else is true.
    pub fn flag(&self, name: &str) -> bool {
        let value = self.text(name).trim().to_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// Reads a boolean that has a default for when it is not given.
    pub fn flag_or(&self, name: &str, default: bool) -> bool {
        if self.has(name) { self.flag(name) } else { default }
    }

    /// Reads a whole number; `None` if it is not given or is none.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.trim().parse().ok()
    }

    /// Takes all values of `name` away.
    pub fn remove(&mut self, name: &str) {
        self.pairs.retain(|pair| pair.0 != name);
    }

    /// Returns all pairs, in order.
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }
}

/// What a `+` means: a space in queries, itself in paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// A space.
    Space,
    /// A plus sign.
    Plus,
}

/// Decodes `%XX` escapes.
pub fn decode(text: &str, plus: Plus) -> Result<String, Malformed> {
    let mut out = String::new();
    decode_into(text, plus, &mut out)?;
    Ok(out)
}

/// Decodes `%XX` escapes into a string that is used again and again.
pub fn decode_into(
    text: &str,
    plus: Plus,
    out: &mut String,
) -> Result<(), Malformed> {
    out.clear();
    if text.contains('\0') {
        return Err(Malformed::Nul);
    }
    let escaped = text.contains('%');
    if !escaped && (plus == Plus::Plus || !text.contains('+')) {
        out.push_str(text);
        return Ok(());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match (first, plus) {
            (b'+', Plus::Space) => b' ',
            (b'%', _) => {
                let value = tail.get(..2).and_then(|two| {
                    let high = char::from(two[0]).to_digit(16)?;
                    let low = char::from(two[1]).to_digit(16)?;
                    u8::try_from(high << 4 | low).ok()
                });
                let Some(value) = value else {
                    let end = tail.len().min(2);
                    let shown = String::from_utf8_lossy(&tail[..end]);
                    return Err(Malformed::Escape(format!("%{shown}")));
                };
                rest = &tail[2..];
                value
            }
            (other, _) => *other,
        });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Malformed::Utf8)?;
    if text.contains('\0') {
        return Err(Malformed::Nul);
    }
    out.push_str(text);
    Ok(())
}

/// Encodes one value of a query, or one name: all but RFC 3986's unreserved
/// characters become escapes.
pub fn encode(text: &str) -> String {
    encode_but(text, b"")
}

/// Encodes a path, whose slashes and colons stay as they are.
pub fn encode_path(text: &str) -> String {
    encode_but(text, b"/:@!$&'()*+,;=")
}

fn encode_but(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        let unreserved =
            byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if unreserved || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_order() {
        let query = Query::parse("a=1&b=x%20y+z&a=%7B%22k%22%3A1%7D&&c&d=");
        let query = query.unwrap();
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", r#"{"k":1}"#]);
        assert_eq!(query.get("b"), Some("x y z"));
        assert_eq!((query.get("c"), query.get("e")), (Some(""), None));
        assert!(query.has("d") && !query.has("e"));
        assert!(Query::parse("").unwrap().pairs().is_empty());
        assert!(Query::parse("a;b=1").unwrap().pairs().is_empty());
    }

    #[test]
    fn flags_are_read_as_docker_reads_them() {
        let query = "a=0&b=no&c=False&d=NONE&e=&f&g=1&h=true&i=maybe&j=%20";
        let query = Query::parse(query).unwrap();
        for name in ["a", "b", "c", "d", "e", "f", "j", "missing"] {
            assert!(!query.flag(name), "{name}");
        }
        for name in ["g", "h", "i"] {
            assert!(query.flag(name), "{name}");
        }
        assert!(query.flag_or("missing", true));
        assert!(!query.flag_or("a", true));
    }

    #[test]
    fn numbers_that_are_none_are_none() {
        let query = Query::parse("t=10&u=-1&v=x&w=").unwrap();
        assert_eq!(query.integer("t"), Some(10));
        assert_eq!(query.integer("u"), Some(-1));
        assert_eq!(query.integer("v"), None);
        assert_eq!(query.integer("w"), None);
    }

    #[test]
    fn bad_escapes_are_refused_with_gos_words() {
        for (text, shown) in [("%", "%"), ("%z1", "%z1"), ("a%4", "%4")] {
            let error = decode(text, Plus::Plus).unwrap_err();
            let expected = format!("invalid URL escape \"{shown}\"");
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(decode("%ff", Plus::Plus), Err(Malformed::Utf8));
        assert_eq!(decode("a%00b", Plus::Plus), Err(Malformed::Nul));
        assert_eq!(decode("a+b%2B", Plus::Plus).unwrap(), "a+b+");
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let text = "a b/c?d=é&{}%\n\u{1}";
        assert_eq!(decode(&encode(text), Plus::Space).unwrap(), text);
        assert_eq!(decode(&encode_path(text), Plus::Plus).unwrap(), text);
        assert_eq!(encode_path("a/b:c"), "a/b:c");
    }
}
