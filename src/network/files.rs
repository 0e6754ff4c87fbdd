//! The files that tell a container its own name and address:
//! `/etc/hostname` and `/etc/hosts`. Pure text.

use std::net::IpAddr;

/// What every `/etc/hosts` begins with.
const LOCAL: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// A further line of `/etc/hosts` (`--add-host`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The address.
    pub ip: IpAddr,
    /// The name.
    pub name: String,
}

/// Writes `/etc/hosts`: the local names, the further ones, and the
/// container's own name if it has an address.
pub fn hosts(
    hostname: &str,
    domain: &str,
    ip: Option<IpAddr>,
    extra: &[Host],
) -> String {
    let mut text = with_extra(LOCAL, extra);
    if let Some(ip) = ip {
        let names = match domain {
            "" => hostname.to_string(),
            _ => format!("{hostname}.{domain} {hostname}"),
        };
        text.push_str(&format!("{ip}\t{names}\n"));
    }
    text
}

/// Writes `/etc/hosts` of a container on the host's network: the host's
/// file and the further names.
pub fn host_mode_hosts(host_file: &str, extra: &[Host]) -> String {
    let mut text = host_file.to_string();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    with_extra(&text, extra)
}

/// Writes `/etc/hostname`.
pub fn hostname(name: &str) -> String {
    format!("{name}\n")
}

fn with_extra(text: &str, extra: &[Host]) -> String {
    let mut text = text.to_string();
    for Host { ip, name } in extra {
        text.push_str(&format!("{ip}\t{name}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_ends_with_the_containers_own_name() {
        let ip = Some("172.17.0.2".parse().unwrap());
        let extra =
            [Host { ip: "10.0.0.9".parse().unwrap(), name: "db".to_string() }];
        assert_eq!(
            hosts("46aea10b7082", "", ip, &extra),
            "127.0.0.1\tlocalhost\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::\tip6-localnet\n\
             ff00::\tip6-mcastprefix\n\
             ff02::1\tip6-allnodes\n\
             ff02::2\tip6-allrouters\n\
             10.0.0.9\tdb\n\
             172.17.0.2\t46aea10b7082\n"
        );
        let full = hosts("web", "example.com", ip, &[]);
        assert!(full.ends_with("172.17.0.2\tweb.example.com web\n"));
        assert_eq!(hosts("web", "", None, &[]), LOCAL);
    }

    #[test]
    fn on_the_hosts_network_the_hosts_file_is_kept() {
        let extra =
            [Host { ip: "::1".parse().unwrap(), name: "six".to_string() }];
        assert_eq!(
            host_mode_hosts("127.0.0.1 vm", &extra),
            "127.0.0.1 vm\n::1\tsix\n"
        );
        assert_eq!(host_mode_hosts("", &[]), "");
    }

    #[test]
    fn the_hostname_is_one_line() {
        assert_eq!(hostname("web"), "web\n");
    }
}
