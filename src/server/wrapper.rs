//! What stands around every handler: finding it, the version's and the
//! listener's limits, the log, panics, and the answer to errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::api::ErrorResponse;
use crate::http::body::{Continue, Incoming};
use crate::http::head::Request;
use crate::http::query::{Plus, Query, decode_into};

use super::Server;
use super::connection::Wire;
use super::error::Error;
use super::exchange::{Exchange, Progress};
use super::reply::{Framing, JSON, Terms};
use super::route::{Access, Match, Method, split_version};
use super::version::{self, Version, requests, since};

/// What becomes of the connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next request is read from it.
    Keep,
    /// It is closed, and the client may still be sending.
    Close,
    /// It is not HTTP any more.
    Gone,
}

/// Answers the request whose head is in `wire`.
pub(super) fn answer<S>(
    server: &Server<S>,
    wire: &mut Wire,
    access: Access,
) -> Next {
    let head = &wire.head;
    wire.out.reset();
    let terms = Terms {
        minor: head.minor(),
        head_only: head.method() == "HEAD",
        keep_alive: head.keep_alive,
    };
    let asked = match head.expects_continue {
        true => Continue::Pending,
        false => Continue::NotAsked,
    };
    let idle = server.settings.body_timeout;
    let decoded = decode_into(head.path(), Plus::Plus, &mut wire.path);
    let (version_text, path) = split_version(&wire.path);
    let version = version_text.and_then(Version::parse);
    let version = version.unwrap_or(version::MAX);
    let mut exchange = Exchange {
        head,
        method: Method::parse(head.method()).unwrap_or(Method::Options),
        version,
        operation: "",
        variables: Default::default(),
        access,
        query: Query::default(),
        body: Incoming::new(head.framing, asked, idle),
        stream: &mut wire.stream,
        input: &mut wire.input,
        out: &mut wire.out,
        seat: &wire.seat,
        statistics: &server.shown,
        terms,
        progress: Progress::Nothing,
    };
    let found = match decoded {
        Err(e) => Err(Error::bad_request(e.to_string())),
        Ok(()) => find(server, head, version, path),
    };
    let number = found.as_ref().ok().map(|found| found.number);
    server.statistics.count(number);
    let done = found.and_then(|found| {
        let text = version_text.unwrap_or("");
        run(server, &mut exchange, found, text)
    });
    if let Err(Error::Api { status: 400.., .. }) = done {
        server.statistics.count_error(number);
    }
    finish(exchange, done)
}

fn find<'p, S>(
    server: &Server<S>,
    head: &Request,
    version: Version,
    path: &'p str,
) -> Result<Match<'p, S>, Error> {
    let method = Method::parse(head.method()).ok_or_else(Error::no_page)?;
    let found = server.router.find(method, version, path);
    found.ok_or_else(Error::no_page)
}

fn run<'c, S>(
    server: &Server<S>,
    exchange: &mut Exchange<'c>,
    found: Match<'c, S>,
    version_text: &str,
) -> Result<(), Error> {
    let route = found.route;
    log::debug!("Calling {} {}", exchange.head.method(), route.pattern);
    if let Some(words) = exchange.version.refusal(version_text) {
        return Err(Error::bad_request(words));
    }
    exchange.operation = route.operation;
    exchange.require(route.access)?;
    let query = exchange.head.query();
    if !query.is_empty() {
        let mut query = Query::parse(query)
            .map_err(|e| Error::bad_request(e.to_string()))?;
        requests::pass_over(&mut query, route.operation, exchange.version);
        exchange.query = query;
    }
    exchange.variables = found.variables;
    let handler = route.handler;
    // The state is behind locks that take poisoning over; the exchange is
    // only finished after a panic, never used on.
    let caught =
        catch_unwind(AssertUnwindSafe(|| handler(&server.state, exchange)));
    caught.unwrap_or_else(|_| {
        exchange.terms.keep_alive = false;
        Err(Error::new(500, "the handler of this request failed"))
    })
}

