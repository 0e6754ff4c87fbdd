//! The image configuration: how to run an image, and what it is made of.
//!
//! The bytes as they came are kept by who stores the image (their digest is
//! the image's id); this is a view of them, and the form in which new
//! images are written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Digest, null};

/// An image configuration of Docker or OCI.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// Go's name of the architecture.
    #[serde(deserialize_with = "null::default")]
    pub architecture: String,
    /// Who made it.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// What the maker wrote about it.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// How to run it.
    pub config: Option<ContainerConfig>,
    /// The container that it was committed from.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub container: String,
    /// That container's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_config: Option<ContainerConfig>,
    /// When it was made (RFC 3339), as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The engine that made it.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub docker_version: String,
    /// The steps that made it, first one first.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub history: Vec<History>,
    /// Go's name of the system.
    #[serde(deserialize_with = "null::default")]
    pub os: String,
    /// Features that the system must have (Windows only).
    #[serde(
        rename = "os.features",
        deserialize_with = "null::default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// Version of the system (Windows only).
    #[serde(
        rename = "os.version",
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    /// The layers.
    #[serde(deserialize_with = "null::default")]
    pub rootfs: RootFs,
    /// Variant of the architecture.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub variant: String,
}

impl ImageConfig {
    /// Reads a configuration.
    pub fn parse(bytes: &[u8]) -> Result<ImageConfig, serde_json::Error> {
        serde_json::from_slice(bytes)
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type", deserialize_with = "null::default")]
    pub kind: String,
    /// The layers, lowest first.
    #[serde(deserialize_with = "null::default")]
    pub diff_ids: Vec<Digest>,
}

impl RootFs {
    /// Makes one of layers, lowest first.
    pub fn layers(diff_ids: Vec<Digest>) -> RootFs {
        RootFs { kind: "layers".into(), diff_ids }
    }
}

/// One step of an image's making.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When (RFC 3339), as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub author: String,
    /// By which command.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub created_by: String,
    /// What the maker wrote about it.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
    pub comment: String,
    /// Whether the step made no layer.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_false"
    )]
    pub empty_layer: bool,
}

/// The value of a set's entry: `{}`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize,
)]
pub struct Empty {}

/// How a container of the image runs. `None` and empty differ where Docker
/// shows the difference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerConfig {
    /// The host name.
    #[serde(deserialize_with = "null::default")]
    pub hostname: String,
    /// The domain name.
    #[serde(deserialize_with = "null::default")]
    pub domainname: String,
    /// The user: `name[:group]` or `uid[:gid]`.
    #[serde(deserialize_with = "null::default")]
    pub user: String,
    /// Whether standard input was attached.
    #[serde(deserialize_with = "null::default")]
    pub attach_stdin: bool,
    /// Whether standard output was attached.
    #[serde(deserialize_with = "null::default")]
    pub attach_stdout: bool,
    /// Whether standard error was attached.
    #[serde(deserialize_with = "null::default")]
    pub attach_stderr: bool,
    /// The ports that the program listens on: `80/tcp`.
    #[serde(
        deserialize_with = "null::keys",
        skip_serializing_if = "Option::is_none"
    )]
    pub exposed_ports: Option<BTreeMap<String, Empty>>,
    /// Whether it has a terminal.
    #[serde(deserialize_with = "null::default")]
    pub tty: bool,
    /// Whether standard input stays open.
    #[serde(deserialize_with = "null::default")]
    pub open_stdin: bool,
    /// Whether standard input closes after the first client.
    #[serde(deserialize_with = "null::default")]
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
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_false"
    )]
    pub args_escaped: bool,
    /// The image that it was made from.
    #[serde(deserialize_with = "null::default")]
    pub image: String,
    /// Paths that are volumes.
    #[serde(deserialize_with = "null::keys")]
    pub volumes: Option<BTreeMap<String, Empty>>,
    /// The directory that it starts in.
    #[serde(deserialize_with = "null::default")]
    pub working_dir: String,
    /// The program that is always run.
    #[serde(deserialize_with = "words")]
    pub entrypoint: Option<Vec<String>>,
    /// Whether it has no network.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_false"
    )]
    pub network_disabled: bool,
    /// Build steps for images made from it.
    pub on_build: Option<Vec<String>>,
    /// Free notes.
    #[serde(deserialize_with = "labels")]
    pub labels: Option<BTreeMap<String, String>>,
    /// The signal that stops it.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "String::is_empty"
    )]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `[]` inherits, `["NONE"]` is off, `["CMD", …]`, `["CMD-SHELL", …]`.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub test: Vec<String>,
    /// Time between tests.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_zero"
    )]
    pub interval: i64,
    /// How long a test may take.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_zero"
    )]
    pub timeout: i64,
    /// How long failures do not count after the start.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_zero"
    )]
    pub start_period: i64,
    /// Time between tests in that period.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_zero"
    )]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy.
    #[serde(
        deserialize_with = "null::default",
        skip_serializing_if = "is_zero"
    )]
    pub retries: i64,
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Reads a list of words; old images have a single string.
fn words<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Words {
        One(String),
        Many(Vec<Option<String>>),
    }
    Ok(Option::<Words>::deserialize(deserializer)?.map(|words| match words {
        Words::One(word) => vec![word],
        Words::Many(list) => {
            list.into_iter().map(Option::unwrap_or_default).collect()
        }
    }))
}

/// Reads labels; a `null` value is an empty one.
fn labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let map: Option<BTreeMap<String, Option<String>>> =
        Option::deserialize(deserializer)?;
    Ok(map.map(|map| {
        map.into_iter().map(|(k, v)| (k, v.unwrap_or_default())).collect()
    }))
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
        let image: ImageConfig = serde_json::from_str("{}").unwrap();
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
        let read: ImageConfig = serde_json::from_value(null.into()).unwrap();
        assert_eq!(read, image);

        let config = ContainerConfig::default();
        let value = serde_json::to_value(&config).unwrap();
        let mut null = value.as_object().unwrap().clone();
        for key in ["ExposedPorts", "Healthcheck", "Shell", "StopSignal"] {
            null.insert(key.into(), serde_json::Value::Null);
        }
        null.values_mut().for_each(|v| *v = serde_json::Value::Null);
        let read: ContainerConfig =
            serde_json::from_value(null.into()).unwrap();
        assert_eq!(read, config);
    }

    #[test]
    fn an_old_command_may_be_one_string() {
        let config: ContainerConfig =
            serde_json::from_str(r#"{"Cmd":"ls -l","Entrypoint":[null]}"#)
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
