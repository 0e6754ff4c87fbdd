//! Types that are texts in JSON.

use std::fmt::Display;

use serde_json::Value;

use super::{Error, Result};

/// Reads a text, and then what it means; `null` gives none.
pub fn from_text<T, E: Display>(
    value: Value,
    parse: impl FnOnce(&str) -> std::result::Result<T, E>,
) -> Result<Option<T>> {
    match text(value)? {
        Some(text) => match parse(&text) {
            Ok(read) => Ok(Some(read)),
            Err(error) => Err(Error::Text(error.to_string())),
        },
        None => Ok(None),
    }
}

pub(super) fn text(value: Value) -> Result<Option<String>> {
    match value {
        Value::String(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        other => Err(Error::mismatch(&other, "string")),
    }
}
