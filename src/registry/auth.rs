//! Proves who asks: Basic and Bearer, as the registry's challenge wants it.
//!
//! ```text
//! request ──▶ 401 + challenge ──▶ Basic: name and password
//!    ▲                            Bearer: token server ──▶ token (cached)
//!    └──────────────── Authorization ◀──────────────────────┘
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Credentials;
use super::answer::{Answer, MAX_ERROR_BODY};
use super::challenge::{self, Challenge};
use super::connections::{Call, Connections, Reply};
use super::endpoint::{Endpoint, Trust};
use super::error::Cause;
use super::token::{Key, Token, Tokens};
use super::url::{Scheme, Url};

/// The most of a token server's answer that is read.
const MAX_TOKEN: u64 = 256 * 1024;

/// Authorizes the requests to one endpoint for one repository.
#[derive(Debug)]
pub struct Authorizer {
    /// The repository's URL.
    repository: String,
    credentials: Option<Credentials>,
    scope: String,
    /// Whether a token server must use TLS to be given credentials.
    plain_allowed: bool,
    tokens: Arc<Tokens>,
    /// What the registry wants. Held while a token is fetched, so that
    /// parallel requests fetch one.
    wanted: Mutex<Wanted>,
}

#[derive(Clone, Debug)]
enum Wanted {
    /// The registry has not been asked yet.
    Unknown,
    /// Nothing, so far.
    Nothing,
    /// Name and password.
    Basic,
    /// A token of this server for this service.
    Bearer { realm: String, service: String },
}

impl Authorizer {
    /// Makes one for pulls from the repository at `path`.
    pub fn new(
        endpoint: &Endpoint,
        path: &str,
        credentials: Option<Credentials>,
        tokens: Arc<Tokens>,
    ) -> Authorizer {
        let plain_allowed = endpoint.trust == Trust::Any
            || endpoint.base.scheme == Scheme::Http;
        let repository = endpoint.url(&format!("/v2/{path}")).to_string();
        let wanted = match tokens.server(&repository) {
            Some((realm, service)) => Wanted::Bearer { realm, service },
            None => Wanted::Unknown,
        };
        Authorizer {
            repository,
            credentials: credentials.filter(|c| !c.is_empty()),
            scope: format!("repository:{path}:pull"),
            plain_allowed,
            tokens,
            wanted: Mutex::new(wanted),
        }
    }

    /// Returns the `Authorization` of a request that is about to be sent.
    /// With credentials, the registry is first asked how it wants them: one
    /// that hides private repositories would answer 404 to a stranger.
    pub fn header(
        &self,
        endpoint: &Endpoint,
        connections: &Connections,
    ) -> Result<Option<String>, Cause> {
        let mut wanted = self.lock();
        if let (Wanted::Unknown, Some(_)) = (&*wanted, &self.credentials) {
            let url = endpoint.url("/v2/");
            let call = Call {
                method: "GET",
                headers: &[],
                authorization: None,
                body: None,
            };
            let reply = connections.fetch(&url, &call)?;
            *wanted = match reply.status() {
                401 => choose(&challenges(&reply)),
                _ => Wanted::Nothing,
            };
            connections.keep(reply);
        }
        self.value(&wanted, connections)
    }

    /// Takes the challenges of a 401 in. True if another attempt is of use:
    /// the registry wants something that was not sent, or the token that
    /// was sent has been forgotten.
    pub fn challenged(&self, reply: &Reply, sent: Option<&str>) -> bool {
        let mut wanted = self.lock();
        let found = choose(&challenges(reply));
        match &found {
            Wanted::Unknown | Wanted::Nothing => return false,
            // The same name and password would be refused again.
            Wanted::Basic if sent.is_some() => return false,
            Wanted::Basic => {}
            Wanted::Bearer { realm, service } => {
                let key = self.key(realm, service);
                let kept = self.tokens.find(&key);
                if kept.is_some_and(|t| sent == Some(&format!("Bearer {t}"))) {
                    self.tokens.forget(&key);
                }
            }
        }
        *wanted = found;
        true
    }

