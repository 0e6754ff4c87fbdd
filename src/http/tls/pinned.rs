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

use super::validity::validity;

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
