//! The connections of one endpoint: made when needed, kept for the next
//! request, ended when the fetch is cancelled. Follows redirects; knows
//! nothing of registries.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::cancel::{Cancel, Watch};
use super::certs;
use super::endpoint::Trust;
use super::error::Cause;
use super::retry::Pace;
use super::url::{Scheme, Url};
use crate::http::client::{
    Address, Body, Connection, Request, Response, Timeouts, from_body,
};

/// How many idle connections are kept.
const MOST_IDLE: usize = 4;

/// How long a connection is kept; servers tend to close after a minute.
const IDLE: Duration = Duration::from_secs(20);

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 10;

/// Makes and keeps connections.
#[derive(Debug)]
pub struct Connections {
    pace: Pace,
    cancel: Cancel,
    trust: Trust,
    /// Where the certificates of the endpoint are.
    folders: Vec<PathBuf>,
    /// The TLS settings, once they were needed.
    tls: Mutex<Option<Arc<rustls::ClientConfig>>>,
    /// Connections on which nothing is under way.
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    server: Server,
    connection: Connection,
    since: Instant,
}

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    scheme: Scheme,
    host: String,
    port: u16,
}

/// One request, to be sent to one place after another.
pub struct Call<'a> {
    /// The method, in capitals.
    pub method: &'static str,
    /// Headers for every server on the way.
    pub headers: &'a [(String, String)],
    /// The `Authorization` for the first server only.
    pub authorization: Option<String>,
    /// The body; one with a body is never redirected.
    pub body: Option<&'a [u8]>,
}

/// An answer whose body is to be read.
#[derive(Debug)]
pub struct Reply {
    /// Where it came from, after all redirects.
    pub url: Url,
    response: Response,
    server: Server,
    _watch: Watch,
}

impl Connections {
    /// Makes connections for one endpoint, whose certificates lie in
    /// `folders`.
    pub fn new(
        pace: Pace,
        cancel: Cancel,
        trust: Trust,
        folders: Vec<PathBuf>,
    ) -> Connections {
        let (tls, idle) = (Mutex::default(), Mutex::default());
        Connections { pace, cancel, trust, folders, tls, idle }
    }

