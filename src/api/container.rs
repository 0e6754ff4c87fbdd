//! Containers: configuration, create, list and wait.

use std::collections::BTreeMap;

use serde::Serialize;

use super::host_config::HostConfig;
use super::inspect::MountPoint;
use super::is_default;
use super::network::{EndpointSettings, Port};
use crate::json::{self, FromJson, Value};

/// An empty object, the value type of Go's sets (`map[string]struct{}`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, FromJson)]
pub struct Empty {}

/// The part of a container that does not depend on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Config {
    pub hostname: String,
    pub domainname: String,
    pub user: String,
    pub attach_stdin: bool,
    pub attach_stdout: bool,
    pub attach_stderr: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
    pub tty: bool,
    pub open_stdin: bool,
    pub stdin_once: bool,
    pub env: Option<Vec<String>>,
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "is_default")]
    pub args_escaped: bool,
    pub image: String,
    pub volumes: Option<BTreeMap<String, Empty>>,
    pub working_dir: String,
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub network_disabled: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub mac_address: String,
    pub on_build: Option<Vec<String>>,
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "is_default")]
    pub stop_signal: String,
    /// Seconds; absent: the default of 10.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_timeout: Option<i64>,
    #[serde(skip_serializing_if = "is_default", deserialize_with = "words")]
    pub shell: Option<Vec<String>>,
}

/// How health is checked. Durations are nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Healthcheck {
    #[serde(skip_serializing_if = "is_default")]
    pub test: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_period: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub start_interval: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub retries: i64,
}

/// Reads a command line as Docker does: a list, or one word.
fn words(value: Value) -> Value {
    match value {
        Value::String(_) => Value::Array(vec![value]),
        other => other,
    }
}

/// The body of `POST /containers/create`: on the wire, the fields of
/// `config` stand beside the two others.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: Config,
    #[serde(rename = "HostConfig")]
    pub host_config: HostConfig,
    #[serde(rename = "NetworkingConfig")]
    pub networking_config: NetworkingConfig,
}

impl FromJson for CreateRequest {
    fn kind() -> &'static str {
        "CreateRequest"
    }

    fn zero() -> CreateRequest {
        CreateRequest::default()
    }

    fn fill(&mut self, mut value: Value) -> json::Result<()> {
        const NAME: &str = "CreateRequest";
        for (name, place) in [
            ("HostConfig", &mut self.host_config as &mut dyn FromJson),
            ("NetworkingConfig", &mut self.networking_config),
        ] {
            let part = json::take(&mut value, name);
            place.fill(part).map_err(|e| e.within(NAME, name))?;
        }
        self.config.fill(value).map_err(|e| e.embedded(NAME, "Config"))
    }
}

/// The networks that a container is connected to from the start.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct NetworkingConfig {
    pub endpoints_config: BTreeMap<String, EndpointSettings>,
}

/// Docker's words for a hardware address of the whole container.
pub const MAC_WARNING: &str = "The container-wide MacAddress field is now \
    deprecated. It should be specified in EndpointsConfig instead.";

/// The answer to `POST /containers/create`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The answer to `POST /containers/{id}/update`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct UpdateResponse {
    pub warnings: Option<Vec<String>>,
}

/// The answer to `POST /containers/{id}/wait`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct WaitResponse {
    #[serde(skip_serializing_if = "is_default")]
    pub error: Option<WaitError>,
    pub status_code: i64,
}

/// Why a wait gives no exit code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct WaitError {
    pub message: String,
}

/// The answer to `POST /containers/prune`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct PrunedContainers {
    pub containers_deleted: Option<Vec<String>>,
    /// Bytes.
    pub space_reclaimed: u64,
}

/// The answer to `GET /containers/{id}/top`: a row for each process.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Top {
    pub processes: Vec<Vec<String>>,
    pub titles: Vec<String>,
}

/// One row of `GET /containers/json`.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct Summary {
    pub id: String,
    pub names: Vec<String>,
    pub image: String,
    #[serde(rename = "ImageID")]
    pub image_id: String,
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    pub ports: Vec<Port>,
    #[serde(skip_serializing_if = "is_default")]
    pub size_rw: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub size_root_fs: i64,
    pub labels: BTreeMap<String, String>,
    pub state: String,
    pub status: String,
    pub host_config: SummaryHostConfig,
    pub network_settings: SummaryNetworks,
    pub mounts: Vec<MountPoint>,
}

/// What a list row tells of the host configuration.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct SummaryHostConfig {
    pub network_mode: String,
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What a list row tells of the networks.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct SummaryNetworks {
    pub networks: BTreeMap<String, EndpointSettings>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_be_one_word() {
        let config: Config =
            json::from_slice(br#"{"Cmd":"date","Entrypoint":["a","b"]}"#)
                .unwrap();
        assert_eq!(config.cmd, Some(vec!["date".into()]));
        assert_eq!(config.entrypoint, Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn an_empty_configuration_prints_as_dockers() {
        let text = serde_json::to_string(&Config::default()).unwrap();
        assert_eq!(
            text,
            "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\
             \"AttachStdin\":false,\"AttachStdout\":false,\
             \"AttachStderr\":false,\"Tty\":false,\"OpenStdin\":false,\
             \"StdinOnce\":false,\"Env\":null,\"Cmd\":null,\"Image\":\"\",\
             \"Volumes\":null,\"WorkingDir\":\"\",\"Entrypoint\":null,\
             \"OnBuild\":null,\"Labels\":null}"
        );
    }

    #[test]
    fn a_create_body_splits_into_its_parts() {
        let body = br#"{"Image":"b","HostConfig":{"AutoRemove":true,
            "MemorySwappiness":-1},"NetworkingConfig":{"EndpointsConfig":
            {"default":{"IPAMConfig":null}}}}"#;
        let request: CreateRequest = crate::json::from_slice(body).unwrap();
        assert_eq!(request.config.image, "b");
        assert!(request.host_config.auto_remove);
        assert!(
            request.networking_config.endpoints_config.contains_key("default")
        );
    }

    #[test]
    fn a_create_body_of_wrong_types_is_refused_in_gos_words() {
        for (body, words) in [
            (
                r#"{"Image":5}"#,
                "number into Go struct field CreateRequest.Config.Image of \
                 type string",
            ),
            (
                r#"{"HostConfig":{"Memory":"x"}}"#,
                "string into Go struct field HostConfig.HostConfig.Memory of \
                 type int64",
            ),
            (
                r#"{"Healthcheck":{"Interval":"3s"}}"#,
                "string into Go struct field \
                 Healthcheck.Config.Healthcheck.Interval of type int64",
            ),
            ("[1]", "array into Go value of type CreateRequest"),
        ] {
            let read = json::from_slice::<CreateRequest>(body.as_bytes());
            let error = read.unwrap_err().to_string();
            assert_eq!(error, format!("json: cannot unmarshal {words}"));
        }
    }

    #[test]
    fn null_in_a_set_or_a_map_keeps_its_key() {
        let config: Config = json::from_slice(
            br#"{"ExposedPorts":{"80/tcp":null},"Labels":{"a":null}}"#,
        )
        .unwrap();
        assert!(config.exposed_ports.contains_key("80/tcp"));
        assert_eq!(config.labels.unwrap()["a"], "");
    }
}
