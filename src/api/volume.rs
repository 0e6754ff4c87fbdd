//! Volumes: create, list, inspect, prune.

use std::collections::BTreeMap;

use serde::Serialize;

use super::is_default;
use crate::json::FromJson;

/// A volume, as it is told of everywhere.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Volume {
    pub created_at: String,
    pub driver: String,
    pub labels: Option<BTreeMap<String, String>>,
    pub mountpoint: String,
    pub name: String,
    pub options: Option<BTreeMap<String, String>>,
    pub scope: String,
}

/// The body of `POST /volumes/create`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CreateVolume {
    #[serde(skip_serializing_if = "is_default")]
    pub driver: String,
    #[serde(skip_serializing_if = "is_default")]
    pub driver_opts: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

/// The answer to `GET /volumes`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct VolumeList {
    pub volumes: Vec<Volume>,
    pub warnings: Option<Vec<String>>,
}

/// The answer to `POST /volumes/prune`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct PrunedVolumes {
    pub volumes_deleted: Option<Vec<String>>,
    /// Bytes.
    pub space_reclaimed: u64,
}
