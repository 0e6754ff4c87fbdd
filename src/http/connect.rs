//! Making a client's connection: Unix socket, TCP with our own resolver,
//! TLS on top, or a program that leads there.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use super::{Error, Phase, Result, Stream};
use crate::{dns, sys};

/// Where a server is.
#[derive(Clone, Debug)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port; the host is a name or an address without brackets.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// A TCP port with TLS.
    Tls {
        /// Name or address; the certificate must be for it.
        host: String,
        /// Port.
        port: u16,
        /// Roots, own certificate, and what is checked.
        config: Arc<rustls::ClientConfig>,
    },
    /// A program (`ssh`) with its arguments: what it reads and writes goes
    /// to the server and comes from it.
    Program(Vec<String>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Program(words) => f.write_str(&words.join(" ")),
            Address::Tcp { host, port } | Address::Tls { host, port, .. } => {
                match host.contains(':') {
                    true => write!(f, "tcp://[{host}]:{port}"),
                    false => write!(f, "tcp://{host}:{port}"),
                }
            }
        }
    }
}

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Resolving, connecting and the TLS handshake, together.
    pub connect: Duration,
    /// Each read; `None` waits for ever.
    pub read: Option<Duration>,
    /// Each write; `None` waits for ever.
    pub write: Option<Duration>,
}

impl Default for Timeouts {
    /// Half a minute to connect, no bound on reads and writes: a daemon may
    /// have nothing to say for days.
    fn default() -> Timeouts {
        let connect = Duration::from_secs(30);
        Timeouts { connect, read: None, write: None }
    }
}

/// Opens a stream to a server and sets its time-outs.
pub fn open(address: &Address, timeouts: &Timeouts) -> Result<Stream> {
    let deadline = Instant::now() + timeouts.connect;
    let stream = match address {
        Address::Unix(path) => {
            let stream = sys::socket::connect_unix(path).map_err(|e| {
                let source = io::Error::from_raw_os_error(e.errno());
                let address = path.display().to_string();
                Error::Connect { network: "unix", address, source }
            })?;
            Stream::Unix(stream)
        }
        Address::Tcp { host, port } => {
            Stream::Tcp(open_tcp(host, *port, deadline)?)
        }
        Address::Tls { host, port, config } => {
            let socket = open_tcp(host, *port, deadline)?;
            open_tls(host, socket, config, deadline)?
        }
        Address::Program(words) => open_program(words)?,
    };
    let settled = stream
        .set_read_timeout(timeouts.read)
        .and_then(|()| stream.set_write_timeout(timeouts.write));
    settled.map_err(|e| Error::Io(Phase::Connect, e))?;
    Ok(stream)
}

/// Tries the host's addresses one after the other; each gets an equal share
/// of the time that is left, so that one dead address cannot use it all.
fn open_tcp(host: &str, port: u16, deadline: Instant) -> Result<TcpStream> {
    let addresses = dns::resolve(host, deadline).map_err(Error::Resolve)?;
    let mut failure = Error::TimedOut(Phase::Connect);
    for (tried, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        if share.is_zero() {
            break;
        }
        let address = SocketAddr::new(*address, port);
        match TcpStream::connect_timeout(&address, share) {
            Ok(stream) => {
                let set = stream.set_nodelay(true);
                set.map_err(|e| Error::Io(Phase::Connect, e))?;
                return Ok(stream);
            }
            Err(e) if e.kind() == io::ErrorKind::TimedOut => {}
            Err(source) => {
                let address = address.to_string();
                failure = Error::Connect { network: "tcp", address, source };
            }
        }
    }
    Err(failure)
}

fn open_tls(
    host: &str,
    socket: TcpStream,
    config: &Arc<rustls::ClientConfig>,
    deadline: Instant,
) -> Result<Stream> {
    let failed = |source| Error::Tls { host: host.to_string(), source };
    let name = ServerName::try_from(host.to_string())
        .map_err(|e| failed(io::Error::other(e)))?;
    let session = rustls::ClientConnection::new(config.clone(), name)
        .map_err(|e| failed(io::Error::other(e)))?;
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(Error::TimedOut(Phase::Handshake));
    }
    let stream = Stream::tls(session, socket);
    let settled = stream
        .set_read_timeout(Some(left))
        .and_then(|()| stream.set_write_timeout(Some(left)));
    settled.map_err(|e| Error::Io(Phase::Handshake, e))?;
    match stream.handshake(deadline) {
        Ok(()) => Ok(stream),
        Err(e) => match Error::from_io(Phase::Handshake, e) {
            Error::Io(_, source) => Err(failed(source)),
            other => Err(other),
        },
    }
}

/// Starts a program whose standard input and output are the stream. It is
/// to end when the stream is closed; what it complains of is shown.
fn open_program(words: &[String]) -> Result<Stream> {
    let failed = |source| {
        let address = words.join(" ");
        Error::Connect { network: "program", address, source }
    };
    let (near, far) = UnixStream::pair().map_err(failed)?;
    let input = far.try_clone().map_err(failed)?;
    let name = words.first().map_or("", String::as_str);
    let mut child = Command::new(name)
        .args(words.iter().skip(1))
        .stdin(OwnedFd::from(input))
        .stdout(OwnedFd::from(far))
        .spawn()
        .map_err(failed)?;
    std::thread::spawn(move || child.wait());
    Ok(Stream::Unix(near))
}

/// Resolves a host's name within half a minute.
pub fn resolve(host: &str) -> Result<Vec<IpAddr>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    dns::resolve(host, deadline).map_err(Error::Resolve)
}
