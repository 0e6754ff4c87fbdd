//! The image configuration: how to run an image, and what it is made of.
//!
//! The bytes as they came are kept by who stores the image (their digest is
//! the image's id); this is a view of them, and the form in which new
//! images are written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Digest;
use crate::json::{self, FromJson, Value};

/// An image configuration of Docker or OCI.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct ImageConfig {
    /// Go's name of the architecture.
    pub architecture: String,
    /// Who made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// What the maker wrote about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// How to run it.
    pub config: Option<ContainerConfig>,
    /// The container that it was committed from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// That container's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<ContainerConfig>,
    /// When it was made (RFC 3339), as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The engine that made it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docker_version: String,
    /// The steps that made it, first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<History>,
    /// Go's name of the system.
    pub os: String,
    /// Features that the system must have (Windows only).
    #[serde(rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// Version of the system (Windows only).
    #[serde(rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    /// The layers.
    pub rootfs: RootFs,
    /// Variant of the architecture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

impl ImageConfig {
    /// Reads a configuration.
    pub fn parse(bytes: &[u8]) -> json::Result<ImageConfig> {
        json::from_slice(bytes)
    }

    /// Returns the platform that it is made for.
    pub fn platform(&self) -> super::Platform {
        super::Platform {
            architecture: self.architecture.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            variant: self.variant.clone(),
        }
    }
}

/// The layers of an image, by the digests of their plain tars.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The layers, lowest first.
    pub diff_ids: Vec<Digest>,
}

impl RootFs {
    /// Makes one of layers, lowest first.
    pub fn layers(diff_ids: Vec<Digest>) -> RootFs {
        RootFs { kind: "layers".into(), diff_ids }
    }
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct History {
    /// When (RFC 3339), as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub author: String,
    /// By which command.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_by: String,
    /// What the maker wrote about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(skip_serializing_if = "is_false")]
    pub empty_layer: bool,
}

/// The value of a set's entry: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Empty {}

impl FromJson for Empty {
    fn kind() -> &'static str {
        "struct {}"
    }

    fn zero() -> Empty {
        Empty {}
    }

    /// The entry's key is all that counts; some tools write other values.
    fn fill(&mut self, _: Value) -> json::Result<()> {
        Ok(())
    }
}

/// How a container of the image runs. `None` and empty differ where Docker
/// shows the difference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The host name.
    pub hostname: String,
    /// The domain name.
    pub domainname: String,
    /// The user: `name[:group]` or `uid[:gid]`.
    pub user: String,
    /// Whether standard input was attached.
    pub attach_stdin: bool,
    /// Whether standard output was attached.
    pub attach_stdout: bool,
    /// Whether standard error was attached.
    pub attach_stderr: bool,
    /// The ports that the program listens on: `80/tcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether standard input stays open.
    pub open_stdin: bool,
    /// Whether standard input closes after the first client.
    pub stdin_once: bool,
    /// The environment: `NAME=value`.
    pub env: Option<Vec<String>>,
    /// The command, or the arguments of the entry point.
    #[serde(deserialize_with = "words")]
    pub cmd: Option<Vec<String>>,
    /// How its health is tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Whether the command is escaped already (Windows only).
    #[serde(skip_serializing_if = "is_false")]
    pub args_escaped: bool,
    /// The image that it was made from.
    pub image: String,
    /// Paths that are volumes.
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// The directory that it starts in.
    pub working_dir: String,
    /// The program that is always run.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// Whether it has no network.
    #[serde(skip_serializing_if = "is_false")]
    pub network_disabled: bool,
    /// Build steps for images made from it.
    pub on_build: Option<Vec<String>>,
    /// Free notes.
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that stops it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stop_signal: String,
    /// Seconds from that signal to the kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of build steps.
    #[serde(
        deserialize_with = "words",
        skip_serializing_if = "Option::is_none"
    )]
    pub shell: Option<Vec<String>>,
}

