//! Why JSON was not read, in the words of Go's decoder.

use std::fmt;

use serde_json::Value;
use serde_json::error::Category;

/// The result of reading.
pub type Result<T> = std::result::Result<T, Error>;

/// Why JSON was not read.
#[derive(Debug)]
pub enum Error {
    /// The text is no JSON.
    Syntax(String),
    /// There is more behind the value.
    Trailing,
    /// A value is of another type than its place.
    Type(Box<Mismatch>),
    /// A required field is missing.
    Missing(&'static str),
    /// A text that its type does not take, and why.
    Text(String),
}

/// A value of a wrong type.
#[derive(Debug)]
pub struct Mismatch {
    /// What was found: `string`, `number 1.5`.
    found: String,
    /// The type that was wanted.
    wanted: String,
    /// The innermost struct on the way; empty if there is none.
    owner: &'static str,
    /// The fields on the way, from the outermost.
    path: String,
}

impl Error {
    /// Makes the error of a value that cannot be a `wanted`.
    pub fn mismatch(value: &Value, wanted: impl Into<String>) -> Error {
        let found = match value {
            Value::Null => "null".into(),
            Value::Bool(_) => "bool".into(),
            Value::Number(_) => "number".into(),
            Value::String(_) => "string".into(),
            Value::Array(_) => "array".into(),
            Value::Object(_) => "object".into(),
        };
        Error::found(found, wanted.into())
    }

    /// Makes the error of a number that a type cannot hold.
    pub fn out_of_range(number: &Value, wanted: &str) -> Error {
        Error::found(format!("number {number}"), wanted.into())
    }

    fn found(found: String, wanted: String) -> Error {
        let (owner, path) = ("", String::new());
        Error::Type(Box::new(Mismatch { found, wanted, owner, path }))
    }

    /// Adds the field in which it happened.
    pub fn within(mut self, owner: &'static str, field: &str) -> Error {
        if let Error::Type(mismatch) = &mut self {
            if mismatch.path.is_empty() {
                mismatch.owner = owner;
                mismatch.path = field.to_string();
            } else {
                mismatch.path = format!("{field}.{}", mismatch.path);
            }
        }
        self
    }

    /// Adds the embedded struct in which it happened: its fields count as
    /// those of `owner`.
    pub fn embedded(self, owner: &'static str, name: &str) -> Error {
        let mut error = match self {
            Error::Type(wrong) if wrong.path.is_empty() => {
                return Error::found(wrong.found, owner.into());
            }
            other => other.within(owner, name),
        };
        if let Error::Type(wrong) = &mut error
            && wrong.path.matches('.').count() == 1
        {
            wrong.owner = owner;
        }
        error
    }

    /// Puts serde's words for a text that is no JSON into Go's.
    pub(super) fn syntax(text: &[u8], error: &serde_json::Error) -> Error {
        if error.classify() == Category::Eof {
            return Error::Syntax(match text.trim_ascii().is_empty() {
                true => "unexpected end of JSON input".into(),
                false => "unexpected EOF".into(),
            });
        }
        let words = error.to_string();
        if words.starts_with("trailing characters") {
            return Error::Trailing;
        }
        let what = WORDS.iter().find(|(theirs, _)| words.starts_with(theirs));
        let at = offset(text, error.line(), error.column());
        Error::Syntax(match (what, at.and_then(|at| text.get(at))) {
            (Some((_, what)), Some(byte)) => {
                let shown = byte.escape_ascii();
                format!("invalid character '{shown}' {what}")
            }
            _ => words,
        })
    }
}

/// The beginnings of serde's words, and Go's.
const WORDS: &[(&str, &str)] = &[
    ("expected value", "looking for beginning of value"),
    ("key must be a string", "looking for beginning of object key string"),
    ("trailing comma", "looking for beginning of object key string"),
    ("expected `:`", "after object key"),
    ("expected `,` or `}`", "after object key:value pair"),
    ("expected `,` or `]`", "after array element"),
    ("control character", "in string literal"),
    ("invalid escape", "in string escape code"),
    ("invalid number", "in numeric literal"),
];

/// Where a line and column are; both begin with 1.
fn offset(text: &[u8], line: usize, column: usize) -> Option<usize> {
    let before: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(line.checked_sub(1)?)
        .map(<[u8]>::len)
        .sum();
    before.checked_add(column.checked_sub(1)?)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax(words) | Error::Text(words) => f.write_str(words),
            Error::Trailing => f.write_str("unexpected content after JSON"),
            Error::Missing(name) => write!(f, "missing field `{name}`"),
            Error::Type(wrong) => {
                let Mismatch { found, wanted, owner, path } = &**wrong;
                write!(f, "json: cannot unmarshal {found} into Go ")?;
                match path.is_empty() {
                    true => f.write_str("value")?,
                    false => write!(f, "struct field {owner}.{path}")?,
                }
                write!(f, " of type {wanted}")
            }
        }
    }
}

impl std::error::Error for Error {}
