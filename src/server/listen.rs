//! Where the daemon listens: Unix sockets with Docker's life-cycle, and TCP.
//!
//! A Unix socket is bound with mode 0, given to its group, and only then
//! opened to owner and group, so nobody can connect in between. One that a
//! dead daemon left is replaced; one on which somebody answers never is. Its
//! file goes with the listener, if it is still the same file.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::http::Stream;
use crate::{sys, users};

use super::route::Access;

/// How many clients can wait to be accepted.
const BACKLOG: i32 = 4096;

/// The most connections that a listener serves at once.
pub const WORKERS: usize = 512;

/// The port of an address that names none.
const PORT: u16 = 2375;
/// The host of an address that names none.
const HOST: &str = "127.0.0.1";

/// The group that the socket belongs to if none is named.
pub const DEFAULT_GROUP: &str = "docker";

/// An address to listen on, as `-H` names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `unix://PATH`
    Unix(PathBuf),
    /// `tcp://HOST:PORT`; no host means the loopback.
    Tcp {
        /// Name, address, or nothing.
        host: String,
        /// Port; 0 lets the kernel choose.
        port: u16,
    },
}

/// Why nothing listens.
#[derive(Debug)]
pub enum Error {
    /// The text is no address.
    Address(String),
    /// Another daemon answers on the socket.
    InUse(PathBuf),
    /// There is something at the path, but no socket.
    NotASocket(PathBuf),
    /// The group of the socket does not exist.
    Group(String),
    /// The name of the host has no address.
    Resolve(crate::http::Error),
    /// A step of the set-up failed; holds the address.
    Bind(String, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Address(text) => {
                write!(f, "invalid bind address: {text:?}")
            }
            Error::InUse(path) => write!(
                f,
                "another daemon is listening on unix://{}",
                path.display()
            ),
            Error::NotASocket(path) => {
                write!(f, "{} exists and is no socket", path.display())
            }
            Error::Group(group) => write!(f, "group {group} not found"),
            Error::Resolve(e) => write!(f, "{e}"),
            Error::Bind(address, e) => {
                write!(f, "listen {address}: {}", crate::http::reason(e))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Bind(_, e) => Some(e),
            Error::Resolve(e) => Some(e),
            _ => None,
        }
    }
}

/// What `-H` says: an address, and the class that it is narrowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Where to listen.
    pub address: Address,
    /// What clients may do.
    pub access: Access,
}

impl Host {
    /// Parses `unix:///run/x.sock` or `tcp://host:port`.
    pub fn parse(text: &str) -> Result<Host, Error> {
        let bad = || Error::Address(text.to_string());
        let (kind, rest) = text.split_once("://").ok_or_else(bad)?;
        let address = match kind {
            "unix" if rest.starts_with('/') => Address::Unix(rest.into()),
            "tcp" => parse_tcp(rest).ok_or_else(bad)?,
            _ => return Err(bad()),
        };
        Ok(Host { address, access: Access::Full })
    }
}

fn parse_tcp(text: &str) -> Option<Address> {
    let text = text.trim_end_matches('/');
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, after.strip_prefix(':').or(after.is_empty().then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, Some("")),
        },
    };
    let port = match port? {
        "" => PORT,
        digits => digits.parse().ok()?,
    };
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
    // As for dockerd, an open port has to be asked for by address.
    let host = match host {
        "" => HOST.to_string(),
        host => host.to_string(),
    };
    host.bytes().all(allowed).then_some(Address::Tcp { host, port })
}

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: String,
    /// What its clients may do.
    pub access: Access,
    /// The most connections that it serves at once.
    pub workers: usize,
}

#[derive(Debug)]
enum Socket {
    Unix(UnixListener, SocketFile),
    Tcp(TcpListener),
}

