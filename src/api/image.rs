//! Images: list, inspect, delete.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::inspect::GraphDriver;
use super::is_default;
use crate::json::FromJson;

/// One row of `GET /images/json`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Summary {
    /// How many containers use it; -1: not counted.
    pub containers: i64,
    /// Seconds since 1970.
    pub created: i64,
    pub id: String,
    pub labels: Option<BTreeMap<String, String>>,
    pub parent_id: String,
    pub repo_digests: Vec<String>,
    pub repo_tags: Vec<String>,
    /// Bytes in layers that other images use too; -1: not counted.
    pub shared_size: i64,
    /// Bytes.
    pub size: i64,
    /// As `size`; in the answers up to API 1.43 only.
    #[serde(skip_serializing_if = "is_default")]
    pub virtual_size: i64,
}

/// The answer to `GET /images/{name}/json`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Inspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    #[serde(skip_serializing_if = "is_default")]
    pub created: String,
    pub docker_version: String,
    pub author: String,
    pub architecture: String,
    #[serde(skip_serializing_if = "is_default")]
    pub variant: String,
    pub os: String,
    #[serde(skip_serializing_if = "is_default")]
    pub os_version: String,
    pub size: i64,
    /// As `size`; in the answers up to API 1.43 only.
    #[serde(skip_serializing_if = "is_default")]
    pub virtual_size: i64,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: Metadata,
    /// The image's own configuration, as its author wrote it.
    pub config: Value,
}

/// The layers of an image, lowest first, by the digest of their tar.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct RootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "is_default")]
    pub layers: Vec<String>,
}

/// What this engine alone knows of an image.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Metadata {
    pub last_tag_time: String,
}

/// One step of a deletion: exactly one of the fields is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Deleted {
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: String,
    #[serde(skip_serializing_if = "is_default")]
    pub untagged: String,
}
