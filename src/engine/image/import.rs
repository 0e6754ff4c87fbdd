//! `POST /images/create?fromSrc=…`: a root file system becomes an image.

use std::io::Read;

use super::reference;
use crate::api::progress::Message;
use crate::engine::{Engine, Error, Result};
use crate::json;
use crate::oci::{
    self, ContainerConfig, History, ImageConfig, Platform, RootFs,
};
use crate::registry;
use crate::store::NewLayer;
use crate::time::Timestamp;

/// What an import is to become.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The repository; empty: the image has no name.
    pub repo: String,
    /// The tag, if the repository does not carry it.
    pub tag: String,
    /// A comment.
    pub message: String,
    /// Changes in the words of a Dockerfile.
    pub changes: Vec<String>,
    /// The platform that it is for; `None`: the host's.
    pub platform: Option<Platform>,
    /// Where it came from, for the history.
    pub source: String,
}

impl Engine {
    /// Makes an image of one layer from a tar (plain, gzip or zstd): `body`,
    /// or what a URL gives. What is invalid is refused before it is read.
    /// Returns the message with the image's id.
    pub fn import(
        &self,
        options: &ImportOptions,
        body: &mut dyn Read,
    ) -> Result<Message> {
        let name = match options.repo.as_str() {
            "" => None,
            repo => Some(named(repo, &options.tag)?),
        };
        let config = changed(ContainerConfig::default(), &options.changes)?;
        let failed =
            |e: &dyn std::fmt::Display| Error::internal("import an image", e);
        let mut remote = None;
        let source: &mut dyn Read =
            match options.source.as_str() {
                "" | "-" => body,
                url => remote.insert(registry::get_url(url).map_err(|e| {
                    Error::Internal(format!("Get \"{url}\": {e}"))
                })?),
            };
        let writer = self.store.begin_layer().map_err(|e| failed(&e))?;
        let layer = writer
            .unpack(source)
            .and_then(NewLayer::commit)
            .map_err(|e| failed(&e))?;
        let platform = options.platform.clone().unwrap_or_else(Platform::host);
        let now = Timestamp::now().to_string();
        let from = match options.source.as_str() {
            "" | "-" => "-",
            source => source,
        };
        let comment = match options.message.as_str() {
            "" => format!("Imported from {from}"),
            message => message.to_string(),
        };
        let image = ImageConfig {
            architecture: platform.architecture,
            variant: platform.variant,
            os: platform.os,
            comment: comment.clone(),
            config: Some(config),
            created: Some(now.clone()),
            docker_version: crate::api::ENGINE_VERSION.into(),
            history: vec![History {
                created: Some(now),
                comment,
                ..History::default()
            }],
            rootfs: RootFs::layers(vec![layer.diff_id]),
            ..ImageConfig::default()
        };
        let image = self
            .store
            .put_image(&oci::to_bytes(&image))
            .map_err(|e| failed(&e))?;
        if let Some(name) = &name {
            self.store.tag(name, &image.id).map_err(|e| failed(&e))?;
            self.image_event(&image, "tag", &name.familiar());
        }
        self.image_event(&image, "import", &image.id.to_string());
        Ok(Message::status(image.id.to_string()))
    }
}

/// Joins repository and tag; a repository may carry its tag.
pub(in crate::engine) fn named(
    repo: &str,
    tag: &str,
) -> Result<crate::oci::Reference> {
    let name = reference(repo)?;
    if name.digest().is_some() {
        return Err(Error::Invalid("cannot import digest reference".into()));
    }
    match tag {
        "" => Ok(name.or_latest()),
        tag => name.with_tag(tag).map_err(|e| Error::Invalid(e.to_string())),
    }
}

/// Reads changes: the instructions of a Dockerfile that only touch the
/// configuration.
pub(in crate::engine) fn changed(
    mut config: ContainerConfig,
    changes: &[String],
) -> Result<ContainerConfig> {
    let lines = changes.iter().flat_map(|text| text.lines());
    for line in lines.map(str::trim).filter(|line| !line.is_empty()) {
        let (word, rest) =
            line.split_once(char::is_whitespace).unwrap_or((line, ""));
        apply(&mut config, &word.to_ascii_uppercase(), rest.trim())?;
    }
    Ok(config)
}

