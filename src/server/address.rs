//! What `-H` says: where to listen, and what clients may do there.
//!
//! ```text
//! unix:///run/x.sock    a Unix socket; unix:// alone is the usual one
//! tcp://HOST:PORT       no host: the loopback; no port: 2375
//! fd://  fd://*         all sockets that the starter has passed
//! fd://3  fd://NAME     one of them, by descriptor or by name
//! …?access=read         narrowed to a class of operations
//! ```

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use crate::http::query::Query;

use super::route::Access;

/// What an address has to look like, in the words of Docker's first server.
const USAGE: &str = "usage: serveapi PROTO://ADDR [PROTO://ADDR ...]";

/// Where clients look for the daemon if nobody says else.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The port of an address that names none.
const PORT: u16 = 2375;
/// The host of an address that names none: an open port has to be asked
/// for by address.
const HOST: &str = "127.0.0.1";

/// The first descriptor that a starter can pass (sd_listen_fds(3)).
pub const FIRST_FD: i32 = 3;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket at an absolute path.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port; 0 lets the kernel choose.
        port: u16,
    },
    /// Sockets that were passed to the daemon at its start.
    Inherited(Which),
}

/// Which of the inherited sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// The one with this descriptor.
    Number(i32),
    /// Those with this name.
    Name(String),
}

/// An address, and the class that its clients are narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where to listen.
    pub address: Address,
    /// What clients may do.
    pub access: Access,
}

/// A text that is no address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    text: String,
    reason: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid bind address ({}): {}", self.text, self.reason)
    }
}

impl std::error::Error for Invalid {}

impl Host {
    /// Parses what stands behind `-H`.
    pub fn parse(text: &str) -> Result<Host, Invalid> {
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        let address = match place.split_once("://") {
            Some(("unix", path)) => parse_unix(path),
            Some(("tcp", rest)) => parse_tcp(rest),
            Some(("fd", rest)) => parse_fd(rest),
            Some((proto, _)) => Err(format!("unsupported proto: {proto}")),
            // As dockerd: `-H :2375`, `-H 0.0.0.0:2375`.
            None if place.contains(':') => parse_tcp(place),
            None => Err(USAGE.to_string()),
        };
        address
            .and_then(|address| {
                Ok(Host { address, access: parse_options(options)? })
            })
            .map_err(|reason| Invalid { text: text.to_string(), reason })
    }
}

fn parse_options(text: &str) -> Result<Access, String> {
    let query = Query::parse(text).map_err(|e| e.to_string())?;
    let mut access = None;
    for (name, value) in query.pairs() {
        if name != "access" {
            return Err(format!("unknown option {name:?}"));
        }
        let class = Access::parse(value).ok_or_else(|| {
            format!("access is read, control or full, not {value:?}")
        })?;
        if access.replace(class).is_some() {
            return Err("access is given twice".to_string());
        }
    }
    Ok(access.unwrap_or_default())
}

fn parse_unix(path: &str) -> Result<Address, String> {
    if path.is_empty() {
        return Ok(Address::Unix(DEFAULT_SOCKET.into()));
    }
    if path.contains("://") {
        return Err(format!("invalid proto, expected unix: {path}"));
    }
    // An abstract socket has no mode: every process could connect.
    if path.starts_with('@') {
        return Err("abstract sockets are not supported".to_string());
    }
    if !path.starts_with('/') {
        return Err("the path of a socket must be absolute".to_string());
    }
    if path.ends_with('/') || path.contains('\0') {
        return Err("that is no path of a socket".to_string());
    }
    Ok(Address::Unix(path.into()))
}

fn parse_tcp(text: &str) -> Result<Address, String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains('/') {
        return Err("should not contain a path element".to_string());
    }
    let bad_host = || format!("invalid host in {text:?}");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or_else(bad_host)?;
            host.parse::<Ipv6Addr>().map_err(|_| bad_host())?;
            let port = match after {
                "" => "",
                after => after.strip_prefix(':').ok_or_else(bad_host)?,
            };
            (host, port)
        }
        None => text.split_once(':').unwrap_or((text, "")),
    };
    let port = match port {
        "" => PORT,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| format!("invalid port {digits}"))?
        }
        other => return Err(format!("invalid port {other:?}")),
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    if !host.bytes().all(allowed) {
        return Err(bad_host());
    }
    let host = if host.is_empty() { HOST } else { host };
    Ok(Address::Tcp { host: host.to_string(), port })
}

