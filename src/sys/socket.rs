//! Sockets beyond std: passing descriptors, peer credentials, backlog, and
//! Unix paths of any length.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use super::{Error, Result};

/// The most descriptors that one message carries here (the kernel's own
/// limit is 253, `SCM_MAX_FD`).
pub const MAX_FDS: usize = 64;

/// Who is at the other end of a Unix socket (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id, in the caller's pid namespace; 0 if outside of it.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Returns the credentials of the peer of a connected Unix socket.
pub fn peer(socket: impl AsFd) -> Result<Peer> {
    let fd = socket.as_fd();
    let mut cred = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `cred` and `len` are valid for writing, and `len` is the size
    // of `cred`.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut cred).cast(),
            &mut len,
        )
    };
    if rc < 0 {
        return Err(Error::last("getsockopt(…, SO_PEERCRED)"));
    }
    Ok(Peer { pid: cred.pid, uid: cred.uid, gid: cred.gid })
}

/// Sends bytes with descriptors attached to the first of them; returns how
/// many bytes went out. At most [`MAX_FDS`] descriptors; with any, `bytes`
/// must not be empty. Never raises SIGPIPE.
pub fn send_with_fds(
    socket: impl AsFd,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<usize> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(Error::new("sendmsg(…, SCM_RIGHTS)", libc::E2BIG));
    }
    loop {
        let sent = rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        );
        match sent {
            Err(Errno::INTR) => continue,
            Err(e) => return Err(Error::from_rustix("sendmsg(…)", e)),
            Ok(sent) => return Ok(sent),
        }
    }
}

/// Receives bytes and the descriptors that came with them (close-on-exec);
/// 0 bytes mean the end of the stream.
pub fn recv_with_fds(
    socket: impl AsFd,
    bytes: &mut [u8],
) -> Result<(usize, Vec<OwnedFd>)> {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let got = rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        );
        match got {
            Err(Errno::INTR) => continue,
            Err(e) => return Err(Error::from_rustix("recvmsg(…)", e)),
            Ok(got) => break got,
        }
    };
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    Ok((received.bytes, fds))
}

/// Opens two connected Unix sockets that keep the bounds of messages
/// (`SOCK_SEQPACKET`), close-on-exec.
pub fn packet_pair() -> Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|e| Error::from_rustix("socketpair(SOCK_SEQPACKET)", e))
}

/// Returns whether the peer has closed its end and left nothing to be read.
/// Takes nothing and waits for nothing.
pub fn is_at_end(socket: impl AsFd) -> bool {
    use rustix::net::RecvFlags;
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    loop {
        match rustix::net::recv(&socket, &mut [0; 1], flags) {
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return false,
            // An error is an end too.
            Err(_) | Ok((_, 0)) => return true,
            Ok(_) => return false,
        }
    }
}

/// Calls `listen(2)` again on a listening socket, for a longer backlog.
pub fn set_backlog(socket: impl AsFd, backlog: i32) -> Result<()> {
    rustix::net::listen(socket, backlog)
        .map_err(|e| Error::from_rustix(format!("listen(…, {backlog})"), e))
}

/// Ends one or both directions of a socket (`shutdown(2)`); whoever waits
/// on it in another thread wakes up. A listening socket's `accept` fails.
pub fn shutdown(socket: impl AsFd, how: std::net::Shutdown) -> Result<()> {
    let how = match how {
        std::net::Shutdown::Read => rustix::net::Shutdown::Read,
        std::net::Shutdown::Write => rustix::net::Shutdown::Write,
        std::net::Shutdown::Both => rustix::net::Shutdown::Both,
    };
    rustix::net::shutdown(socket, how)
        .map_err(|e| Error::from_rustix("shutdown(…)", e))
}

