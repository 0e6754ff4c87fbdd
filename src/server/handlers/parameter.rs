//! Parameters that several handlers read.

use base64::Engine as _;
use base64::engine::general_purpose::{
    STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD,
};

use crate::engine::{Credentials, Platform};
use crate::http::query::Query;
use crate::json::{self, FromJson};
use crate::server::{Error, Exchange};
use crate::time::{self, Timestamp};

/// Reads a point in time; absent, empty and `0` are none.
pub fn time(query: &Query, name: &str) -> Result<Option<Timestamp>, Error> {
    let text = query.text(name);
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    match time::parse_since(text, Timestamp::now()) {
        Some(time) => Ok(Some(time)),
        None => Err(Error::bad_request(format!(
            "invalid value for \"{name}\": failed to parse value as time or \
             duration: \"{text}\""
        ))),
    }
}

/// Reads a whole number; absent and empty are none.
pub fn integer(query: &Query, name: &str) -> Result<Option<i64>, Error> {
    match query.text(name) {
        "" => Ok(None),
        text => match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(Error::bad_request(format!(
                "strconv.Atoi: parsing \"{text}\": invalid syntax"
            ))),
        },
    }
}

/// Reads the size of a terminal: rows and columns.
pub fn size(query: &Query) -> Result<(u16, u16), Error> {
    let number = |name: &str, what: &str| -> Result<u16, Error> {
        let text = query.text(name);
        text.parse().map_err(|_| {
            Error::bad_request(format!(
                "invalid resize {what}: strconv.ParseUint: parsing \
                 \"{text}\": invalid syntax"
            ))
        })
    };
    Ok((number("h", "height")?, number("w", "width")?))
}

/// Reads a platform (`linux/amd64`, or as JSON since API 1.49).
pub fn platform(query: &Query) -> Result<Option<Platform>, Error> {
    let text = query.text("platform");
    if text.is_empty() {
        return Ok(None);
    }
    if text.starts_with('{') {
        return match json::from_slice(text.as_bytes()) {
            Ok(platform) => Ok(Some(platform)),
            Err(e) => Err(Error::bad_request(format!("invalid platform: {e}"))),
        };
    }
    match Platform::parse(text) {
        Ok(platform) => Ok(Some(platform)),
        Err(e) => Err(Error::bad_request(e.to_string())),
    }
}

/// Reads `X-Registry-Auth`: base64url JSON. What cannot be read counts as
/// absent, as in Docker: old clients send all kinds of things.
pub fn credentials(exchange: &Exchange<'_>) -> Option<Credentials> {
    #[derive(Default, FromJson)]
    #[serde(default)]
    struct Auth {
        username: String,
        password: String,
        auth: String,
        identitytoken: String,
        registrytoken: String,
    }
    let text = exchange.header("X-Registry-Auth")?.trim();
    let json = decode(text)?;
    let auth: Auth = json::from_slice(&json).ok()?;
    let mut credentials = Credentials {
        username: auth.username,
        password: auth.password,
        identity_token: auth.identitytoken,
        registry_token: auth.registrytoken,
    };
    if credentials.username.is_empty()
        && let Some(pair) = decode(&auth.auth)
        && let Ok(pair) = String::from_utf8(pair)
        && let Some((name, password)) = pair.split_once(':')
    {
        credentials.username = name.into();
        credentials.password = password.into();
    }
    (!credentials.is_empty()).then_some(credentials)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    [URL_SAFE, URL_SAFE_NO_PAD, STANDARD, STANDARD_NO_PAD]
        .iter()
        .find_map(|alphabet| alphabet.decode(text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_time() {
        let query = Query::parse("since=0&until=&x=1700000000.5").unwrap();
        assert_eq!(time(&query, "since").unwrap(), None);
        assert_eq!(time(&query, "until").unwrap(), None);
        let x = time(&query, "x").unwrap().unwrap();
        assert_eq!((x.seconds, x.nanos), (1700000000, 500_000_000));
        let bad = Query::parse("since=soon").unwrap();
        assert!(time(&bad, "since").is_err());
    }

    #[test]
    fn all_alphabets_are_read() {
        assert_eq!(decode("e30=").unwrap(), b"{}");
        assert_eq!(decode("e30").unwrap(), b"{}");
        assert!(decode("!").is_none());
    }
}
