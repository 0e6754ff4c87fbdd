//! The certificates of a host: `certs.d/<host:port>/` with roots in `*.crt`
//! and the client's own certificate in `*.cert` and `*.key`.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::endpoint::Trust;
use crate::http::tls;

/// Why a host's certificates cannot be used.
#[derive(Debug)]
pub enum Error {
    /// A directory cannot be read.
    Directory(PathBuf, io::Error),
    /// A certificate has no key.
    NoKey {
        /// The missing key's name.
        key: String,
        /// The certificate's name.
        certificate: String,
    },
    /// A key has no certificate.
    NoCertificate {
        /// The missing certificate's name.
        certificate: String,
        /// The key's name.
        key: String,
    },
    /// A file cannot be used.
    Tls(tls::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Directory(path, error) => {
                write!(f, "open {}: {error}", path.display())
            }
            Error::NoKey { key, certificate } => write!(
                f,
                "missing key {key} for client certificate {certificate}. CA \
                 certificates must use the extension .crt"
            ),
            Error::NoCertificate { certificate, key } => write!(
                f,
                "missing client certificate {certificate} for key {key}"
            ),
            Error::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Directory(_, error) => Some(error),
            Error::Tls(error) => Some(error),
            _ => None,
        }
    }
}

/// Makes the TLS settings for a host from its folders; one that does not
/// exist has nothing to say.
pub fn config(
    folders: &[PathBuf],
    trust: Trust,
) -> Result<Arc<rustls::ClientConfig>, Error> {
    let mut settings = tls::Settings {
        verify: match trust {
            Trust::Verified => tls::Verify::Peer,
            Trust::Any => tls::Verify::Nothing,
        },
        ..tls::Settings::default()
    };
    for folder in folders {
        collect(folder, &mut settings)?;
    }
    tls::client(&settings).map_err(Error::Tls)
}

/// Adds the files of one folder. The first client certificate counts.
fn collect(folder: &Path, settings: &mut tls::Settings) -> Result<(), Error> {
    let failed = |error| Error::Directory(folder.to_path_buf(), error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        names.extend(name.into_string().ok());
    }
    names.sort();
    for name in &names {
        let has = |other: &String| names.contains(other);
        if name.ends_with(".crt") {
            settings.roots.push(folder.join(name));
        } else if let Some(stem) = name.strip_suffix(".cert") {
            let key = format!("{stem}.key");
            if !has(&key) {
                let certificate = name.clone();
                return Err(Error::NoKey { key, certificate });
            }
            if settings.identity.is_none() {
                let pair = (folder.join(name), folder.join(key));
                settings.identity = Some(pair);
            }
        } else if let Some(stem) = name.strip_suffix(".key") {
            let certificate = format!("{stem}.cert");
            if !has(&certificate) {
                let key = name.clone();
                return Err(Error::NoCertificate { certificate, key });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> PathBuf {
        let name = format!("skiff-certs-{}", crate::id::random());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        for file in files {
            fs::write(folder.join(file), "").unwrap();
        }
        folder
    }

    #[test]
    fn roots_and_the_own_certificate_are_found() {
        let files = ["a.crt", "b.crt", "me.cert", "me.key", "README"];
        let folder = folder(&files);
        let mut settings = tls::Settings::default();
        collect(&folder, &mut settings).unwrap();
        assert_eq!(settings.roots.len(), 2);
        assert!(settings.identity.unwrap().1.ends_with("me.key"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn halves_are_refused_in_dockers_words() {
        for (file, words) in [
            (
                "me.cert",
                "missing key me.key for client certificate me.cert. CA \
                 certificates must use the extension .crt",
            ),
            ("me.key", "missing client certificate me.cert for key me.key"),
        ] {
            let folder = folder(&[file]);
            let mut settings = tls::Settings::default();
            let error = collect(&folder, &mut settings).unwrap_err();
            assert_eq!(error.to_string(), words);
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn a_host_without_a_folder_has_the_usual_settings() {
        let absent = std::env::temp_dir().join("skiff-no-such-folder");
        assert!(config(&[absent], Trust::Any).is_ok());
    }
}
