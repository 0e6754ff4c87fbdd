//! Manifests and indexes, in Docker's and in OCI's form.
//!
//! A document is read by the media type that it was served as and by its
//! own `mediaType`; one that could be read as both a manifest and an index
//! is refused (CVE-2021-41190).

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::{Digest, Platform};
use crate::json::{self, FromJson, Value};

/// Docker's manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str =
    "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_LIST: &str =
    "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI's image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI's image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image configuration.
pub const DOCKER_CONFIG: &str =
    "application/vnd.docker.container.image.v1+json";
/// OCI's image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's gzip layer.
pub const DOCKER_LAYER: &str =
    "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// OCI's plain layer; `+gzip` and `+zstd` follow for packed ones.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The formats that a fetch accepts, best first.
pub const ACCEPTED: [&str; 4] =
    [DOCKER_MANIFEST, DOCKER_LIST, OCI_INDEX, OCI_MANIFEST];

/// The start of the media types of the retired schema 1.
const SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1";

/// The most layers of one image: overlay's own limit is 500.
const MAX_LAYERS: usize = 500;

/// A pointer to content: what it is, its digest, its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The content's media type.
    #[serde(default)]
    pub media_type: String,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// Other places to get it from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Free notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What an index's entry runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// One image: its configuration and its layers, lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// The document's own media type; empty in early OCI images.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The image configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default)]
    pub layers: Vec<Descriptor>,
    /// Free notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One name for the images of several platforms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// The document's own media type; empty in early OCI indexes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The images; those with a digest of another algorithm are left out.
    #[serde(default, deserialize_with = "known_descriptors")]
    pub manifests: Vec<Descriptor>,
    /// Free notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A document that a registry serves under a tag or a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// Images for several platforms.
    Index(Index),
}

/// Why a document cannot be used.
#[derive(Debug)]
pub enum Error {
    /// Docker's schema 1, which no engine of today takes.
    Schema1,
    /// A media type that is neither a manifest nor an index.
    MediaType(String),
    /// The document says it is something else than it was served as.
    Mismatch {
        /// As what it was served.
        served: String,
        /// What it says it is.
        own: String,
    },
    /// A document with the fields of both a manifest and an index.
    Ambiguous,
    /// A configuration that is no image's (a plugin, a chart, a model).
    NotAnImage(String),
    /// More layers than can be mounted.
    TooManyLayers(usize),
    /// No JSON, or not of the expected form.
    Json(json::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Schema1 => f.write_str(
                "Docker Image Format v1 and Docker Image manifest version 2, \
                 schema 1 support has been removed. More information at \
                 https://docs.docker.com/go/deprecated-image-specs/",
            ),
            Error::MediaType(kind) => {
                write!(f, "unsupported media type {kind}")
            }
            Error::Mismatch { served, own } => write!(
                f,
                "mediaType in manifest should be '{served}' not '{own}'"
            ),
            Error::Ambiguous => f.write_str(
                "manifest has the fields of both an image and an index",
            ),
            Error::NotAnImage(kind) => {
                let class = match kind.as_str() {
                    "application/vnd.docker.plugin.v1+json" => "plugin",
                    _ => "unknown",
                };
                write!(f, "Encountered remote {kind:?}({class}) when fetching")
            }
            Error::TooManyLayers(count) => {
                write!(f, "image has {count} layers, at most {MAX_LAYERS}")
            }
            Error::Json(error) => write!(f, "invalid manifest: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Json(error) => Some(error),
            _ => None,
        }
    }
}

/// The fields that tell the kinds of documents apart.
#[derive(FromJson)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Option<Value>,
    layers: Option<Value>,
    manifests: Option<Value>,
}

impl Document {
    /// Reads a document that was served with `content_type` (may be empty
    /// or a general JSON type: then the document itself decides).
    pub fn parse(content_type: &str, bytes: &[u8]) -> Result<Document, Error> {
        let served = content_type.split(';').next().unwrap_or("").trim();
        if served.starts_with(SCHEMA1) {
            return Err(Error::Schema1);
        }
        let value = json::parse(bytes).map_err(Error::Json)?;
        let shape: Shape =
            json::from_value(value.clone()).map_err(Error::Json)?;
        if shape.schema_version == 1 {
            return Err(Error::Schema1);
        }
        let own = shape.media_type.as_str();
        let kind = match (served, own) {
            (_, "") if ACCEPTED.contains(&served) => served,
            (served, own) if ACCEPTED.contains(&served) => {
                if served != own {
                    return Err(Error::Mismatch {
                        served: served.into(),
                        own: own.into(),
                    });
                }
                own
            }
            ("" | "application/json" | "text/plain", "") => {
                match shape.manifests {
                    Some(_) => OCI_INDEX,
                    None => OCI_MANIFEST,
                }
            }
            ("" | "application/json" | "text/plain", own) => own,
            (served, _) => return Err(Error::MediaType(served.into())),
        };
        let has_image = shape.config.is_some() || shape.layers.is_some();
        if has_image && shape.manifests.is_some() {
            return Err(Error::Ambiguous);
        }
        match kind {
            DOCKER_LIST | OCI_INDEX => json::from_value(value)
                .map(Document::Index)
                .map_err(Error::Json),
            DOCKER_MANIFEST | OCI_MANIFEST => Manifest::checked(value)
                .map(|manifest| Document::Manifest(Box::new(manifest))),
            other => Err(Error::MediaType(other.into())),
        }
    }
}

