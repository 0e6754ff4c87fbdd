//! The typed client of the Engine API: one method for each operation, over
//! any daemon that speaks it.
//!
//! A [`Client`] agrees with the daemon on a version once (`HEAD /_ping`),
//! keeps one connection for the calls that follow each other, and opens
//! further ones for what stays open (attach, wait, followed streams). What
//! is shown to people, and how, is left to the command line.

mod attach;
mod container;
mod dial;
mod error;
mod exec;
mod files;
mod frames;
mod host;
mod image;
mod object;
mod query;
mod system;
mod volume;

use std::io::Read;

use serde::Serialize;

use crate::api;
use crate::http::client::{
    Address, Body, Connection, Request, Response, Timeouts,
};
use crate::json::{self, FromJson, Texts};

pub use attach::{AttachTo, Attached};
pub use container::{Condition, ListContainers, Logs, Removal, Waiting};
pub use dial::Dialed;
pub use error::{Error, Result};
pub use files::{Commit, Owner};
pub use frames::Frames;
pub use host::{Host, Tls};
pub use image::{ImageRemoval, ImageSource, ListImages};
pub use object::{Object, Sizes};
pub use query::Filters;
use query::Query;

/// The longest answer that is held in memory, in bytes.
const LONGEST_ANSWER: u64 = 256 * 1024 * 1024;
/// The longest error body that is read, in bytes.
const LONGEST_ERROR: u64 = 1024 * 1024;
/// A daemon that tells no version speaks this one.
const OLDEST_NEGOTIATED: &str = "1.24";

/// A client of one daemon.
pub struct Client {
    host: Host,
    address: Option<Address>,
    version: Option<String>,
    headers: Vec<(String, String)>,
    kept: Option<Connection>,
}

/// The answer of a streaming call; its body is read as it comes.
pub type Stream = Response;

impl Client {
    /// Makes a client; nothing is sent yet. A `version` is used as it is, in
    /// place of the one that would be agreed on.
    pub fn new(
        host: Host,
        version: Option<String>,
        headers: Vec<(String, String)>,
    ) -> Client {
        Client { host, address: None, version, headers, kept: None }
    }

    /// Makes another client of the same daemon, with connections of its own.
    pub fn sibling(&self) -> Client {
        Client {
            host: self.host.clone(),
            address: self.address.clone(),
            version: self.version.clone(),
            headers: self.headers.clone(),
            kept: None,
        }
    }

    /// Returns the API version in use, agreeing on it first.
    pub fn version(&mut self) -> Result<&str> {
        if self.version.is_none() {
            let agreed = self.negotiate()?;
            self.version = Some(agreed);
        }
        Ok(self.version.as_deref().unwrap_or(OLDEST_NEGOTIATED))
    }

    /// Tells whether the API version in use is at least this one.
    pub fn speaks(&mut self, version: &str) -> Result<bool> {
        Ok(number(self.version()?) >= number(version))
    }

    /// Asks the daemon for its version; the older of the two is taken.
    fn negotiate(&mut self) -> Result<String> {
        let response = self.exchange("HEAD", "/_ping", &[], Body::Empty)?;
        let mut theirs = response.header("api-version").map(str::to_owned);
        let status = response.status;
        self.kept = response.finish();
        if theirs.is_none() && status >= 400 {
            // Daemons before API 1.40 know GET only.
            let response = self.exchange("GET", "/_ping", &[], Body::Empty)?;
            theirs = response.header("api-version").map(str::to_owned);
            self.kept = response.finish();
        }
        let theirs = theirs.unwrap_or_else(|| OLDEST_NEGOTIATED.to_owned());
        Ok(match number(&theirs) < number(api::VERSION) {
            true => theirs,
            false => api::VERSION.to_owned(),
        })
    }

    /// Sends a request below the version's prefix; an answer of 400 or more
    /// becomes an error.
    fn call(
        &mut self,
        method: &str,
        path: &str,
        query: Query,
        extra: &[(&str, &str)],
        body: Body<'_>,
    ) -> Result<Response> {
        let version = match self.version() {
            // The error of the call itself tells more.
            Err(Error::Denied { .. }) => api::VERSION,
            version => version?,
        };
        let target = format!("/v{version}{path}{query}");
        let response = self.exchange(method, &target, extra, body)?;
        if response.status < 400 {
            return Ok(response);
        }
        Err(self.refusal(response, &target))
    }

