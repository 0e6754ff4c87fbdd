//! Where the daemon is: flags, environment, contexts, else the usual socket.

use std::env;
use std::path::{Path, PathBuf};

use super::config::Config;
use super::error::Error;
use super::globals::Globals;
use crate::client::{Host, Tls};
use crate::json;

/// A daemon's place, and the name by which it was found.
#[derive(Debug)]
pub struct Place {
    /// Where it is.
    pub host: Host,
    /// The context's name; `default` when it is none.
    pub context: String,
}

/// The name of the context that is none.
const DEFAULT: &str = "default";

/// Finds the daemon's place.
pub fn resolve(globals: &Globals, config: &Config) -> Result<Place, Error> {
    let context = context(globals, config);
    if context != DEFAULT {
        let host = from_context(&config.directory, &context)?;
        return Ok(Place { host, context });
    }
    let host = match globals.hosts.first() {
        Some(host) => host.clone(),
        None => variable("DOCKER_HOST"),
    };
    let host = Host::parse(&host, tls(globals, config)).map_err(|error| {
        Error::text(format!("Failed to initialize: {error}"))
    })?;
    Ok(Place { host, context })
}

/// The context that is in force: a flag wins over a host, a host over the
/// rest.
pub fn context(globals: &Globals, config: &Config) -> String {
    let has_host =
        !globals.hosts.is_empty() || !variable("DOCKER_HOST").is_empty();
    let named = match globals.context.is_empty() {
        false => globals.context.clone(),
        true if has_host => String::new(),
        true => match variable("DOCKER_CONTEXT") {
            name if name.is_empty() => config.current_context.clone(),
            name => name,
        },
    };
    if named.is_empty() { DEFAULT.to_owned() } else { named }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// What flags and environment say about TLS.
fn tls(globals: &Globals, config: &Config) -> Option<Tls> {
    let verify =
        globals.tls_verify || !variable("DOCKER_TLS_VERIFY").is_empty();
    if !verify && !globals.tls && variable("DOCKER_TLS").is_empty() {
        return None;
    }
    let directory = match variable("DOCKER_CERT_PATH") {
        path if path.is_empty() => config.directory.clone(),
        path => path.into(),
    };
    let file = |typed: &str, usual: &str| match typed.is_empty() {
        true => directory.join(usual),
        false => PathBuf::from(typed),
    };
    Some(tls_of(
        verify,
        file(&globals.tls_ca, "ca.pem"),
        file(&globals.tls_cert, "cert.pem"),
        file(&globals.tls_key, "key.pem"),
    ))
}

fn tls_of(verify: bool, ca: PathBuf, cert: PathBuf, key: PathBuf) -> Tls {
    let both = cert.exists() && key.exists();
    Tls { verify, ca, identity: both.then_some((cert, key)) }
}

/// Looks a context up in the client's store: a directory for each, whose
/// name does not matter here.
fn from_context(directory: &Path, name: &str) -> Result<Host, Error> {
    let unknown = || {
        Error::text(format!(
            "Failed to initialize: unable to resolve docker endpoint: context \
             \"{name}\": context not found: open {}/contexts/meta: no such \
             file or directory",
            directory.display()
        ))
    };
    let store = directory.join("contexts");
    let entries =
        std::fs::read_dir(store.join("meta")).map_err(|_| unknown())?;
    for entry in entries.flatten() {
        let Ok(text) = std::fs::read(entry.path().join("meta.json")) else {
            continue;
        };
        let Ok(meta) = json::parse(&text) else {
            continue;
        };
        if meta["Name"] != name {
            continue;
        }
        let endpoint = &meta["Endpoints"]["docker"];
        let files = store.join("tls").join(entry.file_name()).join("docker");
        let tls = files.is_dir().then(|| {
            tls_of(
                endpoint["SkipTLSVerify"] != true,
                files.join("ca.pem"),
                files.join("cert.pem"),
                files.join("key.pem"),
            )
        });
        let host = endpoint["Host"].as_str().unwrap_or_default();
        return Host::parse(host, tls).map_err(|error| {
            Error::text(format!("Failed to initialize: {error}"))
        });
    }
    Err(unknown())
}
