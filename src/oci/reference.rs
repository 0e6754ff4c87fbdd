//! Image references: `[domain/]path[:tag][@digest]`, normalised as Docker
//! does it and refused in Docker's words.
//!
//! ```text
//! busybox             docker.io / library/busybox
//! me/app:1            docker.io / me/app  : 1
//! localhost:5000/app  localhost:5000 / app
//! ```

use std::fmt;

use serde::{Serialize, Serializer};

use super::digest::{self, Digest};

/// The domain of names without one.
const DEFAULT_DOMAIN: &str = "docker.io";
/// An old name of the same domain.
const LEGACY_DOMAIN: &str = "index.docker.io";
/// Where the images with a single-word name live.
const OFFICIAL_PREFIX: &str = "library/";
/// The longest path of a repository.
const MAX_PATH: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// A normalised reference: a repository, with or without a tag and a
/// digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference; the words are Docker's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The text does not follow the grammar.
    Format,
    /// The repository's name has upper-case letters.
    Uppercase(String),
    /// The repository's name is too long.
    TooLong,
    /// The text is an image id.
    Identifier(String),
    /// The tag does not follow the grammar.
    Tag,
    /// The digest cannot be used.
    Digest(digest::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Format => f.write_str("invalid reference format"),
            Error::Uppercase(name) => write!(
                f,
                "invalid reference format: repository name ({name}) must be \
                 lowercase"
            ),
            Error::TooLong => write!(
                f,
                "repository name must not be more than {MAX_PATH} characters"
            ),
            Error::Identifier(text) => write!(
                f,
                "invalid repository name ({text}), cannot specify 64-byte \
                 hexadecimal strings"
            ),
            Error::Tag => f.write_str("invalid tag format"),
            Error::Digest(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl Reference {
    /// Parses and normalises what a user typed. No default tag is added:
    /// see [`Reference::or_latest`].
    pub fn parse(text: &str) -> Result<Reference, Error> {
        if is_identifier(text) {
            return Err(Error::Identifier(text.to_string()));
        }
        let (domain, rest) = split_domain(text);
        let name_only = rest.split(':').next().unwrap_or("");
        if name_only.chars().any(char::is_uppercase) {
            return Err(Error::Uppercase(name_only.to_string()));
        }
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest.as_str(), None),
        };
        let (path, tag) = split_tag(rest);
        let valid = is_domain(&domain)
            && is_path(path)
            && tag.is_none_or(is_tag)
            && digest.is_none_or(digest::has_digest_form);
        if !valid {
            return Err(Error::Format);
        }
        if path.len() > MAX_PATH {
            return Err(Error::TooLong);
        }
        let digest = match digest {
            Some(text) => Some(Digest::parse(text).map_err(Error::Digest)?),
            None => None,
        };
        Ok(Reference {
            domain,
            path: path.to_string(),
            tag: tag.map(str::to_string),
            digest,
        })
    }

    /// Returns the registry's name: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the repository's path in its registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the tag.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether it has neither a tag nor a digest.
    pub fn is_name_only(&self) -> bool {
        self.tag.is_none() && self.digest.is_none()
    }

    /// Returns it with the tag `latest` if it has neither tag nor digest.
    pub fn or_latest(mut self) -> Reference {
        if self.is_name_only() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// Returns it with another tag; a digest is kept.
    pub fn with_tag(&self, tag: &str) -> Result<Reference, Error> {
        if !is_tag(tag) {
            return Err(Error::Tag);
        }
        Ok(Reference { tag: Some(tag.to_string()), ..self.clone() })
    }

    /// Returns it with another digest; a tag is kept.
    pub fn with_digest(&self, digest: Digest) -> Reference {
        Reference { digest: Some(digest), ..self.clone() }
    }

    /// Returns the repository alone.
    pub fn name_only(&self) -> Reference {
        Reference { tag: None, digest: None, ..self.clone() }
    }

    /// Returns the repository in full: `docker.io/library/busybox`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Returns the repository as Docker shows it: `busybox`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            Some(rest) if !rest.contains('/') => rest.to_string(),
            _ => self.path.clone(),
        }
    }

    /// Returns the reference as Docker shows it: `busybox:latest`.
    pub fn familiar(&self) -> String {
        let mut text = self.familiar_name();
        self.push_version(&mut text);
        text
    }

    /// Appends `:tag` and `@digest`.
    fn push_version(&self, text: &mut String) {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.name();
        self.push_version(&mut text);
        f.write_str(&text)
    }
}

impl std::str::FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Reference, Error> {
        Reference::parse(text)
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

/// Whether the text could be a whole image id.
fn is_identifier(text: &str) -> bool {
    text.len() == 64
        && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Splits the domain off and fills in what short names leave out.
fn split_domain(text: &str) -> (String, String) {
    let Some((first, rest)) = text.split_once('/') else {
        return (DEFAULT_DOMAIN.into(), format!("{OFFICIAL_PREFIX}{text}"));
    };
    let (domain, rest) = if first == LEGACY_DOMAIN {
        (DEFAULT_DOMAIN, rest)
    } else if first == "localhost"
        || first.contains(['.', ':'])
        // A path is lower case, so this can only be a domain.
        || first.chars().any(char::is_uppercase)
    {
        (first, rest)
    } else {
        (DEFAULT_DOMAIN, text)
    };
    if domain == DEFAULT_DOMAIN && !rest.contains('/') {
        return (domain.into(), format!("{OFFICIAL_PREFIX}{rest}"));
    }
    (domain.into(), rest.into())
}

/// Splits the tag off: what follows the last colon after the last slash.
fn split_tag(text: &str) -> (&str, Option<&str>) {
    match text.rfind(':') {
        Some(at) if !text[at..].contains('/') => {
            (&text[..at], Some(&text[at + 1..]))
        }
        _ => (text, None),
    }
}

/// `host[:port]`: words of letters, digits and inner hyphens, or an IPv6
/// address in brackets.
fn is_domain(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else {
                return false;
            };
            let plain = !address.is_empty()
                && address.bytes().all(|b| b == b':' || b.is_ascii_hexdigit());
            (plain, port.strip_prefix(':').or(port.is_empty().then_some("0")))
        }
        None => {
            let (host, port) = match text.split_once(':') {
                Some((host, port)) => (host, port),
                None => (text, "0"),
            };
            (host.split('.').all(is_domain_word), Some(port))
        }
    };
    let digits = |port: &str| {
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())
    };
    host && port.is_some_and(digits)
}

