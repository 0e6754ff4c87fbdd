//! Moving bytes without ever waiting. On sockets that other processes
//! share, the call says so (`MSG_DONTWAIT`) and not the open file, because
//! `O_NONBLOCK` would change the other's calls too.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags,
};

use super::socket::MAX_FDS;
use super::{Error, Result};

/// Opens a pipe (close-on-exec): the reading end, and the writing end.
pub fn open_pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|e| Error::from_rustix("pipe2(…)", e))
}

/// What a call that does not wait has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing for now: poll.
    Nothing,
    /// Nothing, ever again: the other end is gone.
    Closed,
}

/// Receives from a socket into a non-empty buffer.
pub fn recv_now(socket: impl AsFd, buffer: &mut [u8]) -> Moved {
    let flags = RecvFlags::DONTWAIT;
    moved(|| rustix::net::recv(&socket, &mut *buffer, flags).map(|(n, _)| n))
}

/// Sends bytes to a socket. Never raises SIGPIPE.
pub fn send_now(socket: impl AsFd, bytes: &[u8]) -> Moved {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    moved(|| rustix::net::send(&socket, bytes, flags))
}

/// Receives from a Unix socket, with the descriptors that come with the
/// bytes (close-on-exec); they are added to `fds`.
pub fn recv_fds_now(
    socket: impl AsFd,
    buffer: &mut [u8],
    fds: &mut Vec<OwnedFd>,
) -> Moved {
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    let result = moved(|| {
        let mut slices = [IoSliceMut::new(buffer)];
        rustix::net::recvmsg(&socket, &mut slices, &mut control, flags)
            .map(|received| received.bytes)
    });
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    result
}

/// Reads from a descriptor that [`set_nonblocking`] was called on.
pub fn read_now(fd: impl AsFd, buffer: &mut [u8]) -> Moved {
    moved(|| rustix::io::read(&fd, &mut *buffer))
}

/// Writes to a descriptor that [`set_nonblocking`] was called on. The
/// caller ignores SIGPIPE.
pub fn write_now(fd: impl AsFd, bytes: &[u8]) -> Moved {
    moved(|| rustix::io::write(&fd, bytes))
}

/// Makes reads and writes of an open file return instead of wait; for files
/// that nobody else has open.
pub fn set_nonblocking(fd: impl AsFd) -> Result<()> {
    let failed = |e| Error::from_rustix("fcntl(…, F_SETFL)", e);
    let flags = rustix::fs::fcntl_getfl(&fd).map_err(failed)?;
    rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK).map_err(failed)
}

/// Ends both directions of a connection, also for those who hold copies of
/// the descriptor. One that is gone already is fine.
pub fn shutdown(socket: impl AsFd) {
    let _ = rustix::net::shutdown(socket, to_rustix(Shutdown::Both));
}

/// Opens the other end of a pseudo-terminal through its master
/// (`TIOCGPTPEER`, Linux 4.13), wherever its devpts is mounted.
pub fn open_terminal_peer(master: impl AsFd) -> Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes open flags by value and returns a new
    // descriptor or -1.
    let fd = unsafe {
        libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTPEER, flags)
    };
    if fd < 0 {
        return Err(Error::last("ioctl(…, TIOCGPTPEER)"));
    }
    // SAFETY: the kernel just gave this descriptor to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn moved(mut call: impl FnMut() -> std::result::Result<usize, Errno>) -> Moved {
    loop {
        return match call() {
            Ok(0) => Moved::Closed,
            Ok(n) => Moved::Bytes(n),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Moved::Nothing,
            // No buffers left is a passing state of the whole machine.
            Err(Errno::NOBUFS | Errno::NOMEM) => Moved::Nothing,
            // EPIPE, ECONNRESET, ETIMEDOUT; EIO of a terminal without a
            // program.
            Err(_) => Moved::Closed,
        };
    }
}

fn to_rustix(how: Shutdown) -> rustix::net::Shutdown {
    match how {
        Shutdown::Read => rustix::net::Shutdown::Read,
        Shutdown::Write => rustix::net::Shutdown::Write,
        Shutdown::Both => rustix::net::Shutdown::Both,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn nothing_waits_and_the_end_is_seen() {
        let (a, b) = UnixStream::pair().unwrap();
        let mut buffer = [0; 16];
        assert_eq!(recv_now(&a, &mut buffer), Moved::Nothing);
        assert_eq!(send_now(&b, b"hello"), Moved::Bytes(5));
        assert_eq!(recv_now(&a, &mut buffer), Moved::Bytes(5));
        let big = vec![0; 1 << 20];
        while send_now(&b, &big) != Moved::Nothing {}
        drop(a);
        assert_eq!(send_now(&b, b"x"), Moved::Closed);
    }

    #[test]
    fn the_peer_of_a_terminal_opens_through_its_master() {
        let (master, _) = crate::sys::tty::open_pty().unwrap();
        set_nonblocking(&master).unwrap();
        let mut buffer = [0; 16];
        let peer = open_terminal_peer(&master).unwrap();
        assert!(crate::sys::tty::is_terminal(&peer));
        assert_eq!(read_now(&master, &mut buffer), Moved::Nothing);
        drop(peer);
        assert_eq!(read_now(&master, &mut buffer), Moved::Closed);
    }
}
