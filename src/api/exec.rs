//! Programs executed beside a container's own: create, start, inspect.

use serde::Serialize;

use super::is_default;
use crate::json::FromJson;

/// What is to be executed: the body of `POST /containers/{id}/exec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ExecConfig {
    pub user: String,
    pub privileged: bool,
    pub tty: bool,
    /// Rows and columns; since API 1.42.
    #[serde(skip_serializing_if = "is_default")]
    pub console_size: Option<[u32; 2]>,
    pub attach_stdin: bool,
    pub attach_stderr: bool,
    pub attach_stdout: bool,
    pub detach: bool,
    pub detach_keys: String,
    pub env: Option<Vec<String>>,
    pub working_dir: String,
    pub cmd: Option<Vec<String>>,
}

/// The answer to it.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ExecCreateResponse {
    pub id: String,
}

/// The body of `POST /exec/{id}/start`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ExecStart {
    pub detach: bool,
    pub tty: bool,
    /// Rows and columns; since API 1.42.
    #[serde(skip_serializing_if = "is_default")]
    pub console_size: Option<[u32; 2]>,
}

/// The answer to `GET /exec/{id}/json`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct ExecInspect {
    #[serde(rename = "ID")]
    pub id: String,
    pub running: bool,
    /// None until it has ended.
    pub exit_code: Option<i32>,
    pub process_config: ProcessConfig,
    pub open_stdin: bool,
    pub open_stderr: bool,
    pub open_stdout: bool,
    pub can_remove: bool,
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    pub detach_keys: String,
    pub pid: i32,
}

/// What is executed, as inspect tells it.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "camelCase")]
#[allow(missing_docs)]
pub struct ProcessConfig {
    pub tty: bool,
    pub entrypoint: String,
    pub arguments: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: Option<bool>,
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
}
