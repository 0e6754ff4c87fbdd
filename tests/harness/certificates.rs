//! Certificates made by openssl for one case: an authority, a server of the
//! loopback, a client, and whatever else the case asks for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::Run;
use super::{has, skip};

/// What a server's certificate says.
pub const SERVER: &str =
    "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n";
/// What a client's certificate says.
pub const CLIENT: &str = "extendedKeyUsage=clientAuth\n";

/// A directory of PEM files: `ca`, `server`, and `cert` with `key`, which is
/// how clients call their own.
pub struct Certificates {
    pub directory: PathBuf,
}

impl Certificates {
    /// Makes the usual ones, or skips the case where openssl is missing.
    #[track_caller]
    pub fn make(directory: PathBuf) -> Option<Certificates> {
        if !has("openssl") {
            skip("openssl is not installed");
            return None;
        }
        fs::create_dir_all(&directory).expect("/tmp is there");
        let made = Certificates { directory };
        made.authority("ca");
        made.signed("server", "ca", SERVER, &["-days", "10"]);
        made.signed("cert", "ca", CLIENT, &["-days", "10"]);
        fs::copy(made.key("cert"), made.file("key")).expect("a copy");
        Some(made)
    }

    /// The path of a certificate, or of any other PEM file.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.pem"))
    }

    /// The path of a certificate's key.
    pub fn key(&self, name: &str) -> PathBuf {
        self.file(&format!("{name}-key"))
    }

    /// Runs openssl in the directory.
    #[track_caller]
    pub fn openssl(&self, line: &str) -> Run {
        let mut command = Command::new("openssl");
        command.args(line.split_whitespace()).current_dir(&self.directory);
        Run::of(&mut command, b"").ok()
    }

    /// Makes a self-signed authority.
    #[track_caller]
    pub fn authority(&self, name: &str) {
        self.openssl(&format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
             -days 10 -subj /CN=authority-{name} -keyout {name}-key.pem \
             -out {name}.pem"
        ));
    }

    /// Makes a key on the curve P-256 and a certificate for it.
    #[track_caller]
    pub fn signed(&self, name: &str, by: &str, says: &str, more: &[&str]) {
        self.openssl(&format!(
            "ecparam -name prime256v1 -genkey -noout -out {name}-key.pem"
        ));
        self.certify(name, by, says, more);
    }

    /// Makes a certificate for a key that is there.
    #[track_caller]
    pub fn certify(&self, name: &str, by: &str, says: &str, more: &[&str]) {
        let extensions = self.directory.join("extensions");
        fs::write(&extensions, says).expect("a file");
        self.openssl(&format!(
            "req -new -key {name}-key.pem -subj /CN={name} -out request"
        ));
        let more = more.join(" ");
        self.openssl(&format!(
            "x509 -req -in request -CA {by}.pem -CAkey {by}-key.pem \
             -CAcreateserial -extfile extensions -out {name}.pem {more}"
        ));
    }

    /// The flags that name a certificate and its key, and the authority.
    pub fn flags(&self, name: &str, ca: &str) -> Vec<String> {
        let flag =
            |flag: &str, path: &Path| format!("--tls{flag}={}", path.display());
        vec![
            flag("cert", &self.file(name)),
            flag("key", &self.key(name)),
            flag("cacert", &self.file(ca)),
        ]
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
