//! Reading certificates and keys from PEM files (RFC 7468). The only file
//! that uses rustls-pemfile.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Error;

/// The most bytes of a certificate or key file.
const MAX_FILE: u64 = 8 << 20;

/// Loads all certificates of a file; there is at least one.
pub(super) fn certificates(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = load(path)?;
    let certificates: Result<Vec<_>, _> =
        rustls_pemfile::certs(&mut text.as_slice()).collect();
    let failed = |e| Error::Read(path.to_path_buf(), e);
    let certificates = certificates.map_err(failed)?;
    if certificates.is_empty() {
        return Err(match sections(&text) {
            found if found.is_empty() => Error::Empty(path.to_path_buf()),
            found => Error::NoCertificate(path.to_path_buf(), found),
        });
    }
    Ok(certificates)
}

/// Loads the private key of a file: PKCS #1, PKCS #8 or SEC 1.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = load(path)?;
    if is_encrypted(&text) {
        return Err(Error::Encrypted(path.to_path_buf()));
    }
    match rustls_pemfile::private_key(&mut text.as_slice()) {
        Err(e) => Err(Error::Read(path.to_path_buf(), e)),
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(match sections(&text) {
            found if found.is_empty() => Error::Empty(path.to_path_buf()),
            found => Error::NoKey(path.to_path_buf(), found),
        }),
    }
}

fn load(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |e: io::Error| Error::Read(path.to_path_buf(), e);
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(MAX_FILE).read_to_end(&mut text).map_err(failed)?;
    Ok(text)
}

/// Tells whether the first key wants a passphrase: PKCS #8 says so in the
/// section's name, OpenSSL's older form in a header (RFC 1421 §4.6.1.1).
fn is_encrypted(text: &[u8]) -> bool {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let Some(begin) = lines.find(|line| is_key(line)) else { return false };
    begin == b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
        || lines.next() == Some(b"Proc-Type: 4,ENCRYPTED".as_slice())
}

fn is_key(line: &[u8]) -> bool {
    line.starts_with(b"-----BEGIN ") && line.ends_with(b"PRIVATE KEY-----")
}

/// Names the kinds of the sections that a file has.
fn sections(text: &[u8]) -> String {
    let names = text.split(|b| *b == b'\n').filter_map(|line| {
        let name = line.trim_ascii().strip_prefix(b"-----BEGIN ")?;
        let name = name.strip_suffix(b"-----")?;
        Some(String::from_utf8_lossy(name).into_owned())
    });
    // As many as make sense to a reader.
    names.take(4).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_named() {
        let text = b"x\n-----BEGIN EC PARAMETERS-----\nAA==\n\
                     -----END EC PARAMETERS-----\r\n\
                     -----BEGIN PRIVATE KEY-----\r\n";
        assert_eq!(sections(text), "EC PARAMETERS, PRIVATE KEY");
        assert_eq!(sections(b"-----BEGIN \nBEGIN X-----"), "");
    }

    #[test]
    fn both_forms_of_encrypted_keys_are_known() {
        for (text, expected) in [
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n", true),
            (
                "-----BEGIN RSA PRIVATE KEY-----\r\nProc-Type: 4,ENCRYPTED\
                 \r\nDEK-Info: AES-128-CBC,00\r\n\r\nAA==\r\n",
                true,
            ),
            ("-----BEGIN RSA PRIVATE KEY-----\nAA==\n", false),
            ("-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n", false),
            ("", false),
        ] {
            assert_eq!(is_encrypted(text.as_bytes()), expected, "{text}");
        }
    }
}
