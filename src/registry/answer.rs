//! What a registry says when it refuses: the `errors` list of its body, the
//! OAuth words of its challenge, or only a status.

use std::fmt;

use super::challenge::Challenge;
use crate::json::{self, FromJson};

/// The most of an error's body that is read.
pub const MAX_ERROR_BODY: usize = 64 * 1024;

/// The most of an unreadable body that is shown.
const SHOWN: usize = 1024;

/// One error of a registry's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code, upper case: `MANIFEST_UNKNOWN`.
    pub code: String,
    /// The registry's own words.
    pub message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.to_lowercase().replace('_', " ");
        write!(f, "{code}: {}", self.message)
    }
}

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The registry gave reasons; never empty.
    Refused(Vec<Refusal>),
    /// A 4xx whose body gives no reasons.
    Unreadable {
        /// The status.
        status: u16,
        /// Why the body could not be used, in Go's words.
        reason: String,
        /// The start of the body.
        body: String,
    },
    /// Another status than 2xx and 4xx.
    Status(u16),
}

impl Answer {
    /// Returns the first code, or nothing.
    pub fn code(&self) -> &str {
        match self {
            Answer::Refused(list) => list.first().map_or("", |r| &r.code),
            _ => "",
        }
    }

    /// Whether it says that the content does not exist.
    pub fn is_missing(&self) -> bool {
        match self {
            Answer::Refused(_) => {
                matches!(self.code(), "BLOB_UNKNOWN" | "NAME_UNKNOWN")
            }
            Answer::Unreadable { status, .. } => *status == 404,
            Answer::Status(_) => false,
        }
    }

    /// Whether another attempt may do better.
    pub fn is_transient(&self) -> bool {
        match self {
            Answer::Status(status) => matches!(status, 500 | 502..=504),
            _ => false,
        }
    }

    /// Reads a refusal of `status`, as Docker's client does.
    pub fn read(status: u16, challenges: &[Challenge], body: &[u8]) -> Answer {
        if !(400..500).contains(&status) {
            return Answer::Status(status);
        }
        let listed = read_body(status, body);
        let Some(oauth) = challenges.iter().find_map(oauth_refusal) else {
            return match listed {
                Answer::Unreadable { .. } if status == 401 => {
                    Answer::Refused(vec![unauthorized()])
                }
                listed => listed,
            };
        };
        let mut all = vec![oauth];
        if let Answer::Refused(list) = listed {
            all.extend(list);
        }
        Answer::Refused(all)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Refused(list) => match &list[..] {
                [one] => one.fmt(f),
                list => {
                    f.write_str("errors:\n")?;
                    list.iter().try_for_each(|one| writeln!(f, "{one}"))
                }
            },
            Answer::Unreadable { status, reason, body } => write!(
                f,
                "error parsing HTTP {status} response body: {reason}: {body:?}"
            ),
            Answer::Status(status) => write!(
                f,
                "received unexpected HTTP status: {status} {}",
                phrase(*status)
            ),
        }
    }
}

fn unauthorized() -> Refusal {
    Refusal {
        code: "UNAUTHORIZED".into(),
        message: "authentication required".into(),
    }
}

/// The refusal that a bearer challenge carries (RFC 6750 §3.1).
fn oauth_refusal(challenge: &Challenge) -> Option<Refusal> {
    if challenge.scheme != "bearer" {
        return None;
    }
    let mut refusal = match challenge.parameter("error") {
        "invalid_token" => unauthorized(),
        "insufficient_scope" => Refusal {
            code: "DENIED".into(),
            message: "requested access to the resource is denied".into(),
        },
        _ => return None,
    };
    let description = challenge.parameter("error_description");
    if !description.is_empty() {
        refusal.message = description.to_string();
    }
    Some(refusal)
}