/// How a container's health is tested; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `[]` inherits, `["NONE"]` is off, `["CMD", …]`, `["CMD-SHELL", …]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// Time between tests.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// How long a test may take.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// How long failures do not count after the start.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between tests in that period.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Reads a list of words; old images have a single string.
fn words(value: Value) -> Value {
    match value {
        Value::String(_) => Value::Array(vec![value]),
        other => other,
    }
}

/// Makes the JSON bytes of a configuration, in a stable field order.
pub fn to_bytes(config: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(config)
        .expect("these types have string keys and no failing serializers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_docker_configuration_is_read() {
        let layer = Digest::of_bytes(b"x");
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{
            "Hostname":"h","Cmd":["sh","-c","x"],"Entrypoint":null,
            "Env":["A=b"],"ExposedPorts":{{"80/tcp":{{}},"53/udp":null}},
            "Volumes":{{"/data":{{}}}},"Labels":{{"a":"b"}},
            "Healthcheck":{{"Test":["CMD","x"],"Interval":30000000000}},
            "StopSignal":"SIGQUIT","StopTimeout":3,"OnBuild":[]}},
            "created":"2026-11-21T19:07:57.44375909Z","unknown":[1],
            "history":[{{"created_by":"x","empty_layer":true}}],
            "rootfs":{{"type":"layers","diff_ids":["{layer}"]}}}}"#
        );
        let image = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(image.platform().to_string(), "linux/amd64");
        assert_eq!(image.rootfs.diff_ids, [layer]);
        assert!(image.history[0].empty_layer);
        let config = image.config.unwrap();
        assert_eq!(config.cmd.unwrap(), ["sh", "-c", "x"]);
        assert_eq!(config.entrypoint, None);
        assert_eq!(config.exposed_ports.unwrap().len(), 2);
        assert_eq!(config.on_build, Some(Vec::new()));
        assert_eq!(config.stop_timeout, Some(3));
        assert_eq!(config.healthcheck.unwrap().interval, 30_000_000_000);
    }

    #[test]
    fn null_is_taken_everywhere() {
        let image: ImageConfig = json::from_slice(b"{}").unwrap();
        let value = serde_json::to_value(&image).unwrap();
        let mut null = value.as_object().unwrap().clone();
        for key in [
            "author",
            "history",
            "os.version",
            "variant",
            "created",
            "container",
        ] {
            null.insert(key.into(), serde_json::Value::Null);
        }
        null.values_mut().for_each(|v| *v = serde_json::Value::Null);
        let read: ImageConfig = json::from_value(null.into()).unwrap();
        assert_eq!(read, image);

        let config = ContainerConfig::default();
        let value = serde_json::to_value(&config).unwrap();
        let mut null = value.as_object().unwrap().clone();
        for key in ["ExposedPorts", "Healthcheck", "Shell", "StopSignal"] {
            null.insert(key.into(), serde_json::Value::Null);
        }
        null.values_mut().for_each(|v| *v = serde_json::Value::Null);
        let read: ContainerConfig = json::from_value(null.into()).unwrap();
        assert_eq!(read, config);
    }

    #[test]
    fn an_old_command_may_be_one_string() {
        let config: ContainerConfig =
            json::from_slice(br#"{"Cmd":"ls -l","Entrypoint":[null]}"#)
                .unwrap();
        assert_eq!(config.cmd.unwrap(), ["ls -l"]);
        assert_eq!(config.entrypoint.unwrap(), [""]);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let image = ImageConfig {
            architecture: "amd64".into(),
            os: "linux".into(),
            rootfs: RootFs::layers(vec![Digest::of_bytes(b"a")]),
            config: Some(ContainerConfig {
                cmd: Some(vec!["sh".into()]),
                volumes: Some([("/v".into(), Empty {})].into()),
                ..ContainerConfig::default()
            }),
            ..ImageConfig::default()
        };
        let bytes = to_bytes(&image);
        assert_eq!(ImageConfig::parse(&bytes).unwrap(), image);
    }
}