/// Makes the kernel send at once what is written to a TCP socket, and look
/// for dead peers when it is idle (`TCP_NODELAY`, `SO_KEEPALIVE`, tcp(7)):
/// first after `idle`, then three times more. Set on a listening socket it
/// holds for all that are accepted from it.
pub fn set_tcp_options(socket: impl AsFd, idle: Duration) -> Result<()> {
    use rustix::net::sockopt;
    let failed = |e| Error::from_rustix("setsockopt(…, SOL_TCP)", e);
    sockopt::set_tcp_nodelay(&socket, true).map_err(failed)?;
    sockopt::set_socket_keepalive(&socket, true).map_err(failed)?;
    sockopt::set_tcp_keepidle(&socket, idle).map_err(failed)?;
    sockopt::set_tcp_keepintvl(&socket, idle).map_err(failed)?;
    sockopt::set_tcp_keepcnt(&socket, 3).map_err(failed)
}

/// Returns after how much silence the kernel looks for a dead peer; none:
/// never.
#[cfg(test)]
pub fn keepalive(socket: impl AsFd) -> Result<Option<Duration>> {
    use rustix::net::sockopt;
    let failed = |e| Error::from_rustix("getsockopt(…, SOL_TCP)", e);
    let is_on = sockopt::socket_keepalive(&socket).map_err(failed)?;
    let idle = sockopt::tcp_keepidle(&socket).map_err(failed)?;
    Ok(is_on.then_some(idle))
}

/// Binds and listens on a Unix socket at `path`, however long the path is:
/// the limit of 107 bytes is passed by through `/proc/self/fd`.
pub fn listen_unix(path: &Path) -> Result<UnixListener> {
    through_parent(path, "bind", |short| UnixListener::bind(short))
}

/// Binds and listens on a Unix socket at `path` that nobody can connect to
/// yet: its mode is 0, until somebody sets another one. Unlike a umask this
/// touches no other thread. `backlog` clients can wait.
pub fn listen_unix_closed(path: &Path, backlog: i32) -> Result<UnixListener> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let failed = |call, e| Error::from_rustix(call, e);
    through_parent(path, "bind", |short| {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // The file gets the mode of the socket (unix(7), bind(2)).
        rustix::fs::fchmod(&socket, Mode::empty())?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(short)?)?;
        Ok(UnixListener::from(socket))
    })
    .and_then(|listener| {
        rustix::net::listen(&listener, backlog)
            .map_err(|e| failed("listen(…)", e))?;
        Ok(listener)
    })
}

/// A socket that listens, by the family of its address.
#[derive(Debug)]
pub enum Listening {
    /// AF_UNIX.
    Unix(UnixListener),
    /// AF_INET or AF_INET6.
    Tcp(TcpListener),
}

/// What keeps a descriptor from being a [`Listening`] socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It is something else than a socket.
    NotASocket,
    /// It carries messages, not a stream.
    NotAStream,
    /// Nobody has called listen(2) on it.
    NotListening,
    /// Its address is of another family.
    Family,
}

/// Finds out what kind of listening socket a descriptor is.
pub fn listening(fd: OwnedFd) -> std::result::Result<Listening, Unfit> {
    use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
    let kind = sockopt::socket_type(&fd).map_err(|_| Unfit::NotASocket)?;
    if kind != SocketType::STREAM {
        return Err(Unfit::NotAStream);
    }
    if !matches!(sockopt::socket_acceptconn(&fd), Ok(true)) {
        return Err(Unfit::NotListening);
    }
    let address = getsockname(&fd).map_err(|_| Unfit::Family)?;
    match address.address_family() {
        AddressFamily::UNIX => Ok(Listening::Unix(fd.into())),
        AddressFamily::INET | AddressFamily::INET6 => {
            Ok(Listening::Tcp(fd.into()))
        }
        _ => Err(Unfit::Family),
    }
}

/// Tells whether somebody listens on the Unix socket at `path`, without
/// waiting for anything: a full backlog (EAGAIN) belongs to the living.
pub fn is_answered_unix(path: &Path) -> Result<bool> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
    let tried = through_parent(path, "connect", |short| {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        Ok(rustix::net::connect(&socket, &SocketAddrUnix::new(short)?)?)
    });
    match tried {
        Err(e) if e.errno() == libc::ECONNREFUSED => Ok(false),
        Err(e) if e.errno() == libc::ENOENT => Err(e),
        _ => Ok(true),
    }
}

