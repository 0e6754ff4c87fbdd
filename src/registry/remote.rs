//! One endpoint at work: requests with authorization, and refusals turned
//! into errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::auth::{Authorizer, refusal};
use super::cancel::Cancel;
use super::connections::{Call, Connections, Reply};
use super::endpoint::{Endpoint, Role};
use super::error::{Cause, Error, Result};
use super::token::Tokens;
use super::{Credentials, Settings};

/// An endpoint, its connections and its authorization.
#[derive(Debug)]
pub struct Remote {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Its connections.
    pub connections: Connections,
    authorizer: Authorizer,
    /// Whether it has ever answered.
    answered: AtomicBool,
}

impl Remote {
    /// Makes one for the repository at `path`.
    pub fn new(
        settings: &Settings,
        endpoint: Endpoint,
        path: &str,
        credentials: Option<Credentials>,
        tokens: &Arc<Tokens>,
        cancel: &Cancel,
    ) -> Remote {
        let folders = settings
            .certs_dirs
            .iter()
            .map(|dir| dir.join(&endpoint.certs))
            .collect();
        let trust = endpoint.trust;
        let connections =
            Connections::new(settings.pace, cancel.clone(), trust, folders);
        let credentials = match endpoint.role {
            Role::Origin => credentials,
            Role::Mirror => None,
        };
        let tokens = tokens.clone();
        let authorizer = Authorizer::new(&endpoint, path, credentials, tokens);
        let answered = AtomicBool::new(false);
        Remote { endpoint, connections, authorizer, answered }
    }

    /// Whether it has ever answered.
    pub fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Gets what is at `path`. The answer is a 2xx; what else comes is an
    /// error, written with `verb` (Docker asks for a tag by HEAD, and users
    /// know its messages by that).
    pub fn get(
        &self,
        verb: &'static str,
        path: &str,
        headers: &[(String, String)],
    ) -> Result<Reply> {
        let url = self.endpoint.url(path);
        let failed = |cause| match cause {
            Cause::Cancelled => Error::Cancelled,
            // Docker first knocks at /v2/; we do not, but say so.
            Cause::Http(_) | Cause::Certs(_) if !self.has_answered() => {
                let url = self.endpoint.url("/v2/").to_string();
                Error::Exchange { verb: "Get", url, cause }
            }
            cause => Error::Exchange { verb, url: url.to_string(), cause },
        };
        let mut challenges = 0;
        loop {
            let authorization = self
                .authorizer
                .header(&self.endpoint, &self.connections)
                .map_err(&failed)?;
            let call = Call {
                method: "GET",
                headers,
                authorization: authorization.clone(),
                body: None,
            };
            let reply = self.connections.fetch(&url, &call).map_err(&failed)?;
            self.answered.store(true, Ordering::Relaxed);
            let status = reply.status();
            if (200..300).contains(&status) {
                return Ok(reply);
            }
            if status == 401
                && challenges < 2
                && reply.url.same_origin(&url)
                && self.authorizer.challenged(&reply, authorization.as_deref())
            {
                challenges += 1;
                self.connections.keep(reply);
                continue;
            }
            let retry_after = reply
                .header("retry-after")
                .filter(|_| matches!(status, 429 | 503))
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs);
            let answer = refusal(reply, &self.connections).map_err(&failed)?;
            return Err(Error::Answer { answer, retry_after });
        }
    }
}
