//! Containers: configuration, create, list and wait.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::host_config::HostConfig;
use super::inspect::MountPoint;
use super::is_default;
use super::network::{EndpointSettings, Port};

/// An empty object, the value type of Go's sets (`map[string]struct{}`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Empty {}

/// The part of a container that does not depend on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
fn words<'de, D>(from: D) -> Result<Option<Vec<String>>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        Many(Vec<String>),
        One(String),
    }
    Ok(Option::<Words>::deserialize(from)?.map(|words| match words {
        Words::Many(list) => list,
        Words::One(word) => vec![word],
    }))
}

/// The body of `POST /containers/create`: on the wire, the fields of
/// `config` stand beside the two others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Value")]
#[allow(missing_docs)]
pub struct CreateRequest {
    #[serde(flatten)]
    pub config: Config,
    #[serde(rename = "HostConfig")]
    pub host_config: HostConfig,
    #[serde(rename = "NetworkingConfig")]
    pub networking_config: NetworkingConfig,
}

impl TryFrom<Value> for CreateRequest {
    type Error = serde_json::Error;

    /// Takes the body apart. A derived reader would need copies of those of
    /// all its parts.
    fn try_from(mut body: Value) -> serde_json::Result<CreateRequest> {
        let mut part = |name: &str| match body.get_mut(name) {
            Some(value) => value.take(),
            None => Value::Null,
        };
        let (host, networking) = (part("HostConfig"), part("NetworkingConfig"));
        Ok(CreateRequest {
            config: serde_json::from_value(body)?,
            host_config: or_default(host)?,
            networking_config: or_default(networking)?,
        })
    }
}

fn or_default<T: Default + DeserializeOwned>(
    value: Value,
) -> serde_json::Result<T> {
    match value {
        Value::Null => Ok(T::default()),
        value => serde_json::from_value(value),
    }
}

/// The networks that a container is connected to from the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct NetworkingConfig {
    pub endpoints_config: BTreeMap<String, EndpointSettings>,
}

/// Docker's words for a hardware address of the whole container.
pub const MAC_WARNING: &str = "The container-wide MacAddress field is now \
    deprecated. It should be specified in EndpointsConfig instead.";

/// The answer to `POST /containers/create`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct CreateResponse {
    pub id: String,
    pub warnings: Vec<String>,
}

/// The answer to `POST /containers/{id}/wait`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct WaitResponse {
    #[serde(skip_serializing_if = "is_default")]
    pub error: Option<WaitError>,
    pub status_code: i64,
}

/// Why a wait gives no exit code.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct WaitError {
    pub message: String,
}

/// One row of `GET /containers/json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
#[allow(missing_docs)]
pub struct SummaryHostConfig {
    pub network_mode: String,
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
}

/// What a list row tells of the networks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
            serde_json::from_str(r#"{"Cmd":"date","Entrypoint":["a","b"]}"#)
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
        let request: CreateRequest = super::super::decode(body).unwrap();
        assert_eq!(request.config.image, "b");
        assert!(request.host_config.auto_remove);
        assert!(
            request.networking_config.endpoints_config.contains_key("default")
        );
    }
}