/// How a service is reached that [`connect_now`] connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peering {
    /// TCP, to an address with a port.
    Tcp,
    /// UDP, to an address with a port.
    Udp,
    /// A Unix stream, to a path.
    Unix,
    /// Unix datagrams, to a path.
    UnixDatagram,
}

impl Peering {
    /// Tells whether the bounds of messages are lost.
    pub fn is_stream(self) -> bool {
        matches!(self, Peering::Tcp | Peering::Unix)
    }
}

/// Begins a connection and returns at once: one over TCP may still be on
/// its way, and then takes no bytes.
pub fn connect_now(peering: Peering, address: &str) -> Result<OwnedFd> {
    use rustix::net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect,
        socket_with,
    };
    let failed =
        |e: Errno| Error::from_rustix(format!("connect({address})"), e);
    let kind = match peering.is_stream() {
        true => SocketType::STREAM,
        false => SocketType::DGRAM,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = |family| socket_with(family, kind, flags, None).map_err(failed);
    let (socket, begun) = match peering {
        Peering::Unix | Peering::UnixDatagram => {
            let socket = open(AddressFamily::UNIX)?;
            let to = SocketAddrUnix::new(address).map_err(failed)?;
            let begun = connect(&socket, &to);
            (socket, begun)
        }
        Peering::Tcp | Peering::Udp => {
            let to: std::net::SocketAddr =
                address.parse().map_err(|_| failed(Errno::INVAL))?;
            let socket = open(match to.is_ipv4() {
                true => AddressFamily::INET,
                false => AddressFamily::INET6,
            })?;
            let begun = connect(&socket, &to);
            (socket, begun)
        }
    };
    match begun {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(e) => Err(failed(e)),
    }
}

/// Connects to the Unix socket at `path`, however long the path is.
pub fn connect_unix(path: &Path) -> Result<UnixStream> {
    through_parent(path, "connect", |short| UnixStream::connect(short))
}

fn through_parent<T>(
    path: &Path,
    call: &str,
    act: impl FnOnce(&Path) -> std::io::Result<T>,
) -> Result<T> {
    let failed = |e: &std::io::Error| {
        Error::from_io(format!("{call}(\"{}\")", path.display()), e)
    };
    if path.as_os_str().len() < 100 {
        return act(path).map_err(|e| failed(&e));
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Error::new(
            format!("{call}(\"{}\")", path.display()),
            libc::EINVAL,
        ));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(parent, flags, Mode::empty()).map_err(|e| {
        Error::from_rustix(format!("open(\"{}\")", parent.display()), e)
    })?;
    let short =
        Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(name);
    act(&short).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn descriptors_travel_with_bytes() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        send_with_fds(&a, b"x", &[far.as_fd()]).unwrap();
        drop(far);
        let mut byte = [0; 8];
        let (n, mut fds) = recv_with_fds(&b, &mut byte).unwrap();
        assert_eq!((n, fds.len()), (1, 1));
        let mut far = UnixStream::from(fds.pop().unwrap());
        far.write_all(b"hello").unwrap();
        drop(far);
        let mut text = String::new();
        near.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn a_closed_socket_has_mode_0_and_listens() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir()
            .join(format!("skiff-closed-{}", std::process::id()));
        let listener = listen_unix_closed(&path, 16).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0);
        let _client = connect_unix(&path);
        drop(listener);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_path_of_two_hundred_bytes_can_be_bound() {
        let dir = std::env::temp_dir()
            .join(format!("skiff-socket-{}", std::process::id()))
            .join("d".repeat(90))
            .join("e".repeat(90));
        std::fs::create_dir_all(&dir).unwrap();
        let listener = listen_unix(&dir.join("sock")).unwrap();
        let client = connect_unix(&dir.join("sock")).unwrap();
        let (server, _) = listener.accept().unwrap();
        assert_eq!(peer(&server).unwrap().pid, std::process::id() as i32);
        drop(client);
        std::fs::remove_dir_all(dir.ancestors().nth(2).unwrap()).unwrap();
    }
}
