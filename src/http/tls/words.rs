//! What is wrong with a TLS session, in Go's words: users look for these.

use std::io;

use rustls::{AlertDescription, CertificateError as Bad, InvalidMessage};

use super::validity;
use crate::time::Timestamp;

const UNKNOWN_AUTHORITY: &str = "certificate signed by unknown authority";

/// Returns the TLS failure inside of a failed read or write, if it is one.
pub fn inner(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Says what went wrong with a session to `host`; on the server's side
/// there is none.
pub fn words(error: &rustls::Error, host: &str) -> String {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            match host {
                "" => "tls: first record does not look like a TLS handshake",
                _ => "http: server gave HTTP response to HTTPS client",
            }
            .into()
        }
        rustls::Error::NoCertificatesPresented => {
            "tls: client didn't provide a certificate".into()
        }
        rustls::Error::InconsistentKeys(_) => {
            "tls: private key does not match public key".into()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("remote error: tls: {}", alert_words(*alert))
        }
        rustls::Error::InvalidCertificate(bad) => format!(
            "tls: failed to verify certificate: x509: {}",
            certificate_words(bad, host)
        ),
        other => format!("tls: {other}"),
    }
}

fn certificate_words(bad: &Bad, host: &str) -> String {
    match bad {
        Bad::UnknownIssuer => UNKNOWN_AUTHORITY.into(),
        Bad::BadEncoding => "malformed certificate".into(),
        // A self-signed one that nobody vouches for.
        Bad::Other(other) if other.to_string() == "CaUsedAsEndEntity" => {
            UNKNOWN_AUTHORITY.into()
        }
        Bad::Other(other) if other.to_string() == "UnsupportedCertVersion" => {
            "certificate of version 1; make it with extensions (version 3)"
                .into()
        }
        Bad::Expired
        | Bad::ExpiredContext { .. }
        | Bad::NotValidYet
        | Bad::NotValidYetContext { .. } => {
            let now = Timestamp::now();
            format!(
                "certificate has expired or is not yet valid: current time \
                 {now}; {}",
                validity::clock_words(now)
            )
        }
        Bad::NotValidForNameContext { presented, .. } => {
            // rustls writes `DnsName("a")` and `IpAddress(1.2.3.4)`.
            let names: Vec<&str> = presented
                .iter()
                .filter_map(|name| name.split(['(', ')']).nth(1))
                .map(|name| name.trim_matches('"'))
                .collect();
            match names.is_empty() {
                true => format!("certificate is not valid for {host}"),
                false => format!(
                    "certificate is valid for {}, not {host}",
                    names.join(", ")
                ),
            }
        }
        Bad::NotValidForName => {
            format!("certificate is not valid for {host}")
        }
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            "certificate specifies an incompatible key usage".into()
        }
        other => other.to_string(),
    }
}

/// Go's names of the alerts that people meet (crypto/tls, alert.go).
fn alert_words(alert: AlertDescription) -> String {
    use AlertDescription as Alert;
    let words = match alert {
        Alert::HandshakeFailure => "handshake failure",
        Alert::BadCertificate => "bad certificate",
        Alert::UnsupportedCertificate => "unsupported certificate",
        Alert::CertificateRevoked => "revoked certificate",
        Alert::CertificateExpired => "expired certificate",
        Alert::CertificateUnknown => "unknown certificate",
        Alert::CertificateRequired => "certificate required",
        Alert::UnknownCA => "unknown certificate authority",
        Alert::AccessDenied => "access denied",
        Alert::DecryptError => "error decrypting message",
        Alert::ProtocolVersion => "protocol version not supported",
        Alert::InternalError => "internal error",
        Alert::UnrecognisedName => "unrecognized name",
        Alert::NoApplicationProtocol => "no application protocol",
        other => return format!("{other:?}"),
    };
    words.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_gos_words() {
        use AlertDescription as Alert;
        for (error, host, expected) in [
            (
                rustls::Error::from(Bad::UnknownIssuer),
                "h",
                "tls: failed to verify certificate: x509: certificate signed \
                 by unknown authority",
            ),
            (
                rustls::Error::NoCertificatesPresented,
                "",
                "tls: client didn't provide a certificate",
            ),
            (
                rustls::Error::AlertReceived(Alert::BadCertificate),
                "h",
                "remote error: tls: bad certificate",
            ),
            (
                InvalidMessage::InvalidContentType.into(),
                "",
                "tls: first record does not look like a TLS handshake",
            ),
            (
                Bad::NotValidForNameContext {
                    expected: "h".try_into().unwrap(),
                    presented: vec!["DnsName(\"a\")".into()],
                }
                .into(),
                "h",
                "tls: failed to verify certificate: x509: certificate is \
                 valid for a, not h",
            ),
        ] {
            assert_eq!(words(&error, host), expected);
        }
    }
}
