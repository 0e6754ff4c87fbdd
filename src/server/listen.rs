//! Where the daemon listens: Unix sockets, TCP, and sockets that it
//! inherited. A Unix socket's own life is in `unix_socket`.
//!
//! A listener that the daemon bound itself is shut down at the end, so that
//! later clients are refused. An inherited one belongs to its starter too:
//! it is only not accepted from any more, its file and its backlog stay.

use std::fmt;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::http::Stream;
use crate::sys;
use crate::sys::poll::{self, EventFd, PollFd, PollFlags};
use crate::sys::socket::Listening;

pub use super::address::{Address, Host};
use super::address::{Invalid, Which};
use super::inherited::{self, Inherited};
use super::route::Access;
use super::unix_socket::{self, SocketFile};

/// How many clients can wait to be accepted.
const BACKLOG: i32 = 4096;

/// After how much silence a TCP client is looked for: one that vanished
/// without a word would hold its seat for ever.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// The most connections that a listener serves at once.
pub const WORKERS: usize = 512;

/// Why nothing listens.
#[derive(Debug)]
pub enum Error {
    /// The text is no address.
    Address(Invalid),
    /// Another daemon answers on the socket.
    InUse(PathBuf),
    /// There is something at the path, but no socket.
    NotASocket(PathBuf),
    /// An address before this one is the same; holds it.
    Twice(String),
    /// The group of the socket does not exist.
    Group(String),
    /// The name of the host has no address.
    Resolve(crate::http::Error),
    /// The starter has passed no such socket.
    Inherited(inherited::Error),
    /// A step of the set-up failed; holds the address.
    Bind(String, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Address(e) => write!(f, "{e}"),
            Error::InUse(path) => write!(
                f,
                "another daemon is listening on unix://{}",
                path.display()
            ),
            Error::NotASocket(path) => {
                write!(f, "{} exists and is no socket", path.display())
            }
            Error::Twice(address) => {
                write!(f, "{address} is listened on already")
            }
            Error::Group(group) => write!(f, "group {group} not found"),
            // Nobody was called.
            Error::Resolve(crate::http::Error::Resolve(e)) => {
                write!(f, "listen tcp: {e}")
            }
            Error::Resolve(e) => write!(f, "{e}"),
            Error::Inherited(e) => write!(f, "{e}"),
            Error::Bind(address, e) => {
                write!(f, "listen {address}: {}", crate::http::reason(e))
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Address(e) => Some(e),
            Error::Bind(_, e) => Some(e),
            Error::Resolve(e) => Some(e),
            Error::Inherited(e) => Some(e),
            _ => None,
        }
    }
}

/// A listener that is ready for clients.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: String,
    /// What its clients may do.
    pub access: Access,
    /// The most connections that it serves at once.
    pub workers: usize,
    /// How TCP clients are to encrypt; `None`: not at all.
    tls: Option<Arc<rustls::ServerConfig>>,
    /// For an inherited socket: ends the wait for its clients.
    ending: Option<EventFd>,
}

#[derive(Debug)]
enum Socket {
    /// With its file, if that is ours.
    Unix(UnixListener, Option<SocketFile>),
    Tcp(TcpListener),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(l, _) => l.as_fd(),
            Socket::Tcp(l) => l.as_fd(),
        }
    }
}

/// Binds address after address.
#[derive(Debug, Default)]
pub struct Binder {
    /// How TCP clients are to encrypt; `None`: not at all.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    group: String,
    inherited: Inherited,
    bound: Vec<Listener>,
}

impl Binder {
    /// Makes a binder that gives Unix sockets to `group`, an empty one
    /// leaving them alone, and can hand out the sockets that the daemon was
    /// started with.
    pub fn new(group: &str, inherited: Inherited) -> Binder {
        let group = group.to_string();
        Binder { group, inherited, ..Binder::default() }
    }

    /// Binds all sockets of one address; a name can have several.
    pub fn bind(&mut self, host: &Host) -> Result<(), Error> {
        let sockets = match &host.address {
            Address::Unix(path) => {
                self.refuse_second(path)?;
                let bound = unix_socket::bind(path, &self.group, BACKLOG)?;
                let address = format!("unix://{}", path.display());
                let (listener, file) = bound;
                vec![(Socket::Unix(listener, Some(file)), address, None)]
            }
            Address::Tcp { host, port } => self.bind_tcp(host, *port)?,
            Address::Inherited(which) => self.claim(which)?,
        };
        for (socket, address, ending) in sockets {
            let tls = match &socket {
                Socket::Unix(..) => None,
                Socket::Tcp(listener) => {
                    sys::socket::set_tcp_options(listener, KEEPALIVE)
                        .map_err(|e| Error::Bind(address.clone(), e.into()))?;
                    self.tls.clone()
                }
            };
            let (access, workers) = (host.access, WORKERS);
            self.bound.push(Listener {
                socket,
                address,
                access,
                workers,
                tls,
                ending,
            });
        }
        Ok(())
    }

