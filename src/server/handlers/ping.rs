//! `GET` and `HEAD /_ping`: is the daemon there, and what does it speak?

use crate::server::{Error, Exchange, Method};

/// Answers `OK`, with the headers by which clients settle on a version. The
/// builder is the classic one.
pub fn ping<S>(_: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    exchange.set_header("Builder-Version", "1");
    exchange.set_header("Cache-Control", "no-cache, no-store, must-revalidate");
    exchange.set_header("Pragma", "no-cache");
    exchange.set_header("Swarm", "inactive");
    if exchange.method() == Method::Head {
        exchange.set_header("Content-Length", "0");
    }
    exchange.bytes(200, "text/plain; charset=utf-8", b"OK")
}
