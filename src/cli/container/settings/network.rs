//! Networks and names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;

use crate::api::network::EndpointSettings;

/// A wish to be connected to a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The network's name.
    pub name: String,
    /// Names of the container in it.
    pub aliases: Vec<String>,
    /// The address it is to have.
    pub ip: String,
    /// The same for IPv6.
    pub ip6: String,
    /// Addresses for the link alone.
    pub link_local: Vec<String>,
    /// The hardware address it is to have.
    pub mac: String,
    /// Options for the driver.
    pub options: BTreeMap<String, String>,
    /// Which network gives the default route: the highest.
    pub priority: i64,
}

/// Reads `--network`: a name, or `name=x,alias=y,…`.
pub fn parse(word: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    if !word.contains('=') {
        word.clone_into(&mut wanted.name);
        return Ok(wanted);
    }
    for field in word.split(',') {
        let Some((name, value)) = field.split_once('=') else {
            return Err(format!("invalid field {field}"));
        };
        let value = value.trim();
        match name.trim().to_lowercase().as_str() {
            "name" => value.clone_into(&mut wanted.name),
            "alias" => wanted.aliases.push(value.to_owned()),
            "ip" => value.clone_into(&mut wanted.ip),
            "ip6" => value.clone_into(&mut wanted.ip6),
            "link-local-ip" => wanted.link_local.push(value.to_owned()),
            "mac-address" => value.clone_into(&mut wanted.mac),
            "driver-opt" => {
                let pair = value.split_once('=');
                let (key, value) = pair
                    .ok_or("invalid key value pair format in driver options")?;
                wanted.options.insert(key.to_owned(), value.to_owned());
            }
            "gw-priority" => {
                wanted.priority = value
                    .parse()
                    .map_err(|_| format!("invalid gw-priority: {value}"))?;
            }
            name => return Err(format!("invalid field key {name}")),
        }
    }
    Ok(wanted)
}

impl Wanted {
    /// Takes over what flags of their own say about the first network.
    pub fn merge(&mut self, own: Wanted) -> Result<(), String> {
        let conflict = |is: bool, what: &str, name: &str| match is {
            true => Err(format!(
                "conflicting options: cannot specify both --{what} and \
                 per-network {name}"
            )),
            false => Ok(()),
        };
        let both = |a: &str, b: &str| !a.is_empty() && !b.is_empty();
        conflict(
            !self.aliases.is_empty() && !own.aliases.is_empty(),
            "network-alias",
            "alias",
        )?;
        conflict(both(&self.ip, &own.ip), "ip", "IPv4 address")?;
        conflict(both(&self.ip6, &own.ip6), "ip6", "IPv6 address")?;
        conflict(both(&self.mac, &own.mac), "mac-address", "MAC address")?;
        self.aliases.extend(own.aliases);
        self.link_local.extend(own.link_local);
        for (mine, other) in [
            (&mut self.ip, own.ip),
            (&mut self.ip6, own.ip6),
            (&mut self.mac, own.mac),
        ] {
            if !other.is_empty() {
                *mine = other;
            }
        }
        Ok(())
    }

    /// Makes the request's object of it.
    pub fn endpoint(&self, links: Option<Vec<String>>) -> EndpointSettings {
        let mut ipam = json!({});
        for (name, value) in
            [("IPv4Address", &self.ip), ("IPv6Address", &self.ip6)]
        {
            if !value.is_empty() {
                ipam[name] = value.as_str().into();
            }
        }
        if !self.link_local.is_empty() {
            ipam["LinkLocalIPs"] = json!(self.link_local);
        }
        let has_ipam = ipam.as_object().is_some_and(|ipam| !ipam.is_empty());
        EndpointSettings {
            ipam_config: has_ipam.then_some(ipam),
            links,
            aliases: (!self.aliases.is_empty()).then(|| self.aliases.clone()),
            mac_address: self.mac.clone(),
            driver_opts: (!self.options.is_empty())
                .then(|| self.options.clone()),
            gw_priority: self.priority,
            ..EndpointSettings::default()
        }
    }
}

/// Tells whether a network is one that the user made.
pub fn is_user_defined(name: &str) -> bool {
    !matches!(name, "" | "default" | "bridge" | "host" | "none")
        && !name.starts_with("container:")
}

/// Checks `--add-host host:ip`; the form with `=` becomes that.
pub fn extra_host(word: &str) -> Result<String, String> {
    let parts = word.split_once('=').or_else(|| word.split_once(':'));
    let (name, ip) = match parts {
        Some((name, ip)) if !name.is_empty() => (name, ip),
        _ => return Err(format!("bad format for add-host: \"{word}\"")),
    };
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
    let ip = bare.unwrap_or(ip);
    if ip != "host-gateway" && ip.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address in add-host: \"{ip}\""));
    }
    Ok(format!("{name}:{ip}"))
}

/// Checks `--link name[:alias]`.
pub fn link(word: &str) -> Result<String, String> {
    if word.is_empty() {
        return Err("empty string specified for links".to_owned());
    }
    let (name, alias) = word.split_once(':').unwrap_or((word, word));
    if alias.contains(':') {
        return Err(format!("bad format for links: {word}"));
    }
    let _ = name;
    Ok(word.to_owned())
}

/// Tells whether a text is a hardware address.
pub fn is_mac(word: &str) -> bool {
    let separator = if word.contains('-') { '-' } else { ':' };
    let parts: Vec<_> = word.split(separator).collect();
    matches!(parts.len(), 6 | 8 | 20)
        && parts.iter().all(|part| {
            part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_names_or_lists_of_fields() {
        assert_eq!(parse("host").unwrap().name, "host");
        let wanted = parse("name=n,alias=a,alias=b,ip=1.2.3.4").unwrap();
        assert_eq!(wanted.aliases, ["a", "b"]);
        let endpoint = serde_json::to_value(wanted.endpoint(None)).unwrap();
        assert_eq!(endpoint["IPAMConfig"]["IPv4Address"], "1.2.3.4");
        assert_eq!(parse("foo=x").unwrap_err(), "invalid field key foo");
    }

    #[test]
    fn hosts_need_an_address() {
        assert_eq!(extra_host("a:1.2.3.4").unwrap(), "a:1.2.3.4");
        assert_eq!(extra_host("a=[::1]").unwrap(), "a:::1");
        assert_eq!(extra_host("a:host-gateway").unwrap(), "a:host-gateway");
        assert_eq!(
            extra_host("foo").unwrap_err(),
            "bad format for add-host: \"foo\""
        );
        assert_eq!(
            extra_host("a:b").unwrap_err(),
            "invalid IP address in add-host: \"b\""
        );
    }

    #[test]
    fn hardware_addresses_have_six_pairs() {
        assert!(is_mac("92:d0:c6:0a:29:33") && is_mac("92-d0-c6-0a-29-33"));
        assert!(!is_mac("foo") && !is_mac("92:d0:c6:0a:29:3"));
    }
}