/// Binds all sockets of one address; a name can have several addresses.
/// `group` is the one that Unix sockets are given to; empty leaves it alone.
pub fn bind(host: &Host, group: &str) -> Result<Vec<Listener>, Error> {
    let sockets = match &host.address {
        Address::Unix(path) => vec![bind_unix(path, group)?],
        Address::Tcp { host, port } => bind_tcp(host, *port)?,
    };
    let listeners = sockets.into_iter().map(|(socket, address)| Listener {
        socket,
        address,
        access: host.access,
        workers: WORKERS,
    });
    Ok(listeners.collect())
}

fn bind_unix(path: &Path, group: &str) -> Result<(Socket, String), Error> {
    let address = format!("unix://{}", path.display());
    let failed = |e: io::Error| Error::Bind(address.clone(), e);
    let gid = group_id(group, "/etc/group")?;
    remove_stale(path)?;
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    let listener = sys::socket::listen_unix_closed(path, BACKLOG)
        .map_err(|e| failed(io::Error::from_raw_os_error(e.errno())))?;
    let file = SocketFile::of(path).map_err(failed)?;
    chown(path, None, gid).map_err(failed)?;
    let open = fs::Permissions::from_mode(0o660);
    fs::set_permissions(path, open).map_err(failed)?;
    Ok((Socket::Unix(listener, file), address))
}

/// Finds the group of the socket. A host without the default one keeps the
/// daemon's own group; any other missing group is an error.
fn group_id(group: &str, file: &str) -> Result<Option<u32>, Error> {
    if group.is_empty() {
        return Ok(None);
    }
    let text = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    match users::resolve(&format!("0:{group}"), "", &text) {
        Ok(found) => Ok(Some(found.gid)),
        Err(_) if group == DEFAULT_GROUP => {
            log::debug!("there is no group {group}; the socket is root's");
            Ok(None)
        }
        Err(_) => Err(Error::Group(group.to_string())),
    }
}

/// Takes away the socket of a daemon that is dead.
fn remove_stale(path: &Path) -> Result<(), Error> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Error::NotASocket(path.to_path_buf()));
    }
    match sys::socket::connect_unix(path) {
        // A full backlog and a refused permission belong to the living too.
        Err(e) if e.reason() == "connection refused" => {
            let removed = fs::remove_file(path);
            removed.map_err(|e| {
                Error::Bind(format!("unix://{}", path.display()), e)
            })
        }
        Err(e) if e.reason() == "no such file or directory" => Ok(()),
        _ => Err(Error::InUse(path.to_path_buf())),
    }
}

fn bind_tcp(host: &str, port: u16) -> Result<Vec<(Socket, String)>, Error> {
    let all = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    if host.is_empty() {
        // The IPv6 one takes IPv4 clients too; a kernel without IPv6 has
        // the other.
        let first = bind_one(all[0], port).or_else(|_| bind_one(all[1], port));
        return first.map(|bound| vec![bound]);
    }
    let ips: Vec<IpAddr> = match host.parse() {
        Ok(ip) => vec![ip],
        Err(_) => {
            crate::http::connect::resolve(host).map_err(Error::Resolve)?
        }
    };
    ips.into_iter().map(|ip| bind_one(ip, port)).collect()
}

fn bind_one(ip: IpAddr, port: u16) -> Result<(Socket, String), Error> {
    let wanted = SocketAddr::new(ip, port);
    let failed = |e| Error::Bind(format!("tcp://{wanted}"), e);
    let listener = TcpListener::bind(wanted).map_err(failed)?;
    // std asks for 128 places.
    sys::socket::set_backlog(&listener, BACKLOG)
        .map_err(|e| failed(e.into()))?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((Socket::Tcp(listener), format!("tcp://{address}")))
}

impl Listener {
    /// Returns where it listens, with the real port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for a client.
    pub fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Unix(l, _) => l.accept().map(|(s, _)| Stream::Unix(s)),
            Socket::Tcp(l) => l.accept().map(|(s, _)| Stream::Tcp(s)),
        }
    }

    /// Ends all waiting in [`Listener::accept`], for good.
    pub(super) fn shutdown(&self) {
        let done = match &self.socket {
            Socket::Unix(l, _) => sys::socket::shutdown(l, Shutdown::Both),
            Socket::Tcp(l) => sys::socket::shutdown(l, Shutdown::Both),
        };
        if let Err(e) = done {
            log::debug!("{}: {e}", self.address);
        }
        if let Socket::Unix(_, file) = &self.socket {
            file.remove();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Unix(_, file) = &self.socket {
            file.remove();
        }
    }
}

