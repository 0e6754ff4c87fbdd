//! The client of all registries, and one repository that it reads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blob::{self, BlobReader};
use super::cancel::Cancel;
use super::endpoint::{self, Role};
use super::error::{Error, Kind, Result};
use super::manifest::{self, Fetched};
use super::remote::Remote;
use super::token::Tokens;
use super::url::Scheme;
use super::{Credentials, Settings};
use crate::oci::{Digest, Reference};

/// How many registries' schemes are remembered.
const MOST_REMEMBERED: usize = 256;

/// What all fetches share: settings, tokens, and which registries were found
/// to speak plain text.
#[derive(Clone, Debug)]
pub struct Client(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    tokens: Arc<Tokens>,
    /// Guards the scheme by which a domain answered.
    schemes: Mutex<HashMap<String, Scheme>>,
}

impl Client {
    /// Makes a client. Nothing is opened or read before it is needed.
    pub fn new(settings: Settings) -> Client {
        let (tokens, schemes) = (Arc::default(), Mutex::default());
        Client(Arc::new(Shared { settings, tokens, schemes }))
    }

    /// Makes a reader of the repository of `reference`. Nothing is sent
    /// before a manifest or a blob is asked for.
    pub fn repository(
        &self,
        reference: &Reference,
        credentials: Option<Credentials>,
        cancel: &Cancel,
    ) -> Result<Repository> {
        let Shared { settings, tokens, .. } = &*self.0;
        let domain = reference.domain();
        let mut remotes: Vec<Remote> = endpoint::list(settings, domain)
            .into_iter()
            .map(|endpoint| {
                let path = reference.path();
                let credentials = credentials.clone();
                Remote::new(
                    settings,
                    endpoint,
                    path,
                    credentials,
                    tokens,
                    cancel,
                )
            })
            .collect();
        if remotes.is_empty() {
            return Err(Error::Name(reference.familiar_name()));
        }
        if self.schemes().get(domain) == Some(&Scheme::Http) {
            // It spoke plain text before: ask that way first.
            remotes.sort_by_key(|r| r.endpoint.base.scheme != Scheme::Http);
        }
        Ok(Repository(Arc::new(Inner {
            client: self.clone(),
            reference: reference.clone(),
            cancel: cancel.clone(),
            remotes,
            active: AtomicUsize::new(0),
        })))
    }

    fn schemes(&self) -> MutexGuard<'_, HashMap<String, Scheme>> {
        self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, domain: &str, scheme: Scheme) {
        let mut schemes = self.schemes();
        if schemes.len() >= MOST_REMEMBERED {
            schemes.clear();
        }
        schemes.insert(domain.to_string(), scheme);
    }
}

/// A repository that is being read; clones share connections. May be used
/// by several threads at once.
#[derive(Clone, Debug)]
pub struct Repository(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    reference: Reference,
    cancel: Cancel,
    /// In the order to try them.
    remotes: Vec<Remote>,
    /// The first one that is still worth trying.
    active: AtomicUsize,
}

impl Repository {
    /// Gets the manifest of a tag or a digest.
    pub fn manifest(&self, tag_or_digest: &str) -> Result<Fetched> {
        let path = self.0.reference.path();
        let fetched = self.any(|remote| {
            self.patiently(remote, |remote| {
                manifest::fetch(remote, path, tag_or_digest)
            })
        });
        fetched.map_err(|error| self.explain(error, tag_or_digest))
    }

    /// Reads a blob of `size` bytes from `offset` on. The digest is checked
    /// with the last byte if `offset` is 0; else by the caller, who has the
    /// start. Nothing is sent before the first read.
    pub fn blob(
        &self,
        digest: &Digest,
        size: u64,
        offset: u64,
    ) -> Result<BlobReader> {
        BlobReader::open(self.clone(), *digest, size, offset)
    }

    /// Gets a small blob, such as an image configuration, as a whole.
    pub fn small_blob(&self, digest: &Digest, size: u64) -> Result<Vec<u8>> {
        if size > manifest::MAX_MANIFEST {
            return Err(Error::BlobSize {
                digest: *digest,
                expected: manifest::MAX_MANIFEST,
                got: size,
            });
        }
        self.blob(digest, size, 0)?.read_whole()
    }

    /// Returns the handle that ends all reads of this repository.
    pub fn cancel(&self) -> &Cancel {
        &self.0.cancel
    }

    /// Asks for a blob from `offset` on, once at each endpoint.
    pub(super) fn open_blob(
        &self,
        digest: &Digest,
        size: u64,
        offset: u64,
    ) -> Result<(usize, super::connections::Reply)> {
        let path = self.0.reference.path();
        let place = AtomicUsize::new(0);
        let reply = self.any(|remote| {
            let at =
                self.0.remotes.iter().position(|r| std::ptr::eq(r, remote));
            place.store(at.unwrap_or(0), Ordering::Relaxed);
            blob::request(remote, path, digest, size, offset)
        })?;
        Ok((place.into_inner(), reply))
    }

