//! Sockets to the kernel's own services: `netlink(7)`. Bytes only; what
//! they mean is left to `network`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt,
};

use super::{Error, Result};

/// No answer takes longer: the kernel queues it before `send` returns.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which of the kernel's services a socket talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses, routes (rtnetlink(7)).
    Route,
    /// Packet filters (nftables, conntrack).
    Netfilter,
}

/// A socket connected to the kernel. It belongs for its whole life to the
/// network namespace of the thread that opened it; any thread may use it.
#[derive(Debug)]
pub struct Socket(OwnedFd);

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open(family: Family) -> Result<Socket> {
        let (protocol, call) = match family {
            Family::Route => (None, "socket(AF_NETLINK, NETLINK_ROUTE)"),
            Family::Netfilter => (
                Some(netlink::NETFILTER),
                "socket(AF_NETLINK, NETLINK_NETFILTER)",
            ),
        };
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )
        .map_err(|e| Error::from_rustix(call, e))?;
        connect_to_kernel(fd.as_fd())?;
        // Shorter answers, and words that say what was wrong; a kernel
        // before 4.12 has neither, and nothing depends on them.
        set_option(fd.as_fd(), libc::NETLINK_CAP_ACK);
        set_option(fd.as_fd(), libc::NETLINK_EXT_ACK);
        sockopt::set_socket_timeout(
            &fd,
            sockopt::Timeout::Recv,
            Some(PATIENCE),
        )
        .map_err(|e| Error::from_rustix("setsockopt(…, SO_RCVTIMEO)", e))?;
        Ok(Socket(fd))
    }

    /// Sends one datagram, which may hold several messages. The kernel has
    /// carried them out when this returns.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        loop {
            match rustix::net::send(&self.0, bytes, SendFlags::empty()) {
                Err(Errno::INTR) => continue,
                Err(e) => {
                    return Err(Error::from_rustix("send(netlink)", e));
                }
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Receives one datagram into `buffer` and returns its bytes; one that
    /// does not fit is EMSGSIZE. Waits ten seconds at most (EAGAIN).
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
        let failed = |errno| Error::from_rustix("recv(netlink)", errno);
        let size = loop {
            match rustix::net::recv(&self.0, &mut *buffer, RecvFlags::TRUNC) {
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(failed(errno)),
                // The second number is the whole datagram's length.
                Ok((_, size)) => break size,
            }
        };
        buffer.get(..size).ok_or_else(|| failed(Errno::MSGSIZE))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Connects to port 0, the kernel: messages of anybody else are refused
/// from then on.
fn connect_to_kernel(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::net::connect(fd, &SocketAddrNetlink::new(0, 0))
        .map_err(|e| Error::from_rustix("connect(netlink)", e))
}

fn set_option(fd: BorrowedFd<'_>, option: libc::c_int) {
    let one: libc::c_int = 1;
    // SAFETY: the pointer and the length describe `one`, which lives
    // through the call.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const one).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        );
    }
}
