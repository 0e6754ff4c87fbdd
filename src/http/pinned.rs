//! A server whose own certificate is among the trusted roots, as
//! `openssl req -x509` makes it for a private registry: a certificate of an
//! authority, used by a server. webpki refuses that; Go and OpenSSL take
//! it, and a file that the host's owner put in place says clearly enough
//! whom to trust. Its name and its dates are still checked, and that the
//! server has its key.

use std::sync::Arc;

use rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};

use crate::time::Timestamp;

/// Checks as webpki does, and takes the pinned certificates besides.
#[derive(Debug)]
pub(super) struct Pinned {
    /// Checks all others.
    pub(super) usual: Arc<dyn ServerCertVerifier>,
    /// The certificates that may stand for themselves.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let usual = self.usual.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let is_pinned = self.certificates.iter().any(|c| c == end_entity);
        if usual.is_ok() || !is_pinned {
            return usual;
        }
        let (start, end) =
            validity(end_entity).ok_or(CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if now < start.seconds {
            return Err(CertificateError::NotValidYet.into());
        }
        if now > end.seconds {
            return Err(CertificateError::Expired.into());
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_name(&parsed, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, in which the version stands if it is not the first.
const VERSION: u8 = 0xa0;

/// Finds the dates of a certificate (RFC 5280 §4.1.2.5).
fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut signed, _) = element(certificate)?;
    if signed.first() == Some(&VERSION) {
        signed = element(signed)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        signed = element(signed)?.2;
    }
    let (tag, dates, _) = element(signed)?;
    if tag != SEQUENCE {
        return None;
    }
    let (start_tag, start, rest) = element(dates)?;
    let (end_tag, end, _) = element(rest)?;
    Some((date(start_tag, start)?, date(end_tag, end)?))
}

/// Splits the first DER element off: tag, content, what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) =
                rest.split_at_checked(usize::from(first & 7))?;
            let length = bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// Reads `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn date(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let text = match tag {
        // Two digits of a year from 1950 to 2049.
        UTC_TIME if text.as_bytes().first()? < &b'5' => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_string(),
        _ => return None,
    };
    let digits = text.strip_suffix('Z')?;
    if digits.len() != 14 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &digits[from..to];
    Timestamp::parse_rfc3339(&format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A DER element.
    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let mut out = vec![tag, 0x82];
        out.extend_from_slice(&(content.len() as u16).to_be_bytes());
        out.extend_from_slice(&content);
        out
    }

    fn certificate(start: &[u8], end: &[u8]) -> Vec<u8> {
        let dates = der(SEQUENCE, &[start, end]);
        let filler = der(SEQUENCE, &[]);
        let signed = der(
            SEQUENCE,
            &[
                &der(VERSION, &[&[2, 1, 2]]),
                &[2, 1, 7],
                &filler,
                &filler,
                &dates,
                &filler,
            ],
        );
        der(SEQUENCE, &[&signed, &filler])
    }

    #[test]
    fn the_dates_of_a_certificate_are_found() {
        let start = der(UTC_TIME, &[b"261121190757Z"]);
        let end = der(GENERALIZED_TIME, &[b"20991231235959Z"]);
        let (start, end) = validity(&certificate(&start, &end)).unwrap();
        assert_eq!(start.to_string(), "2026-11-21T19:07:57Z");
        assert_eq!(end.to_string(), "2099-12-31T23:59:59Z");
        let old = der(UTC_TIME, &[b"500101000000Z"]);
        let (start, _) = validity(&certificate(&old, &old)).unwrap();
        assert_eq!(start.to_string(), "1950-01-01T00:00:00Z");
    }

    #[test]
    fn rubbish_has_no_dates() {
        let good = der(UTC_TIME, &[b"261121190757Z"]);
        let whole = certificate(&good, &good);
        for end in 0..whole.len() {
            assert!(validity(&whole[..end]).is_none(), "{end}");
        }
        for bad in [&b"261121190757"[..], b"26112119075Z", b"2611211907\xffZ"] {
            let bad = der(UTC_TIME, &[bad]);
            assert!(validity(&certificate(&bad, &good)).is_none());
        }
        let bad = der(4, &[b"261121190757Z"]);
        assert!(validity(&certificate(&bad, &good)).is_none());
    }
}