    pub(super) fn remote(&self, place: usize) -> &Remote {
        &self.0.remotes[place]
    }

    /// Tries the endpoints in order and stays with the one that works.
    fn any<T>(&self, attempt: impl Fn(&Remote) -> Result<T>) -> Result<T> {
        let Inner { remotes, active, client, reference, .. } = &*self.0;
        let first = active.load(Ordering::Relaxed);
        let mut failure: Option<Error> = None;
        for (place, remote) in remotes.iter().enumerate().skip(first) {
            let base = &remote.endpoint.base;
            let secured = |other: &Remote| {
                other.endpoint.base.scheme == Scheme::Https
                    && other.endpoint.base.host == base.host
                    && other.has_answered()
            };
            if base.scheme == Scheme::Http && remotes.iter().any(secured) {
                // It speaks TLS: its refusal is not to be got around.
                continue;
            }
            if self.0.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let error = match attempt(remote) {
                Ok(value) => {
                    active.store(place, Ordering::Relaxed);
                    if remote.endpoint.role == Role::Origin {
                        client.remember(reference.domain(), base.scheme);
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            let go_on = error.kind() != Kind::Cancelled
                && (remote.endpoint.role == Role::Mirror
                    || error.is_inconclusive());
            if !go_on {
                return Err(error);
            }
            log::debug!("{base}: {error}");
            // Docker tries plain text last, and its error is the one that
            // is shown.
            let keep = failure.is_some()
                && base.scheme == Scheme::Https
                && remote.endpoint.role == Role::Origin
                && place > 0
                && remotes[place - 1].endpoint.base.scheme == Scheme::Http
                && remotes[place - 1].endpoint.role == Role::Origin;
            if !keep {
                failure = Some(error);
            }
        }
        Err(failure.unwrap_or_else(|| Error::Name(reference.familiar_name())))
    }

    /// Tries one endpoint again while that is of use. An endpoint that has
    /// never answered is given up at once: the next one may be the right
    /// one, and nobody wants to wait to hear of a mistyped name.
    fn patiently<T>(
        &self,
        remote: &Remote,
        attempt: impl Fn(&Remote) -> Result<T>,
    ) -> Result<T> {
        let pace = remote.connections.pace();
        let mut failures = 0;
        loop {
            let error = match attempt(remote) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            failures += 1;
            let attempts = pace.document_attempts;
            match pace.delay(&error, failures, attempts) {
                Some(delay) if remote.has_answered() => {
                    log::debug!("{error}: trying again in {delay:?}");
                    if !self.0.cancel.sleep(delay) {
                        return Err(Error::Cancelled);
                    }
                }
                _ => return Err(error),
            }
        }
    }

    /// Says which image is missing, as Docker does.
    fn explain(&self, error: Error, version: &str) -> Error {
        let Error::Answer { answer, retry_after } = error else {
            return error;
        };
        let name = self.0.reference.familiar_name();
        let what = match answer.code() {
            "DENIED" => format!(
                "pull access denied for {name}, repository does not exist or \
                 may require 'docker login'"
            ),
            "MANIFEST_UNKNOWN" => {
                let sign = if version.contains(':') { '@' } else { ':' };
                format!("manifest for {name}{sign}{version} not found")
            }
            "NAME_UNKNOWN" => format!("repository {name} not found"),
            _ => return Error::Answer { answer, retry_after },
        };
        Error::NotFound { what, answer }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, Fake, Then, answer};
    use super::*;

    fn refusing(status: u16, body: &'static str) -> Fake {
        Fake::start(move |_| (answer(status, &[], body.as_bytes()), Then::Keep))
    }

    fn words(fake: &Fake, version: &str) -> (Kind, String) {
        let error = fake.repository().manifest(version).unwrap_err();
        let text = error.to_string().replace(&fake.host(), "HOST");
        (error.kind(), text)
    }

    #[test]
    fn what_is_missing_is_told_in_dockers_words() {
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN",
            "message":"manifest unknown","detail":{"Tag":"1"}}]}"#;
        assert_eq!(
            words(&refusing(404, body), "1"),
            (
                Kind::NotFound,
                "manifest for HOST/a/b:1 not found: manifest unknown: \
                 manifest unknown"
                    .into()
            )
        );
        let digest = Digest::of_bytes(b"x").to_string();
        let (_, text) = words(&refusing(404, body), &digest);
        assert!(text.starts_with(&format!("manifest for HOST/a/b@{digest} ")));
        let body = r#"{"errors":[{"code":"DENIED","message":"requested \
            access to the resource is denied"}]}"#
            .replace("\\\n            ", "");
        let body: &'static str = body.leak();
        assert_eq!(
            words(&refusing(403, body), "1"),
            (
                Kind::NotFound,
                "pull access denied for HOST/a/b, repository does not exist \
                 or may require 'docker login': denied: requested access to \
                 the resource is denied"
                    .into()
            )
        );
        let body = r#"{"errors":[{"code":"NAME_UNKNOWN"}]}"#;
        assert_eq!(
            words(&refusing(404, body), "1").1,
            "repository HOST/a/b not found: name unknown: repository name \
             not known to registry"
        );
    }

