//! `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use super::life::{Life, Phase, Record};
use super::shared;
use crate::api::host_config::HostConfig;
use crate::api::inspect::{Container, GraphDriver, State};
use crate::api::network::{EndpointSettings, NetworkSettings, Port};
use crate::engine::{Engine, Error, Result};

/// Whether a container's files are measured: all of them are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizes {
    /// Not looked at.
    #[default]
    Left,
    /// Measured.
    Measured,
}

impl Engine {
    /// Tells all that is known of a container.
    pub fn inspect(&self, name: &str, sizes: Sizes) -> Result<Container> {
        let container = self.container(name)?;
        let snapshot = container.snapshot();
        let (record, life) = (&*snapshot.record, &snapshot.life);
        let network = &record.host_config.network_mode;
        let files_of = shared::donor(network).unwrap_or(&record.id);
        let dir = self.store.container_dir(files_of);
        let file = |name: &str| dir.join(name).display().to_string();
        let (size_rw, size_root_fs) = match sizes {
            Sizes::Measured => {
                let (rw, root) = self.sizes(record)?;
                (Some(rw), Some(root))
            }
            Sizes::Left => (None, None),
        };
        let never = life.started_at.is_zero() && life.error.is_empty();
        let started = |path: String| match never {
            true => String::new(),
            false => path,
        };
        Ok(Container {
            id: record.id.clone(),
            created: record.created.to_string(),
            path: record.path.clone(),
            args: record.args.clone(),
            state: state(life),
            image: record.image.to_string(),
            resolv_conf_path: started(file("resolv.conf")),
            hostname_path: started(file("hostname")),
            hosts_path: started(file("hosts")),
            log_path: match record.host_config.log_config.driver.as_str() {
                "json-file" => {
                    started(self.log_path(record).display().to_string())
                }
                _ => String::new(),
            },
            name: format!("/{}", record.name),
            restart_count: life.restart_count,
            driver: "overlay2".into(),
            platform: "linux".into(),
            host_config: HostConfig {
                links: self.shown_links(record),
                ..record.host_config.clone()
            },
            graph_driver: self.graph_driver(record),
            size_rw,
            size_root_fs,
            mounts: record.mounts.clone(),
            config: record.config.clone(),
            network_settings: self.network_settings(record, life),
            exec_ids: self.exec_ids(&container),
            ..Container::default()
        })
    }

    /// Returns the bytes that a container has written, and those together
    /// with its image's.
    pub(super) fn sizes(&self, record: &Record) -> Result<(i64, i64)> {
        let failed = |e| Error::internal("measure a container", e);
        let rw = self.store.rw_size(&record.id).map_err(failed)?;
        let layers = self.store.lower_size(&record.id).map_err(failed)?;
        let bytes = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Ok((bytes(rw), bytes(rw.saturating_add(layers))))
    }

    fn graph_driver(&self, record: &Record) -> GraphDriver {
        let name = "overlay2".into();
        let Ok(rootfs) = self.store.rootfs_paths(&record.id) else {
            // Just being removed.
            return GraphDriver { name, ..GraphDriver::default() };
        };
        let lower: Vec<String> =
            rootfs.lower.iter().map(|p| p.display().to_string()).collect();
        let merged = rootfs.upper.with_file_name("merged");
        let data = [
            ("ID", record.id.clone()),
            ("LowerDir", lower.join(":")),
            ("MergedDir", merged.display().to_string()),
            ("UpperDir", rootfs.upper.display().to_string()),
            ("WorkDir", rootfs.work.display().to_string()),
        ];
        let data = data.map(|(k, v)| (k.to_string(), v)).into();
        GraphDriver { data, name }
    }

    fn network_settings(
        &self,
        record: &Record,
        life: &Life,
    ) -> NetworkSettings {
        let networks = show_endpoints(self, record, life);
        let mut settings = NetworkSettings {
            sandbox_key: match life.pid {
                0 => String::new(),
                pid => format!("/proc/{pid}/ns/net"),
            },
            sandbox_id: match life.pid {
                0 => String::new(),
                _ => record.id.clone(),
            },
            ..NetworkSettings::default()
        };
        if life.has_process() {
            settings.ports = record
                .config
                .exposed_ports
                .keys()
                .map(|port| (port.clone(), None))
                .collect();
        }
        // The flat fields of API 1.14 to 1.20 tell of the default bridge.
        if let Some(bridge) = networks.get("bridge") {
            settings.endpoint_id.clone_from(&bridge.endpoint_id);
            settings.gateway.clone_from(&bridge.gateway);
            settings.ip_address.clone_from(&bridge.ip_address);
            settings.ip_prefix_len = bridge.ip_prefix_len;
            settings.mac_address.clone_from(&bridge.mac_address);
        }
        settings.networks = networks;
        settings
    }
}

/// The endpoints of a container; those of one that does not run have no
/// addresses.
pub(super) fn show_endpoints(
    engine: &Engine,
    record: &Record,
    life: &Life,
) -> BTreeMap<String, EndpointSettings> {
    if !life.endpoints.is_empty() {
        return life.endpoints.clone();
    }
    let mode = record.host_config.network_mode.clone();
    if shared::donor(&mode).is_some() {
        return BTreeMap::new();
    }
    let asked = record.endpoints.get(&mode).cloned().unwrap_or_default();
    let known = !life.started_at.is_zero();
    let network_id = match engine.networks.id(&mode) {
        Some(id) if known => id.to_string(),
        _ => String::new(),
    };
    BTreeMap::from([(mode, EndpointSettings { network_id, ..asked })])
}

/// The exposed ports of a container, none of them published.
pub(super) fn show_ports(record: &Record) -> Vec<Port> {
    let ports = record.config.exposed_ports.keys();
    ports
        .filter_map(|text| {
            let (port, protocol) =
                text.split_once('/').unwrap_or((text, "tcp"));
            Some(Port {
                private_port: port.parse().ok()?,
                protocol: protocol.into(),
                ..Port::default()
            })
        })
        .collect()
}

fn state(life: &Life) -> State {
    State {
        status: life.phase.as_str().into(),
        running: life.is_up(),
        paused: life.phase == Phase::Paused,
        restarting: life.phase == Phase::Restarting,
        oom_killed: life.oom_killed,
        dead: life.phase == Phase::Dead,
        pid: life.pid,
        exit_code: life.exit_code,
        error: life.error.clone(),
        started_at: life.started_at.to_string(),
        finished_at: life.finished_at.to_string(),
        health: life.health.clone(),
    }
}
