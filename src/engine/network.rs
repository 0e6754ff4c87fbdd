//! The networks that every engine has: `bridge`, `host` and `none`.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, OwnedFd};

use serde::Serialize;

use super::container::{Record, shared};
use super::{Engine, Error, Result, Settings};
use crate::api::network::EndpointSettings;
use crate::id;
use crate::json::FromJson;
use crate::network::files::{self, Host};
use crate::network::resolv::{self, Overrides, Reach};
use crate::network::{self, Bridge, Cidr, Lease, Mode};
use crate::time::Timestamp;

/// The networks and their ids, which stay the same for a data root.
#[derive(Debug)]
pub struct Networks {
    ids: Ids,
    /// The default bridge; `None` if it was not wanted.
    bridge: Option<Bridge>,
}

/// The ids of the networks, kept with the engine's own.
#[derive(Clone, Debug, Serialize, FromJson)]
pub struct Ids {
    bridge: String,
    host: String,
    none: String,
}

/// A container's place on a network, given back when it is dropped before
/// the container runs.
#[derive(Debug)]
pub struct Endpoint<'a> {
    network: String,
    settings: EndpointSettings,
    plug: Option<Plug<'a>>,
}

#[derive(Debug)]
struct Plug<'a> {
    bridge: &'a Bridge,
    lease: Lease,
    kept: bool,
}

impl Ids {
    /// Makes new ids.
    pub fn random() -> Ids {
        Ids { bridge: id::random(), host: id::random(), none: id::random() }
    }
}

impl Networks {
    /// Makes or finds the default bridge.
    pub fn open(settings: &Settings, ids: Ids) -> Result<Networks> {
        let failed = |e: &dyn std::fmt::Display| {
            Error::Internal(format!(
                "Error initializing network controller: {e}"
            ))
        };
        let Some(name) = &settings.bridge else {
            return Ok(Networks { ids, bridge: None });
        };
        let bip = match &settings.bip {
            Some(text) => Some(text.parse::<Cidr>().map_err(|e| failed(&e))?),
            None => None,
        };
        let defaults = network::Settings::default();
        let wanted = network::Settings {
            bridge: name.clone(),
            bip,
            mtu: match settings.mtu {
                0 => defaults.mtu,
                mtu => mtu,
            },
            ..defaults
        };
        let in_use = network::in_use().map_err(|e| failed(&e))?;
        let bridge = Bridge::open(&wanted, &in_use).map_err(|e| failed(&e))?;
        Ok(Networks { ids, bridge: Some(bridge) })
    }

    /// Returns the id of a network by its name.
    pub fn id(&self, name: &str) -> Option<&str> {
        match name {
            "bridge" => Some(&self.ids.bridge),
            "host" => Some(&self.ids.host),
            "none" => Some(&self.ids.none),
            _ => None,
        }
    }

    /// Takes the bridge away, when no container is left on it.
    pub fn remove(&self) {
        if let Some(bridge) = &self.bridge
            && let Err(error) = bridge.remove()
        {
            log::warn!("remove bridge {}: {error}", bridge.name());
        }
    }
}

impl Endpoint<'_> {
    /// Tells whether the container's namespace has to be plugged in.
    pub fn needs_plugging(&self) -> bool {
        self.plug.is_some()
    }

    /// Returns the network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Returns the container's own address.
    pub fn ip(&self) -> Option<IpAddr> {
        self.plug.as_ref().map(|plug| IpAddr::V4(plug.lease.ip))
    }

    /// Plugs a container's namespace in.
    pub fn plug(&self, netns: &OwnedFd) -> Result<()> {
        let Some(plug) = &self.plug else {
            return Ok(());
        };
        plug.bridge
            .attach(&plug.lease, netns.as_fd(), &network::random_name())
            .map_err(|e| {
                Error::Internal(format!(
                    "failed to set up container networking: {e}"
                ))
            })
    }

    /// Keeps the endpoint for a container that runs; returns what is told
    /// of it.
    pub fn keep(mut self) -> BTreeMap<String, EndpointSettings> {
        if let Some(plug) = &mut self.plug {
            plug.kept = true;
        }
        if self.network.is_empty() {
            return BTreeMap::new();
        }
        let settings = std::mem::take(&mut self.settings);
        BTreeMap::from([(std::mem::take(&mut self.network), settings)])
    }
}

impl Drop for Plug<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.bridge.release(self.lease.ip);
        }
    }
}

