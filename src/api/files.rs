//! Files of containers: archives, changes, commits.

use serde::Serialize;

use crate::json::FromJson;

/// What stands at a path: `X-Docker-Container-Path-Stat`, in base64.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct PathStat {
    pub name: String,
    pub size: i64,
    /// The bits of Go's `os.FileMode`.
    pub mode: u32,
    /// RFC 3339.
    pub mtime: String,
    /// Where a link leads in the end.
    pub link_target: String,
}

/// One change of a container's file system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Change {
    pub path: String,
    /// 0: modified, 1: added, 2: deleted.
    pub kind: u8,
}

/// The body of `POST /containers/{id}/copy` (until API 1.23).
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CopyConfig {
    pub resource: String,
}

/// The answer to `POST /commit`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CommitResponse {
    pub id: String,
}
