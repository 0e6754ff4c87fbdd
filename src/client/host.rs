//! Where the daemon is, as people write it: `unix:///path`,
//! `tcp://host:port`, `ssh://user@host`.

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
    /// Another machine's own client, started there through ssh(1).
    Ssh(Ssh),
}

/// A machine as ssh(1) reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ssh {
    /// Who logs in there; `None` leaves it to ssh.
    user: Option<String>,
    /// Name or address, without brackets.
    host: String,
    /// Port; `None` leaves it to ssh.
    port: Option<u16>,
    /// The daemon's socket there; empty for the usual place.
    socket: String,
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
        // What a daemon of ours narrows the address to is nothing to us.
        let rest = rest.split("?access=").next().unwrap_or_default();
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
            "ssh" => Ssh::parse(rest).map(Host::Ssh).ok_or_else(bad),
            _ => Err(bad()),
        }
    }

    /// How TLS is used, if it is.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Host::Tcp { tls, .. } => tls.as_ref(),
            _ => None,
        }
    }

    /// What addresses of the daemon begin with.
    pub fn scheme(&self) -> &'static str {
        match self.tls() {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Loads what TLS needs and gives the address to connect to.
    pub(super) fn address(&self) -> Result<Address> {
        let (host, port, tls) = match self {
            Host::Unix(path) => return Ok(Address::Unix(path.clone())),
            Host::Ssh(ssh) => return Ok(Address::Program(ssh.command())),
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

impl Ssh {
    /// Reads `[user@]host[:port][/socket]`.
    fn parse(text: &str) -> Option<Ssh> {
        let (place, socket) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let (user, place) = match place.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, place),
        };
        // A password has no place on a command line.
        let bad_user = |user: &str| user.is_empty() || user.contains(':');
        if user.as_deref().is_some_and(bad_user) {
            return None;
        }
        let (host, port) = split_port(place)?;
        let socket = if socket == "/" { "" } else { socket };
        let (host, socket) = (host.to_owned(), socket.to_owned());
        (!host.is_empty()).then_some(Ssh { user, host, port, socket })
    }

    /// The command that leads there. Either client will do, whichever the
    /// machine has.
    fn command(&self) -> Vec<String> {
        let mut words: Vec<String> =
            ["ssh", "-o", "ConnectTimeout=30", "-T"].map(Into::into).into();
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        let socket = match self.socket.as_str() {
            "" => String::new(),
            // The shell over there takes nothing of it for its own.
            path => {
                let path = path.replace('\'', "'\\''");
                format!(" --host 'unix://{path}'")
            }
        };
        let dial = format!(
            "c=$(command -v docker || command -v skiff || echo docker); \
             exec \"$c\"{socket} system dial-stdio"
        );
        words.extend(["--".to_owned(), self.host.clone(), dial]);
        words
    }
}

impl fmt::Display for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.socket)
    }
}

/// Says which of the files cannot be used, and why.
fn refusal(tls: &Tls, error: &tls::Error) -> String {
    let path = error.path();
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
            Host::Ssh(ssh) => ssh.fmt(f),
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
            ("unix:///tmp/x.sock?access=read", "unix:///tmp/x.sock"),
            ("tcp://host:1?access=control", "tcp://host:1"),
            ("tcp://127.0.0.1:2375", "tcp://127.0.0.1:2375"),
            ("tcp://host", "tcp://host:2375"),
            ("host:99", "tcp://host:99"),
            ("tcp://:99", "tcp://127.0.0.1:99"),
            ("tcp://[::1]:99/", "tcp://[::1]:99"),
            ("ssh://host", "ssh://host"),
            ("ssh://me@host:22/run/x.sock", "ssh://me@host:22/run/x.sock"),
            ("ssh://[::1]:22/", "ssh://[::1]:22"),
        ];
        for (text, shown) in cases {
            assert_eq!(Host::parse(text, None).unwrap().to_string(), shown);
        }
        for text in [
            "foo://x",
            "tcp://x:y",
            "tcp://x:99999",
            "tcp://[::1]x",
            "ssh://",
            "ssh://me:secret@host",
            "ssh://@host",
        ] {
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

    #[test]
    fn the_other_machines_client_is_started_by_ssh() {
        let command = |text| Ssh::parse(text).unwrap().command();
        let dial = "c=$(command -v docker || command -v skiff || echo \
                    docker); exec \"$c\" system dial-stdio";
        let begin = ["ssh", "-o", "ConnectTimeout=30", "-T"];
        let plain: Vec<&str> =
            begin.into_iter().chain(["--", "-host", dial]).collect();
        assert_eq!(command("-host"), plain);
        let full = command("me@host:22/run/it's");
        assert_eq!(full[4..8], ["-l", "me", "-p", "22"]);
        assert!(full[10].ends_with(
            r#"exec "$c" --host 'unix:///run/it'\''s' system dial-stdio"#
        ));
    }
}