    fn value(
        &self,
        wanted: &Wanted,
        connections: &Connections,
    ) -> Result<Option<String>, Cause> {
        match wanted {
            Wanted::Unknown | Wanted::Nothing => Ok(None),
            Wanted::Basic => match &self.credentials {
                Some(c) if !c.username.is_empty() => Ok(Some(basic(c))),
                _ => Err(Cause::NoBasicCredentials),
            },
            Wanted::Bearer { realm, service } => {
                let token = self.token(realm, service, connections)?;
                Ok(Some(format!("Bearer {token}")))
            }
        }
    }

    fn token(
        &self,
        realm: &str,
        service: &str,
        connections: &Connections,
    ) -> Result<String, Cause> {
        if let Some(c) = &self.credentials
            && !c.registry_token.is_empty()
        {
            return Ok(c.registry_token.clone());
        }
        let key = self.key(realm, service);
        if let Some(token) = self.tokens.find(&key) {
            return Ok(token);
        }
        let token = match self.ask(&key, connections) {
            Ok(token) => token,
            Err(cause) => {
                // The registry may have moved to another server since.
                self.tokens.set_server(&self.repository, None);
                return Err(cause);
            }
        };
        self.tokens.keep(key, token.clone());
        let server = (realm.to_string(), service.to_string());
        self.tokens.set_server(&self.repository, Some(server));
        Ok(token.text)
    }

    fn key(&self, realm: &str, service: &str) -> Key {
        Key::new(realm, service, &self.scope, self.credentials.as_ref())
    }

