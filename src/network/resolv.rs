//! A container's `/etc/resolv.conf` (resolv.conf(5)), made from the host's
//! by Docker's rules. Pure text.

use std::net::IpAddr;

/// The host's own file.
pub const HOST_FILE: &str = "/etc/resolv.conf";
/// Where systemd-resolved lists the servers that it forwards to.
pub const RESOLVED_FILE: &str = "/run/systemd/resolve/resolv.conf";

/// What Docker falls back to if the host names no server that a container
/// can reach.
const FALLBACK: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// What the user asked for (`--dns`, `--dns-search`, `--dns-opt`); each
/// that is not empty replaces the host's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides<'a> {
    /// Addresses of servers.
    pub servers: &'a [String],
    /// Domains to search; a lone `.` is none.
    pub search: &'a [String],
    /// Options.
    pub options: &'a [String],
}

/// Whether a container reaches the host's loopback addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It shares the host's network: the host's servers are its own.
    Host,
    /// It has its own loopback and IPv4 only: servers on loopback or IPv6
    /// addresses are left out.
    Container,
}

/// Writes the container's file from the host's text and, if that names
/// only servers on loopback, from the text of [`RESOLVED_FILE`] (empty if
/// there is none).
pub fn resolv_conf(
    host: &str,
    resolved: &str,
    overrides: &Overrides<'_>,
    reach: Reach,
) -> String {
    let mut file = parse(host);
    if reach == Reach::Container {
        let local = |file: &File<'_>| file.servers.iter().all(is_loopback);
        let behind = parse(resolved);
        if local(&file) && !local(&behind) {
            file = behind;
        }
        file.servers.retain(|server| is_reachable(server));
        if file.servers.is_empty() {
            file.servers = FALLBACK.to_vec();
        }
    }
    fn replace<'a>(own: &mut Vec<&'a str>, wanted: &'a [String]) {
        if !wanted.is_empty() {
            *own = wanted.iter().map(String::as_str).collect();
        }
    }
    replace(&mut file.servers, overrides.servers);
    replace(&mut file.search, overrides.search);
    replace(&mut file.options, overrides.options);
    file.search.retain(|domain| *domain != ".");
    write(&file)
}

/// Returns the servers that a file names, for networks that must not be
/// taken.
pub fn servers(text: &str) -> Vec<IpAddr> {
    parse(text).servers.iter().filter_map(|s| address(s)).collect()
}

#[derive(Default)]
struct File<'a> {
    servers: Vec<&'a str>,
    search: Vec<&'a str>,
    options: Vec<&'a str>,
}

fn parse(text: &str) -> File<'_> {
    let mut file = File::default();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => file.servers.extend(words.next()),
            // The last line of them counts, as for the C library.
            Some("search" | "domain") => file.search = words.collect(),
            Some("options") => file.options.extend(words),
            _ => {}
        }
    }
    file
}

fn write(file: &File<'_>) -> String {
    let mut text = String::from(
        "# Written by skiff. It may be edited: it is written once, when \
         the\n# container is started.\n\n",
    );
    for server in &file.servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    for (word, values) in [("search", &file.search), ("options", &file.options)]
    {
        if !values.is_empty() {
            text.push_str(&format!("{word} {}\n", values.join(" ")));
        }
    }
    text
}

/// Reads a server's address without its zone (`fe80::1%eth0`).
fn address(server: &str) -> Option<IpAddr> {
    server.split('%').next()?.parse().ok()
}

fn is_loopback(server: &&str) -> bool {
    address(server).is_some_and(|ip| ip.is_loopback())
}

fn is_reachable(server: &str) -> bool {
    address(server).is_some_and(|ip| ip.is_ipv4() && !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Overrides<'_> =
        Overrides { servers: &[], search: &[], options: &[] };

    /// The file without its comments.
    fn made(host: &str, resolved: &str, overrides: &Overrides<'_>) -> String {
        let text = resolv_conf(host, resolved, overrides, Reach::Container);
        let (comment, rest) = text.split_once("\n\n").unwrap();
        assert!(comment.lines().all(|line| line.starts_with('#')));
        rest.to_string()
    }

    #[test]
    fn servers_search_and_options_are_copied() {
        let host = "# by hand\n\
            nameserver 10.255.255.53\n\
            nameserver\t10.0.0.1 # second\n\
            domain old.example\n\
            search a.example b.example\n\
            options ndots:2 timeout:1\n\
            options rotate\n\
            sortlist 1.2.3.4\n\
            ; nameserver 9.9.9.9\n";
        assert_eq!(
            made(host, "", &NONE),
            "nameserver 10.255.255.53\n\
             nameserver 10.0.0.1\n\
             search a.example b.example\n\
             options ndots:2 timeout:1 rotate\n"
        );
    }

    #[test]
    fn servers_that_a_container_cannot_reach_are_dropped() {
        let host = "nameserver 127.0.0.1\nnameserver ::1\n\
            nameserver fe80::1%eth0\nnameserver 10.0.0.1\n\
            nameserver nonsense\n";
        assert_eq!(made(host, "", &NONE), "nameserver 10.0.0.1\n");
    }

    #[test]
    fn behind_a_local_resolver_its_own_servers_are_taken() {
        let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n";
        let real = "nameserver 192.0.2.1\nsearch lan\n";
        assert_eq!(
            made(stub, real, &NONE),
            "nameserver 192.0.2.1\nsearch lan\n"
        );
        // A server of the host's own is preferred to the other file.
        let own = "nameserver 10.0.0.1\n";
        assert_eq!(made(own, real, &NONE), own);
    }

    #[test]
    fn without_any_server_dockers_fall_back_stands_in() {
        let google = "nameserver 8.8.8.8\nnameserver 8.8.4.4\n";
        assert_eq!(made("", "", &NONE), google);
        let local = "nameserver 127.0.0.1\n";
        assert_eq!(made(local, local, &NONE), google);
        assert_eq!(
            made("nameserver ::1\nsearch lan\n", "", &NONE),
            format!("{google}search lan\n")
        );
    }

    #[test]
    fn what_the_user_asks_for_replaces_the_hosts() {
        let host = "nameserver 10.0.0.1\nsearch lan\noptions ndots:2\n";
        let strings = |s: &[&str]| s.iter().map(|s| s.to_string()).collect();
        let servers: Vec<String> = strings(&["127.0.0.1", "1.1.1.1"]);
        let search: Vec<String> = strings(&["."]);
        let options: Vec<String> = strings(&["ndots:0"]);
        let asked =
            Overrides { servers: &servers, search: &search, options: &options };
        assert_eq!(
            made(host, "", &asked),
            "nameserver 127.0.0.1\nnameserver 1.1.1.1\noptions ndots:0\n"
        );
    }

    #[test]
    fn on_the_hosts_network_its_servers_stay() {
        let host = "nameserver 127.0.0.53\nsearch lan\n";
        let text = resolv_conf(host, "x", &NONE, Reach::Host);
        assert!(text.ends_with("\n\nnameserver 127.0.0.53\nsearch lan\n"));
    }

    #[test]
    fn servers_are_listed_as_addresses() {
        let text = "nameserver 10.0.0.1\nnameserver x\nnameserver ::1\n";
        let ips: Vec<String> =
            servers(text).iter().map(|ip| ip.to_string()).collect();
        assert_eq!(ips, ["10.0.0.1", "::1"]);
    }
}
