//! Who may call over the network: a page in somebody's browser must not
//! drive a daemon that the browser can reach.
//!
//! - The name that the client calls us by has to be ours. A page that lets
//!   its own name resolve to our address (DNS rebinding) is found out here.
//! - A page's `Origin` has to be the very host that is called, unless CORS
//!   is on for it.
//! - What a browser itself calls cross-site is refused, unless CORS is on.
//!
//! Unix sockets have the file's mode in place of all this: no browser can
//! connect to one, and old clients send the socket's path as the host.

use std::fs;
use std::net::{IpAddr, Ipv6Addr};

use crate::http::head::Request;

/// Where the kernel tells the host's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// What tells the callers that are let in.
#[derive(Debug)]
pub(super) struct Guard {
    /// Our names in small letters.
    names: Vec<String>,
    /// The origins that CORS is on for; `*` is every one.
    cors: Option<String>,
}

impl Guard {
    /// Makes one that knows the host's own name, and these.
    pub fn new(allowed: &[String], cors: Option<&str>) -> Guard {
        let own = fs::read_to_string(HOST_NAME).unwrap_or_default();
        Guard::with(own.trim(), allowed, cors)
    }

    fn with(own: &str, allowed: &[String], cors: Option<&str>) -> Guard {
        let names = ["localhost", own].into_iter();
        let names = names.chain(allowed.iter().map(String::as_str));
        let names = names.filter(|name| !name.is_empty());
        Guard {
            names: names.map(str::to_ascii_lowercase).collect(),
            cors: cors.map(str::to_string),
        }
    }

    /// Returns why a request that came over the network is refused.
    pub fn refusal(&self, head: &Request) -> Option<String> {
        let host = head.host();
        if !self.is_ours(host) {
            return Some(format!(
                "the host {host:?} is not this daemon's: start it with \
                 --allowed-host={} if it is",
                split_port(host).map_or(host, |(name, _)| name)
            ));
        }
        self.refusal_of_site(head)
    }

    /// The same for a client that calls through TLS: under whatever name, no
    /// browser takes our certificate for that of another site.
    pub fn refusal_of_site(&self, head: &Request) -> Option<String> {
        let host = head.host();
        for (name, value) in head.fields().iter() {
            let refused = match name.len() {
                6 if name.eq_ignore_ascii_case("origin") => {
                    !self.may_come_from(value, host)
                }
                14 if name.eq_ignore_ascii_case("sec-fetch-site") => {
                    let own = [&b"same-origin"[..], b"none"];
                    self.cors.is_none() && !own.contains(&value)
                }
                _ => false,
            };
            if refused {
                let value = String::from_utf8_lossy(value);
                return Some(format!(
                    "a request of another site is refused ({name}: {value}); \
                     --api-enable-cors lets it in"
                ));
            }
        }
        None
    }

    fn is_ours(&self, host: &str) -> bool {
        // Docker 1.2 sends the version of its path as the host.
        if host.is_empty() || is_version(host) {
            return true;
        }
        let Some((name, _)) = split_port(host) else { return false };
        let name = name.strip_suffix('.').unwrap_or(name);
        let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
        match bare {
            Some(inner) => is_ipv6(inner),
            None => {
                name.parse::<IpAddr>().is_ok()
                    || self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
            }
        }
    }

    fn may_come_from(&self, origin: &[u8], host: &str) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        if let Some(allowed) = &self.cors {
            let mut allowed = allowed.split(',').map(str::trim);
            if allowed.any(|a| a == "*" || a.eq_ignore_ascii_case(origin)) {
                return true;
            }
        }
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        // Either side may leave the scheme's own port out.
        let port = match scheme {
            "http" | "ws" => ":80",
            "https" | "wss" => ":443",
            _ => "",
        };
        let cut = |text| str::strip_suffix(text, port).unwrap_or(text);
        !authority.is_empty() && cut(authority).eq_ignore_ascii_case(cut(host))
    }
}

/// `v1.14`
fn is_version(host: &str) -> bool {
    let numbers = host.strip_prefix('v').and_then(|v| v.split_once('.'));
    let digits =
        |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(major, minor)| digits(major) && digits(minor))
}

/// Takes the port off a host; `None` if there stands something else.
fn split_port(host: &str) -> Option<(&str, &str)> {
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (name, rest) = host.split_at(end);
    let port = match rest {
        "" => "",
        rest => rest.strip_prefix(':')?,
    };
    port.bytes().all(|b| b.is_ascii_digit()).then_some((name, port))
}

