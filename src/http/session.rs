//! A TLS session over its socket. One thread reads and writes; others may
//! use the socket, to shut it down or to poll it, but never the session.
//!
//! A stream that does not wait never lets a full socket keep what has come
//! from being read: whoever reads is not held up by what it has to send.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustls::Connection;

use crate::sys;

/// A TLS session and its socket.
#[derive(Debug)]
pub struct Tls {
    socket: TcpStream,
    /// The session's keys and record buffers.
    session: Mutex<Connection>,
}

/// A client that sends a plain request to a port with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainHttp;

impl std::fmt::Display for PlainHttp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("client sent an HTTP request to an HTTPS server")
    }
}

impl std::error::Error for PlainHttp {}

/// How plain requests begin; a TLS record has at least as many bytes.
const PLAIN: [&[u8; RECORD_HEAD]; 7] =
    [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"DELET", b"OPTIO", b"PATCH"];

/// The length of a TLS record's head (RFC 8446 §5.1).
const RECORD_HEAD: usize = 5;

impl Tls {
    pub(super) fn new(session: Connection, socket: TcpStream) -> Tls {
        Tls { socket, session: Mutex::new(session) }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) fn handshake(&self, deadline: Instant) -> io::Result<()> {
        let mut session = self.lock();
        let mut is_first = matches!(&*session, Connection::Server(_));
        let mut came = Vec::new();
        loop {
            self.send(&mut session)?;
            if !session.is_handshaking() {
                return Ok(());
            }
            self.receive_until(deadline, &mut came)?;
            if is_first {
                if came.len() < RECORD_HEAD {
                    continue;
                }
                is_first = false;
                if PLAIN.iter().any(|start| came.starts_with(*start)) {
                    let kind = ErrorKind::InvalidData;
                    return Err(io::Error::new(kind, PlainHttp));
                }
            }
            let mut rest = came.as_slice();
            while !rest.is_empty() && session.read_tls(&mut rest)? > 0 {
                self.process(&mut session)?;
            }
            came.clear();
        }
    }

    /// Adds what comes next to `came`; the time is bounded also for a peer
    /// that sends byte after byte.
    fn receive_until(
        &self,
        deadline: Instant,
        came: &mut Vec<u8>,
    ) -> io::Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if !sys::poll::wait_readable(&self.socket, Some(left))? {
            return Err(ErrorKind::TimedOut.into());
        }
        let mut part = [0; 4096];
        match (&self.socket).read(&mut part) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                came.extend_from_slice(&part[..n]);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Reads what is decrypted, else from the socket. 0 is an end that the
    /// peer has announced; one that it has not is an `UnexpectedEof`.
    pub(super) fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut session = self.lock();
        loop {
            match session.reader().read(buf) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                got => return got,
            }
            // Answers to the peer's own messages; if there is no room for
            // them now, they go with the next write.
            let _ = self.send(&mut session);
            session.read_tls(&mut &self.socket)?;
            self.process(&mut session)?;
        }
    }

    /// Encrypts some bytes and sends them, as far as there is room: what is
    /// taken counts as written, and goes out before anything later.
    pub(super) fn write_vectored(
        &self,
        bufs: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let mut session = self.lock();
        self.send(&mut session)?;
        let taken = session.writer().write_vectored(bufs)?;
        match self.send(&mut session) {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            _ => Ok(taken),
        }
    }

    pub(super) fn flush(&self) -> io::Result<()> {
        self.send(&mut self.lock())
    }

    /// Announces the end of the outgoing direction. TCP's own stays open, as
    /// with Go's clients: to some proxies its end means the end of all.
    pub(super) fn shutdown_write(&self) -> io::Result<()> {
        let mut session = self.lock();
        session.send_close_notify();
        self.send(&mut session)
    }

    pub(super) fn has_pending_input(&self) -> bool {
        match self.lock().process_new_packets() {
            Ok(state) => {
                state.plaintext_bytes_to_read() > 0 || state.peer_has_closed()
            }
            Err(_) => true,
        }
    }

    pub(super) fn wants_write(&self) -> bool {
        self.lock().wants_write()
    }

    /// Decrypts what was received. The peer is told of what is wrong with
    /// it, if there is room.
    fn process(&self, session: &mut Connection) -> io::Result<()> {
        let Err(e) = session.process_new_packets() else { return Ok(()) };
        let _ = self.send(session);
        Err(io::Error::new(ErrorKind::InvalidData, e))
    }

    fn send(&self, session: &mut Connection) -> io::Result<()> {
        while session.wants_write() {
            match session.write_tls(&mut &self.socket) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                sent => drop(sent?),
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