/// Brings the answer to its end, whatever the handler did.
fn finish(mut exchange: Exchange<'_>, done: Result<(), Error>) -> Next {
    if exchange.progress == Progress::Hijacked {
        if let Err(e) = done {
            log_failure(&exchange, &e);
        }
        return Next::Gone;
    }
    match done {
        Err(e) => tell(&mut exchange, &e),
        Ok(()) => complete(&mut exchange),
    }
    let whole = exchange.progress == Progress::Answered;
    let Some(stream) = exchange.stream.as_deref() else { return Next::Gone };
    // An unread body is read away only if the connection is to be kept.
    let clean = whole
        && exchange.terms.keep_alive
        && exchange.body.drain(stream, exchange.input);
    if clean { Next::Keep } else { Next::Close }
}

fn complete(exchange: &mut Exchange<'_>) {
    let Some(stream) = exchange.stream.as_deref() else { return };
    let terms = exchange.terms;
    let out = &mut *exchange.out;
    let sent = match exchange.progress {
        Progress::Nothing => {
            out.body.clear();
            out.send(stream, 200, terms)
        }
        // Nothing was written: the answer is empty, not endless.
        Progress::Streaming { head_sent: false, .. } => {
            out.push_head(200, Framing::Length(0), terms);
            out.send_pending(stream)
        }
        Progress::Streaming { .. } if terms.head_only => Ok(()),
        Progress::Streaming { framing, .. } => out.send_end(stream, framing),
        Progress::Answered | Progress::Broken | Progress::Hijacked => return,
    };
    exchange.progress = match sent {
        Ok(()) => Progress::Answered,
        Err(_) => Progress::Broken,
    };
}

/// Answers with an error, if the answer has not begun; else cuts it.
fn tell(exchange: &mut Exchange<'_>, error: &Error) {
    log_failure(exchange, error);
    match (error, exchange.progress) {
        (
            Error::Api { status, message },
            Progress::Nothing | Progress::Streaming { head_sent: false, .. },
        ) => {
            // What the handler meant for a good answer is forgotten.
            exchange.out.reset();
            exchange.terms.keep_alive &= exchange.body.can_drain();
            send_error(exchange, *status, message);
        }
        (_, Progress::Answered) => {}
        _ => exchange.progress = Progress::Broken,
    }
}

fn send_error(exchange: &mut Exchange<'_>, status: u16, message: &str) {
    let is_json = exchange.speaks(since::JSON_ERRORS);
    let out = &mut *exchange.out;
    out.body.clear();
    if status == 304 {
        // An answer of this status has no body and no type.
    } else if !is_json {
        out.set_header("Content-Type", "text/plain; charset=utf-8");
        out.set_header("X-Content-Type-Options", "nosniff");
        out.body.extend_from_slice(message.as_bytes());
        out.body.push(b'\n');
    } else {
        push_error_body(&mut out.body, message);
        out.set_header("Content-Type", JSON);
    }
    let Some(stream) = exchange.stream.as_deref() else { return };
    exchange.progress = match out.send(stream, status, exchange.terms) {
        Ok(()) => Progress::Answered,
        Err(_) => Progress::Broken,
    };
}

/// Writes the body of Docker's errors, with its line feed.
pub(super) fn push_error_body(body: &mut Vec<u8>, message: &str) {
    let error = ErrorResponse { message: message.to_string() };
    serde_json::to_writer(&mut *body, &error).expect("text is serializable");
    body.push(b'\n');
}

fn log_failure(exchange: &Exchange<'_>, error: &Error) {
    let (method, target) = (exchange.head.method(), exchange.head.target());
    match error.status() {
        500.. => log::error!("{method} {target}: {error}"),
        304 => {}
        _ => log::debug!("{method} {target}: {error}"),
    }
}
