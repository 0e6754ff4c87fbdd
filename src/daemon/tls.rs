//! Which files make the daemon's TLS, by dockerd's rule: the flags, else
//! `{ca,cert,key}.pem` in `DOCKER_CERT_PATH`, else in `~/.docker`.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use crate::cli::DaemonOptions;
use crate::http::tls::{self, ServerSettings};

/// Loads and checks what TCP listeners need for TLS; none if it is not
/// asked for.
pub(super) fn load(
    options: &DaemonOptions,
) -> Result<Option<Arc<rustls::ServerConfig>>, Error> {
    let Some(settings) = settings(options, &directory()) else {
        return Ok(None);
    };
    tls::server(&settings).map(Some).map_err(|e| Error::Tls(Box::new(e)))
}

/// Tells whether clients need a certificate; as for dockerd the environment
/// can say so too.
pub(super) fn verifies(options: &DaemonOptions) -> bool {
    options.tls_verify || !variable("DOCKER_TLS_VERIFY").is_empty()
}

fn settings(
    options: &DaemonOptions,
    directory: &Path,
) -> Option<ServerSettings> {
    let verifies = verifies(options);
    if !verifies && !options.tls {
        return None;
    }
    let file = |typed: &Option<PathBuf>, usual: &str| match typed {
        Some(path) => path.clone(),
        None => directory.join(usual),
    };
    Some(ServerSettings {
        certificate: file(&options.tls_cert, "cert.pem"),
        key: file(&options.tls_key, "key.pem"),
        client_ca: verifies.then(|| file(&options.tls_ca, "ca.pem")),
    })
}

fn directory() -> PathBuf {
    match variable("DOCKER_CERT_PATH") {
        path if path.is_empty() => {
            let home = variable("HOME");
            let home = if home.is_empty() { "/" } else { &home };
            Path::new(home).join(".docker")
        }
        path => path.into(),
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_usual_files() {
        let directory = Path::new("/certs");
        let none = DaemonOptions::default();
        if !verifies(&none) {
            assert_eq!(settings(&none, directory), None);
        }
        let options = DaemonOptions {
            tls_verify: true,
            tls_cert: Some("/x/server.pem".into()),
            ..DaemonOptions::default()
        };
        assert_eq!(
            settings(&options, directory),
            Some(ServerSettings {
                certificate: "/x/server.pem".into(),
                key: "/certs/key.pem".into(),
                client_ca: Some("/certs/ca.pem".into()),
            })
        );
    }
}