    /// One exchange, on the kept connection if there is one.
    fn exchange(
        &mut self,
        method: &str,
        target: &str,
        extra: &[(&str, &str)],
        body: Body<'_>,
    ) -> Result<Response> {
        // A reader's own lifetime gives way to that of the request.
        #[expect(clippy::needless_match, reason = "it shortens a lifetime")]
        let body = match body {
            Body::Empty => Body::Empty,
            Body::Bytes(bytes) => Body::Bytes(bytes),
            Body::Sized(length, reader) => Body::Sized(length, reader),
            Body::Chunked(reader) => Body::Chunked(reader),
        };
        let mut request = Request::new(method, target).body(body);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Host::Unix(_) | Host::Ssh(_) = self.host {
            request = request.header("Host", "api.moby.localhost");
        }
        request = request.header("User-Agent", USER_AGENT);
        for (name, value) in extra {
            request = request.header(name, value);
        }
        let connection = match self.kept.take() {
            // The daemon may have closed it meanwhile.
            Some(connection) if !connection.is_stale() => connection,
            _ => self.connect(method, target)?,
        };
        let failed =
            |source| Error::of_http(&self.host, method, target, source);
        connection.send(request).map_err(failed)
    }

    /// Opens a connection for a request, which its error names.
    fn connect(&mut self, method: &str, target: &str) -> Result<Connection> {
        if self.address.is_none() {
            self.address = Some(self.host.address()?);
        }
        let address = self.address.as_ref().expect("it was just set");
        let failed =
            |source| Error::of_http(&self.host, method, target, source);
        Connection::connect(address, &Timeouts::default()).map_err(failed)
    }

    /// Reads the error out of an answer.
    fn refusal(&mut self, mut response: Response, target: &str) -> Error {
        let status = response.status;
        let body = match response.read_to_limit(LONGEST_ERROR) {
            Ok(body) => body,
            Err(source) => return Error::Http(source),
        };
        self.kept = response.finish();
        let message = match json::from_slice::<api::ErrorResponse>(&body) {
            Ok(error) if !error.message.is_empty() => error.message,
            _ => match String::from_utf8_lossy(&body).trim() {
                "" => format!(
                    "request returned {status} for API route and version \
                     {target}, check if the server supports the requested \
                     API version"
                ),
                text => text.to_owned(),
            },
        };
        Error::Daemon { status, message }
    }

    /// Carries a call out and reads its whole answer.
    fn bytes(
        &mut self,
        method: &str,
        path: &str,
        query: Query,
        body: Body<'_>,
    ) -> Result<Vec<u8>> {
        let mut response = self.call(method, path, query, &[], body)?;
        let bytes =
            response.read_to_limit(LONGEST_ANSWER).map_err(Error::Http)?;
        self.kept = response.finish();
        Ok(bytes)
    }

    fn get<T: FromJson>(&mut self, path: &str, query: Query) -> Result<T> {
        decode(&self.bytes("GET", path, query, Body::Empty)?)
    }

    /// Posts JSON, and reads the whole answer.
    fn post_json(
        &mut self,
        path: &str,
        query: Query,
        value: &impl Serialize,
    ) -> Result<Vec<u8>> {
        let json = serde_json::to_vec(value).unwrap_or_default();
        let (body, kind) = (Body::Bytes(&json), [JSON]);
        let mut response = self.call("POST", path, query, &kind, body)?;
        let bytes =
            response.read_to_limit(LONGEST_ANSWER).map_err(Error::Http)?;
        self.kept = response.finish();
        Ok(bytes)
    }

    fn post(&mut self, path: &str, query: Query) -> Result<()> {
        self.bytes("POST", path, query, Body::Empty).map(drop)
    }
}

/// The header of a body that is JSON.
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What the client calls itself.
const USER_AGENT: &str =
    concat!("Docker-Client/28.5.2 (linux) skiff/", env!("CARGO_PKG_VERSION"));

fn decode<T: FromJson>(bytes: &[u8]) -> Result<T> {
    json::from_slice(bytes).map_err(Error::Answer)
}

/// Reads a stream of JSON objects as they come.
pub fn objects<T: FromJson>(
    stream: impl Read,
) -> impl Iterator<Item = Result<T>> {
    // The buffer takes what there is; it never waits for more than that.
    let buffered = std::io::BufReader::new(stream);
    Texts::new(buffered).map(|text| decode(&text.map_err(Error::Stream)?))
}

/// A version as numbers that compare.
fn number(version: &str) -> (u32, u32) {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(number("1.9") < number("1.24"));
        assert!(number("1.51") > number("1.6"));
        assert_eq!(number("x"), (0, 0));
    }
}
