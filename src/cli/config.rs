//! The client's configuration: `~/.docker/config.json`, or the older
//! `~/.dockercfg`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::globals::Globals;
use crate::json::{self, FromJson};

/// What the configuration file holds; unknown fields are passed over.
#[derive(Clone, Debug, Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Where the file is, or would be.
    #[serde(skip)]
    pub directory: PathBuf,
    /// Credentials, by registry.
    pub auths: BTreeMap<String, Auth>,
    /// The program that keeps credentials.
    pub creds_store: String,
    /// The same for single registries.
    pub cred_helpers: BTreeMap<String, String>,
    /// Headers to send with every request.
    #[serde(rename = "HttpHeaders")]
    pub http_headers: BTreeMap<String, String>,
    /// The default format of `ps`.
    pub ps_format: String,
    /// The default format of `images`.
    pub images_format: String,
    /// The keys that detach from a container.
    pub detach_keys: String,
    /// The context that is used by default.
    pub current_context: String,
}

/// Credentials for one registry.
#[derive(Clone, Debug, Default, FromJson)]
#[serde(default)]
pub struct Auth {
    /// `user:password` in base64.
    pub auth: String,
    /// A token in place of a password.
    pub identitytoken: String,
    /// A token that is sent as it is.
    pub registrytoken: String,
}

impl Config {
    /// Reads the configuration. What cannot be read is reported on standard
    /// error and left out.
    pub fn load(globals: &Globals) -> Config {
        let home = std::env::var_os("HOME").map_or("/".into(), PathBuf::from);
        let directory = match std::env::var_os("DOCKER_CONFIG") {
            _ if !globals.config.is_empty() => PathBuf::from(&globals.config),
            Some(directory) if !directory.is_empty() => directory.into(),
            _ => home.join(".docker"),
        };
        let mut config = match read(&directory.join("config.json")) {
            Some(config) => config,
            None => Config {
                auths: read(&home.join(".dockercfg")).unwrap_or_default(),
                ..Config::default()
            },
        };
        config.directory = directory;
        config
    }
}

fn read<T: FromJson>(path: &Path) -> Option<T> {
    let text = std::fs::read(path).ok()?;
    match json::from_slice(&text) {
        Ok(read) => Some(read),
        Err(error) => {
            eprintln!(
                "WARNING: Error loading config file: {}: {error}",
                path.display()
            );
            None
        }
    }
}
