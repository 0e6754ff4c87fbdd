//! Docker's wire types: plain data, a file for each group of the API.
//!
//! Field names and order are those of the engine's own answers. A list that
//! Docker may send as `null` is an `Option`; a field that it leaves out when
//! empty says so with `skip_serializing_if`. No behaviour lives here but the
//! forgiving way in which Go reads JSON ([`decode`]).

pub mod container;
pub mod event;
pub mod host_config;
pub mod image;
pub mod inspect;
pub mod network;
pub mod progress;
pub mod stats;
pub mod stream;
pub mod system;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The newest API version that is spoken.
pub const VERSION: &str = "1.51";
/// The oldest API version that is spoken (Docker 1.2).
pub const MIN_VERSION: &str = "1.14";
/// The engine version that clients are told.
pub const ENGINE_VERSION: &str = "28.5.2";

/// The body of every error answer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// What went wrong, in Docker's words.
    pub message: String,
}

/// Reads JSON as Go's decoder does: `null` leaves a field at its zero
/// value, whatever its type.
pub fn decode<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    serde_json::from_value(decode_value(text)?)
}

/// As [`decode`], for one who changes the fields before they are read.
pub fn decode_value(text: &[u8]) -> serde_json::Result<Value> {
    let mut value: Value = serde_json::from_slice(text)?;
    drop_nulls(&mut value);
    if value.is_null() {
        value = Value::Object(Default::default());
    }
    Ok(value)
}

/// Removes what is `null` from objects, at every depth. The depth is
/// bounded by the parser (128).
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Tells serde to leave a field out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_the_zero_value() {
        let config: container::Config = decode(
            br#"{"Image":"x","Cmd":null,"Tty":null,"Env":["A=1"],"New":1}"#,
        )
        .unwrap();
        assert_eq!(config.image, "x");
        assert!(!config.tty && config.cmd.is_none());
        assert_eq!(config.env, Some(vec!["A=1".to_string()]));
    }

    #[test]
    fn a_body_of_null_is_an_empty_object() {
        assert!(decode::<container::Config>(b"null").is_ok());
        assert!(decode::<container::Config>(b"").is_err());
        assert!(decode::<container::Config>(b"[1]").is_err());
    }
}