    /// Returns the time-outs.
    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Sends a request and follows redirects. The authorization goes to the
    /// origin of `url` and nowhere else.
    pub fn fetch(&self, url: &Url, call: &Call<'_>) -> Result<Reply, Cause> {
        let mut at = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let mut headers = call.headers.to_vec();
            if let Some(value) = &call.authorization
                && at.same_origin(url)
            {
                headers.push(("Authorization".into(), value.clone()));
            }
            let reply = self.send(&at, call, headers)?;
            let redirect = matches!(reply.status(), 301..=303 | 307 | 308);
            if !redirect || call.body.is_some() {
                return Ok(reply);
            }
            let location = reply.header("location").unwrap_or("").to_string();
            at = at.join(&location).ok_or(Cause::Location(location))?;
            self.keep(reply);
        }
        Err(Cause::Redirects)
    }

    /// Sends one request to one server; a kept connection that turns out to
    /// be closed is replaced once.
    fn send(
        &self,
        url: &Url,
        call: &Call<'_>,
        headers: Vec<(String, String)>,
    ) -> Result<Reply, Cause> {
        let server = Server {
            scheme: url.scheme,
            host: url.host.clone(),
            port: url.port,
        };
        let request = |headers| Request {
            method: call.method,
            target: &url.target,
            headers,
            body: match call.body {
                Some(bytes) => Body::Bytes(bytes),
                None => Body::Empty,
            },
        };
        if let Some(kept) = self.take(&server) {
            match self.exchange(kept, request(headers.clone())) {
                Err(Cause::Http(error)) if error.is_stale_connection() => {}
                other => return self.reply(other, url, server),
            }
        }
        let fresh = self.connect(&server)?;
        let response = self.exchange(fresh, request(headers));
        self.reply(response, url, server)
    }

    fn exchange(
        &self,
        connection: Connection,
        request: Request<'_>,
    ) -> Result<(Response, Watch), Cause> {
        let watch = self.cancel.watch(connection.stream().as_fd());
        match connection.send(request) {
            Ok(response) => Ok((response, watch)),
            Err(_) if self.cancel.is_cancelled() => Err(Cause::Cancelled),
            Err(error) => Err(Cause::Http(Box::new(error))),
        }
    }

    fn reply(
        &self,
        exchanged: Result<(Response, Watch), Cause>,
        url: &Url,
        server: Server,
    ) -> Result<Reply, Cause> {
        let (response, _watch) = exchanged?;
        Ok(Reply { url: url.clone(), response, server, _watch })
    }

    fn connect(&self, server: &Server) -> Result<Connection, Cause> {
        if self.cancel.is_cancelled() {
            return Err(Cause::Cancelled);
        }
        let (host, port) = (server.host.clone(), server.port);
        let address = match server.scheme {
            Scheme::Http => Address::Tcp { host, port },
            Scheme::Https => {
                let config = self.tls()?;
                Address::Tls { host, port, config }
            }
        };
        let timeouts = Timeouts {
            connect: self.pace.connect,
            read: Some(self.pace.stall),
            write: Some(self.pace.stall),
        };
        Connection::connect(&address, &timeouts)
            .map_err(|error| Cause::Http(Box::new(error)))
    }

    /// Returns the TLS settings. They go for all servers that the endpoint
    /// leads to: a registry with its own root tends to have token servers
    /// and stores with the same root.
    fn tls(&self) -> Result<Arc<rustls::ClientConfig>, Cause> {
        let mut kept = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = &*kept {
            return Ok(config.clone());
        }
        let config = certs::config(&self.folders, self.trust)
            .map_err(|error| Cause::Certs(Box::new(error)))?;
        *kept = Some(config.clone());
        Ok(config)
    }

    fn take(&self, server: &Server) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < IDLE);
        let at = idle.iter().rposition(|kept| kept.server == *server)?;
        Some(idle.remove(at).connection)
    }

    /// Keeps an answer's connection for the next request, if its body was
    /// read or is short.
    pub fn keep(&self, mut reply: Reply) {
        // A short rest is read sooner than a connection is made; a longer
        // one is not worth it.
        if reply.response.content_length().is_some_and(|n| n > 16 * 1024)
            || reply.response.read_to_limit(16 * 1024).is_err()
        {
            return;
        }
        self.keep_read(reply);
    }

    /// Keeps the connection of an answer whose body was read to its end.
    pub fn keep_read(&self, reply: Reply) {
        let Some(connection) = reply.response.finish() else { return };
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            let since = Instant::now();
            idle.push(Idle { server: reply.server, connection, since });
        }
    }

    /// Reads a whole body within the document's time and `limit` bytes;
    /// `None` if it is longer.
    pub fn read(
        &self,
        mut reply: Reply,
        limit: u64,
    ) -> Result<Option<Vec<u8>>, Cause> {
        let end = Instant::now() + self.pace.document;
        if reply.content_length().is_some_and(|length| length > limit) {
            return Ok(None);
        }
        let mut body = Vec::new();
        let mut piece = [0; 16 * 1024];
        loop {
            if Instant::now() > end {
                return Err(Cause::Unbounded);
            }
            match reply.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => body.extend_from_slice(&piece[..n]),
                Err(_) if self.cancel.is_cancelled() => {
                    return Err(Cause::Cancelled);
                }
                Err(error) => {
                    return Err(Cause::Http(Box::new(from_body(error))));
                }
            }
            if body.len() as u64 > limit {
                return Ok(None);
            }
        }
        self.keep_read(reply);
        Ok(Some(body))
    }
}

impl Reply {
    /// Returns the status code.
    pub fn status(&self) -> u16 {
        self.response.status
    }

