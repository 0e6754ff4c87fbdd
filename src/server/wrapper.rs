//! What stands around every handler: who may call, finding it, the
//! version's and the listener's limits, the log, panics, and the answer to
//! errors.
//!
//! Every request has a line in the log, but for `/_ping`: health checks
//! send it all the time, and would leave nothing else to be read.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::api::{self, ErrorResponse};
use crate::http::Stream;
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
    let (method, target) = (head.method(), head.target());
    if path.trim_matches('/') != "_ping" {
        log::info!("{method} {target}");
    }
    let mut number = None;
    let done = admit(server, &exchange).and_then(|()| {
        decoded.map_err(|e| Error::bad_request(e.to_string()))?;
        let text = version_text.unwrap_or("");
        if method == "OPTIONS" {
            return preflight(&mut exchange, text);
        }
        let found = find(server, head, version, path)?;
        number = Some(found.number);
        server.statistics.count(number);
        run(server, &mut exchange, found, text)
    });
    if number.is_none() {
        server.statistics.count(number);
    }
    if let Err(Error::Api { status: 400.., .. }) = done {
        server.statistics.count_error(number);
    }
    finish(exchange, done)
}

/// Refuses what a web page sends by way of somebody's browser.
fn admit<S>(server: &Server<S>, exchange: &Exchange<'_>) -> Result<(), Error> {
    let refusal = match exchange.stream.as_deref() {
        None | Some(Stream::Unix(_)) => return Ok(()),
        Some(Stream::Tls(_)) => server.guard.refusal_of_site(exchange.head),
        Some(Stream::Tcp(_)) => server.guard.refusal(exchange.head),
    };
    match refusal {
        Some(words) => Err(Error::new(403, words)),
        None => Ok(()),
    }
}

/// Answers `OPTIONS`, which every path has, known or not.
fn preflight(
    exchange: &mut Exchange<'_>,
    version_text: &str,
) -> Result<(), Error> {
    log::debug!("Calling OPTIONS /{{anyroute:.*}}");
    match exchange.version.refusal(version_text) {
        Some(words) => Err(Error::bad_request(words)),
        None => exchange.empty(200),
    }
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
    if log::log_enabled!(log::Level::Debug) {
        note_agent(exchange.header("User-Agent").unwrap_or(""));
    }
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

/// Notes a Docker client of another version than ours.
fn note_agent(agent: &str) {
    if let Some(other) = other_version(agent) {
        let own = api::ENGINE_VERSION;
        log::debug!(
            "client and server don't have the same version (client: {other}, \
             server: {own})"
        );
    }
}

/// Returns the version in `Docker-Client/28.2.2 (linux)`, unless it is
/// ours. Old clients have it in the middle of several words.
fn other_version(agent: &str) -> Option<&str> {
    let (_, rest) = agent.split_once("Docker-Client/")?;
    let version = rest.split([' ', '/']).next().unwrap_or("");
    (version != api::ENGINE_VERSION).then_some(version)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_another_version_are_noted() {
        for (agent, noted) in [
            ("Docker-Client/28.2.2 (linux)", Some("28.2.2")),
            ("Docker-Client/1.2.0", Some("1.2.0")),
            ("compose Docker-Client/20.10.5 (linux)", Some("20.10.5")),
            ("Docker-Client/", Some("")),
            ("Docker-Client/28.5.2 (linux)", None),
            ("curl/8.0", None),
            ("", None),
        ] {
            assert_eq!(other_version(agent), noted, "{agent}");
        }
    }
}
