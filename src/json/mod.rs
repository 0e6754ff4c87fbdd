//! Reads JSON into types, as Go's `encoding/json` does.
//!
//! A type says `#[derive(FromJson)]` (and `Serialize`, serde's, for the
//! other direction) and is read by [`from_slice`] or [`from_value`]:
//!
//! ```text
//! #[derive(Default, Serialize, FromJson)]
//! #[serde(default, rename_all = "PascalCase")]
//! pub struct Thing {
//!     pub name: String,
//!     #[serde(rename = "Type")]
//!     pub kind: Option<String>,
//!     #[serde(deserialize_with = "words")]    // fn words(Value) -> Value
//!     pub args: Vec<String>,
//! }
//! ```
//!
//! The text becomes a [`Value`] first, by serde's parser, which bounds the
//! depth. Then each type takes its part apart: a struct costs a table of
//! its field names and one call of [`fields`], where serde's own derive
//! writes some hundred bytes of code for each field.
//!
//! As in Go: a field that is missing or `null` has its zero value, unknown
//! ones are passed over, a name is found in any case of its letters, the
//! exact one winning. Beyond Go: a field of a struct without
//! `#[serde(default)]` is required unless that attribute stands at the
//! field or it is an `Option`.
//!
//! The attributes that are understood are those of serde's that the types
//! have: `default`, `rename`, `rename_all`, `skip`, and `deserialize_with`,
//! whose function here makes a value out of a value before it is read. An
//! enum's variants are names alone; what else there is implements
//! [`FromJson`] by hand.

mod error;
mod fields;
mod plain;
mod stream;
#[cfg(test)]
mod tests;
mod text;

pub use serde_json::Value;
pub use skiff_derive::FromJson;

pub use error::{Error, Result};
pub use fields::{Rule, field, fields, tag, take, variant};
pub use stream::Texts;
pub use text::from_text;

/// A type that JSON can be read into.
pub trait FromJson {
    /// Returns Go's name of the type, for errors.
    fn kind() -> &'static str
    where
        Self: Sized;

    /// Returns what stands where there is nothing to read.
    fn zero() -> Self
    where
        Self: Sized;

    /// Reads a value in place of the zero value that is there. `null`
    /// changes nothing.
    fn fill(&mut self, value: Value) -> Result<()>;
}

/// Reads a type from a text that holds one value.
pub fn from_slice<T: FromJson>(text: &[u8]) -> Result<T> {
    from_value(parse(text)?)
}

/// Reads a type from a value.
pub fn from_value<T: FromJson>(value: Value) -> Result<T> {
    let mut read = T::zero();
    read.fill(value)?;
    Ok(read)
}

/// Reads a text that holds one value.
pub fn parse(text: &[u8]) -> Result<Value> {
    serde_json::from_slice(text).map_err(|e| Error::syntax(text, &e))
}