    #[test]
    fn a_port_where_nobody_listens_is_told_as_docker_does() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let reference = Reference::parse(&format!("{address}/x")).unwrap();
        let client = Client::new(fake::settings());
        let cancel = Cancel::new();
        let repository = client.repository(&reference, None, &cancel).unwrap();
        let error = repository.manifest("1").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "Get \"http://{address}/v2/\": dial tcp {address}: connect: \
                 connection refused"
            )
        );
    }

    #[test]
    fn a_server_error_is_tried_again_and_then_told() {
        let fake = refusing(500, "oops");
        assert_eq!(
            words(&fake, "1").1,
            "received unexpected HTTP status: 500 Internal Server Error"
        );
        assert_eq!(fake.seen().len(), 3);
        let fake = Fake::start(|seen| match seen.number {
            0 => (answer(502, &[], b""), Then::Keep),
            _ => (answer(200, &[], b"{}"), Then::Keep),
        });
        assert!(fake.repository().manifest("1").is_ok());
    }

    #[test]
    fn a_limit_is_told_and_not_tried_against() {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS",
            "message":"You have reached your pull rate limit."}]}"#;
        let fake = refusing(429, body);
        assert_eq!(
            words(&fake, "1").1,
            "toomanyrequests: You have reached your pull rate limit."
        );
        assert_eq!(fake.seen().len(), 1);
    }

    #[test]
    fn a_manifest_is_checked_against_its_digest() {
        let fake = Fake::start(|_| {
            (answer(200, &["Content-Type: x/y; z"], b"{}"), Then::Keep)
        });
        let right = Digest::of_bytes(b"{}");
        let fetched = fake.repository().manifest(&right.to_string()).unwrap();
        assert_eq!(fetched.digest, right);
        assert_eq!(fetched.media_type, "x/y; z");
        let wrong = Digest::of_bytes(b"other");
        assert_eq!(
            words(&fake, &wrong.to_string()),
            (
                Kind::Invalid,
                format!("manifest verification failed for digest {wrong}")
            )
        );
        let fake = Fake::start(move |_| {
            let header = format!("Docker-Content-Digest: {wrong}");
            (answer(200, &[&header], b"{}"), Then::Keep)
        });
        assert_eq!(words(&fake, "1").0, Kind::Invalid);
    }

    #[test]
    fn a_manifest_has_a_limit() {
        for headers in [&["X: y"][..], &["Transfer-Encoding: chunked"][..]] {
            let fake = Fake::start(move |_| {
                let mut bytes = format!(
                    "HTTP/1.1 200 OK\r\n{}\r\n",
                    match headers[0].starts_with("X") {
                        true => "Content-Length: 99999999\r\n",
                        false => "Transfer-Encoding: chunked\r\n",
                    }
                )
                .into_bytes();
                bytes.extend_from_slice(b"5000000\r\n");
                bytes.resize(6 << 20, b' ');
                (bytes, Then::Close)
            });
            let error = fake.repository().manifest("1").unwrap_err();
            assert!(matches!(error, Error::ManifestTooLarge(_)), "{error}");
        }
    }

    #[test]
    fn the_scheme_that_worked_is_remembered() {
        let fake = Fake::start(|_| (answer(200, &[], b"{}"), Then::Close));
        let name = format!("{}/x", fake.host());
        let reference = Reference::parse(&name).unwrap();
        let client = Client::new(fake::settings());
        let cancel = Cancel::new();
        let open = || client.repository(&reference, None, &cancel).unwrap();
        open().manifest("1").unwrap();
        let again = open();
        assert_eq!(again.remote(0).endpoint.base.scheme, Scheme::Http);
        assert!(again.manifest("1").is_ok());
    }

    #[test]
    fn a_mirror_that_fails_gives_way_and_gets_no_credentials() {
        let empty = refusing(404, r#"{"errors":[{"code":"DENIED"}]}"#);
        let full = Fake::start(|_| (answer(200, &[], b"{}"), Then::Keep));
        let mut settings = fake::settings();
        let url = |fake: &Fake| format!("http://{}", fake.host());
        settings.mirrors = vec![url(&empty), url(&full)];
        let client = Client::new(settings);
        let reference = Reference::parse("busybox").unwrap();
        let credentials =
            Credentials { username: "me".into(), ..Credentials::default() };
        let cancel = Cancel::new();
        let repository =
            client.repository(&reference, Some(credentials), &cancel).unwrap();
        assert_eq!(repository.manifest("1").unwrap().bytes, b"{}");
        for mirror in [empty, full] {
            let seen = mirror.seen();
            assert_eq!(seen[0].target, "/v2/library/busybox/manifests/1");
            assert_eq!(seen[0].header("authorization"), None);
        }
    }
}
