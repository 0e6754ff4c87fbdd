//! A plain download by URL, for an import.

use std::fmt;
use std::io::{self, Read};

use super::cancel::Cancel;
use super::connections::{Call, Connections, Reply};
use super::endpoint::Trust;
use super::error::Cause;
use super::manifest;
use super::retry::Pace;
use super::url::Url;

/// The bytes behind a URL. Reads end by a time-out when the server stalls.
#[derive(Debug)]
pub struct Remote(Reply);

/// Why nothing can be downloaded.
#[derive(Debug)]
pub enum GetError {
    /// The text is no URL that can be followed.
    Url,
    /// There was no usable answer.
    Exchange(Cause),
    /// The server refused.
    Status(u16),
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GetError::Url => f.write_str("invalid URL"),
            GetError::Exchange(cause) => cause.fmt(f),
            GetError::Status(status) => {
                write!(f, "failed to GET: status {status}")
            }
        }
    }
}

impl std::error::Error for GetError {}

/// Opens what a URL leads to. A text without a scheme means `http`.
pub fn get_url(text: &str) -> Result<Remote, GetError> {
    let url = match text.contains("://") {
        true => Url::parse(text),
        false => Url::parse(&format!("http://{text}")),
    };
    let url = url.ok_or(GetError::Url)?;
    let connections = Connections::new(
        Pace::default(),
        Cancel::new(),
        Trust::Verified,
        Vec::new(),
    );
    let call = Call {
        method: "GET",
        headers: &[manifest::agent()],
        authorization: None,
        body: None,
    };
    let reply = connections.fetch(&url, &call).map_err(GetError::Exchange)?;
    match reply.status() {
        200 => Ok(Remote(reply)),
        status => Err(GetError::Status(status)),
    }
}

impl Read for Remote {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_url_is_refused() {
        for text in ["", "ftp://x/y", "file:///etc/passwd"] {
            assert!(matches!(get_url(text), Err(GetError::Url)), "{text}");
        }
    }
}
