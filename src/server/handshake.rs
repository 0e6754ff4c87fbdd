//! The TLS handshake of a new connection, in its own worker: whoever is
//! slow, silent or speaks something else holds up nobody but itself.

use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::connection::drain;
use crate::http::stream::{Peer, PlainHttp};
use crate::http::{Stream, reason, tls};
use crate::sys;

/// What a client hears that forgot TLS; it says so in Go's words.
const PLAIN_ANSWER: &[u8] = b"HTTP/1.0 400 Bad Request\r\n\r\n\
    Client sent an HTTP request to an HTTPS server.\n";

/// How long a refused client is listened to, so that it can read why.
const LINGER: Duration = Duration::from_millis(500);

/// The most bytes that it is listened to for.
const MAX_LINGER: usize = 64 * 1024;

/// Carries the handshake out within `limit`; a plain stream has none.
/// False: the client is refused, and the connection is over.
pub(super) fn carry_out(stream: &Stream, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let Err(error) = stream.handshake(deadline) else { return true };
    let is_plain = error.get_ref().is_some_and(|e| e.is::<PlainHttp>());
    let words = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "EOF".to_string(),
        std::io::ErrorKind::TimedOut => "i/o timeout".to_string(),
        _ => match tls::inner(&error) {
            Some(e) => tls::words(e, ""),
            None => reason(&error),
        },
    };
    if let Peer::Tcp(from) = stream.peer() {
        log::info!("http: TLS handshake error from {from}: {words}");
    } else {
        log::debug!("http: TLS handshake error: {words}");
    }
    if is_plain {
        // A few bytes always have room on a new connection.
        let _ = sys::stream::send_now(stream, PLAIN_ANSWER);
    }
    // What was said, an alert at least, must not be lost to a reset.
    if sys::socket::shutdown(stream, Shutdown::Write).is_ok() {
        drain(stream, LINGER, MAX_LINGER);
    }
    false
}