    /// Returns the first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.header(name)
    }

    /// Returns all values of a header.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.response.fields().all(name)
    }

    /// Returns the length that the head announced.
    pub fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }
}

impl Read for Reply {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.response.read(buf)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::fake::{Fake, Then, answer};
    use super::super::{Credentials, Error, Kind};
    use super::*;

    fn user() -> Option<Credentials> {
        Some(Credentials {
            username: "me".into(),
            password: "secret".into(),
            ..Credentials::default()
        })
    }

    fn redirecting(
        to: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> Fake {
        Fake::start(move |seen| {
            if seen.header("authorization").is_none() {
                let basic = "WWW-Authenticate: Basic realm=\"x\"";
                return (answer(401, &[basic], b"no"), Then::Keep);
            }
            let location = format!("Location: {}", to(&seen.target));
            (answer(307, &[&location], b"elsewhere"), Then::Keep)
        })
    }

    #[test]
    fn authorization_never_follows_a_redirect_to_another_host() {
        let store = Fake::start(|_| (answer(200, &[], b"{}"), Then::Keep));
        let host = store.host();
        let fake = redirecting(move |_| format!("http://{host}/blob?sig=1"));
        let repository = fake.repository_as(user(), &Cancel::new());
        assert_eq!(repository.manifest("1").unwrap().bytes, b"{}");
        assert!(fake.seen()[1].header("authorization").is_some());
        let seen = store.seen();
        assert_eq!(seen[0].target, "/blob?sig=1");
        assert_eq!(seen[0].header("authorization"), None);
        assert_eq!(seen[0].header("host"), Some(&*store.host()));
    }

    #[test]
    fn redirects_end_somewhere() {
        let fake = redirecting(|target| format!("{target}x"));
        let repository = fake.repository_as(user(), &Cancel::new());
        let error = repository.manifest("1").unwrap_err().to_string();
        assert!(error.ends_with(": stopped after 10 redirects"), "{error}");
        assert!(fake.seen().len() < 20);
        let fake = redirecting(|_| "file:///etc/passwd".into());
        let repository = fake.repository_as(user(), &Cancel::new());
        let error = repository.manifest("1").unwrap_err().to_string();
        assert!(error.contains("Location header"), "{error}");
    }

    #[test]
    fn a_kept_connection_that_was_closed_is_replaced() {
        let fake = Fake::start(|_| (answer(200, &[], b"{}"), Then::Close));
        let repository = fake.repository();
        for _ in 0..3 {
            repository.manifest("1").unwrap();
        }
        assert_eq!(fake.seen().len(), 3);
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        let fake =
            Fake::start(|_| (Vec::new(), Then::Stall(Duration::from_secs(5))));
        let start = Instant::now();
        let error = fake.repository().manifest("1").unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(4), "{error}");
        assert!(error.to_string().contains("timeout"), "{error}");
    }

    #[test]
    fn a_body_in_drops_is_given_up() {
        let fake = Fake::start(|_| {
            let mut bytes = answer(200, &[], &[b' '; 100]);
            bytes.truncate(bytes.len() - 50);
            (bytes, Then::Stall(Duration::from_secs(5)))
        });
        let error = fake.repository().manifest("1").unwrap_err();
        assert!(error.to_string().contains("timeout"), "{error}");
    }

    #[test]
    fn a_cancelled_wait_ends_at_once() {
        let fake =
            Fake::start(|_| (Vec::new(), Then::Stall(Duration::from_secs(60))));
        let cancel = Cancel::new();
        let settings = super::super::Settings::default();
        let name = format!("{}/a", fake.host());
        let reference = crate::oci::Reference::parse(&name).unwrap();
        let client = super::super::Client::new(settings);
        let repository = client.repository(&reference, None, &cancel).unwrap();
        let thread = thread::spawn(move || repository.manifest("1"));
        while fake.seen().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        cancel.cancel();
        let error = thread.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
        assert_eq!(error.kind(), Kind::Cancelled);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}