fn is_domain_word(word: &str) -> bool {
    !word.is_empty()
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !word.starts_with('-')
        && !word.ends_with('-')
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_path_word)
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or hyphens.
fn is_path_word(word: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = word.as_bytes();
    let ends = |b: Option<&u8>| b.is_some_and(|b| plain(*b));
    if !ends(bytes.first()) || !ends(bytes.last()) {
        return false;
    }
    word.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).all(
        |gap| {
            matches!(gap, "" | "." | "_" | "__")
                || gap.bytes().all(|b| b == b'-')
        },
    )
}

/// Whether a text can be a tag.
pub fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    !tag.is_empty()
        && tag.len() <= MAX_TAG
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
        && word(tag.as_bytes()[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_short_name_is_normalised() {
        let cases = [
            ("busybox", "docker.io/library/busybox", "busybox"),
            ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
            ("docker.io/busybox", "docker.io/library/busybox", "busybox"),
            ("index.docker.io/a/b", "docker.io/a/b", "a/b"),
            ("library/a/b", "docker.io/library/a/b", "library/a/b"),
            ("me/app", "docker.io/me/app", "me/app"),
            ("localhost/app", "localhost/app", "localhost/app"),
            ("LOCALhost/app", "LOCALhost/app", "LOCALhost/app"),
            ("127.0.0.1:5000/x:1", "127.0.0.1:5000/x:1", "127.0.0.1:5000/x:1"),
            ("[::1]:5000/x", "[::1]:5000/x", "[::1]:5000/x"),
            ("[::1]/x", "[::1]/x", "[::1]/x"),
            ("a.b/c/d__e-f---g.h:T_1", "a.b/c/d__e-f---g.h:T_1", ""),
        ];
        for (text, full, familiar) in cases {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), full, "{text}");
            if !familiar.is_empty() {
                assert_eq!(reference.familiar(), familiar, "{text}");
            }
        }
    }

    #[test]
    fn the_parts_can_be_asked_for() {
        let text = format!("reg.io:443/a/b:v1@sha256:{HEX}");
        let reference = Reference::parse(&text).unwrap();
        assert_eq!(reference.domain(), "reg.io:443");
        assert_eq!(reference.path(), "a/b");
        assert_eq!(reference.tag(), Some("v1"));
        assert_eq!(reference.digest().unwrap().hex(), HEX);
        assert_eq!(reference.to_string(), text);
        assert_eq!(reference.name_only().to_string(), "reg.io:443/a/b");
    }

    #[test]
    fn latest_is_added_only_to_a_bare_name() {
        let parse = |text: &str| Reference::parse(text).unwrap().or_latest();
        assert_eq!(parse("a").familiar(), "a:latest");
        assert_eq!(parse("a:b").familiar(), "a:b");
        let digested = format!("a@sha256:{HEX}");
        assert_eq!(parse(&digested).familiar(), digested);
    }

    #[test]
    fn a_wrong_reference_is_refused_in_dockers_words() {
        let format = "invalid reference format";
        let long = "a/".repeat(200) + "a";
        let upper = "invalid reference format: repository name \
                     (library/Busybox) must be lowercase";
        let cases = [
            ("", format),
            ("/", format),
            ("a//b", format),
            ("a:", format),
            (":a", format),
            ("a:b:c", format),
            ("a b", format),
            ("-a", format),
            ("a-", format),
            ("a___b", format),
            ("a..b", format),
            ("a@sha256:abc", format),
            ("a@b@c", format),
            ("http://reg/x", format),
            ("reg.io:x/y", format),
            ("reg_x.io/y", format),
            ("é", format),
            ("Busybox", upper),
            ("Busybox:latest", upper),
            (&long, "repository name must not be more than 255 characters"),
            (
                HEX,
                &format!(
                    "invalid repository name ({HEX}), cannot specify \
                     64-byte hexadecimal strings"
                ),
            ),
            (&format!("a@sha512:{HEX}{HEX}"), "unsupported digest algorithm"),
            (
                &format!("a@sha256:{}", &HEX[..40]),
                "invalid checksum digest length",
            ),
        ];
        for (text, error) in cases {
            let found = Reference::parse(text).unwrap_err().to_string();
            assert_eq!(found, error, "{text}");
        }
    }

    #[test]
    fn a_tag_has_at_most_128_characters() {
        let name = Reference::parse("a").unwrap();
        assert!(name.with_tag(&"x".repeat(128)).is_ok());
        let error = name.with_tag(&"x".repeat(129)).unwrap_err();
        assert_eq!(error.to_string(), "invalid tag format");
        assert!(name.with_tag(".x").is_err());
    }
}
