//! API versions: the `1.51` of `/v1.51/info`, the words for those that are
//! not spoken, and all that differs between those that are.
//!
//! The engine and the handlers know one form of the API, the newest. What
//! an older client sends is brought into that form before it is read
//! ([`requests`]), what it gets is brought into its own form before it is
//! written ([`answers`]); both are tables of data, keyed by the name of the
//! operation. What an operation *does* differently by version is named in
//! [`since`].
//!
//! Fields that a later version added are told to older clients too, as
//! Docker does: they pass over what they do not know.

pub mod answers;
mod container;
mod image;
pub mod requests;
pub mod since;
mod system;

use std::fmt;

use crate::api;

/// A version of the API, ordered by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u16,
    minor: u16,
}

/// The newest version that is spoken; also that of a path without one.
pub const MAX: Version = Version::of(1, 51);

/// The oldest version that is spoken.
pub const MIN: Version = Version::of(1, 14);

impl Version {
    /// Makes a version from its two numbers.
    pub const fn of(major: u16, minor: u16) -> Version {
        Version { major, minor }
    }

    /// Parses digits and dots. Parts behind the second do not count, absent
    /// ones are 0, numbers too large are the largest: such a version is
    /// refused as too new, in its own words.
    pub fn parse(text: &str) -> Option<Version> {
        let valid = text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !valid {
            return None;
        }
        let mut parts = text.split('.').map(|part| match part {
            "" => 0,
            digits => digits.parse().unwrap_or(u16::MAX),
        });
        let (major, minor) = (parts.next(), parts.next());
        Some(Version::of(major.unwrap_or(0), minor.unwrap_or(0)))
    }

    /// Returns why a client of this version is refused, in Docker's words;
    /// `None` if it is not. `text` is the version as the client wrote it.
    pub fn refusal(self, text: &str) -> Option<String> {
        if self < MIN {
            let min = api::MIN_VERSION;
            return Some(format!(
                "client version {text} is too old. Minimum supported API \
                 version is {min}, please upgrade your client to a newer \
                 version"
            ));
        }
        (self > MAX).then(|| {
            let max = api::VERSION;
            format!(
                "client version {text} is too new. Maximum supported API \
                 version is {max}"
            )
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_number() {
        let v = |text| Version::parse(text).unwrap();
        assert!(v("1.9") < v("1.14") && v("1.51") < v("2"));
        assert_eq!(v("1.24.1"), v("1.24"));
        assert!(v("1.99999999") > MAX && v("1..") < MIN);
        for text in ["", ".", "x", "1.x", "v1.2"] {
            assert_eq!(Version::parse(text), None);
        }
    }

    #[test]
    fn the_constants_agree_with_the_api() {
        assert_eq!(MAX.to_string(), api::VERSION);
        assert_eq!(MIN.to_string(), api::MIN_VERSION);
    }

    #[test]
    fn refusals_are_in_dockers_words() {
        let refusal = |text| Version::parse(text).unwrap().refusal(text);
        assert_eq!(
            refusal("1.99").unwrap(),
            "client version 1.99 is too new. Maximum supported API version \
             is 1.51"
        );
        assert_eq!(
            refusal("1.10").unwrap(),
            "client version 1.10 is too old. Minimum supported API version \
             is 1.14, please upgrade your client to a newer version"
        );
        assert_eq!(refusal("1.14").or(refusal("1.51")), None);
    }
}
