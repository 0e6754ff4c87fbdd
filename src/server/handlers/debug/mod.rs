//! What the daemon tells of itself in debug mode: its variables, and its
//! profiles as Go programs give them (`net/http/pprof`), so that `go tool
//! pprof` can be pointed at it.

pub mod cpu;
pub mod heap;
pub mod index;
pub mod symbol;
pub mod threads;
pub mod vars;

use crate::http::query::Query;
use crate::profile::proto::Profile;
use crate::server::{Error, Exchange};

const TEXT: &str = "text/plain; charset=utf-8";

/// Answers with text.
fn text(exchange: &mut Exchange<'_>, text: &str) -> Result<(), Error> {
    exchange.set_header("X-Content-Type-Options", "nosniff");
    exchange.bytes(200, TEXT, text.as_bytes())
}

/// Answers with an error as Go's handlers do: they know no JSON.
fn refuse(
    exchange: &mut Exchange<'_>,
    status: u16,
    words: &str,
) -> Result<(), Error> {
    exchange.set_header("X-Content-Type-Options", "nosniff");
    exchange.set_header("X-Go-Pprof", "1");
    exchange.bytes(status, TEXT, format!("{words}\n").as_bytes())
}

/// Answers with a profile, to be kept as a file of this name.
fn profile(
    exchange: &mut Exchange<'_>,
    name: &str,
    profile: &Profile,
) -> Result<(), Error> {
    let disposition = format!("attachment; filename=\"{name}\"");
    exchange.set_header("Content-Disposition", disposition);
    exchange.set_header("X-Content-Type-Options", "nosniff");
    exchange.bytes(200, "application/octet-stream", &profile.encode())
}

/// Reads a number as Go's handlers do: what is none is 0.
fn number(query: &Query, name: &str) -> i64 {
    query.text(name).parse().unwrap_or(0)
}
