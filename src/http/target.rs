//! The target of a request (RFC 9112 §3.2): which forms there are, and what
//! their parts are. Nothing is decoded here.

use super::head::Malformed;

/// Checks that a target has a form that goes with its method: a path, an
/// absolute `http` one, or for `OPTIONS` the asterisk. The authority of
/// `CONNECT` is for proxies. What has to be percent-encoded has to be, but
/// for the braces and quotes that people type.
pub fn check(method: &str, target: &str) -> Result<(), Malformed> {
    let plain = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    let known = target.starts_with('/')
        || (target == "*" && method == "OPTIONS")
        || authority(target).is_some_and(|host| {
            !host.is_empty() && !host.starts_with(':') && !host.contains('@')
        });
    if plain && known { Ok(()) } else { Err(Malformed::Target) }
}

/// Returns the path, still encoded.
pub fn path(target: &str) -> &str {
    let rest = match after_scheme(target) {
        Some(rest) => rest.find(['/', '?']).map_or("/", |at| &rest[at..]),
        None => target,
    };
    match rest.split('?').next() {
        None | Some("") => "/",
        Some(path) => path,
    }
}

/// Returns what stands behind the `?`, still encoded.
pub fn query(target: &str) -> &str {
    target.split_once('?').map_or("", |(_, query)| query)
}

/// Returns the host and port of an absolute target.
pub fn authority(target: &str) -> Option<&str> {
    after_scheme(target)?.split(['/', '?']).next()
}

fn after_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    let http = ["http", "https"].iter().any(|s| scheme.eq_ignore_ascii_case(s));
    http.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        for (target, host, route, asked) in [
            ("/", None, "/", ""),
            ("/a/b?c=d?e", None, "/a/b", "c=d?e"),
            ("/a://b", None, "/a://b", ""),
            ("/?x=http://h/y", None, "/", "x=http://h/y"),
            ("*", None, "*", ""),
            ("http://h", Some("h"), "/", ""),
            ("http://h:1/a/b?c", Some("h:1"), "/a/b", "c"),
            ("HTTPS://[::1]:2?c", Some("[::1]:2"), "/", "c"),
        ] {
            assert_eq!(check("OPTIONS", target), Ok(()), "{target}");
            assert_eq!(authority(target), host, "{target}");
            assert_eq!((path(target), query(target)), (route, asked));
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for target in [
            "",
            "*",
            "a/b",
            "h:80",
            "?a",
            "#",
            "/a#b",
            "ftp://h/",
            "http://",
            "http:///a",
            "http://?a",
            "http://u@h/",
            "http://:80/",
            "://h/",
            "/\u{e9}",
            "/\u{7f}",
            "/a b",
            "http:/a",
            "javascript:x",
        ] {
            let got = check("GET", target);
            assert_eq!(got, Err(Malformed::Target), "{target}");
        }
    }
}
