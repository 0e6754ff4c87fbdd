//! The three kinds of byte stream that HTTP runs on, as one type.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub use super::session::PlainHttp;
use super::session::Tls;
use crate::sys;

/// A connected stream. A shared reference reads and writes too, so that a
/// body can be read while an answer is being written.
#[derive(Debug)]
pub enum Stream {
    /// A Unix socket.
    Unix(UnixStream),
    /// A plain TCP connection.
    Tcp(TcpStream),
    /// A TLS session over TCP, either side.
    Tls(Box<Tls>),
}

/// Who is at the other end of a [`Stream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A local process; `None` if the kernel did not say which.
    Unix(Option<sys::socket::Peer>),
    /// A host on the network.
    Tcp(SocketAddr),
    /// A peer that is gone already.
    Unknown,
}

impl Stream {
    /// Joins a TLS session with its socket.
    pub fn tls(
        session: impl Into<rustls::Connection>,
        socket: TcpStream,
    ) -> Stream {
        Stream::Tls(Box::new(Tls::new(session.into(), socket)))
    }

    /// Carries the TLS handshake out until `deadline` (`TimedOut`); a plain
    /// stream has none. A client that speaks HTTP without TLS ends it with
    /// a [`PlainHttp`].
    pub fn handshake(&self, deadline: Instant) -> io::Result<()> {
        match self {
            Stream::Tls(tls) => tls.handshake(deadline),
            _ => Ok(()),
        }
    }

    /// Makes a second handle on a plain stream. A TLS session cannot be
    /// shared: `Unsupported`.
    pub fn try_clone(&self) -> io::Result<Stream> {
        match self {
            Stream::Unix(s) => s.try_clone().map(Stream::Unix),
            Stream::Tcp(s) => s.try_clone().map(Stream::Tcp),
            Stream::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Ends the outgoing direction; the peer reads an end of file. With TLS
    /// and a stream that does not wait it may have to be called again, once
    /// there is room (`WouldBlock`).
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.shutdown(Shutdown::Write),
            Stream::Tcp(s) => s.shutdown(Shutdown::Write),
            Stream::Tls(tls) => tls.shutdown_write(),
        }
    }

    /// Bounds each later read; `None` waits for ever.
    pub fn set_read_timeout(&self, t: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.set_read_timeout(t),
            Stream::Tcp(s) => s.set_read_timeout(t),
            Stream::Tls(tls) => tls.socket().set_read_timeout(t),
        }
    }

    /// Bounds each later write; `None` waits for ever.
    pub fn set_write_timeout(&self, t: Option<Duration>) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.set_write_timeout(t),
            Stream::Tcp(s) => s.set_write_timeout(t),
            Stream::Tls(tls) => tls.socket().set_write_timeout(t),
        }
    }

    /// Chooses whether reads and writes wait.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Stream::Unix(s) => s.set_nonblocking(nonblocking),
            Stream::Tcp(s) => s.set_nonblocking(nonblocking),
            Stream::Tls(tls) => tls.socket().set_nonblocking(nonblocking),
        }
    }

    /// Returns whether a read gives something at once, decrypted bytes or
    /// the end, that waits inside of the TLS session where `poll` cannot see
    /// it.
    pub fn has_pending_input(&self) -> bool {
        matches!(self, Stream::Tls(tls) if tls.has_pending_input())
    }

    /// Returns whether encrypted bytes wait for room, on a stream that does
    /// not: `flush` sends them on.
    pub fn wants_write(&self) -> bool {
        matches!(self, Stream::Tls(tls) if tls.wants_write())
    }

    /// Turns a plain stream into its descriptor; gives a TLS one back.
    pub fn into_fd(self) -> Result<OwnedFd, Stream> {
        match self {
            Stream::Unix(s) => Ok(s.into()),
            Stream::Tcp(s) => Ok(s.into()),
            Stream::Tls(_) => Err(self),
        }
    }

    /// Returns whether the bytes are encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self, Stream::Tls(_))
    }

    /// Returns the TCP socket below, if there is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Unix(_) => None,
            Stream::Tcp(s) => Some(s),
            Stream::Tls(tls) => Some(tls.socket()),
        }
    }

    /// Returns who is at the other end.
    pub fn peer(&self) -> Peer {
        let socket = match self {
            Stream::Unix(s) => return Peer::Unix(sys::socket::peer(s).ok()),
            Stream::Tcp(s) => s,
            Stream::Tls(tls) => tls.socket(),
        };
        socket.peer_addr().map_or(Peer::Unknown, Peer::Tcp)
    }
}

impl Read for &Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = match self {
                Stream::Unix(s) => (&*s).read(buf),
                Stream::Tcp(s) => (&*s).read(buf),
                Stream::Tls(tls) => tls.read(buf),
            };
            match got {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                got => return got,
            }
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Unix(s) => match bufs {
                [one] => (&*s).write(one),
                _ => (&*s).write_vectored(bufs),
            },
            Stream::Tcp(s) => match bufs {
                [one] => (&*s).write(one),
                _ => (&*s).write_vectored(bufs),
            },
            Stream::Tls(tls) => tls.write_vectored(bufs),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Tls(tls) => tls.flush(),
            _ => Ok(()),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self).flush()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Unix(s) => s.as_fd(),
            Stream::Tcp(s) => s.as_fd(),
            Stream::Tls(tls) => tls.socket().as_fd(),
        }
    }
}

/// Writes all of several slices, in as few calls as the kernel allows, and
/// flushes them.
pub fn write_all_vectored(
    mut stream: &Stream,
    mut slices: &mut [IoSlice<'_>],
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match stream.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => IoSlice::advance_slices(&mut slices, n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    stream.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_arrive_in_order_and_empty_ones_do_no_harm() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = Stream::Unix(near);
        let mut slices =
            [b"".as_slice(), b"one", b"", b"two", b""].map(IoSlice::new);
        write_all_vectored(&near, &mut slices).unwrap();
        near.shutdown_write().unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).unwrap();
        assert_eq!(text, "onetwo");
    }

    #[test]
    fn a_plain_stream_gives_its_descriptor_away() {
        let (near, _far) = UnixStream::pair().unwrap();
        let pid = std::process::id() as i32;
        let near = Stream::Unix(near);
        assert!(
            matches!(near.peer(), Peer::Unix(Some(peer)) if peer.pid == pid)
        );
        assert!(near.try_clone().is_ok());
        assert!(near.into_fd().is_ok());
    }
}