fn parse_fd(text: &str) -> Result<Address, String> {
    let which = match text {
        "" | "*" => Which::All,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            match digits.parse() {
                Ok(number) if number >= FIRST_FD => Which::Number(number),
                _ => {
                    return Err(format!(
                        "passed descriptors have numbers from {FIRST_FD} on"
                    ));
                }
            }
        }
        name => Which::Name(name.to_string()),
    };
    Ok(Address::Inherited(which))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed() {
        let tcp = |host: &str, port| {
            Some(Address::Tcp { host: host.to_string(), port })
        };
        let unix = |path: &str| Some(Address::Unix(path.into()));
        let fd = |which| Some(Address::Inherited(which));
        for (text, expected) in [
            ("unix:///run/x.sock", unix("/run/x.sock")),
            ("unix://", unix(DEFAULT_SOCKET)),
            ("tcp://127.0.0.1:2376", tcp("127.0.0.1", 2376)),
            ("tcp://", tcp("127.0.0.1", 2375)),
            ("tcp://:80", tcp("127.0.0.1", 80)),
            ("tcp://:80/", tcp("127.0.0.1", 80)),
            ("tcp://host", tcp("host", 2375)),
            ("tcp://[::1]:0", tcp("::1", 0)),
            ("tcp://[::]:2375", tcp("::", 2375)),
            ("tcp://[::1]", tcp("::1", 2375)),
            (":2375", tcp("127.0.0.1", 2375)),
            ("0.0.0.0:1", tcp("0.0.0.0", 1)),
            ("fd://", fd(Which::All)),
            ("fd://*", fd(Which::All)),
            ("fd://4", fd(Which::Number(4))),
            ("fd://api.socket", fd(Which::Name("api.socket".into()))),
        ] {
            let got = Host::parse(text).map(|host| host.address).ok();
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for (text, reason) in [
            ("tcp://[::1]x", "invalid host in \"[::1]x\""),
            ("tcp://[host]:1", "invalid host in \"[host]:1\""),
            ("tcp://h:99999", "invalid port 99999"),
            ("tcp://h:+80", "invalid port \"+80\""),
            ("tcp://::1", "invalid port \":1\""),
            ("tcp://a b:1", "invalid host in \"a b:1\""),
            ("tcp://h:1/x", "should not contain a path element"),
            ("tcp://h:1//", "should not contain a path element"),
            ("unix://relative", "the path of a socket must be absolute"),
            ("unix://@name", "abstract sockets are not supported"),
            ("unix:///run/", "that is no path of a socket"),
            ("unix://tcp://x", "invalid proto, expected unix: tcp://x"),
            ("http://x", "unsupported proto: http"),
            ("/run/x.sock", USAGE),
            ("", USAGE),
            ("fd://2", "passed descriptors have numbers from 3 on"),
            ("fd://99999999999", "passed descriptors have numbers from 3 on"),
            (
                "unix:///x?access=write",
                "access is read, control or full, not \"write\"",
            ),
            ("tcp://:1?access", "access is read, control or full, not \"\""),
            ("fd://?acess=read", "unknown option \"acess\""),
            ("fd://?access=read&mode=1", "unknown option \"mode\""),
            ("fd://?access=read&access=full", "access is given twice"),
            ("unix:///x?%zz", "invalid URL escape \"%zz\""),
        ] {
            let error = Host::parse(text).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("invalid bind address ({text}): {reason}")
            );
        }
    }

    #[test]
    fn an_address_can_be_narrowed() {
        for (text, access) in [
            ("unix:///x", Access::Full),
            ("unix:///x?", Access::Full),
            ("unix:///x?access=read", Access::Read),
            ("tcp://:1?access=control", Access::Control),
            ("fd://3?access=read", Access::Read),
            ("fd://*?access=full", Access::Full),
        ] {
            assert_eq!(Host::parse(text).unwrap().access, access, "{text}");
        }
    }
}
