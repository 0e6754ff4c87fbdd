//! The answer to `GET /containers/{id}/json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::container::Config;
use super::host_config::HostConfig;
use super::is_default;
use super::network::NetworkSettings;
use crate::json::FromJson;

/// Everything that is known of a container.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Container {
    pub id: String,
    pub created: String,
    pub path: String,
    pub args: Vec<String>,
    pub state: State,
    pub image: String,
    pub resolv_conf_path: String,
    pub hostname_path: String,
    pub hosts_path: String,
    pub log_path: String,
    pub name: String,
    pub restart_count: i64,
    pub driver: String,
    pub platform: String,
    pub mount_label: String,
    pub process_label: String,
    pub app_armor_profile: String,
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    pub host_config: HostConfig,
    pub graph_driver: GraphDriver,
    #[serde(skip_serializing_if = "is_default")]
    pub size_rw: Option<i64>,
    #[serde(skip_serializing_if = "is_default")]
    pub size_root_fs: Option<i64>,
    pub mounts: Vec<MountPoint>,
    pub config: Config,
    pub network_settings: NetworkSettings,
}

/// What a container does now, and how it ended. Times are RFC 3339 with
/// nanoseconds; year 1 stands for never.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct State {
    pub status: String,
    pub running: bool,
    pub paused: bool,
    pub restarting: bool,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    pub dead: bool,
    pub pid: i32,
    pub exit_code: i32,
    pub error: String,
    pub started_at: String,
    pub finished_at: String,
    #[serde(skip_serializing_if = "is_default")]
    pub health: Option<Health>,
}

/// What the checks of a container's health have come to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    pub failing_streak: i64,
    /// The last checks, oldest first.
    pub log: Vec<HealthCheck>,
}

/// One check of a container's health.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct HealthCheck {
    pub start: String,
    pub end: String,
    /// 0 for healthy, -1 if it did not end by itself.
    pub exit_code: i32,
    pub output: String,
}

/// Where the storage driver keeps a file system.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct GraphDriver {
    pub data: BTreeMap<String, String>,
    pub name: String,
}

/// A mount as it is in the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct MountPoint {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    pub source: String,
    pub destination: String,
    #[serde(skip_serializing_if = "is_default")]
    pub driver: String,
    pub mode: String,
    #[serde(rename = "RW")]
    pub rw: bool,
    pub propagation: String,
}
