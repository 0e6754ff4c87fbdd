//! The two files that tell a resolver what to do: `/etc/hosts` and
//! `/etc/resolv.conf` (resolv.conf(5)). Pure parsing.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// What `resolv.conf` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The servers, at most three.
    pub servers: Vec<IpAddr>,
    /// The domains that short names are looked for in, at most six.
    pub search: Vec<String>,
    /// A name with this many dots is tried as it is first.
    pub ndots: usize,
    /// How long one server is waited for.
    pub timeout: Duration,
    /// How often all servers are asked.
    pub attempts: u32,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            servers: vec![Ipv4Addr::LOCALHOST.into()],
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        }
    }
}

impl Config {
    /// Parses the text of a `resolv.conf`. Unknown lines are passed over.
    pub fn parse(text: &str) -> Config {
        let mut config = Config::default();
        let mut servers = Vec::new();
        for line in text.lines() {
            if line.starts_with(['#', ';']) {
                continue;
            }
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // A zone (`fe80::1%eth0`) needs an interface's number;
                    // such a server is passed over.
                    servers.extend(
                        words.next().and_then(|w| w.parse::<IpAddr>().ok()),
                    );
                }
                Some("domain" | "search") => {
                    let domains = words.map(|w| w.trim_end_matches('.'));
                    let domains = domains.filter(|w| !w.is_empty());
                    config.search =
                        domains.take(6).map(str::to_string).collect();
                }
                Some("options") => config.note_options(words),
                _ => {}
            }
        }
        servers.truncate(3);
        if !servers.is_empty() {
            config.servers = servers;
        }
        config
    }

    fn note_options<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        for word in words {
            let Some((name, value)) = word.split_once(':') else { continue };
            let Ok(value) = value.parse::<u32>() else { continue };
            match name {
                "ndots" => self.ndots = value.min(15) as usize,
                "timeout" => {
                    let seconds = value.clamp(1, 30);
                    self.timeout = Duration::from_secs(seconds.into());
                }
                "attempts" => self.attempts = value.clamp(1, 5),
                _ => {}
            }
        }
    }

    /// Returns the full names to look `host` up under, in order.
    pub fn candidates(&self, host: &str) -> Vec<String> {
        if let Some(absolute) = host.strip_suffix('.') {
            return vec![absolute.to_string()];
        }
        let mut names: Vec<String> =
            self.search.iter().map(|d| format!("{host}.{d}")).collect();
        let dots = host.bytes().filter(|&b| b == b'.').count();
        let at = if dots >= self.ndots { 0 } else { names.len() };
        names.insert(at, host.to_string());
        names
    }
}

/// Looks a name up in the text of a hosts file; case does not matter.
pub fn find_in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let mut found: Vec<IpAddr> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse) else { continue };
        let named = words.any(|name| name.eq_ignore_ascii_case(host));
        if named && !found.contains(&ip) {
            found.push(ip);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolv_conf_is_read() {
        let config = Config::parse(
            "# comment\nnameserver 10.0.0.1\nnameserver bad\n\
             nameserver fd00::1\nnameserver 1.1.1.1\nnameserver 2.2.2.2\n\
             domain old\nsearch a.example. b.example\n\
             options ndots:2 timeout:99 attempts:0 rotate x:y\n",
        );
        let expected: Vec<IpAddr> = ["10.0.0.1", "fd00::1", "1.1.1.1"]
            .map(|s| s.parse().unwrap())
            .to_vec();
        assert_eq!(config.servers, expected);
        assert_eq!(config.search, ["a.example", "b.example"]);
        assert_eq!((config.ndots, config.attempts), (2, 1));
        assert_eq!(config.timeout, Duration::from_secs(30));
        assert_eq!(Config::parse(""), Config::default());
    }

    #[test]
    fn short_names_are_searched_first_and_long_ones_last() {
        let config =
            Config { search: vec!["x.org".to_string()], ..Config::default() };
        assert_eq!(config.candidates("db"), ["db.x.org", "db"]);
        assert_eq!(config.candidates("a.b"), ["a.b", "a.b.x.org"]);
        assert_eq!(config.candidates("db."), ["db"]);
    }

    #[test]
    fn hosts_are_found_by_name_and_alias() {
        let text = "127.0.0.1 localhost # db\n::1 localhost\n\
                    10.0.0.5\tdb.example DB\nbad db\n10.0.0.5 db\n";
        let ips = |host| {
            let found = find_in_hosts(text, host);
            found.iter().map(IpAddr::to_string).collect::<Vec<_>>()
        };
        assert_eq!(ips("db"), ["10.0.0.5"]);
        assert_eq!(ips("LOCALHOST"), ["127.0.0.1", "::1"]);
        assert_eq!(ips("db.example."), ["10.0.0.5"]);
        assert!(ips("nosuch").is_empty());
    }
}
