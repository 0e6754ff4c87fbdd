//! `POST /commit`: what a container has changed becomes a layer above those
//! of its image.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config;
use super::filesystem::is_place;
use super::life::{Phase, Record};
use crate::api::container::Config;
use crate::archive::pack::{Form, Pack};
use crate::archive::{self, write};
use crate::engine::image::{changed, named};
use crate::engine::{Engine, Error, Result};
use crate::json;
use crate::oci::{self, ContainerConfig, History, RootFs};
use crate::shim;
use crate::store::{Layer, NewLayer};
use crate::time::Timestamp;

/// Of the pipe between the two sides of a commit.
const BUFFER: usize = 256 << 10;

/// The tar without an entry: such a layer is left out.
const EMPTY: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6\
    cddfaf10ace3c6ef";

/// What a container's image is to be.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// The container.
    pub container: String,
    /// The repository; empty: the image has no name.
    pub repo: String,
    /// The tag, if the repository does not carry it.
    pub tag: String,
    /// What the maker says of it.
    pub comment: String,
    /// Who made it.
    pub author: String,
    /// Changes in the words of a Dockerfile.
    pub changes: Vec<String>,
    /// Whether the container stands still meanwhile.
    pub pause: bool,
    /// Another configuration than the container's, where it says something.
    pub config: Option<Config>,
}

impl Engine {
    /// Makes an image of a container; returns its id. What is invalid is
    /// refused before anything is done.
    pub fn commit(&self, options: &CommitOptions) -> Result<String> {
        let container = self.container(&options.container)?;
        let name = match options.repo.as_str() {
            "" => None,
            repo => Some(named(repo, &options.tag)?),
        };
        let operation = container.operate();
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        match snapshot.life.phase {
            Phase::Dead | Phase::Removing => {
                return Err(Error::Conflict(format!(
                    "You cannot commit container {} which is {}",
                    container.id,
                    match snapshot.life.phase {
                        Phase::Dead => "Dead",
                        _ => "being removed",
                    }
                )));
            }
            _ => {}
        }
        let config = new_config(options, record)?;
        let failed = |e: &dyn std::fmt::Display| Error::internal("commit", e);
        let parent = self
            .store
            .image(&record.image)
            .ok_or_else(|| Error::NoSuchImage(record.image.to_string()))?;
        let layer = {
            let stands = options.pause && snapshot.life.phase == Phase::Running;
            let _paused = match stands {
                true => Some(self.stand_still(record)?),
                false => None,
            };
            self.layer_of(record)?
        };
        drop(operation);
        let mut diff_ids = parent.config.rootfs.diff_ids.clone();
        diff_ids.extend(layer.as_ref().map(|layer| layer.diff_id));
        let now = Timestamp::now().to_string();
        let mut history = parent.config.history.clone();
        history.push(History {
            created: Some(now.clone()),
            author: options.author.clone(),
            created_by: record
                .config
                .cmd
                .as_deref()
                .unwrap_or_default()
                .join(" "),
            comment: options.comment.clone(),
            empty_layer: layer.is_none(),
        });
        let image = oci::ImageConfig {
            author: options.author.clone(),
            comment: options.comment.clone(),
            config: Some(config),
            container: container.id.clone(),
            container_config: Some(as_image_config(&record.config)?),
            created: Some(now),
            docker_version: crate::api::ENGINE_VERSION.into(),
            history,
            rootfs: RootFs::layers(diff_ids),
            ..parent.config.clone()
        };
        let image = self
            .store
            .put_image(&oci::to_bytes(&image))
            .map_err(|e| failed(&e))?;
        let id = image.id.to_string();
        let mut shown = String::new();
        if let Some(name) = &name {
            self.store.tag(name, &image.id).map_err(|e| failed(&e))?;
            shown = name.familiar();
            self.image_event(&image, "tag", &shown);
        }
        self.container_event(
            record,
            "commit",
            &[
                ("comment", options.comment.clone()),
                ("imageID", id.clone()),
                ("imageRef", shown),
            ],
        );
        Ok(id)
    }

