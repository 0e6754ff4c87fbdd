//! `GET /images/{name}/json`.

use serde_json::Value;

use crate::api::image::{Inspect, Metadata, RootFs};
use crate::api::inspect::GraphDriver;
use crate::engine::{Engine, Result};
use crate::oci::{Platform, Reference};

impl Engine {
    /// Tells all that is known of an image, which must be for `platform`
    /// if that is given.
    pub fn inspect_image(
        &self,
        name: &str,
        platform: Option<&Platform>,
    ) -> Result<Inspect> {
        let image = self.image_of_platform(name, platform)?;
        let references = self.store.references(&image.id);
        let show = |list: &[Reference]| -> Vec<String> {
            list.iter().map(Reference::familiar).collect()
        };
        let facts = self.store.facts(&image.id);
        let config = &image.config;
        Ok(Inspect {
            id: image.id.to_string(),
            repo_tags: show(&references.tags),
            repo_digests: show(&references.digests),
            parent: String::new(),
            comment: comment(config),
            created: config.created.clone().unwrap_or_default(),
            docker_version: config.docker_version.clone(),
            author: config.author.clone(),
            architecture: config.architecture.clone(),
            variant: config.variant.clone(),
            os: config.os.clone(),
            os_version: config.os_version.clone(),
            size: i64::try_from(image.size).unwrap_or(i64::MAX),
            virtual_size: 0,
            graph_driver: self.image_graph_driver(&image.layers),
            root_fs: RootFs {
                kind: config.rootfs.kind.clone(),
                layers: image.layers.iter().map(ToString::to_string).collect(),
            },
            metadata: Metadata {
                last_tag_time: facts
                    .last_tag_time
                    .unwrap_or_default()
                    .to_string(),
            },
            config: container_config(config),
        })
    }

    fn image_graph_driver(&self, layers: &[crate::oci::Digest]) -> GraphDriver {
        let mut dirs: Vec<String> = layers
            .iter()
            .rev()
            .filter_map(|layer| self.store.layer(layer))
            .map(|layer| layer.path.display().to_string())
            .collect();
        let mut data = std::collections::BTreeMap::new();
        if !dirs.is_empty() {
            let upper = dirs.remove(0);
            if !dirs.is_empty() {
                data.insert("LowerDir".to_string(), dirs.join(":"));
            }
            data.insert("UpperDir".to_string(), upper);
        }
        GraphDriver { data, name: "overlay2".into() }
    }
}

/// The comment of an image: its own, else that of its last step.
fn comment(config: &crate::oci::ImageConfig) -> String {
    if !config.comment.is_empty() {
        return config.comment.clone();
    }
    let last = config.history.last();
    last.map_or(String::new(), |step| step.comment.clone())
}

/// The image's configuration as Docker 28 shows it: what is never empty in
/// an image, and all else that is set.
fn container_config(config: &crate::oci::ImageConfig) -> Value {
    const ALWAYS: &[&str] = &[
        "Cmd",
        "Entrypoint",
        "Env",
        "Labels",
        "OnBuild",
        "User",
        "Volumes",
        "WorkingDir",
    ];
    let own = config.config.clone().unwrap_or_default();
    let mut value = serde_json::to_value(own).unwrap_or(Value::Null);
    if let Value::Object(map) = &mut value {
        map.retain(|key, value| {
            ALWAYS.contains(&key.as_str())
                || !matches!(value, Value::Null | Value::Bool(false))
                    && *value != Value::String(String::new())
        });
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{ContainerConfig, ImageConfig};

    #[test]
    fn a_configuration_shows_what_docker_shows() {
        let own = ContainerConfig {
            cmd: Some(vec!["/bin/sh".into()]),
            ..ContainerConfig::default()
        };
        let config =
            ImageConfig { config: Some(own), ..ImageConfig::default() };
        assert_eq!(
            container_config(&config).to_string(),
            "{\"Cmd\":[\"/bin/sh\"],\"Entrypoint\":null,\"Env\":null,\
             \"Labels\":null,\"OnBuild\":null,\"User\":\"\",\
             \"Volumes\":null,\"WorkingDir\":\"\"}"
        );
    }
}
