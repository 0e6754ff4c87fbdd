//! What can go wrong between a reference and its bytes, in the words that
//! Docker's users know.

use std::fmt;
use std::time::Duration;

use super::answer::Answer;
use super::certs;
use crate::http;
use crate::oci::Digest;

/// The result of a registry operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Which class of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The registry has no such image, or does not show it.
    NotFound,
    /// What the registry has cannot be used.
    Invalid,
    /// The fetch was ended by its owner.
    Cancelled,
    /// Everything else: network, certificates, refusals.
    Failed,
}

/// A failed fetch.
#[derive(Debug)]
pub enum Error {
    /// The fetch was ended by its owner.
    Cancelled,
    /// The registry's name cannot be an address.
    Name(String),
    /// There was no usable answer to a request.
    Exchange {
        /// The method as Go writes it: `Get`.
        verb: &'static str,
        /// The URL.
        url: String,
        /// What happened.
        cause: Cause,
    },
    /// The registry refused.
    Answer {
        /// Its reasons.
        answer: Answer,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The registry has no such image, or does not show it.
    NotFound {
        /// What is missing, in Docker's words.
        what: String,
        /// The registry's reasons.
        answer: Answer,
    },
    /// The registry has no such blob.
    UnknownBlob(Digest),
    /// A manifest longer than the limit.
    ManifestTooLarge(u64),
    /// A manifest that is not the one that was asked for.
    ManifestDigest(Digest),
    /// A blob whose bytes are not those that were asked for.
    BlobDigest(Digest),
    /// A blob of another size than its descriptor says.
    BlobSize {
        /// The blob.
        digest: Digest,
        /// The size in the descriptor.
        expected: u64,
        /// The size that the registry gave.
        got: u64,
    },
    /// An answer to a range request that does not fit it.
    Range(Digest),
    /// The connection ended before the blob did.
    Cut(Digest),
    /// An answer that makes no sense.
    Nonsense(&'static str),
}

/// Why there was no usable answer.
#[derive(Debug)]
pub enum Cause {
    /// The fetch was ended by its owner.
    Cancelled,
    /// The connection failed.
    Http(Box<http::Error>),
    /// The host's certificates cannot be loaded.
    Certs(Box<certs::Error>),
    /// The server wants a password and there is none.
    NoBasicCredentials,
    /// The token server gave no token.
    NoToken,
    /// The token server refused.
    Token(Answer),
    /// The token server is not to be trusted with credentials.
    PlainRealm(String),
    /// Too many redirects.
    Redirects,
    /// A redirect that cannot be followed.
    Location(String),
    /// The answer took too long or is too long.
    Unbounded,
}

impl Error {
    /// Returns the class of the failure.
    pub fn kind(&self) -> Kind {
        match self {
            Error::Cancelled
            | Error::Exchange { cause: Cause::Cancelled, .. } => {
                Kind::Cancelled
            }
            Error::NotFound { .. } | Error::UnknownBlob(_) => Kind::NotFound,
            Error::Name(_)
            | Error::ManifestTooLarge(_)
            | Error::ManifestDigest(_)
            | Error::BlobDigest(_)
            | Error::BlobSize { .. } => Kind::Invalid,
            _ => Kind::Failed,
        }
    }

    /// Whether another attempt at the same place may do better.
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Exchange { cause: Cause::Http(error), .. } => !matches!(
                **error,
                http::Error::Tls { .. }
                    | http::Error::Settings(_)
                    | http::Error::Head(_)
            ),
            Error::Exchange { cause: Cause::Token(answer), .. } => {
                answer.is_transient()
            }
            Error::Answer { answer, retry_after } => {
                answer.is_transient() || retry_after.is_some()
            }
            Error::Cut(_) => true,
            _ => false,
        }
    }

