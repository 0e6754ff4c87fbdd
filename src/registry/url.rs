//! The addresses that a registry client meets: `http` and `https` URLs with
//! a host, a port and a target. No user part, no fragment.

use std::fmt;

/// How to speak with a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In plain text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Returns the port that goes without saying.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// An absolute URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// How to speak with the host.
    pub scheme: Scheme,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and the query, starting with `/`.
    pub target: String,
}

/// The longest URL that is followed; signed storage URLs take 2 KiB.
const MAX_LENGTH: usize = 16 * 1024;

impl Url {
    /// Parses an absolute URL; `None` if it is none that can be followed.
    pub fn parse(text: &str) -> Option<Url> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (scheme, rest) = text.split_once("://")?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return None,
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = split_authority(authority)?;
        let port = port.unwrap_or(scheme.default_port());
        Some(Url { scheme, host, port, target: clean_target(target)? })
    }

    /// Resolves a `Location` against this URL.
    pub fn join(&self, location: &str) -> Option<Url> {
        if location.len() > MAX_LENGTH || location.is_empty() {
            return None;
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Url::parse(&format!("{}://{rest}", self.scheme.name()));
        }
        let scheme_end = location.find(':').unwrap_or(location.len());
        let before = &location[..scheme_end];
        if scheme_end < location.len() && !before.contains(['/', '?', '#']) {
            return Url::parse(location);
        }
        let target = if location.starts_with('/') {
            location.to_string()
        } else {
            let path = self.target.split('?').next().unwrap_or("/");
            if location.starts_with('?') {
                format!("{path}{location}")
            } else {
                let folder = &path[..=path.rfind('/').unwrap_or(0)];
                format!("{folder}{location}")
            }
        };
        Some(Url { target: clean_target(&target)?, ..self.clone() })
    }

    /// Returns this URL with another target.
    pub fn with_target(&self, target: impl Into<String>) -> Url {
        Url { target: target.into(), ..self.clone() }
    }

    /// Whether a request to `other` goes to the same server in the same way.
    pub fn same_origin(&self, other: &Url) -> bool {
        self.scheme == other.scheme
            && self.host.eq_ignore_ascii_case(&other.host)
            && self.port == other.port
    }

    /// Returns `host` or `host:port`, as the `Host` header has it.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port == self.scheme.default_port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.name();
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

/// Splits `host[:port]`, the host possibly in brackets. A user part is
/// refused: it is a way to dress one host up as another.
pub fn split_authority(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            match rest.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if rest.is_empty() => (host, None),
                None => return None,
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if host.is_empty() || host.len() > 255 || !host.bytes().all(plain) {
        return None;
    }
    let port = match port {
        Some("") | None => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
    };
    Some((host.to_string(), port))
}

/// Makes a target fit for a request line: no fragment, a leading slash,
/// and nothing that could end the line.
fn clean_target(text: &str) -> Option<String> {
    let text = text.split('#').next().unwrap_or("");
    if text.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return None;
    }
    let mut target = String::with_capacity(text.len() + 1);
    if !text.starts_with('/') {
        target.push('/');
    }
    for byte in text.bytes() {
        match byte {
            0x21..=0x7e => target.push(char::from(byte)),
            other => target.push_str(&format!("%{other:02X}")),
        }
    }
    Some(target)
}

/// Percent-encodes a value for a query or a form.
pub fn encode(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                text.push(char::from(byte));
            }
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together() {
        let cases = [
            ("https://reg.io", "https://reg.io/"),
            ("HTTPS://reg.io:443/v2/", "https://reg.io/v2/"),
            ("http://127.0.0.1:5000/a?b=c#d", "http://127.0.0.1:5000/a?b=c"),
            ("http://[::1]:5000?x", "http://[::1]:5000/?x"),
            ("http://a/é", "http://a/%C3%A9"),
        ];
        for (text, shown) in cases {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        for text in [
            "",
            "reg.io",
            "ftp://reg.io/",
            "http://",
            "http://user@reg.io/",
            "http://a:b/",
            "http://a:0/",
            "http://a:99999/",
            "http://a/x\r\nHost: b",
            "http://[x]/",
        ] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_location_is_resolved() {
        let base = Url::parse("https://reg.io/v2/a/blobs/x?y=1").unwrap();
        let cases = [
            ("/other", "https://reg.io/other"),
            ("next", "https://reg.io/v2/a/blobs/next"),
            ("?z=2", "https://reg.io/v2/a/blobs/x?z=2"),
            ("//cdn.io/b", "https://cdn.io/b"),
            ("http://cdn.io:81/b?c=d:e", "http://cdn.io:81/b?c=d:e"),
            ("/b?u=http://x", "https://reg.io/b?u=http://x"),
        ];
        for (location, shown) in cases {
            assert_eq!(base.join(location).unwrap().to_string(), shown);
        }
        assert_eq!(base.join("file:///etc/passwd"), None);
        assert_eq!(base.join(""), None);
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        let parse = |text| Url::parse(text).unwrap();
        let base = parse("https://reg.io/a");
        assert!(base.same_origin(&parse("https://REG.io:443/b")));
        assert!(!base.same_origin(&parse("http://reg.io:443/b")));
        assert!(!base.same_origin(&parse("https://reg.io:444/b")));
        assert!(!base.same_origin(&parse("https://a.reg.io/b")));
    }

    #[test]
    fn a_query_value_is_encoded() {
        assert_eq!(
            encode("repository:a/b:pull é"),
            "repository%3Aa%2Fb%3Apull%20%C3%A9"
        );
    }
}
