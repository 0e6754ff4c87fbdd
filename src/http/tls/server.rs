//! The server's side: its certificate, and whose clients it takes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use super::{Error, pem, validity};
use crate::time::Timestamp;

/// What a server shows, and wants to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The file of its certificate chain, its own first.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
    /// The file of the authorities that sign clients' certificates; none:
    /// every client is taken.
    pub client_ca: Option<PathBuf>,
}

/// Why a server cannot use TLS, in Docker's words.
#[derive(Debug)]
pub enum ServerError {
    /// The certificate and its key.
    KeyPair(Box<ServerSettings>, Error),
    /// The authorities of clients.
    Ca(Error),
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerError::KeyPair(settings, e) => write!(
                f,
                "Couldn't load X509 key pair ({}, {}): {e}. Key encrypted?",
                settings.certificate.display(),
                settings.key.display()
            ),
            ServerError::Ca(e) => {
                write!(f, "Couldn't read CA certificate: {e}")
            }
        }
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (ServerError::KeyPair(_, e) | ServerError::Ca(e)) = self;
        Some(e)
    }
}

/// Loads and checks what a server needs for TLS. A certificate whose time
/// has not come, or is over, is only warned of: the clock may be wrong, and
/// a client that does not care can still come in to set it.
pub fn server(
    settings: &ServerSettings,
) -> Result<Arc<ServerConfig>, ServerError> {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3");
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = clients(path).map_err(ServerError::Ca)?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let failed = |e| ServerError::KeyPair(Box::new(settings.clone()), e);
    let chain = pem::certificates(&settings.certificate).map_err(failed)?;
    let key = pem::key(&settings.key).map_err(failed)?;
    warn_of_dates(&settings.certificate, &chain);
    let mut config = builder.with_single_cert(chain, key).map_err(|e| {
        failed(Error::Identity(settings.certificate.clone(), e))
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Each connection is checked anew, also after a change of the clock,
    // and costs no memory beyond its own.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Makes the check that demands a certificate of each client.
fn clients(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, Error> {
    let certificates = pem::certificates(path)?;
    warn_of_dates(path, &certificates);
    let mut roots = RootCertStore::empty();
    for root in certificates {
        roots.add(root).map_err(|e| Error::Root(path.to_path_buf(), e))?;
    }
    let provider = Arc::new(ring::default_provider());
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    Ok(builder.build().expect("there is a root, and no revocation list"))
}

fn warn_of_dates(path: &Path, chain: &[CertificateDer<'_>]) {
    let now = Timestamp::now();
    for certificate in chain {
        if let Some(words) = validity::complaint(certificate, now) {
            log::warn!("{}: {words}", path.display());
        }
    }
}