/// The file of a Unix socket, known by its inode.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        let found = fs::symlink_metadata(path)?;
        let (device, inode) = (found.dev(), found.ino());
        Ok(SocketFile { path: path.to_path_buf(), device, inode })
    }

    /// Removes the file, unless it is another one by now.
    fn remove(&self) {
        let Ok(found) = SocketFile::of(&self.path) else { return };
        if (found.device, found.inode) == (self.device, self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket_path(tag: &str) -> PathBuf {
        std::env::temp_dir()
            .join(format!("skiff-listen-{}-{tag}", std::process::id()))
    }

    fn unix(path: &Path) -> Host {
        Host::parse(&format!("unix://{}", path.display())).unwrap()
    }

    #[test]
    fn addresses_are_parsed() {
        let tcp = |host: &str, port| {
            Some(Address::Tcp { host: host.to_string(), port })
        };
        for (text, expected) in [
            ("unix:///run/x.sock", Some(Address::Unix("/run/x.sock".into()))),
            ("tcp://127.0.0.1:2376", tcp("127.0.0.1", 2376)),
            ("tcp://:80", tcp("127.0.0.1", 80)),
            ("tcp://host", tcp("host", 2375)),
            ("tcp://[::1]:0", tcp("::1", 0)),
            ("tcp://[::1]", tcp("::1", 2375)),
            ("tcp://[::1]x", None),
            ("tcp://[host]:1", None),
            ("tcp://h:99999", None),
            ("tcp://a b:1", None),
            ("unix://relative", None),
            ("unix://", None),
            ("http://x", None),
            ("/run/x.sock", None),
            ("", None),
        ] {
            let got = Host::parse(text).ok().map(|host| host.address);
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_never() {
        let path = socket_path("stale");
        drop(UnixListener::bind(&path).unwrap());
        let live = bind(&unix(&path), "").unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = bind(&unix(&path), "").unwrap_err();
        assert!(matches!(error, Error::InUse(_)), "{error}");
        let _client = sys::socket::connect_unix(&path).unwrap();
        drop(live);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let path = socket_path("file");
        fs::write(&path, "precious").unwrap();
        let error = bind(&unix(&path), "").unwrap_err();
        assert!(matches!(error, Error::NotASocket(_)), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_listener_does_not_remove_the_socket_of_another() {
        let path = socket_path("other");
        let first = bind(&unix(&path), "").unwrap();
        fs::remove_file(&path).unwrap();
        let second = bind(&unix(&path), "").unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn only_the_default_group_may_be_missing() {
        let file = socket_path("group");
        fs::write(&file, "root:x:0:\nstaff:x:50:\n").unwrap();
        let find = |group| group_id(group, file.to_str().unwrap());
        assert_eq!(find("staff").unwrap(), Some(50));
        assert_eq!(find("").unwrap(), None);
        assert_eq!(find("docker").unwrap(), None);
        assert!(matches!(find("nosuch"), Err(Error::Group(_))));
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn tcp_is_bound_by_address_and_by_name() {
        for text in ["tcp://127.0.0.1:0", "tcp://localhost:0", "tcp://:0"] {
            let host = Host::parse(text).unwrap();
            let listeners = match bind(&host, "") {
                Ok(listeners) => listeners,
                // A kernel without IPv6 has no ::1 for localhost.
                Err(e) if text.contains("localhost") => {
                    println!("skipped: {e}");
                    continue;
                }
                Err(e) => panic!("{text}: {e}"),
            };
            let address = listeners[0].address();
            assert!(!address.ends_with(":0"), "{address}");
        }
    }
}
