//! Streams that leave HTTP: the answer's head is left to whoever gets the
//! stream. A plain socket is given away itself; for one with TLS a socket
//! pair stands in, and a [`relay`] in between.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::exchange::{Exchange, NOT_HIJACKED, Progress};
use super::version::since;
use super::websocket::{self, Frames};
use super::{Error, relay};
use crate::api;

/// How an attached stream is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hijack {
    /// Not at all: a terminal.
    Raw,
    /// Docker's frames, which newer clients are told by the media type.
    Multiplexed,
}

/// A stream that has left HTTP.
#[derive(Debug)]
pub struct Hijacked {
    /// The client's socket, or what stands for it where TLS is spoken;
    /// nothing of an answer was sent on it yet.
    pub socket: OwnedFd,
    /// What the client has sent behind its request already.
    pub early: Vec<u8>,
    /// The head of the answer, to be sent before anything else.
    pub head: Vec<u8>,
}

impl Exchange<'_> {
    /// Takes the stream out of HTTP. The answer, whose head is returned, is
    /// 101 if the client asked for an upgrade, else Docker's raw 200.
    pub fn hijack(&mut self, framing: Hijack) -> Result<Hijacked, Error> {
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        if !self.body.drain(stream, self.input) {
            return Err(Error::bad_request("unexpected request body"));
        }
        let upgrade = self.header("Upgrade").is_some();
        let content_type = match framing {
            Hijack::Multiplexed
                if upgrade && self.speaks(since::MULTIPLEXED_TYPE) =>
            {
                api::stream::MULTIPLEXED
            }
            _ => api::stream::RAW,
        };
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        self.progress = Progress::Broken;
        stream.set_read_timeout(None).map_err(Error::lost)?;
        stream.set_write_timeout(None).map_err(Error::lost)?;
        let head = self.out.hijack_head(upgrade, content_type);
        self.progress = Progress::Hijacked;
        let stream = self.stream.take().expect(NOT_HIJACKED);
        let socket = match stream.is_tls() {
            true => relay::start(stream, self.seat.clone())
                .map_err(Error::lost)?
                .into(),
            false => {
                // The listener's table lets go of the stream: it is ours
                // alone now.
                self.seat.let_go();
                let stream = Arc::try_unwrap(stream);
                stream
                    .or_else(|shared| shared.try_clone())
                    .and_then(|stream| {
                        let tls = |_| io::ErrorKind::Unsupported.into();
                        stream.into_fd().map_err(tls)
                    })
                    .map_err(Error::lost)?
            }
        };
        Ok(Hijacked { socket, early: self.input.take(), head })
    }

    /// Takes the stream out of HTTP and into frames of a WebSocket, if the
    /// client asks for that in the standard's way (RFC 6455, section 4.2).
    pub fn websocket(&mut self, frames: Frames) -> Result<Hijacked, Error> {
        let asks = |name: &str, token: &str| {
            let value = self.header(name).unwrap_or_default();
            value.split(',').any(|t| t.trim().eq_ignore_ascii_case(token))
        };
        if !asks("Upgrade", "websocket") || !asks("Connection", "upgrade") {
            return Err(Error::bad_request("not websocket protocol"));
        }
        if self.header("Sec-WebSocket-Version") != Some("13") {
            return Err(Error::bad_request("missing or bad WebSocket Version"));
        }
        let key = self.header("Sec-WebSocket-Key").unwrap_or_default();
        let answer = websocket::accept_key(key).ok_or_else(|| {
            Error::bad_request("missing or bad WebSocket-Key")
        })?;
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        if !self.body.drain(stream, self.input) {
            return Err(Error::bad_request("unexpected request body"));
        }
        let stream = self.stream.as_deref().expect(NOT_HIJACKED);
        self.progress = Progress::Broken;
        stream.set_read_timeout(None).map_err(Error::lost)?;
        stream.set_write_timeout(None).map_err(Error::lost)?;
        let head = self.out.websocket_head(&answer);
        self.progress = Progress::Hijacked;
        let stream = self.stream.take().expect(NOT_HIJACKED);
        let early = self.input.take();
        let seat = self.seat.clone();
        let socket = websocket::start(stream, seat, frames, head.len(), early)
            .map_err(Error::lost)?
            .into();
        Ok(Hijacked { socket, early: Vec::new(), head })
    }
}