    /// Whether the failure came before the server said anything that counts,
    /// so that another endpoint may be the right one.
    pub fn is_inconclusive(&self) -> bool {
        match self {
            Error::Exchange { cause, .. } => !matches!(
                cause,
                Cause::Cancelled | Cause::Token(Answer::Refused(_))
            ),
            Error::Answer { answer, .. } => {
                !matches!(answer, Answer::Refused(_))
            }
            _ => false,
        }
    }

    /// Returns when the server wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Answer { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Finds the error of a fetch inside of one that went through
    /// `std::io::Read`.
    pub fn inside(error: &std::io::Error) -> Option<&Error> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Cancelled => f.write_str("context canceled"),
            Error::Name(name) => {
                write!(f, "no endpoints found for {name}")
            }
            Error::Exchange { verb, url, cause } => {
                write!(f, "{verb} \"{url}\": {cause}")
            }
            Error::Answer { answer, .. } => answer.fmt(f),
            Error::NotFound { what, answer } => write!(f, "{what}: {answer}"),
            Error::UnknownBlob(_) => f.write_str("unknown blob"),
            Error::ManifestTooLarge(limit) => {
                write!(f, "manifest is larger than {limit} bytes")
            }
            Error::ManifestDigest(digest) => {
                write!(f, "manifest verification failed for digest {digest}")
            }
            Error::BlobDigest(digest) => write!(
                f,
                "filesystem layer verification failed for digest {digest}"
            ),
            Error::BlobSize { digest, expected, got } => write!(
                f,
                "blob {digest} has {got} bytes instead of the {expected} of \
                 its descriptor"
            ),
            Error::Range(digest) => {
                write!(f, "blob {digest}: the registry sent the wrong range")
            }
            Error::Cut(digest) => {
                write!(f, "blob {digest}: unexpected EOF")
            }
            Error::Nonsense(what) => f.write_str(what),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Cancelled => f.write_str("context canceled"),
            Cause::Http(error) => error.fmt(f),
            Cause::Certs(error) => error.fmt(f),
            Cause::NoBasicCredentials => {
                f.write_str("no basic auth credentials")
            }
            Cause::NoToken => f.write_str(
                "authorization server did not include a token in the response",
            ),
            Cause::Token(answer) => answer.fmt(f),
            Cause::PlainRealm(realm) => {
                write!(
                    f,
                    "refusing to send credentials in plain text to {realm}"
                )
            }
            Cause::Redirects => f.write_str("stopped after 10 redirects"),
            Cause::Location(text) => {
                write!(f, "failed to parse Location header {text:?}")
            }
            Cause::Unbounded => {
                f.write_str("the answer is too long or takes too long")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Exchange { cause: Cause::Http(error), .. } => Some(&**error),
            Error::Exchange { cause: Cause::Certs(error), .. } => {
                Some(&**error)
            }
            _ => None,
        }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        std::io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(error: rustls::Error) -> String {
        let source = std::io::Error::other(error);
        let host = "reg.io".to_string();
        Cause::Http(Box::new(http::Error::Tls { host, source })).to_string()
    }

    #[test]
    fn troubles_with_tls_are_told_in_gos_words() {
        use rustls::CertificateError as Bad;
        assert_eq!(
            words(rustls::Error::InvalidMessage(
                rustls::InvalidMessage::InvalidContentType
            )),
            "http: server gave HTTP response to HTTPS client"
        );
        assert_eq!(
            words(Bad::UnknownIssuer.into()),
            "tls: failed to verify certificate: x509: certificate signed by \
             unknown authority"
        );
        let text = words(Bad::Expired.into());
        assert!(text.contains("expired or is not yet valid"), "{text}");
        assert!(text.contains("clock"), "{text}");
        let other = Bad::NotValidForNameContext {
            expected: "reg.io".try_into().unwrap(),
            presented: vec![
                "DnsName(\"a.b\")".into(),
                "IpAddress(1.2.3.4)".into(),
            ],
        };
        let text = words(other.into());
        assert!(text.ends_with("valid for a.b, 1.2.3.4, not reg.io"), "{text}");
    }
}
