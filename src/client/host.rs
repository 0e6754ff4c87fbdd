//! Where the daemon is, as people write it: `unix:///path`,
//! `tcp://host:port`.

use std::fmt;
use std::path::PathBuf;

use super::error::{Error, Result};
use crate::http::client::Address;
use crate::http::tls;

/// The daemon's place.
#[derive(Clone, Debug)]
pub enum Host {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// How TLS is used, if it is.
        tls: Option<Tls>,
    },
}

/// How TLS is used with a daemon.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whether the daemon's certificate is checked.
    pub verify: bool,
    /// The file of the roots that are trusted.
    pub ca: PathBuf,
    /// The files of our own certificate and its key, if both exist.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Where a daemon listens when nothing is said.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
/// The port of `tcp://` without a port.
const PLAIN_PORT: u16 = 2375;
/// The same with TLS.
const TLS_PORT: u16 = 2376;

impl Host {
    /// The place where a daemon is when nothing is said.
    pub fn local() -> Host {
        Host::Unix(DEFAULT_SOCKET.into())
    }

    /// Reads what a person wrote; an empty text is the usual place. The
    /// error is in Docker's words.
    pub fn parse(text: &str, tls: Option<Tls>) -> Result<Host> {
        let text = text.trim();
        let bad = || {
            Error::Host(format!(
                "unable to resolve docker endpoint: invalid bind address \
                 format: {text}"
            ))
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
        match scheme {
            _ if text.is_empty() => Ok(Host::local()),
            "unix" if rest.contains("://") => Err(bad()),
            "unix" if rest.is_empty() => Ok(Host::local()),
            "unix" => Ok(Host::Unix(rest.into())),
            "tcp" | "http" | "https" => {
                let rest = rest.split('/').next().unwrap_or_default();
                let (host, port) = split_port(rest).ok_or_else(bad)?;
                let usual = match tls.is_some() {
                    true => TLS_PORT,
                    false => PLAIN_PORT,
                };
                let host = if host.is_empty() { "127.0.0.1" } else { host };
                Ok(Host::Tcp {
                    host: host.to_owned(),
                    port: port.unwrap_or(usual),
                    tls,
                })
            }
            _ => Err(bad()),
        }
    }

    /// Loads what TLS needs and gives the address to connect to.
    pub(super) fn address(&self) -> Result<Address> {
        let (host, port, tls) = match self {
            Host::Unix(path) => return Ok(Address::Unix(path.clone())),
            Host::Tcp { host, port, tls } => (host.clone(), *port, tls),
        };
        let Some(tls) = tls else { return Ok(Address::Tcp { host, port }) };
        // What the person named is trusted, and nothing else.
        let config = tls::client(&tls::Settings {
            verify: match tls.verify {
                true => tls::Verify::Peer,
                false => tls::Verify::Nothing,
            },
            system_roots: tls::SystemRoots::Ignored,
            roots: match tls.verify {
                true => vec![tls.ca.clone()],
                false => Vec::new(),
            },
            identity: tls.identity.clone(),
        })
        .map_err(|error| Error::Host(self::refusal(tls, &error)))?;
        Ok(Address::Tls { host, port, config })
    }
}

/// Says which of the files cannot be used, and why.
fn refusal(tls: &Tls, error: &tls::Error) -> String {
    let path = match error {
        tls::Error::Read(path, _)
        | tls::Error::Empty(path)
        | tls::Error::Root(path, _)
        | tls::Error::Identity(path, _) => path,
    };
    match *path == tls.ca {
        true => format!("Couldn't read ca cert {}: {error}", path.display()),
        false => {
            format!("Couldn't load X509 key pair: {error}. Key encrypted?")
        }
    }
}

/// Splits `host`, `host:port`, `[v6]` and `[v6]:port`.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        None => text.rsplit_once(':').unwrap_or((text, "")),
    };
    if host.contains(char::is_whitespace) {
        return None;
    }
    match port {
        "" => Some((host, None)),
        port => Some((host, Some(port.parse().ok()?))),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Unix(path) => write!(f, "unix://{}", path.display()),
            Host::Tcp { host, port, .. } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Host::Tcp { host, port, .. } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_shown_again() {
        let cases = [
            ("", "unix:///var/run/docker.sock"),
            ("unix://", "unix:///var/run/docker.sock"),
            ("unix:///tmp/x.sock", "unix:///tmp/x.sock"),
            ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375"),
            ("tcp://host", "tcp://host:2375"),
            ("host:99", "tcp://host:99"),
            ("tcp://:99", "tcp://127.0.0.1:99"),
            ("tcp://[::1]:99/", "tcp://[::1]:99"),
        ];
        for (text, shown) in cases {
            assert_eq!(Host::parse(text, None).unwrap().to_string(), shown);
        }
        for text in ["foo://x", "tcp://x:y", "tcp://x:99999", "tcp://[::1]x"] {
            let error = Host::parse(text, None).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "unable to resolve docker endpoint: invalid bind \
                     address format: {text}"
                )
            );
        }
    }
}