    /// Gives all that was bound.
    pub fn finish(self) -> Vec<Listener> {
        self.bound
    }

    fn refuse_second(&self, path: &std::path::Path) -> Result<(), Error> {
        let ours = |listener: &Listener| match &listener.socket {
            Socket::Unix(_, Some(file)) => file.is_at(path),
            _ => false,
        };
        match self.bound.iter().any(ours) {
            true => Err(Error::Twice(format!("unix://{}", path.display()))),
            false => Ok(()),
        }
    }

    fn bind_tcp(&self, host: &str, port: u16) -> Result<Vec<Bound>, Error> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![self.bind_one(ip, port)?]);
        }
        let ips = crate::http::connect::resolve(host);
        let (mut bound, mut missing) = (Vec::new(), None);
        for ip in ips.map_err(Error::Resolve)? {
            match self.bind_one(ip, port) {
                Ok(one) => bound.push(one),
                // `localhost` is ::1 too, where the kernel has no IPv6.
                Err(error) if error.is_missing_address() => {
                    log::debug!("{host}: {error}");
                    missing = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match missing {
            Some(error) if bound.is_empty() => Err(error),
            _ => Ok(bound),
        }
    }

    fn bind_one(&self, ip: IpAddr, port: u16) -> Result<Bound, Error> {
        let wanted = SocketAddr::new(ip, port);
        let failed = |e| Error::Bind(format!("tcp://{wanted}"), e);
        let is_ours = |l: &Listener| l.tcp_address() == Some(wanted);
        if port != 0 && self.bound.iter().any(is_ours) {
            return Err(Error::Twice(format!("tcp://{wanted}")));
        }
        let listener = TcpListener::bind(wanted).map_err(failed)?;
        // std asks for 128 places.
        sys::socket::set_backlog(&listener, BACKLOG)
            .map_err(|e| failed(e.into()))?;
        let address = listener.local_addr().map_err(failed)?;
        Ok((Socket::Tcp(listener), format!("tcp://{address}"), None))
    }

    fn claim(&mut self, which: &Which) -> Result<Vec<Bound>, Error> {
        let claimed = self.inherited.claim(which).map_err(Error::Inherited)?;
        let inherit = |(fd, socket)| {
            let failed = |e: io::Error| Error::Bind(format!("fd://{fd}"), e);
            let (socket, address) = match socket {
                Listening::Unix(listener) => {
                    let address = listener.local_addr().map_err(failed)?;
                    let address = unix_socket::shown(&address);
                    (Socket::Unix(listener, None), address)
                }
                Listening::Tcp(listener) => {
                    let address = listener.local_addr().map_err(failed)?;
                    (Socket::Tcp(listener), format!("tcp://{address}"))
                }
            };
            let ending = EventFd::open().map_err(|e| failed(e.into()))?;
            socket.set_nonblocking().map_err(failed)?;
            Ok((socket, address, Some(ending)))
        };
        claimed.into_iter().map(inherit).collect()
    }
}

/// A socket with its address, and what ends the wait at it.
type Bound = (Socket, String, Option<EventFd>);

impl Error {
    /// Whether the host has no such address, or none of that kind.
    fn is_missing_address(&self) -> bool {
        let Error::Bind(_, e) = self else { return false };
        e.kind() == io::ErrorKind::AddrNotAvailable
            || e.raw_os_error() == Some(sys::errno::EAFNOSUPPORT)
    }
}

impl Socket {
    /// Sets it so that a client who is gone again is not waited for. With a
    /// starter's socket that is nothing new to the others who have it.
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Socket::Unix(l, _) => l.set_nonblocking(true),
            Socket::Tcp(l) => l.set_nonblocking(true),
        }
    }
}

impl Listener {
    /// Returns where it listens, with the real port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Returns the address of a TCP listener, with the real port.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Unix(..) => None,
            Socket::Tcp(l) => l.local_addr().ok(),
        }
    }

    /// Returns whether its clients have to encrypt.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Waits for a client.
    pub fn accept(&self) -> io::Result<Stream> {
        if let Some(ending) = &self.ending {
            await_client(self.socket.as_fd(), ending)?;
        }
        match &self.socket {
            Socket::Unix(l, _) => l.accept().map(|(s, _)| Stream::Unix(s)),
            Socket::Tcp(l) => l.accept().and_then(|(s, _)| self.encrypt(s)),
        }
    }

    /// Puts a TCP client's session on its socket. The handshake is its
    /// worker's: a slow client delays nobody else.
    fn encrypt(&self, socket: TcpStream) -> io::Result<Stream> {
        let Some(config) = &self.tls else { return Ok(Stream::Tcp(socket)) };
        let session = rustls::ServerConnection::new(Arc::clone(config))
            .map_err(io::Error::other)?;
        Ok(Stream::tls(session, socket))
    }

    /// Ends all waiting in [`Listener::accept`], for good.
    pub(super) fn shutdown(&self) {
        if let Some(ending) = &self.ending {
            return ending.notify();
        }
        if let Err(e) = sys::socket::shutdown(&self.socket, Shutdown::Both) {
            log::debug!("{}: {e}", self.address);
        }
        self.remove_file();
    }

    fn remove_file(&self) {
        if let Socket::Unix(_, Some(file)) = &self.socket {
            file.remove();
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.remove_file();
    }
}

