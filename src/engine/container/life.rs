//! What is known of a container: what was asked for, and what it does.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::api::container::Config;
use crate::api::host_config::{HostConfig, Mount};
use crate::api::inspect::{Health, MountPoint};
use crate::api::network::EndpointSettings;
use crate::json::FromJson;
use crate::oci::Digest;
use crate::time::Timestamp;

/// What was asked for at create. Kept synced on disk, unless the container
/// removes itself.
#[derive(Clone, Debug, Serialize, FromJson)]
pub struct Record {
    /// The id: 64 hex digits.
    pub id: String,
    /// The name, without its slash.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
    /// The program.
    pub path: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The image.
    pub image: Digest,
    /// The part that does not depend on the host.
    pub config: Config,
    /// The part that does, with the defaults filled in.
    pub host_config: HostConfig,
    /// Mounts beyond those that every container has.
    pub mounts: Vec<MountPoint>,
    /// The long forms that some of them came from, by destination.
    #[serde(default)]
    pub long_mounts: BTreeMap<String, Mount>,
    /// The endpoints asked for, by network name.
    pub endpoints: BTreeMap<String, EndpointSettings>,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Never started, or its only start failed.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its program is frozen.
    Paused,
    /// It ended and will be started again by its policy.
    Restarting,
    /// It ended.
    Exited,
    /// It is being removed.
    Removing,
    /// Its removal failed half-way.
    Dead,
}

/// Who ended the container last: the restart policies ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// Itself.
    #[default]
    Itself,
    /// A client, by stop or kill.
    Client,
    /// A client, who starts it again at once.
    Restart,
    /// The daemon, on its own way out.
    Shutdown,
}

/// What a container does now, and how it ended last. Kept unsynced on disk
/// beside the record.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct Life {
    /// Where it is in its life.
    pub phase: Phase,
    /// The pid of its first process, on the host; 0 when none runs.
    pub pid: i32,
    /// How it ended last, as clients are told: 0 to 255.
    pub exit_code: i32,
    /// Why its last start failed.
    pub error: String,
    /// Whether the kernel killed one of its processes for want of memory.
    pub oom_killed: bool,
    /// When it was started last.
    pub started_at: Timestamp,
    /// When it ended last.
    pub finished_at: Timestamp,
    /// How often its policy has started it since a client did.
    pub restart_count: i64,
    /// Who ended it last.
    pub ended_by: EndedBy,
    /// Its connections, by network name, while it runs.
    pub endpoints: BTreeMap<String, EndpointSettings>,
    /// What the checks of its health have come to, if there are any.
    pub health: Option<Health>,
}

/// One moment of a container. Never changed, only replaced as a whole.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What was asked for.
    pub record: Arc<Record>,
    /// What it does.
    pub life: Life,
}

impl Phase {
    /// Returns the word that the API uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Created => "created",
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Restarting => "restarting",
            Phase::Exited => "exited",
            Phase::Removing => "removing",
            Phase::Dead => "dead",
        }
    }
}

impl Life {
    /// Tells whether a process of the container exists.
    pub fn has_process(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// Tells whether Docker's `Running` holds: also between two runs of a
    /// restart policy.
    pub fn is_up(&self) -> bool {
        self.has_process() || self.phase == Phase::Restarting
    }
}
