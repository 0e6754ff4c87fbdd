//! Links between containers of the default bridge (`--link`): names in the
//! hosts file, and the variables that tell of the other's ports.
//!
//! Kept in the record as `ID:alias`, shown as `/db:/web/alias`.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::sync::Arc;

use super::Container;
use super::life::{Record, Snapshot};
use super::shared::donor;
use crate::api::host_config::HostConfig;
use crate::engine::{Engine, Error, Result};
use crate::network::files::Host;

/// A link to a container that is there.
struct Link {
    alias: String,
    child: Arc<Snapshot>,
}

impl Engine {
    /// Finds the containers that are linked to. Links on networks of the
    /// user's are left as they are.
    pub(super) fn register_links(&self, host: &mut HostConfig) -> Result<()> {
        if !is_default(host) {
            return Ok(());
        }
        for text in host.links.iter_mut().flatten() {
            let (name, alias) = parse(text)?;
            let failed = |e: &dyn std::fmt::Display| {
                let text = format!("could not get container for {name}: {e}");
                Error::Invalid(text)
            };
            let child = self.container(name).map_err(|e| failed(&e))?;
            let mut last = Arc::clone(&child);
            loop {
                let snapshot = last.snapshot();
                let mode = &snapshot.record.host_config.network_mode;
                if mode == "host" {
                    return Err(Error::Invalid(
                        "conflicting options: host type networking can't be \
                         used with links. This would result in undefined \
                         behavior"
                            .into(),
                    ));
                }
                let Some(other) = donor(mode) else { break };
                last = self.container(other).map_err(|e| failed(&e))?;
            }
            *text = format!("{}:{alias}", child.id);
        }
        Ok(())
    }

    /// Returns the links as clients see them; those to containers that are
    /// gone are none any more.
    pub(super) fn shown_links(&self, record: &Record) -> Option<Vec<String>> {
        let links = record.host_config.links.as_ref()?;
        if !is_default(&record.host_config) {
            return Some(links.clone());
        }
        let show = |link: Link| {
            let (child, own) = (&link.child.record.name, &record.name);
            format!("/{child}:/{own}/{}", link.alias)
        };
        let shown: Vec<String> = self.links(record).map(show).collect();
        (!shown.is_empty()).then_some(shown)
    }

    fn links(&self, record: &Record) -> impl Iterator<Item = Link> {
        let host = &record.host_config;
        let texts = host.links.iter().flatten().filter(|_| is_default(host));
        texts.filter_map(|text| {
            let (id, alias) = parse(text).ok()?;
            let child = self.container(id).ok()?.snapshot();
            Some(Link { alias: alias.into(), child })
        })
    }

    /// Returns the lines of the hosts file for what is linked to, all of
    /// which must run.
    pub(in crate::engine) fn link_hosts(
        &self,
        record: &Record,
    ) -> Result<Vec<Host>> {
        let mut lines = Vec::new();
        for Link { alias, child } in self.links(record) {
            let Record { name, config, .. } = &*child.record;
            if !child.life.has_process() {
                return Err(Error::Internal(format!(
                    "Cannot link to a non running container: /{name} AS \
                     /{}/{alias}",
                    record.name
                )));
            }
            let Some(ip) = address(&child) else {
                return Err(Error::Internal(format!(
                    "Cannot link to /{name}, as it does not belong to the \
                     default network"
                )));
            };
            let mut names = format!("{alias} {}", config.hostname);
            if alias != *name {
                names = format!("{names} {name}");
            }
            lines.push(Host { ip, name: names });
        }
        Ok(lines)
    }

    /// Returns the variables that tell of what is linked to.
    pub(super) fn link_variables(&self, record: &Record) -> Vec<String> {
        let mut list = Vec::new();
        for Link { alias, child } in self.links(record) {
            if let Some(ip) = address(&child) {
                let name = format!("/{}/{alias}", record.name);
                variables(&mut list, &name, ip, &child.record);
            }
        }
        list
    }

    /// Returns the names that links give to containers, by their ids.
    pub(super) fn link_names(&self) -> BTreeMap<String, Vec<String>> {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for container in self.containers.all() {
            let parent = &container.snapshot().record;
            for Link { alias, child } in self.links(parent) {
                let name = format!("/{}/{alias}", parent.name);
                names.entry(child.record.id.clone()).or_default().push(name);
            }
        }
        names
    }

    /// Tells the containers that are linked to this one where it is now.
    pub(super) fn tell_linked(&self, child: &Container) {
        let child = child.snapshot();
        for container in self.containers.all() {
            let parent = container.snapshot();
            if !parent.life.has_process() {
                continue;
            }
            for link in self.links(&parent.record) {
                if link.child.record.id == child.record.id {
                    self.edit_hosts(&parent.record, &link.alias, &child);
                }
            }
        }
    }

    /// Writes the child's address into the line of a link. A failure is only
    /// logged: the child runs.
    fn edit_hosts(&self, parent: &Record, alias: &str, child: &Snapshot) {
        let Some(ip) = address(child) else { return };
        let path = self.store.container_dir(&parent.id).join("hosts");
        let edit = || {
            let text = fs::read_to_string(&path)?;
            // In place: a bind mount holds on to the file.
            fs::write(&path, relinked(&text, alias, ip))
        };
        if let Err(error) = edit() {
            log::warn!("{}: {error}", path.display());
        }
    }