/// Waits until a client has come, or the listener ends. One that somebody
/// else has shut down is of no use any more: a non-blocking accept on a Unix
/// socket would only say EAGAIN, for ever.
fn await_client(socket: BorrowedFd<'_>, ending: &EventFd) -> io::Result<()> {
    let mut fds = [
        PollFd::new(&socket, PollFlags::IN),
        PollFd::new(ending, PollFlags::IN),
    ];
    poll::poll(&mut fds, None)?;
    if !fds[1].revents().is_empty() {
        return Err(io::ErrorKind::Interrupted.into());
    }
    match fds[0].revents().intersects(PollFlags::HUP | PollFlags::NVAL) {
        true => Err(io::Error::from_raw_os_error(sys::errno::EINVAL)),
        false => Ok(()),
    }
}

/// Binds all sockets of one address of which nothing else is known.
#[cfg(test)]
pub fn bind(host: &Host, group: &str) -> Result<Vec<Listener>, Error> {
    let mut binder = Binder::new(group, Inherited::default());
    binder.bind(host)?;
    Ok(binder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tcp_is_bound_by_address_and_by_name() {
        for text in ["tcp://127.0.0.1:0", "tcp://localhost:0", "tcp://:0"] {
            let host = Host::parse(text).unwrap();
            let listeners = bind(&host, "").unwrap();
            assert!(!listeners.is_empty(), "{text}");
            for listener in listeners {
                let at = listener.tcp_address().unwrap();
                assert!(at.port() != 0 && at.ip().is_loopback(), "{at}");
                assert_eq!(listener.address(), format!("tcp://{at}"));
            }
        }
    }

    #[test]
    fn clients_are_accepted_in_the_order_in_which_they_came() {
        use std::io::{Read, Write};
        let path = std::env::temp_dir()
            .join(format!("skiff-order-{}", std::process::id()));
        let unix = format!("unix://{}", path.display());
        let mut binder = Binder::default();
        binder.bind(&Host::parse(&unix).unwrap()).unwrap();
        binder.bind(&Host::parse("tcp://127.0.0.1:0").unwrap()).unwrap();
        let listeners = binder.finish();
        let port = listeners[1].tcp_address().unwrap();
        let mut clients = Vec::new();
        for number in 0..200u8 {
            let unix = sys::socket::connect_unix(&path).unwrap();
            let tcp = TcpStream::connect(port).unwrap();
            for mut client in [Stream::Unix(unix), Stream::Tcp(tcp)] {
                client.write_all(&[number]).unwrap();
                clients.push(client);
            }
        }
        for listener in &listeners {
            for number in 0..200 {
                let mut said = [0];
                listener.accept().unwrap().read_exact(&mut said).unwrap();
                assert_eq!(said, [number], "{}", listener.address());
            }
        }
    }

    #[test]
    fn an_address_is_bound_once() {
        let path = std::env::temp_dir()
            .join(format!("skiff-twice-{}", std::process::id()));
        let unix = format!("unix://{}", path.display());
        let mut binder = Binder::default();
        binder.bind(&Host::parse("tcp://127.0.0.1:0").unwrap()).unwrap();
        let tcp = binder.bound[0].address().to_string();
        binder.bind(&Host::parse(&unix).unwrap()).unwrap();
        // Another way to write the same path.
        let path = path.file_name().unwrap().to_str().unwrap();
        let other =
            format!("unix://{}/./{path}", std::env::temp_dir().display());
        for text in [&tcp, &unix, &other] {
            let error = binder.bind(&Host::parse(text).unwrap()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text} is listened on already")
            );
        }
        assert_eq!(binder.finish().len(), 2);
    }

    #[test]
    fn what_is_set_on_a_listener_holds_for_its_clients() {
        let host = Host::parse("tcp://127.0.0.1:0").unwrap();
        let listener = bind(&host, "").unwrap().remove(0);
        let address = listener.tcp_address().unwrap();
        let _client = TcpStream::connect(address).unwrap();
        let accepted = listener.accept().unwrap();
        let socket = accepted.tcp().unwrap();
        assert!(socket.nodelay().unwrap());
        let keepalive = sys::socket::keepalive(socket).unwrap();
        assert_eq!(keepalive, Some(KEEPALIVE));
    }
}