fn apply(config: &mut ContainerConfig, word: &str, rest: &str) -> Result<()> {
    if rest.is_empty() {
        return Err(Error::Invalid(format!(
            "{word} requires at least one argument"
        )));
    }
    match word {
        "CMD" => config.cmd = Some(words(rest)),
        "ENTRYPOINT" => config.entrypoint = Some(words(rest)),
        "ENV" => {
            for (key, value) in pairs(rest)? {
                let vars = config.env.get_or_insert_default();
                vars.retain(|v| v.split('=').next() != Some(&key));
                vars.push(format!("{key}={value}"));
            }
        }
        "LABEL" => {
            let labels = config.labels.get_or_insert_default();
            labels.extend(pairs(rest)?);
        }
        "USER" => config.user = rest.into(),
        "WORKDIR" => {
            config.working_dir = joined(&config.working_dir, rest);
        }
        "STOPSIGNAL" => config.stop_signal = rest.into(),
        "EXPOSE" => {
            let ports = config.exposed_ports.get_or_insert_default();
            for port in rest.split_whitespace() {
                let port = match port.contains('/') {
                    true => port.to_string(),
                    false => format!("{port}/tcp"),
                };
                ports.insert(port, Default::default());
            }
        }
        "VOLUME" => {
            let volumes = config.volumes.get_or_insert_default();
            let list = match rest.starts_with('[') {
                true => words(rest),
                false => rest.split_whitespace().map(str::to_string).collect(),
            };
            for path in list {
                volumes.insert(path, Default::default());
            }
        }
        "ONBUILD" => {
            config.on_build.get_or_insert_default().push(rest.into());
        }
        other => {
            return Err(Error::Invalid(format!(
                "{} is not a valid change command",
                other.to_lowercase()
            )));
        }
    }
    Ok(())
}

/// Joins a working directory to the one before, without looking at any
/// file system.
fn joined(before: &str, next: &str) -> String {
    let mut parts = Vec::new();
    let before = if next.starts_with('/') { "" } else { before };
    for part in before.split('/').chain(next.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Reads a command line: a JSON list, or words for the shell.
fn words(text: &str) -> Vec<String> {
    match json::from_slice(text.as_bytes()) {
        Ok(list) if text.trim_start().starts_with('[') => list,
        _ => ["/bin/sh", "-c", text].map(String::from).to_vec(),
    }
}

/// Reads `A=1 B="two words"`, or the old `A all the rest`.
fn pairs(text: &str) -> Result<Vec<(String, String)>> {
    let bad = || {
        Error::Invalid(format!(
            "Syntax error - can't find = in \"{text}\". Must be of the form: \
             name=value"
        ))
    };
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') {
        let (key, value) =
            text.split_once(char::is_whitespace).ok_or_else(bad)?;
        return Ok(vec![(key.into(), value.trim().into())]);
    }
    let mut list = Vec::new();
    for word in split_quoted(text) {
        let (key, value) = word.split_once('=').ok_or_else(bad)?;
        list.push((key.to_string(), value.to_string()));
    }
    Ok(list)
}

/// Splits at spaces outside of quotes, and takes the quotes off.
fn split_quoted(text: &str) -> Vec<String> {
    let mut list = vec![String::new()];
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = list.len() - 1;
        match (c, quote) {
            ('\\', _) => list[last].extend(chars.next()),
            (c, Some(q)) if c == q => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => {
                if !list[last].is_empty() {
                    list.push(String::new());
                }
            }
            (c, _) => list[last].push(c),
        }
    }
    list.retain(|word| !word.is_empty());
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_set_the_configuration() {
        let changes = [
            "CMD [\"sh\"]",
            "env A=1 B=\"two words\"",
            "ENV C the rest",
            "EXPOSE 80 53/udp",
            "LABEL role=web",
            "WORKDIR /srv",
        ]
        .map(String::from);
        let config = changed(Default::default(), &changes).unwrap();
        assert_eq!(config.cmd, Some(vec!["sh".to_string()]));
        assert_eq!(config.env.unwrap(), ["A=1", "B=two words", "C=the rest"]);
        let ports = config.exposed_ports.unwrap();
        assert!(ports.contains_key("80/tcp") && ports.contains_key("53/udp"));
        assert_eq!(config.labels.unwrap()["role"], "web");
        assert_eq!(config.working_dir, "/srv");
    }

    #[test]
    fn working_directories_add_up() {
        let workdir = |lines: &str| {
            let config =
                changed(Default::default(), &[lines.to_string()]).unwrap();
            config.working_dir
        };
        assert_eq!(workdir("WORKDIR a/b"), "/a/b");
        assert_eq!(workdir("WORKDIR /a\nWORKDIR ../b/."), "/b");
        assert_eq!(workdir("WORKDIR a\nWORKDIR /"), "/");
    }

    #[test]
    fn other_instructions_are_refused() {
        let error =
            changed(Default::default(), &["RUN rm -rf /".into()]).unwrap_err();
        assert_eq!(error.to_string(), "run is not a valid change command");
        assert!(changed(Default::default(), &["CMD".into()]).is_err());
    }

    #[test]
    fn a_name_may_carry_its_tag() {
        assert_eq!(named("a/b:1", "").unwrap().familiar(), "a/b:1");
        assert_eq!(named("a/b", "2").unwrap().familiar(), "a/b:2");
        assert_eq!(named("a/b", "").unwrap().familiar(), "a/b:latest");
        assert!(named("A", "").is_err());
    }
}