impl Manifest {
    fn checked(value: Value) -> Result<Manifest, Error> {
        let manifest: Manifest =
            json::from_value(value).map_err(Error::Json)?;
        let kind = manifest.config.media_type.as_str();
        // Some old tools wrote general types here; they are images.
        let general = ["", "application/octet-stream", "text/html"];
        let image = [DOCKER_CONFIG, OCI_CONFIG];
        if !image.contains(&kind) && !general.contains(&kind) {
            return Err(Error::NotAnImage(kind.into()));
        }
        if manifest.layers.len() > MAX_LAYERS {
            return Err(Error::TooManyLayers(manifest.layers.len()));
        }
        Ok(manifest)
    }
}

impl Index {
    /// Returns the entries that run on `wanted`, best first. One without a
    /// platform comes last.
    pub fn select(&self, wanted: &Platform) -> Vec<&Descriptor> {
        let mut found: Vec<(usize, &Descriptor)> = self
            .manifests
            .iter()
            .filter(|entry| {
                let kind = entry.media_type.as_str();
                kind.is_empty() || ACCEPTED.contains(&kind)
            })
            .filter_map(|entry| match &entry.platform {
                Some(platform) => wanted.rank(platform).map(|r| (r, entry)),
                None => Some((usize::MAX, entry)),
            })
            .collect();
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, entry)| entry).collect()
    }
}

/// Leaves those descriptors out that cannot be understood.
fn known_descriptors(mut value: Value) -> Value {
    if let Value::Array(list) = &mut value {
        list.retain(|entry| {
            json::from_value::<Descriptor>(entry.clone()).is_ok()
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(kind: &str, of: &str) -> String {
        let digest = Digest::of_bytes(of.as_bytes());
        format!(
            "{{\"mediaType\":\"{kind}\",\"size\":{},\"digest\":\"{digest}\"}}",
            of.len()
        )
    }

    fn image(media_type: &str) -> String {
        format!(
            "{{\"schemaVersion\":2,{media_type}\"config\":{},\"layers\":[{}],\
             \"annotations\":null}}",
            descriptor(DOCKER_CONFIG, "{}"),
            descriptor(DOCKER_LAYER, "layer"),
        )
    }

    fn parse(kind: &str, text: &str) -> Result<Document, String> {
        Document::parse(kind, text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_manifest_is_read_by_its_served_type() {
        for kind in [DOCKER_MANIFEST, OCI_MANIFEST, "", "application/json"] {
            let Ok(Document::Manifest(manifest)) = parse(kind, &image(""))
            else {
                panic!("{kind}");
            };
            assert_eq!(manifest.layers[0].size, 5);
        }
        let charset = format!("{OCI_MANIFEST}; charset=utf-8");
        assert!(parse(&charset, &image("")).is_ok());
    }

    #[test]
    fn a_type_that_differs_from_the_served_one_is_refused() {
        let text = image(&format!("\"mediaType\":\"{OCI_MANIFEST}\","));
        assert_eq!(
            parse(DOCKER_MANIFEST, &text).unwrap_err(),
            format!(
                "mediaType in manifest should be '{DOCKER_MANIFEST}' not \
                 '{OCI_MANIFEST}'"
            )
        );
    }

    #[test]
    fn a_document_that_is_both_is_refused() {
        let text = image("\"manifests\":[],");
        assert!(parse(OCI_INDEX, &text).unwrap_err().contains("both"));
        assert!(parse(OCI_MANIFEST, &text).unwrap_err().contains("both"));
    }

    #[test]
    fn schema_1_is_refused_with_a_hint() {
        let text = "{\"schemaVersion\":1,\"fsLayers\":[]}";
        assert!(parse("", text).unwrap_err().contains("schema 1 support"));
        let kind = format!("{SCHEMA1}+prettyjws");
        assert!(parse(&kind, "").unwrap_err().contains("schema 1 support"));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        assert_eq!(
            parse("text/html", "<html>").unwrap_err(),
            "invalid manifest: invalid character '<' looking for \
             beginning of value"
        );
        assert_eq!(
            parse("image/png", "{}").unwrap_err(),
            "unsupported media type image/png"
        );
        assert!(parse(OCI_MANIFEST, "{}").is_err());
        assert!(parse(OCI_MANIFEST, "[]").is_err());
        let negative = image("").replace("\"size\":5", "\"size\":-5");
        assert!(parse(OCI_MANIFEST, &negative).is_err());
        let chart = image("").replace(DOCKER_CONFIG, "application/x-chart");
        assert!(parse(OCI_MANIFEST, &chart).is_err());
    }

    #[test]
    fn an_index_gives_the_best_entry_first() {
        let entry = |arch: &str, variant: &str| {
            let text = descriptor(OCI_MANIFEST, &format!("{arch}{variant}"));
            let platform = format!(
                ",\"platform\":{{\"os\":\"linux\",\"architecture\":\"{arch}\",\
                 \"variant\":{variant}}}}}"
            );
            text.strip_suffix('}').unwrap().to_string() + &platform
        };
        let text = format!(
            "{{\"schemaVersion\":2,\"manifests\":[{},{},{},{}]}}",
            entry("386", "null"),
            entry("amd64", "\"\""),
            entry("unknown", "null"),
            "{\"digest\":\"sha512:00\",\"size\":1}",
        );
        let Ok(Document::Index(index)) = parse(OCI_INDEX, &text) else {
            panic!("no index");
        };
        assert_eq!(index.manifests.len(), 3);
        let found = index.select(&Platform::of("linux", "amd64", ""));
        let names: Vec<String> = found
            .iter()
            .map(|entry| entry.platform.as_ref().unwrap().to_string())
            .collect();
        assert_eq!(names, ["linux/amd64", "linux/386"]);
        let s390x = Platform::of("linux", "s390x", "");
        assert!(index.select(&s390x).is_empty());
    }
}