    /// Packs what a container has changed, and unpacks it as a layer, both
    /// at once. None if it has changed nothing.
    fn layer_of(&self, record: &Record) -> Result<Option<Arc<Layer>>> {
        let failed = |e: &dyn std::fmt::Display| Error::internal("commit", e);
        let rootfs = self.store.rootfs_paths(&record.id);
        let upper = rootfs.map_err(|e| failed(&e))?.upper;
        let upper = File::open(upper).map_err(|e| failed(&e))?;
        // Directories that the runtime alone has touched are none.
        let changes = self.changes_of(&record.id)?;
        let changed: HashSet<Vec<u8>> =
            changes.into_iter().map(|(path, _)| path).collect();
        let skip = |path: &[u8], stat: &archive::pack::Stat| {
            let full = [b"/", path].concat();
            is_place(path)
                || (stat.kind == archive::pack::Kind::Dir
                    && !changed.contains(&full))
        };
        let (reader, pipe) = io::pipe().map_err(|e| failed(&e))?;
        let writer = self.store.begin_layer().map_err(|e| failed(&e))?;
        let (packed, unpacked) = std::thread::scope(|scope| {
            let pack = || {
                let mut out = BufWriter::with_capacity(BUFFER, pipe);
                let mut pack = Pack::new(Form::Layer, &skip);
                pack.tree(upper.as_fd(), None, b"", &mut out)?;
                let end = write::end(&mut out).and_then(|()| out.flush());
                end.map_err(archive::Error::Read)
            };
            let thread = std::thread::Builder::new()
                .name("commit".into())
                .spawn_scoped(scope, pack)
                .map_err(|e| failed(&e))?;
            let unpacked = writer.unpack(reader);
            let packed = thread.join();
            let packed = packed.map_err(|_| failed(&"it has panicked"))?;
            Ok::<_, Error>((packed, unpacked))
        })?;
        // An end that came too early looks like a whole tar to the reader.
        let layer = unpacked.map_err(|e| failed(&e))?;
        packed.map_err(|e| failed(&e))?;
        if layer.diff_id().to_string() == EMPTY {
            return Ok(None);
        }
        NewLayer::commit(layer).map(Some).map_err(|e| failed(&e))
    }

    /// Pauses a container until the returned guard is dropped. A mark tells
    /// the next daemon, should this one die, that no client has paused it.
    fn stand_still(&self, record: &Record) -> Result<impl Drop> {
        struct Paused(PathBuf);
        impl Drop for Paused {
            fn drop(&mut self) {
                if let Err(error) = go_on(&self.0) {
                    log::error!("a container stays paused: {error}");
                }
            }
        }
        let run_dir = self.run_dir(&record.id);
        let failed = |e: &dyn std::fmt::Display| Error::internal("pause", e);
        File::create(run_dir.join(HELD)).map_err(|e| failed(&e))?;
        let held = Paused(run_dir);
        match shim::pause(&held.0) {
            // It ends just now.
            Ok(()) | Err(shim::Error::Gone) => Ok(held),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// The mark in its run directory of a container that a commit holds still.
const HELD: &str = "held";

/// Lets a container go on that a commit of this daemon, or of one that has
/// died, holds still; one that is not held is left alone.
pub(super) fn go_on(run_dir: &Path) -> std::result::Result<(), shim::Error> {
    let mark = run_dir.join(HELD);
    if !mark.exists() {
        return Ok(());
    }
    match shim::resume(run_dir) {
        Ok(()) | Err(shim::Error::Gone) => {}
        Err(error) => return Err(error),
    }
    // It goes with the directory otherwise.
    let _ = std::fs::remove_file(mark);
    Ok(())
}

/// The configuration of the image: what the client says and the changes,
/// then what the container was made with.
fn new_config(
    options: &CommitOptions,
    record: &Record,
) -> Result<ContainerConfig> {
    let base = match &options.config {
        Some(config) => as_image_config(config)?,
        None => ContainerConfig::default(),
    };
    let changed = changed(base, &options.changes)?;
    let failed = |e: &dyn std::fmt::Display| Error::internal("commit", e);
    let value = serde_json::to_value(&changed).map_err(|e| failed(&e))?;
    let mut config: Config = json::from_value(value).map_err(|e| failed(&e))?;
    config::merge(&mut config, &as_image_config(&record.config)?);
    for (own, of) in [
        (&mut config.hostname, &record.config.hostname),
        (&mut config.domainname, &record.config.domainname),
        (&mut config.image, &record.config.image),
    ] {
        if own.is_empty() {
            own.clone_from(of);
        }
    }
    as_image_config(&config)
}

/// The two have the same names for the same things.
fn as_image_config(config: &Config) -> Result<ContainerConfig> {
    let value = serde_json::to_value(config);
    let value = value.map_err(|e| Error::internal("commit", e))?;
    json::from_value(value).map_err(|e| Error::internal("commit", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn the_empty_layer_is_dockers() {
        let mut tar = Vec::new();
        write::end(&mut tar).unwrap();
        assert_eq!(Digest::of_bytes(&tar).to_string(), EMPTY);
    }
}
