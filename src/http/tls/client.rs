//! The client's side: whom to trust, and which certificate to show.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore};

use super::pinned::Pinned;
use super::{Error, pem};

/// Where distributions keep their bundle of roots, the commonest first.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whether the server's certificate is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Its chain and its name.
    #[default]
    Peer,
    /// Not at all: encryption only.
    Nothing,
}

/// Whether the system's roots are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SystemRoots {
    /// Yes, besides the given ones.
    #[default]
    Trusted,
    /// No, only the given ones.
    Ignored,
}

/// What a client wants of TLS.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether the server is checked.
    pub verify: Verify,
    /// Whether the system's roots count.
    pub system_roots: SystemRoots,
    /// Files with further roots.
    pub roots: Vec<PathBuf>,
    /// Files with the client's own certificate chain and key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Makes the client's side of TLS from the settings.
pub fn client(settings: &Settings) -> Result<Arc<ClientConfig>, Error> {
    let builder =
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3");
    let builder = match settings.verify {
        Verify::Nothing => {
            let provider = ring::default_provider();
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        }
        Verify::Peer if settings.roots.is_empty() => {
            builder.with_root_certificates(roots(settings)?)
        }
        Verify::Peer => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(pinned(settings)?)),
    };
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                pem::certificates(certificate)?,
                pem::key(key)?,
            )
            .map_err(|e| Error::Identity(certificate.clone(), e))?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes a check that takes the given roots as servers' own certificates
/// too.
fn pinned(settings: &Settings) -> Result<Pinned, Error> {
    let provider = Arc::new(ring::default_provider());
    let usual =
        WebPkiServerVerifier::builder_with_provider(roots(settings)?, provider)
            .build()
            .expect("there is at least one root, and no revocation list");
    let mut certificates = Vec::new();
    for path in &settings.roots {
        certificates.extend(pem::certificates(path)?);
    }
    Ok(Pinned { usual, certificates })
}

fn roots(settings: &Settings) -> Result<Arc<RootCertStore>, Error> {
    let system = (settings.system_roots == SystemRoots::Trusted)
        .then(|| system_roots().clone());
    if settings.roots.is_empty() {
        let none = || Arc::new(RootCertStore::empty());
        return Ok(system.unwrap_or_else(none));
    }
    let mut store =
        system.map_or_else(RootCertStore::empty, |roots| (*roots).clone());
    for path in &settings.roots {
        for root in pem::certificates(path)? {
            store.add(root).map_err(|e| Error::Root(path.clone(), e))?;
        }
    }
    Ok(Arc::new(store))
}

/// The host's own roots, read once; those of Mozilla that are built in, on a
/// host that has none.
fn system_roots() -> &'static Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    ROOTS.get_or_init(|| {
        let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
        let usual = BUNDLES.iter().map(PathBuf::from);
        for path in named.into_iter().chain(usual) {
            let Ok(certificates) = pem::certificates(&path) else { continue };
            let mut store = RootCertStore::empty();
            // A bundle may hold old roots that the checker refuses; the
            // others count.
            let (added, _) = store.add_parsable_certificates(certificates);
            if added > 0 {
                return Arc::new(store);
            }
        }
        let built_in = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
        Arc::new(built_in.collect())
    })
}

/// Takes any certificate, but still wants the handshake signed by its key.
#[derive(Debug)]
struct Anyone(CryptoProvider);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_without_files_work_on_every_host() {
        assert!(client(&Settings::default()).is_ok());
        let open = Settings { verify: Verify::Nothing, ..Settings::default() };
        assert!(client(&open).is_ok());
        assert!(!system_roots().is_empty());
    }

    #[test]
    fn a_missing_or_empty_file_is_named() {
        let missing = PathBuf::from("/nonexistent/ca.pem");
        let settings =
            Settings { roots: vec![missing.clone()], ..Settings::default() };
        let error = client(&settings).unwrap_err();
        assert_eq!(
            error.to_string(),
            "open /nonexistent/ca.pem: no such file or directory"
        );
        let settings = Settings {
            roots: vec![PathBuf::from("/dev/null")],
            ..Settings::default()
        };
        assert!(matches!(client(&settings), Err(Error::Empty(_))));
        assert!(matches!(
            pem::key(std::path::Path::new("/dev/null")),
            Err(Error::Empty(_))
        ));
    }
}