fn read_body(status: u16, body: &[u8]) -> Answer {
    #[derive(FromJson)]
    struct Listed {
        #[serde(default)]
        errors: Option<Vec<One>>,
        #[serde(default)]
        details: Option<serde_json::Value>,
    }
    #[derive(FromJson)]
    struct One {
        #[serde(default)]
        code: Option<serde_json::Value>,
        #[serde(default)]
        message: Option<String>,
    }
    let unreadable = |reason: String| Answer::Unreadable {
        status,
        reason,
        body: String::from_utf8_lossy(&body[..body.len().min(SHOWN)])
            .into_owned(),
    };
    let listed: Listed = match json::from_slice(body) {
        Ok(listed) => listed,
        Err(error) => return unreadable(error.to_string()),
    };
    if let Some(serde_json::Value::String(details)) = listed.details
        && !details.is_empty()
    {
        let code = match status {
            401 => "UNAUTHORIZED",
            429 => "TOOMANYREQUESTS",
            _ => "UNKNOWN",
        };
        let refusal = Refusal { code: code.into(), message: details };
        return Answer::Refused(vec![refusal]);
    }
    let list: Vec<Refusal> = listed
        .errors
        .unwrap_or_default()
        .into_iter()
        .map(|one| {
            let code = match one.code {
                Some(serde_json::Value::String(code)) if !code.is_empty() => {
                    code.to_uppercase()
                }
                _ => "UNKNOWN".into(),
            };
            let message = match one.message {
                Some(message) if !message.is_empty() => message,
                _ => default_message(&code).into(),
            };
            Refusal { code, message }
        })
        .collect();
    if list.is_empty() {
        return unreadable(
            "no error details found in HTTP response body".into(),
        );
    }
    Answer::Refused(list)
}

/// The words of a code that came without any (distribution
/// specification, "Error Codes").
fn default_message(code: &str) -> &'static str {
    match code {
        "BLOB_UNKNOWN" => "blob unknown to registry",
        "DENIED" => "requested access to the resource is denied",
        "MANIFEST_UNKNOWN" => "manifest unknown",
        "NAME_INVALID" => "invalid repository name",
        "NAME_UNKNOWN" => "repository name not known to registry",
        "TOOMANYREQUESTS" => "too many requests",
        "UNAUTHORIZED" => "authentication required",
        "UNAVAILABLE" => "service unavailable",
        "UNSUPPORTED" => "The operation is unsupported.",
        _ => "unknown error",
    }
}

/// The phrase of a status, as Go's `net/http` has it.
fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        304 => "Not Modified",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::challenge;
    use super::*;

    fn words(status: u16, header: &str, body: &str) -> String {
        let challenges = challenge::parse(header);
        Answer::read(status, &challenges, body.as_bytes()).to_string()
    }

    #[test]
    fn a_listed_error_is_shown_with_its_code() {
        let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN",
            "message":"manifest unknown","detail":{"Tag":"x"}}]}"#;
        assert_eq!(words(404, "", body), "manifest unknown: manifest unknown");
    }

    #[test]
    fn several_errors_are_listed_in_lines() {
        let body = r#"{"errors":[{"code":"DENIED"},{"code":"UNKNOWN"}]}"#;
        assert_eq!(
            words(403, "", body),
            "errors:\ndenied: requested access to the resource is denied\n\
             unknown: unknown error\n"
        );
    }

    #[test]
    fn a_challenge_with_insufficient_scope_is_a_denial() {
        let header = "Bearer realm=\"x\",error=\"insufficient_scope\"";
        let answer = Answer::read(401, &challenge::parse(header), b"whatever");
        assert_eq!(answer.code(), "DENIED");
        assert_eq!(
            answer.to_string(),
            "denied: requested access to the resource is denied"
        );
    }

    #[test]
    fn a_bare_401_is_unauthorized() {
        assert_eq!(
            words(401, "Basic realm=\"x\"", "nope"),
            "unauthorized: authentication required"
        );
    }

    #[test]
    fn a_body_that_is_no_list_is_quoted() {
        assert_eq!(
            words(404, "", "<html>"),
            "error parsing HTTP 404 response body: invalid character '<' \
             looking for beginning of value: \"<html>\""
        );
        assert_eq!(
            words(404, "", ""),
            "error parsing HTTP 404 response body: unexpected end of JSON \
             input: \"\""
        );
        assert!(words(400, "", "{}").contains("no error details found"));
        assert!(words(400, "", r#"{"errors":7}"#).contains("HTTP 400"));
        assert_eq!(
            words(429, "", r#"{"details":"slow down"}"#),
            "toomanyrequests: slow down"
        );
    }

    #[test]
    fn a_server_error_is_a_status() {
        let answer = Answer::read(500, &[], b"anything");
        assert!(answer.is_transient());
        assert_eq!(
            answer.to_string(),
            "received unexpected HTTP status: 500 Internal Server Error"
        );
    }
}
