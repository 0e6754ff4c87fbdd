//! Why a call did not succeed, in the words of Docker's client.

use std::fmt;
use std::io;

use super::host::Host;
use crate::http;
use crate::json;

/// The result of a call.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call did not succeed.
#[derive(Debug)]
pub enum Error {
    /// The address of the daemon makes no sense.
    Host(String),
    /// Nobody answers at the address.
    Unreachable(String),
    /// The socket may not be opened.
    Denied {
        /// The address.
        host: String,
        /// What was tried, and how it failed.
        detail: String,
    },
    /// The daemon answered with an error.
    Daemon {
        /// The status of the answer.
        status: u16,
        /// What the daemon says.
        message: String,
    },
    /// No TLS session with the daemon; what was tried, how it failed, and
    /// what can be done.
    Tls(String),
    /// The exchange broke down.
    Http(http::Error),
    /// The answer is not what it should be.
    Answer(json::Error),
    /// A stream broke down.
    Stream(io::Error),
}

impl Error {
    /// Sorts a failed exchange.
    pub(super) fn of_http(
        host: &Host,
        method: &str,
        target: &str,
        source: http::Error,
    ) -> Error {
        let method = match method {
            "HEAD" => "Head",
            "POST" => "Post",
            "PUT" => "Put",
            "DELETE" => "Delete",
            _ => "Get",
        };
        if let Some(advice) = advice(host, &source) {
            let scheme = host.scheme();
            let host = host.to_string();
            let place = host.trim_start_matches("tcp://");
            return Error::Tls(format!(
                "{method} \"{scheme}://{place}{target}\": {source}{advice}"
            ));
        }
        if let http::Error::Connect { source: cause, .. } = &source
            && cause.kind() == io::ErrorKind::PermissionDenied
        {
            let escaped = host.to_string().replace('/', "%2F");
            let escaped = escaped.trim_start_matches("unix:%2F%2F");
            let detail =
                format!("{method} \"http://{escaped}{target}\": {source}");
            return Error::Denied { host: host.to_string(), detail };
        }
        // Of a program that does not start, the reason tells more.
        let direct = !matches!(host, Host::Ssh(_));
        match direct && source.is_unreachable() {
            true => Error::Unreachable(host.to_string()),
            false => Error::Http(source),
        }
    }

    /// The status of the daemon's answer, if it answered.
    pub fn status(&self) -> Option<u16> {
        match self {
            Error::Daemon { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Tells whether the daemon knows no such object.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }
}

impl Error {
    /// Tells whether the daemon went away in the middle of an answer.
    pub fn is_broken_off(&self) -> bool {
        matches!(self, Error::Http(_) | Error::Stream(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Host(text) => f.write_str(text),
            Error::Unreachable(host) => write!(
                f,
                "Cannot connect to the Docker daemon at {host}. Is the \
                 docker daemon running?"
            ),
            Error::Denied { host, detail } => write!(
                f,
                "permission denied while trying to connect to the Docker \
                 daemon socket at {host}: {detail}"
            ),
            Error::Daemon { message, .. } => {
                write!(f, "Error response from daemon: {message}")
            }
            Error::Tls(text) => write!(f, "error during connect: {text}"),
            Error::Http(source) => write!(f, "error during connect: {source}"),
            Error::Answer(source) => write!(f, "invalid answer: {source}"),
            Error::Stream(source) => source.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Http(source) => Some(source),
            Error::Answer(source) => Some(source),
            Error::Stream(source) => Some(source),
            _ => None,
        }
    }
}

/// Says what can be done about a failure of TLS; none: it is another one.
fn advice(host: &Host, error: &http::Error) -> Option<String> {
    use rustls::{AlertDescription as Alert, CertificateError as Bad};
    let tls = host.tls();
    let http::Error::Tls { source, .. } = error else {
        // What an alert of a daemon with TLS looks like to HTTP.
        let is_garbled = matches!(error, http::Error::Head(_));
        let is_plain = matches!(host, Host::Tcp { tls: None, .. });
        return (is_garbled && is_plain).then(|| {
            "\n* Are you trying to connect to a TLS-enabled daemon without \
             TLS?"
                .to_owned()
        });
    };
    let advice = match http::tls::inner(source) {
        Some(rustls::Error::InvalidMessage(_)) => {
            "the daemon does not speak TLS there: leave --tls, --tlsverify \
             and DOCKER_TLS_VERIFY out, or use its TLS port"
                .to_owned()
        }
        Some(rustls::Error::InvalidCertificate(bad)) => match bad {
            Bad::UnknownIssuer | Bad::Other(_) | Bad::BadSignature => {
                let ca = tls.map(|tls| tls.ca.display().to_string());
                format!(
                    "the daemon's certificate is not signed by {}: name its \
                     authority with --tlscacert",
                    ca.unwrap_or_default()
                )
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "call the daemon by a name of its certificate, or have one \
                 made for the name that it is called by"
                    .to_owned()
            }
            _ => return Some(String::new()),
        },
        Some(rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::UnsupportedCertificate
            | Alert::DecryptError
            | Alert::HandshakeFailure,
        )) => match tls.and_then(|tls| tls.identity.as_ref()) {
            Some((certificate, _)) => format!(
                "the daemon does not take the certificate {}: it has to be \
                 signed by the daemon's CA for clients, and be in its time",
                certificate.display()
            ),
            None => "the daemon has client authentication (--tlsverify) \
                     enabled, and no certificate was sent: name one with \
                     --tlscert and --tlskey"
                .to_owned(),
        },
        _ => return Some(String::new()),
    };
    Some(format!("\n* {advice}"))
}