impl Engine {
    /// Gives a container its place on the network that it asks for.
    pub(super) fn connect(&self, record: &Record) -> Result<Endpoint<'_>> {
        let name = record.host_config.network_mode.as_str();
        if shared::donor(name).is_some() {
            // Its network is that of another, of which nothing is its own.
            let (network, settings) = Default::default();
            return Ok(Endpoint { network, settings, plug: None });
        }
        let asked = record.endpoints.get(name).cloned().unwrap_or_default();
        let missing = || {
            Error::NotFound(format!(
                "failed to set up container networking: network {name} not \
                 found"
            ))
        };
        let settings = EndpointSettings {
            network_id: self.networks.id(name).ok_or_else(missing)?.into(),
            endpoint_id: id::random(),
            ..asked
        };
        let mut endpoint =
            Endpoint { network: name.into(), settings, plug: None };
        let (Mode::Bridge, Some(bridge)) =
            (Mode::parse(name), &self.networks.bridge)
        else {
            return Ok(endpoint);
        };
        if record.config.network_disabled {
            return Ok(endpoint);
        }
        let mut lease = bridge.allocate(None).map_err(|e| {
            Error::Internal(format!(
                "failed to set up container networking: {e}"
            ))
        })?;
        let mac = match endpoint.settings.mac_address.as_str() {
            "" => record.config.mac_address.as_str(),
            mac => mac,
        };
        if let Ok(mac) = mac.parse() {
            lease.mac = mac;
        }
        let settings = &mut endpoint.settings;
        settings.gateway = lease.gateway.to_string();
        settings.ip_address = lease.ip.to_string();
        settings.ip_prefix_len = lease.prefix;
        settings.mac_address = lease.mac.to_string();
        endpoint.plug = Some(Plug { bridge, lease, kept: false });
        Ok(endpoint)
    }

    /// Takes back what a container had on a network.
    pub(super) fn disconnect(&self, settings: &EndpointSettings) {
        if let (Some(bridge), Ok(ip)) =
            (&self.networks.bridge, settings.ip_address.parse())
        {
            bridge.release(ip);
        }
    }

    /// Takes the address of a container that runs on from an earlier daemon.
    pub(super) fn reconnect(&self, settings: &EndpointSettings) {
        if let (Some(bridge), Ok(ip)) =
            (&self.networks.bridge, settings.ip_address.parse())
            && let Err(error) = bridge.reserve(ip)
        {
            log::warn!("address {ip}: {error}");
        }
    }

    /// Publishes the event of a network that a container joins or leaves.
    pub(super) fn network_event(
        &self,
        record: &Record,
        name: &str,
        action: &str,
    ) {
        self.network_event_at(Timestamp::now(), record, name, action);
    }

    /// As [`Engine::network_event`], of what happened at another time.
    pub(super) fn network_event_at(
        &self,
        at: Timestamp,
        record: &Record,
        name: &str,
        action: &str,
    ) {
        let Some(id) = self.networks.id(name) else {
            return;
        };
        let kind = match name {
            "none" => "null",
            name => name,
        };
        let attributes = BTreeMap::from([
            ("container".to_string(), record.id.clone()),
            ("name".to_string(), name.to_string()),
            ("type".to_string(), kind.to_string()),
        ]);
        self.events.publish_at(at, "network", action, id, attributes);
    }

    /// Writes the texts of a container's hosts, hostname and resolv.conf.
    pub(super) fn container_files(
        &self,
        record: &Record,
        endpoint: &Endpoint<'_>,
    ) -> Result<[(&'static str, String); 3]> {
        let (config, host) = (&record.config, &record.host_config);
        let own = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let on_host = host.network_mode == "host";
        let settings = self.settings();
        let bridge = self.networks.bridge.as_ref();
        let gateway = || Some(IpAddr::V4(bridge.map(Bridge::gateway)?));
        let mut extra = extra_hosts(
            host.extra_hosts.as_deref().unwrap_or_default(),
            settings.host_gateway.or_else(gateway),
        )?;
        extra.extend(self.link_hosts(record)?);
        let hosts = match on_host {
            true => files::host_mode_hosts(&own("/etc/hosts"), &extra),
            false => files::hosts(
                &config.hostname,
                &config.domainname,
                endpoint.ip(),
                &extra,
            ),
        };
        let daemons: Vec<String> =
            settings.dns.iter().map(IpAddr::to_string).collect();
        let overrides = Overrides {
            servers: own_or(&host.dns, &daemons),
            search: own_or(&host.dns_search, &settings.dns_search),
            options: own_or(&host.dns_options, &settings.dns_options),
        };
        let reach = match on_host {
            true => Reach::Host,
            false => Reach::Container,
        };
        let resolv_conf = resolv::resolv_conf(
            &own(resolv::HOST_FILE),
            &own(resolv::RESOLVED_FILE),
            &overrides,
            reach,
        );
        Ok([
            ("hosts", hosts),
            ("hostname", files::hostname(&config.hostname)),
            ("resolv.conf", resolv_conf),
        ])
    }
}

/// A container's own list, or the daemon's if it has none.
fn own_or<'a>(
    own: &'a Option<Vec<String>>,
    daemons: &'a [String],
) -> &'a [String] {
    own.as_deref().filter(|list| !list.is_empty()).unwrap_or(daemons)
}

/// Refuses what is no name with an address.
pub(super) fn check_extra_hosts(list: Option<&[String]>) -> Result<()> {
    let gateway = Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    extra_hosts(list.unwrap_or_default(), gateway).map(drop)
}

/// Reads `name:address` or `name=address`; `host-gateway` is `gateway`.
fn extra_hosts(list: &[String], gateway: Option<IpAddr>) -> Result<Vec<Host>> {
    list.iter()
        .map(|text| {
            let (name, address) = text
                .split_once([':', '='])
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| {
                    Error::Invalid(format!("bad format for add-host: {text:?}"))
                })?;
            let ip = match (address, gateway) {
                ("host-gateway", Some(gateway)) => gateway,
                ("host-gateway", None) => {
                    return Err(Error::Invalid(
                        "unable to derive the IP value for host-gateway".into(),
                    ));
                }
                (address, _) => {
                    address.trim_matches(['[', ']']).parse().map_err(|_| {
                        Error::Invalid(format!(
                            "invalid IP address in add-host: {address:?}"
                        ))
                    })?
                }
            };
            Ok(Host { ip, name: name.into() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_hosts_are_read_in_both_forms() {
        let list = ["a:10.0.0.1", "b=::1", "c:[::2]"].map(String::from);
        let hosts = extra_hosts(&list, None).unwrap();
        assert_eq!(hosts[0].ip.to_string(), "10.0.0.1");
        assert_eq!(hosts[1].name, "b");
        assert_eq!(hosts[2].ip.to_string(), "::2");
        assert!(extra_hosts(&["x".into()], None).is_err());
        assert!(extra_hosts(&["x:host-gateway".into()], None).is_err());
    }
}
