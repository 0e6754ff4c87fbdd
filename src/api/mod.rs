//! Docker's wire types: plain data, a file for each group of the API.
//!
//! Field names and order are those of the engine's own answers. A list that
//! Docker may send as `null` is an `Option`; a field that it leaves out when
//! empty says so with `skip_serializing_if`. No behaviour lives here.

pub mod container;
pub mod event;
pub mod exec;
pub mod files;
pub mod host_config;
pub mod image;
pub mod inspect;
pub mod network;
pub mod progress;
pub mod stats;
pub mod stream;
pub mod system;
pub mod volume;

use serde::Serialize;

use crate::json::FromJson;

/// The newest API version that is spoken.
pub const VERSION: &str = "1.51";
/// The oldest API version that is spoken (Docker 1.2).
pub const MIN_VERSION: &str = "1.14";
/// The engine version that clients are told.
pub const ENGINE_VERSION: &str = "28.5.2";

/// The body of every error answer.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default)]
pub struct ErrorResponse {
    /// What went wrong, in Docker's words.
    pub message: String,
}

/// Tells serde to leave a field out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::from_slice;

    #[test]
    fn null_is_the_zero_value() {
        let config: container::Config = from_slice(
            br#"{"Image":"x","Cmd":null,"Tty":null,"Env":["A=1"],"New":1}"#,
        )
        .unwrap();
        assert_eq!(config.image, "x");
        assert!(!config.tty && config.cmd.is_none());
        assert_eq!(config.env, Some(vec!["A=1".to_string()]));
    }

    #[test]
    fn a_body_of_null_is_an_empty_object() {
        assert!(from_slice::<container::Config>(b"null").is_ok());
        assert!(from_slice::<container::Config>(b"").is_err());
        assert!(from_slice::<container::Config>(b"[1]").is_err());
    }
}