    /// Asks the token server.
    fn ask(
        &self,
        key: &Key,
        connections: &Connections,
    ) -> Result<Token, Cause> {
        let parse = |text: &str| {
            Url::parse(text).ok_or_else(|| Cause::Location(text.into()))
        };
        let realm = parse(&key.realm)?;
        let plain = realm.scheme == Scheme::Http;
        if self.credentials.is_some() && plain && !self.plain_allowed {
            return Err(Cause::PlainRealm(realm.to_string()));
        }
        let refresh = match &self.credentials {
            Some(c) if !c.identity_token.is_empty() => &c.identity_token,
            _ => "",
        };
        let reply = if refresh.is_empty() {
            let authorization = match &self.credentials {
                Some(c) if !c.username.is_empty() => Some(basic(c)),
                _ => None,
            };
            let call =
                Call { method: "GET", headers: &[], authorization, body: None };
            connections.fetch(&parse(&key.query())?, &call)?
        } else {
            let kind = "application/x-www-form-urlencoded";
            let form = key.form(refresh);
            let call = Call {
                method: "POST",
                headers: &[("Content-Type".into(), kind.into())],
                authorization: None,
                body: Some(form.as_bytes()),
            };
            connections.fetch(&realm, &call)?
        };
        let status = reply.status();
        if !(200..300).contains(&status) {
            let answer = refusal(reply, connections)?;
            return Err(Cause::Token(answer));
        }
        let body = connections.read(reply, MAX_TOKEN)?;
        let body = body.ok_or(Cause::Unbounded)?;
        Token::read(&body).ok_or(Cause::NoToken)
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what a server says when it refuses.
pub fn refusal(
    reply: Reply,
    connections: &Connections,
) -> Result<Answer, Cause> {
    let status = reply.status();
    let challenges = challenges(&reply);
    let body = match connections.read(reply, MAX_ERROR_BODY as u64) {
        Ok(body) => body.unwrap_or_default(),
        Err(Cause::Cancelled) => return Err(Cause::Cancelled),
        // The status says enough.
        Err(_) => Vec::new(),
    };
    Ok(Answer::read(status, &challenges, &body))
}

fn challenges(reply: &Reply) -> Vec<Challenge> {
    reply.headers("www-authenticate").flat_map(challenge::parse).collect()
}

/// Chooses the best way to prove oneself among those that are offered.
fn choose(challenges: &[Challenge]) -> Wanted {
    let offers = |scheme| challenges.iter().find(|c| c.scheme == scheme);
    if let Some(bearer) = offers("bearer")
        && !bearer.parameter("realm").is_empty()
    {
        return Wanted::Bearer {
            realm: bearer.parameter("realm").into(),
            service: bearer.parameter("service").into(),
        };
    }
    match offers("basic") {
        Some(_) => Wanted::Basic,
        None => Wanted::Nothing,
    }
}

fn basic(credentials: &Credentials) -> String {
    let Credentials { username, password, .. } = credentials;
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

#[cfg(test)]
mod tests {
    use super::super::fake::{Fake, Then, answer};
    use super::super::{Cancel, Error, Kind};
    use super::*;

    const MANIFEST: &[u8] = b"{}";

    fn user() -> Option<Credentials> {
        Some(Credentials {
            username: "me".into(),
            password: "secret".into(),
            ..Credentials::default()
        })
    }

    fn refused(header: &str) -> (Vec<u8>, Then) {
        let body = br#"{"errors":[{"code":"UNAUTHORIZED"}]}"#;
        (answer(401, &[header], body), Then::Keep)
    }

    /// A registry that wants tokens of its own token server, each good for
    /// `uses` requests.
    fn bearer(uses: usize) -> Fake {
        let count = std::sync::atomic::AtomicUsize::new(0);
        Fake::start(move |seen| {
            let host = seen.header("host").unwrap();
            if seen.target.starts_with("/token") {
                let token = format!("{{\"token\":\"t{}\"}}", seen.number);
                return (answer(200, &[], token.as_bytes()), Then::Keep);
            }
            let good = seen
                .header("authorization")
                .is_some_and(|value| value.starts_with("Bearer t"));
            let used = std::sync::atomic::Ordering::SeqCst;
            if good && count.fetch_add(1, used) % (uses + 1) < uses {
                return (answer(200, &[], MANIFEST), Then::Keep);
            }
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\",\
                 service=\"reg\",scope=\"repository:victim:push\""
            );
            refused(&challenge)
        })
    }

    #[test]
    fn a_token_is_fetched_once_for_the_own_scope_only() {
        let fake = bearer(100);
        let repository = fake.repository();
        for _ in 0..3 {
            assert_eq!(repository.manifest("1").unwrap().bytes, MANIFEST);
        }
        assert_eq!(
            fake.targets(),
            [
                "/v2/a/b/manifests/1",
                "/token?scope=repository%3Aa%2Fb%3Apull&service=reg",
                "/v2/a/b/manifests/1",
                "/v2/a/b/manifests/1",
                "/v2/a/b/manifests/1",
            ]
        );
    }

    #[test]
    fn a_refused_token_is_replaced() {
        let fake = bearer(1);
        let repository = fake.repository();
        for _ in 0..3 {
            assert!(repository.manifest("1").is_ok());
        }
        let tokens =
            fake.targets().iter().filter(|t| t.starts_with("/token")).count();
        assert_eq!(tokens, 3);
    }

    #[test]
    fn a_registry_that_refuses_each_token_is_given_up() {
        let fake = bearer(0);
        let error = fake.repository().manifest("1").unwrap_err();
        assert_eq!(error.to_string(), "unauthorized: authentication required");
        assert_eq!(fake.seen().len(), 5);
    }

    #[test]
    fn credentials_go_to_the_token_server_as_basic() {
        let fake = bearer(100);
        let repository = fake.repository_as(user(), &Cancel::new());
        repository.manifest("1").unwrap();
        let seen = fake.seen();
        assert_eq!(seen[0].target, "/v2/");
        assert!(seen[1].target.contains("account=me"));
        assert_eq!(seen[1].header("authorization"), Some("Basic bWU6c2VjcmV0"));
        assert_eq!(seen[2].header("authorization"), Some("Bearer t1"));
    }

    #[test]
    fn what_was_learnt_serves_the_next_reader_of_the_repository() {
        let fake = bearer(100);
        let name = format!("{}/a/b", fake.host());
        let reference = crate::oci::Reference::parse(&name).unwrap();
        let client = super::super::Client::new(super::super::fake::settings());
        for _ in 0..3 {
            let cancel = Cancel::new();
            let reader = client.repository(&reference, user(), &cancel);
            reader.unwrap().manifest("1").unwrap();
        }
        assert_eq!(fake.seen().len(), 5);
    }

    #[test]
    fn an_identity_token_is_posted() {
        let fake = bearer(100);
        let credentials = Credentials {
            username: "me".into(),
            identity_token: "refresh".into(),
            ..Credentials::default()
        };
        let repository = fake.repository_as(Some(credentials), &Cancel::new());
        repository.manifest("1").unwrap();
        let seen = fake.seen();
        assert_eq!((&*seen[1].method, &*seen[1].target), ("POST", "/token"));
        assert!(seen[1].body.contains("refresh_token=refresh"));
    }

    #[test]
    fn a_registry_token_is_sent_as_it_is() {
        let fake = bearer(100);
        let credentials = Credentials {
            registry_token: "ticket".into(),
            ..Credentials::default()
        };
        let repository = fake.repository_as(Some(credentials), &Cancel::new());
        repository.manifest("1").unwrap();
        let sent = fake.seen()[1].header("authorization").unwrap().to_string();
        assert_eq!(sent, "Bearer ticket");
    }

    #[test]
    fn basic_needs_credentials_and_right_ones() {
        let fake = Fake::start(|seen| match seen.header("authorization") {
            Some("Basic bWU6c2VjcmV0") => {
                (answer(200, &[], MANIFEST), Then::Keep)
            }
            _ => refused("WWW-Authenticate: Basic realm=\"x\""),
        });
        let repository = fake.repository_as(user(), &Cancel::new());
        assert!(repository.manifest("1").is_ok());
        let error = fake.repository().manifest("1").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "Head \"http://{}/v2/a/b/manifests/1\": no basic auth \
                 credentials",
                fake.host()
            )
        );
        let wrong = Credentials { username: "you".into(), ..user().unwrap() };
        let repository = fake.repository_as(Some(wrong), &Cancel::new());
        assert_eq!(
            repository.manifest("1").unwrap_err().to_string(),
            "unauthorized: authentication required"
        );
    }