/// An address that may name an interface.
fn is_ipv6(text: &str) -> bool {
    let address = text.split('%').next().unwrap_or("");
    address.parse::<Ipv6Addr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(guard: &Guard, target: &str, lines: &str) -> Option<String> {
        let mut head = Request::default();
        let text = format!("GET {target} HTTP/1.1\r\n{lines}\r\n");
        head.parse(text.as_bytes()).unwrap();
        guard.refusal(&head)
    }

    fn guard(cors: Option<&str>) -> Guard {
        Guard::with("Box", &["engine.example".to_string()], cors)
    }

    #[test]
    fn only_our_own_names_are_answered_to() {
        let guard = guard(None);
        for (host, ours) in [
            ("", true),
            ("v1.14", true),
            ("127.0.0.1", true),
            ("10.1.2.3:2375", true),
            ("[::1]", true),
            ("[fe80::1%25eth0]:2375", true),
            ("localhost", true),
            ("LocalHost:2375", true),
            ("localhost.", true),
            ("box:1", true),
            ("Engine.example:2375", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("127.0.0.1:x", false),
            ("v1.14.evil.example", false),
            ("v1.", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[evil]", false),
            ("::1", false),
            ("1", false),
        ] {
            let refused = refusal(&guard, "/", &format!("Host: {host}\r\n"));
            assert_eq!(refused.is_none(), ours, "{host}: {refused:?}");
        }
        let words = refusal(&guard, "/", "Host: evil.example:80\r\n").unwrap();
        assert!(words.contains("--allowed-host=evil.example "), "{words}");
    }

    #[test]
    fn the_host_of_the_target_counts_before_the_header() {
        let guard = guard(None);
        let own = "Host: localhost\r\n";
        assert!(refusal(&guard, "http://evil.example/x", own).is_some());
        let evil = "Host: evil.example\r\n";
        assert!(refusal(&guard, "http://localhost:1/x", evil).is_none());
    }

    #[test]
    fn a_page_of_another_site_is_refused() {
        let closed = guard(None);
        for (lines, passes) in [
            ("Origin: http://localhost:2375\r\n", true),
            ("Origin: ws://LOCALHOST:2375\r\n", true),
            ("Origin: http://localhost:3000\r\n", false),
            ("Origin: http://evil.example\r\n", false),
            ("Origin: http://localhost:2375.evil.example\r\n", false),
            ("Origin: null\r\n", false),
            ("Origin:\r\n", false),
            ("Origin: localhost:2375\r\n", false),
            ("Origin: \u{ff}\r\n", false),
            ("Origin: http://localhost:2375\r\nOrigin: http://b\r\n", false),
            ("Sec-Fetch-Site: same-origin\r\n", true),
            ("Sec-Fetch-Site: none\r\n", true),
            ("Sec-Fetch-Site: cross-site\r\n", false),
            ("Sec-Fetch-Site: same-site\r\n", false),
        ] {
            let all = format!("Host: localhost:2375\r\n{lines}");
            let refused = refusal(&closed, "/", &all);
            assert_eq!(refused.is_none(), passes, "{lines}: {refused:?}");
            let open = guard(Some("*"));
            assert_eq!(refusal(&open, "/", &all), None, "{lines}");
        }
        let default = "Host: localhost\r\nOrigin: http://localhost:80\r\n";
        assert_eq!(refusal(&closed, "/", default), None);
        assert!(
            refusal(&closed, "/", "Host:\r\nOrigin: http://\r\n").is_some()
        );
    }

    #[test]
    fn cors_lets_the_named_origins_in_and_no_foreign_host() {
        let some = guard(Some("https://a.example, https://b.example"));
        let host = "Host: localhost\r\nOrigin: ";
        for (origin, passes) in [
            ("https://a.example", true),
            ("https://b.example", true),
            ("https://c.example", false),
            ("null", false),
        ] {
            let lines = format!("{host}{origin}\r\n");
            assert_eq!(refusal(&some, "/", &lines).is_none(), passes);
        }
        let evil = "Host: evil.example\r\nOrigin: http://evil.example\r\n";
        assert!(refusal(&guard(Some("*")), "/", evil).is_some());
    }
}