    /// Takes a link away by its name, `/web/alias`.
    pub fn unlink(&self, name: &str) -> Result<()> {
        let path = name.trim_start_matches('/');
        let Some((parent, alias)) = path.rsplit_once('/') else {
            self.container(name)?;
            return Err(Error::Conflict(
                "Conflict, cannot remove the default link name of the \
                 container"
                    .into(),
            ));
        };
        let missing = || Error::NoSuchContainer(name.into());
        let container = self.container(parent).map_err(|_| missing())?;
        let _operation = container.operate();
        let mut record = Record::clone(&container.snapshot().record);
        if !is_default(&record.host_config) {
            return Err(missing());
        }
        let links = record.host_config.links.get_or_insert_default();
        let count = links.len();
        links.retain(|text| parse(text).map_or(true, |link| link.1 != alias));
        if links.len() == count {
            return Err(missing());
        }
        self.save_record(&container, record)
    }
}

/// Changes the address in the line of a link.
fn relinked(hosts: &str, alias: &str, ip: IpAddr) -> String {
    let line = |line: &str| match line.split_once('\t') {
        Some((_, names)) if names.split(' ').next() == Some(alias) => {
            format!("{ip}\t{names}\n")
        }
        _ => format!("{line}\n"),
    };
    hosts.lines().map(line).collect()
}

/// Tells whether the network is the one whose links these are.
fn is_default(host: &HostConfig) -> bool {
    matches!(host.network_mode.as_str(), "bridge" | "none")
}

fn address(child: &Snapshot) -> Option<IpAddr> {
    child.life.endpoints.get("bridge")?.ip_address.parse().ok()
}

/// Reads `name[:alias]`, also in the form in which links are shown.
fn parse(text: &str) -> Result<(&str, &str)> {
    if text.is_empty() {
        let text = "invalid string specified for links";
        return Err(Error::Invalid(text.into()));
    }
    let (name, alias) = text.split_once(':').unwrap_or((text, text));
    if alias.contains(':') {
        return Err(Error::Invalid(format!("bad format for links: {text}")));
    }
    let alias = alias.rsplit('/').next().unwrap_or(alias);
    Ok((name, alias))
}

/// Adds the variables of one link, in Docker's order: those of ranges of
/// ports, those of each port, the first port, the name, the environment.
fn variables(list: &mut Vec<String>, name: &str, ip: IpAddr, child: &Record) {
    let alias = name.rsplit('/').next().unwrap_or(name);
    let prefix = alias.to_uppercase().replace('-', "_");
    let mut ports: Vec<(bool, u16, &str)> = Vec::new();
    for text in child.config.exposed_ports.keys() {
        let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        if let Ok(port) = port.parse() {
            ports.push((protocol != "tcp", port, protocol));
        }
    }
    ports.sort_unstable();
    let mut parts = Vec::new();
    for run in ports.chunk_by(|a, b| a.2 == b.2 && b.1 == a.1 + 1) {
        let ((_, first, protocol), last) = (run[0], run[run.len() - 1].1);
        // Two are no range.
        if run.len() < 3 {
            continue;
        }
        let start = format!("{first}_{}", protocol.to_uppercase());
        let end = format!("{last}_{}", protocol.to_uppercase());
        parts.extend([
            format!("{start}_START={protocol}://{ip}:{first}"),
            format!("{start}_ADDR={ip}"),
            format!("{start}_PROTO={protocol}"),
            format!("{start}_PORT_START={first}"),
            format!("{end}_END={protocol}://{ip}:{last}"),
            format!("{start}_PORT_END={last}"),
        ]);
    }
    for (_, port, protocol) in &ports {
        let this = format!("{port}_{}", protocol.to_uppercase());
        parts.extend([
            format!("{this}={protocol}://{ip}:{port}"),
            format!("{this}_ADDR={ip}"),
            format!("{this}_PORT={port}"),
            format!("{this}_PROTO={protocol}"),
        ]);
    }
    if let Some((_, port, protocol)) = ports.first() {
        list.push(format!("{prefix}_PORT={protocol}://{ip}:{port}"));
    }
    list.extend(parts.iter().map(|part| format!("{prefix}_PORT_{part}")));
    list.push(format!("{prefix}_NAME={name}"));
    for text in child.config.env.iter().flatten() {
        if let Some((key, _)) = text.split_once('=')
            && !matches!(key, "HOME" | "PATH")
        {
            list.push(format!("{prefix}_ENV_{text}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_read_in_all_forms() {
        assert_eq!(parse("db"), Ok(("db", "db")));
        assert_eq!(parse("db:store"), Ok(("db", "store")));
        assert_eq!(parse("/db:/web/store"), Ok(("/db", "store")));
        let hosts = "10.0.0.1\tdb box\n10.0.0.2\tdbx\n::1\tdb2 db\n";
        assert_eq!(
            relinked(hosts, "db", "10.0.0.9".parse().unwrap()),
            "10.0.0.9\tdb box\n10.0.0.2\tdbx\n::1\tdb2 db\n"
        );
        let told = |text| parse(text).unwrap_err().to_string();
        assert_eq!(told("a:b:c"), "bad format for links: a:b:c");
        assert_eq!(told(""), "invalid string specified for links");
    }
}