    #[test]
    fn what_a_token_server_says_is_told() {
        let fake = Fake::start(|seen| {
            if seen.target.starts_with("/token") {
                let body = br#"{"errors":[{"code":"DENIED","message":"no"}]}"#;
                return (answer(403, &[], body), Then::Keep);
            }
            let host = seen.header("host").unwrap();
            refused(&format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\""
            ))
        });
        let error = fake.repository().manifest("1").unwrap_err();
        assert!(error.to_string().ends_with(": denied: no"), "{error}");
        assert_eq!(error.kind(), Kind::Failed);
    }

    #[test]
    fn a_token_server_that_never_ends_does_no_harm() {
        let fake = Fake::start(|seen| {
            if seen.target.starts_with("/token") {
                let mut bytes = answer(200, &[], b"");
                bytes = String::from_utf8(bytes)
                    .unwrap()
                    .replace("Content-Length: 0\r\n", "")
                    .into_bytes();
                bytes.resize(2 << 20, b' ');
                return (bytes, Then::Close);
            }
            let host = seen.header("host").unwrap();
            refused(&format!(
                "WWW-Authenticate: Bearer realm=\"http://{host}/token\""
            ))
        });
        let error = fake.repository().manifest("1").unwrap_err();
        let Error::Exchange { cause, .. } = error else { panic!("{error}") };
        assert!(matches!(cause, Cause::Unbounded));
    }
}
