//! `POST /containers/create`.

use std::sync::Arc;
use std::time::Instant;

use super::host_config::{self, Host};
use super::life::{Life, Record};
use super::mounts::Point;
use super::{Container, config, health, mounts, security_opt};
use crate::api::container::{
    Config, CreateRequest, CreateResponse, MAC_WARNING, NetworkingConfig,
};
use crate::api::host_config::HostConfig;
use crate::api::inspect::MountPoint;
use crate::engine::{Action, Engine, Error, Result, Settings};
use crate::oci::{Digest, Platform};
use crate::store::Sync;
use crate::time::Timestamp;
use crate::{id, names};

impl Engine {
    /// Makes a container; nothing is left of one that is refused. `name`
    /// may be empty: then one is generated. `platform` is what the image
    /// must be made for, if that matters to the client.
    pub fn create(
        &self,
        name: &str,
        platform: Option<&Platform>,
        request: CreateRequest,
    ) -> Result<CreateResponse> {
        let began = Instant::now();
        let name = name.strip_prefix('/').unwrap_or(name);
        let CreateRequest { mut config, mut host_config, networking_config } =
            request;
        host_config::check_conflicts(&config, &host_config)?;
        health::check_config(&config)?;
        let image = self.image_for_create(&config.image, platform)?;
        if let Some(theirs) = &image.config.config {
            config::merge(&mut config, theirs);
        }
        let (path, args) = config::finish(&mut config)?;
        let (mut points, mut warnings) =
            self.settle_host_config(&config, &mut host_config, &[])?;
        warnings.extend(check_mac(&config, &host_config, &networking_config)?);
        if !name.is_empty() && !names::is_valid(name) {
            return Err(Error::Invalid(format!(
                "Invalid container name ({name}), only [a-zA-Z0-9]\
                 [a-zA-Z0-9_.-] are allowed"
            )));
        }
        mounts::prepare(&host_config)?;

        let id = id::random();
        if config.hostname.is_empty() {
            config.hostname = self.hostname_for(&id, &host_config);
        }
        let name = match name {
            "" => self.containers.reserve_generated(&id),
            name => {
                self.containers.reserve(name, &id)?;
                name.to_string()
            }
        };
        let sync = sync_of(&host_config);
        let taken = self.take_volumes(&id, &mut points, &[], sync);
        let taken = taken.inspect_err(|_| self.containers.release(&name))?;
        let filled = points.clone();
        let (mounts, long_mounts) = mounts::split(points);
        let record = Record {
            id: id.clone(),
            name: name.clone(),
            created: Timestamp::now(),
            path,
            args,
            image: image.id,
            config,
            host_config,
            mounts,
            long_mounts,
            endpoints: networking_config.endpoints_config,
        };
        if let Err(error) = self.create_on_disk(record, &image.layers, &filled)
        {
            self.containers.release(&name);
            return Err(error);
        }
        taken.keep();
        self.metrics.observe(Action::Create, began.elapsed());
        Ok(CreateResponse { id, warnings })
    }

    /// Completes and checks the part of a container that depends on the
    /// host; nothing on the host is touched. Returns the mounts beyond those
    /// that every container has, and warnings. `old` are the mounts that it
    /// had before.
    pub(super) fn settle_host_config(
        &self,
        config: &Config,
        host_config: &mut HostConfig,
        old: &[MountPoint],
    ) -> Result<(Vec<Point>, Vec<String>)> {
        let settings = self.settings();
        let host = self.checked_against(&settings);
        self.name_donors_by_id(host_config);
        host_config::give(host_config, &settings.containers);
        host_config::complete(host_config, host);
        let mut warnings = host_config::check(host_config, host)?;
        self.register_links(host_config)?;
        host_config::check_kernel(host_config, &self.host)?;
        warnings.extend(host_config::discard(host_config, &self.host));
        warnings.extend(security_opt::warnings(host_config, &self.host));
        let points = self.plan_mounts(config, host_config, old)?;
        Ok((points, warnings))
    }

    /// Returns what host configurations are checked against.
    pub(super) fn checked_against<'a>(
        &'a self,
        settings: &'a Settings,
    ) -> Host<'a> {
        Host {
            cpus: self.host.cpus,
            cgroupns: settings.containers.cgroupns(&self.host),
            runtimes: &settings.runtimes,
            cpuset: &self.host.cpuset,
        }
    }

    /// Returns the host name of a container that asked for none.
    pub(super) fn hostname_for(&self, id: &str, config: &HostConfig) -> String {
        match config.network_mode.as_str() {
            "host" => self.host.name(),
            _ => id::short(id).to_string(),
        }
    }

    /// Keeps the container and shows it to clients.
    fn create_on_disk(
        &self,
        record: Record,
        layers: &[Digest],
        points: &[Point],
    ) -> Result<()> {
        let sync = sync_of(&record.host_config);
        let id = record.id.clone();
        let container = Container::new(record, Life::default());
        let snapshot = container.snapshot();
        let failed = |e| Error::internal("create a container", e);
        self.store.create_container(&id, layers).map_err(failed)?;
        let saved = self.fill_volumes(&id, points, sync).and_then(|()| {
            let saved = self.store.save_container(&id, &*snapshot.record, sync);
            saved.map_err(failed)
        });
        if let Err(error) = saved {
            // Nothing of it may be left.
            let _ = self.store.remove_container(&id, Sync::No);
            return Err(error);
        }
        let container = Arc::new(container);
        let _operation = container.operate();
        self.containers.add(Arc::clone(&container));
        self.container_event(&snapshot.record, "create", &[]);
        Ok(())
    }
}

/// Whether a container must survive a power cut.
pub(super) fn sync_of(host_config: &HostConfig) -> Sync {
    match host_config.auto_remove {
        true => Sync::No,
        false => Sync::Yes,
    }
}

/// Checks the container's own hardware address against that of its
/// endpoint; warns of it, because it is the endpoint's that counts.
fn check_mac(
    config: &Config,
    host_config: &HostConfig,
    networking: &NetworkingConfig,
) -> Result<Option<String>> {
    if config.mac_address.is_empty() {
        return Ok(None);
    }
    let endpoint = networking.endpoints_config.get(&host_config.network_mode);
    match endpoint.map_or("", |endpoint| &endpoint.mac_address) {
        mac if mac.is_empty() || mac == config.mac_address => {
            Ok(Some(MAC_WARNING.into()))
        }
        _ => Err(Error::Invalid(
            "the container-wide MAC address must match the endpoint-specific \
             MAC address for the main network, or be left empty"
                .into(),
        )),
    }
}
