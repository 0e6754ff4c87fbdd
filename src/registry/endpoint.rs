//! Where a repository is found: the mirrors of Docker Hub, the registry
//! itself over TLS, and in plain text where that is allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Settings;
use super::url::{Scheme, Url, split_authority};

/// The server behind the name `docker.io`.
const HUB_HOST: &str = "registry-1.docker.io";
/// The name of Docker Hub in references.
const HUB_DOMAIN: &str = "docker.io";

/// Whether a server has to prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Its certificate is verified.
    Verified,
    /// Any certificate does.
    Any,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A mirror: it may lack what the origin has, and never gets the
    /// origin's credentials.
    Mirror,
    /// The registry that the reference names.
    Origin,
}

/// One place to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The base: its target ends without a slash, before `/v2/`.
    pub base: Url,
    /// Whether its certificate is verified.
    pub trust: Trust,
    /// Whose server it is.
    pub role: Role,
    /// The directory of its certificates below a `certs.d`: `host:port`.
    pub certs: String,
}

impl Endpoint {
    /// Returns a URL below the base: `path` starts with `/v2/`.
    pub fn url(&self, path: &str) -> Url {
        let prefix = self.base.target.trim_end_matches('/');
        self.base.with_target(format!("{prefix}{path}"))
    }
}

/// Lists where to look for the repositories of `domain`, in order.
/// Empty if the domain cannot be an address (a port beyond 65535).
pub fn list(settings: &Settings, domain: &str) -> Vec<Endpoint> {
    let mut found = Vec::new();
    if domain == HUB_DOMAIN {
        for mirror in &settings.mirrors {
            let Some(base) = Url::parse(mirror) else {
                log::warn!("registry mirror {mirror:?} is no URL: left out");
                continue;
            };
            let authority = base.authority();
            let trust = trust(settings, &authority, &base.host);
            found.push(Endpoint {
                base,
                trust,
                role: Role::Mirror,
                certs: authority,
            });
        }
        found.push(origin(Scheme::Https, HUB_HOST, None, Trust::Verified));
        return found;
    }
    let Some((host, port)) = split_authority(domain) else {
        return found;
    };
    let trust = trust(settings, domain, &host);
    found.push(origin(Scheme::Https, &host, port, trust));
    if trust == Trust::Any {
        found.push(origin(Scheme::Http, &host, port, trust));
    }
    for endpoint in &mut found {
        endpoint.certs = domain.to_string();
    }
    found
}

fn origin(
    scheme: Scheme,
    host: &str,
    port: Option<u16>,
    trust: Trust,
) -> Endpoint {
    let base = Url {
        scheme,
        host: host.to_string(),
        port: port.unwrap_or(scheme.default_port()),
        target: "/".into(),
    };
    Endpoint { base, trust, role: Role::Origin, certs: host.to_string() }
}

/// Says whether a host may go without a valid certificate: it is listed, it
/// lies in a listed network, or it is this machine.
fn trust(settings: &Settings, domain: &str, host: &str) -> Trust {
    let address: Option<IpAddr> = match host {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        host => host.parse().ok(),
    };
    let listed = settings.insecure.iter().any(|entry| {
        let entry = entry
            .trim_start_matches("https://")
            .trim_start_matches("http://")
            .trim_end_matches('/');
        entry.eq_ignore_ascii_case(domain)
            || address.is_some_and(|address| in_network(entry, address))
    });
    match listed || address.is_some_and(|a| a.is_loopback()) {
        true => Trust::Any,
        false => Trust::Verified,
    }
}

/// Whether an address lies in a network written as `address/bits`.
fn in_network(network: &str, address: IpAddr) -> bool {
    let Some((base, bits)) = network.split_once('/') else {
        return false;
    };
    let Ok(bits) = bits.parse::<u32>() else { return false };
    match (base.parse(), address) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(address)) if bits <= 32 => {
            let shift = |ip: Ipv4Addr| u32::from(ip).checked_shr(32 - bits);
            shift(base) == shift(address)
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(address)) if bits <= 128 => {
            let shift = |ip: Ipv6Addr| u128::from(ip).checked_shr(128 - bits);
            shift(base) == shift(address)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(insecure: &[&str], mirrors: &[&str]) -> Settings {
        let own = |list: &[&str]| list.iter().map(|s| s.to_string()).collect();
        Settings {
            insecure: own(insecure),
            mirrors: own(mirrors),
            ..Settings::default()
        }
    }

    fn bases(settings: &Settings, domain: &str) -> Vec<String> {
        let found = list(settings, domain);
        found.iter().map(|e| e.url("/v2/").to_string()).collect()
    }

    #[test]
    fn a_registry_is_reached_over_tls_alone() {
        let none = settings(&[], &[]);
        assert_eq!(bases(&none, "reg.io"), ["https://reg.io/v2/"]);
        assert_eq!(bases(&none, "reg.io:5000"), ["https://reg.io:5000/v2/"]);
        assert_eq!(list(&none, "reg.io")[0].trust, Trust::Verified);
        assert!(bases(&none, "reg.io:99999").is_empty());
    }

    #[test]
    fn this_machine_is_tried_over_tls_and_then_in_plain_text() {
        let none = settings(&[], &[]);
        for host in ["127.0.0.1:5000", "127.8.8.8:5000", "localhost:5000"] {
            assert_eq!(
                bases(&none, host),
                [format!("https://{host}/v2/"), format!("http://{host}/v2/")]
            );
        }
        assert_eq!(bases(&none, "[::1]:5000").len(), 2);
        assert_eq!(bases(&none, "localhost")[1], "http://localhost/v2/");
    }

    #[test]
    fn listed_hosts_and_networks_may_be_insecure() {
        let some = settings(&["reg.io:5000", "10.0.0.0/8", "fd00::/8"], &[]);
        assert_eq!(bases(&some, "reg.io:5000").len(), 2);
        assert_eq!(bases(&some, "reg.io").len(), 1);
        assert_eq!(bases(&some, "10.1.2.3:80").len(), 2);
        assert_eq!(bases(&some, "11.1.2.3:80").len(), 1);
        assert_eq!(bases(&some, "[fd00::1]").len(), 2);
        assert_eq!(bases(&some, "[fe80::1]").len(), 1);
        assert_eq!(bases(&settings(&["0.0.0.0/0"], &[]), "8.8.8.8").len(), 2);
    }

    #[test]
    fn mirrors_come_first_and_serve_docker_hub_only() {
        let some = settings(&[], &["http://m.io:81/sub/", "no url"]);
        assert_eq!(
            bases(&some, "docker.io"),
            ["http://m.io:81/sub/v2/", "https://registry-1.docker.io/v2/"]
        );
        assert_eq!(list(&some, "docker.io")[0].role, Role::Mirror);
        assert_eq!(bases(&some, "reg.io"), ["https://reg.io/v2/"]);
    }
}
