//! Bearer tokens: how they are asked for, and how long they are kept.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Credentials;
use super::url::encode;
use crate::json::{self, FromJson};
use crate::oci::Digest;
use crate::time;

/// The shortest time that a token is taken to be good for (Docker token
/// specification: 60 s if it does not say).
const SHORTEST: Duration = Duration::from_secs(60);

/// How long before its end a token is renewed, so that it does not end
/// while a request is on its way.
const MARGIN: Duration = Duration::from_secs(10);

/// How many tokens are kept.
const MOST: usize = 64;

/// What a token is good for, and who asked for it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// The token server's URL.
    pub realm: String,
    /// The service's name.
    pub service: String,
    /// What it allows.
    pub scope: String,
    /// The user and a digest of the user's secrets.
    who: (String, Option<Digest>),
}

impl Key {
    /// Makes a key.
    pub fn new(
        realm: &str,
        service: &str,
        scope: &str,
        credentials: Option<&Credentials>,
    ) -> Key {
        let who = match credentials {
            None => (String::new(), None),
            Some(c) => {
                let secret = format!("{}\0{}", c.password, c.identity_token);
                let digest = Digest::of_bytes(secret.as_bytes());
                (c.username.clone(), Some(digest))
            }
        };
        Key {
            realm: realm.into(),
            service: service.into(),
            scope: scope.into(),
            who,
        }
    }

    /// Returns the URL of a request for a token by name and password.
    pub fn query(&self) -> String {
        let mut url = self.realm.clone();
        let mut separator = if url.contains('?') { '&' } else { '?' };
        for (name, value) in [
            ("account", self.who.0.as_str()),
            ("scope", &self.scope),
            ("service", &self.service),
        ] {
            if !value.is_empty() {
                url.push_str(&format!("{separator}{name}={}", encode(value)));
                separator = '&';
            }
        }
        url
    }

    /// Returns the form of a request for a token by a refresh token.
    pub fn form(&self, refresh_token: &str) -> String {
        format!(
            "grant_type=refresh_token&service={}&client_id=docker&scope={}\
             &refresh_token={}",
            encode(&self.service),
            encode(&self.scope),
            encode(refresh_token)
        )
    }
}

/// A token and how long it is good for.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The token.
    pub text: String,
    /// How long it is good for, from now.
    pub life: Duration,
}

impl Token {
    /// Reads the answer of a token server; `None` if it holds no token that
    /// can stand in a header.
    pub fn read(body: &[u8]) -> Option<Token> {
        #[derive(FromJson)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
            expires_in: Option<f64>,
        }
        let answer: Answer = json::from_slice(body).ok()?;
        let text = answer
            .token
            .filter(|token| !token.is_empty())
            .or(answer.access_token)
            .filter(|token| !token.is_empty())?;
        if !text.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return None;
        }
        let seconds = answer.expires_in.unwrap_or(0.0).clamp(0.0, 86_400.0);
        let life = Duration::from_secs_f64(seconds).max(SHORTEST);
        Some(Token { text, life })
    }
}

/// The tokens of all fetches, and which token server a repository sends its
/// clients to.
#[derive(Default)]
pub struct Tokens {
    /// Guards the tokens and when each ends (time since boot).
    kept: Mutex<HashMap<Key, (String, Duration)>>,
    /// Guards realm and service by the repository's URL.
    servers: Mutex<HashMap<String, (String, String)>>,
}

impl Tokens {
    /// Returns a token that is still good.
    pub fn find(&self, key: &Key) -> Option<String> {
        let now = time::boottime();
        let kept = self.lock();
        let (token, end) = kept.get(key)?;
        (*end > now + MARGIN).then(|| token.clone())
    }

    /// Keeps a token.
    pub fn keep(&self, key: Key, token: Token) {
        let now = time::boottime();
        let mut kept = self.lock();
        kept.retain(|_, (_, end)| *end > now);
        if kept.len() >= MOST {
            kept.clear();
        }
        kept.insert(key, (token.text, now + token.life));
    }

    /// Forgets a token that was refused.
    pub fn forget(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Returns realm and service of a repository that has named them
    /// before.
    pub fn server(&self, repository: &str) -> Option<(String, String)> {
        self.servers().get(repository).cloned()
    }

    /// Remembers realm and service of a repository; `None` forgets them.
    pub fn set_server(
        &self,
        repository: &str,
        server: Option<(String, String)>,
    ) {
        let mut servers = self.servers();
        let Some(server) = server else {
            servers.remove(repository);
            return;
        };
        if servers.len() >= MOST {
            servers.clear();
        }
        servers.insert(repository.to_string(), server);
    }

    fn servers(&self) -> MutexGuard<'_, HashMap<String, (String, String)>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, (String, Duration)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scope: &str) -> Key {
        Key::new("http://auth/token", "reg.io", scope, None)
    }

    #[test]
    fn a_request_names_account_scope_and_service() {
        let me = Credentials {
            username: "me".into(),
            password: "p".into(),
            ..Credentials::default()
        };
        let scope = "repository:a/b:pull";
        let key = Key::new("https://a/t?x=1", "reg io", scope, Some(&me));
        assert_eq!(
            key.query(),
            "https://a/t?x=1&account=me&scope=repository%3Aa%2Fb%3Apull\
             &service=reg%20io"
        );
        assert!(key.form("r&t").ends_with("&refresh_token=r%26t"));
        let other = Credentials { password: "q".into(), ..me };
        let other = Key::new("https://a/t?x=1", "reg io", scope, Some(&other));
        assert!(key != other);
    }

    #[test]
    fn a_token_lives_a_minute_at_least() {
        let life = |text: &str| Token::read(text.as_bytes()).unwrap().life;
        assert_eq!(life(r#"{"token":"t"}"#), SHORTEST);
        assert_eq!(life(r#"{"token":"t","expires_in":3}"#), SHORTEST);
        let long = Duration::from_secs(300);
        assert_eq!(life(r#"{"access_token":"t","expires_in":300}"#), long);
    }

    #[test]
    fn an_answer_without_a_token_gives_none() {
        for text in [
            "",
            "{}",
            "[]",
            r#"{"token":""}"#,
            r#"{"token":"a\r\nHost: b"}"#,
            r#"{"token":7}"#,
        ] {
            assert!(Token::read(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn a_token_is_found_until_shortly_before_its_end() {
        let tokens = Tokens::default();
        let token = |life| Token { text: "t".into(), life };
        tokens.keep(key("long"), token(SHORTEST));
        tokens.keep(key("short"), token(MARGIN));
        assert_eq!(tokens.find(&key("long")).as_deref(), Some("t"));
        assert_eq!(tokens.find(&key("short")), None);
        tokens.forget(&key("long"));
        assert_eq!(tokens.find(&key("long")), None);
    }

    #[test]
    fn the_number_of_tokens_is_bounded() {
        let tokens = Tokens::default();
        for n in 0..1000 {
            let token = Token { text: "t".into(), life: SHORTEST };
            tokens.keep(key(&n.to_string()), token);
        }
        assert!(tokens.lock().len() <= MOST);
    }
}
