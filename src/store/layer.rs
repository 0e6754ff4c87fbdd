//! Layers: their records, how they become visible and how they go.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::trash::Trash;
use super::{Error, FORMAT, Result, State, Store, Sync, record};
use crate::archive::framing;
use crate::json::FromJson;
use crate::oci::{Digest, Hasher};
use crate::sys;

/// The compressed form that a layer came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its length.
    pub size: u64,
}

/// A layer that is on the disk. Who holds one keeps it from being removed.
#[derive(Debug)]
pub struct Layer {
    /// The digest of its plain tar.
    pub diff_id: Digest,
    /// Bytes of its files.
    pub size: u64,
    /// Bytes of its plain tar.
    pub tar_size: u64,
    /// What it was unpacked from.
    pub blob: Blob,
    /// Its files.
    pub path: PathBuf,
}

#[derive(Serialize, FromJson)]
struct LayerRecord {
    diff_id: Digest,
    short: String,
    size: u64,
    tar_size: u64,
    blob: Blob,
}

/// A layer that is unpacked and not yet visible.
pub(super) struct Staged {
    /// Holds `files` and `meta`.
    pub path: PathBuf,
    pub diff_id: Digest,
    pub size: u64,
    pub tar_size: u64,
    pub blob: Blob,
}

/// How many digits a short name has at least.
const SHORT: usize = 12;

/// Loads the records of a root; what has none goes to the trash.
pub(super) fn load(
    root: &Path,
    trash: &Trash,
) -> Result<HashMap<Digest, Arc<Layer>>> {
    let mut layers = HashMap::new();
    let mut known = HashSet::from(["empty".to_string()]);
    let mut damaged = Vec::new();
    for hex in record::names(&root.join("layers")) {
        let dir = root.join("layers").join(&hex);
        let file = dir.join("layer.json");
        record::sweep_temporary(&dir);
        let loaded = record::load::<LayerRecord>(&file, FORMAT)?;
        let Some(found) = loaded else {
            // Its files are kept with it, for whoever wants to look.
            if record::has_damaged(&file) {
                damaged.push(hex);
            } else {
                trash.take(&dir)?;
            }
            continue;
        };
        let path = root.join("l").join(&found.short);
        if found.diff_id.hex() != hex || !path.is_dir() {
            record::set_aside(&file, "its layer is not there");
            continue;
        }
        known.insert(found.short);
        layers.insert(
            found.diff_id,
            Arc::new(Layer {
                diff_id: found.diff_id,
                size: found.size,
                tar_size: found.tar_size,
                blob: found.blob,
                path,
            }),
        );
    }
    for short in record::names(&root.join("l")) {
        let is_damaged = damaged.iter().any(|hex| hex.starts_with(&short));
        if !known.contains(&short) && !is_damaged {
            trash.take(&root.join("l").join(short))?;
        }
    }
    Ok(layers)
}

impl Store {
    /// Returns the layer with a diff id. While it is held it stays.
    pub fn layer(&self, diff_id: &Digest) -> Option<Arc<Layer>> {
        self.state().layers.get(diff_id).cloned()
    }

    /// Returns the sum of all layers' sizes.
    pub fn layers_size(&self) -> u64 {
        self.state().layers.values().map(|layer| layer.size).sum()
    }

    /// Writes the plain tar of a layer, the same that it came from, and
    /// returns its length.
    ///
    /// # Errors
    /// [`Error::Digest`] if what was written is another tar, because files
    /// of the layer were changed.
    pub fn write_layer_tar(
        &self,
        layer: &Layer,
        out: &mut dyn Write,
    ) -> Result<u64> {
        let meta = self.path("layers").join(layer.diff_id.hex());
        let path = meta.join("framing.gz");
        let framing =
            fs::File::open(&path).map_err(Error::io("open", &path))?;
        let root = sys::fs::open_dir(&layer.path)
            .map_err(Error::sys("open", &layer.path))?;
        let replaced = sys::fs::open_dir(&meta.join("replaced")).ok();
        let mut out = Hashing { out, hasher: Hasher::new() };
        let length = framing::assemble(
            BufReader::new(framing),
            root.as_fd(),
            replaced.as_ref().map(AsFd::as_fd),
            &mut out,
        )
        .map_err(Error::Unpack)?;
        let actual = out.hasher.finish();
        if actual != layer.diff_id {
            let expected = layer.diff_id;
            return Err(Error::Digest { what: "layer", expected, actual });
        }
        Ok(length)
    }

    /// Makes a staged layer visible; `staged.path` is left for the caller
    /// to remove. If the layer is there already, that one is it.
    pub(super) fn commit_layer(&self, staged: &Staged) -> Result<Arc<Layer>> {
        let diff_id = staged.diff_id;
        if let Some(layer) = self.layer(&diff_id) {
            return Ok(layer);
        }
        let dir = sys::fs::open_dir(&staged.path)
            .map_err(Error::sys("open", &staged.path))?;
        sys::fs::syncfs(&dir).map_err(Error::sys("sync", &staged.path))?;
        let _changes = self.changes();
        if let Some(layer) = self.layer(&diff_id) {
            return Ok(layer);
        }
        let hex = diff_id.hex();
        let meta = self.path("layers").join(&hex);
        // Left there by a layer whose record was damaged.
        self.0.trash.discard(&meta)?;
        let short = (SHORT..=hex.len())
            .map(|length| &hex[..length])
            .find(|short| !self.path("l").join(short).exists())
            .unwrap_or(&hex);
        let path = self.path("l").join(short);
        let undo = |error| {
            // Without a record the next start would sweep them too.
            let _ = self.0.trash.discard(&path);
            let _ = self.0.trash.discard(&meta);
            error
        };
        let rename = |from: &str, to: &Path| {
            fs::rename(staged.path.join(from), to)
                .map_err(Error::io("rename", to))
        };
        rename("files", &path)
            .and_then(|()| rename("meta", &meta))
            .and_then(|()| record::sync_dir(&self.path("l")))
            .and_then(|()| record::sync_dir(&self.path("layers")))
            .and_then(|()| {
                let layer = LayerRecord {
                    diff_id,
                    short: short.to_string(),
                    size: staged.size,
                    tar_size: staged.tar_size,
                    blob: staged.blob,
                };
                let file = meta.join("layer.json");
                record::save(&file, FORMAT, &layer, Sync::Yes)
            })
            .map_err(undo)?;
        let layer = Arc::new(Layer {
            diff_id,
            size: staged.size,
            tar_size: staged.tar_size,
            blob: staged.blob,
            path,
        });
        self.state().layers.insert(diff_id, Arc::clone(&layer));
        Ok(layer)
    }

    /// Takes those of `layers` away that no image and no container stands
    /// on and that nobody holds. Returns what is left to delete once the
    /// lock, which the caller has, is given back.
    pub(super) fn drop_layers(&self, layers: &[Digest]) -> Vec<String> {
        let dropped: Vec<Arc<Layer>> = {
            let mut state = self.state();
            let used = state.used_layers();
            layers
                .iter()
                .filter(|diff_id| !used.contains(diff_id))
                .filter_map(|diff_id| state.take_free_layer(diff_id))
                .collect()
        };
        let mut trash = Vec::new();
        for layer in dropped {
            let meta = self.path("layers").join(layer.diff_id.hex());
            let gone = record::remove(&meta.join("layer.json"), Sync::Yes)
                .and_then(|()| self.0.trash.take(&layer.path))
                .and_then(|files| {
                    trash.extend(files);
                    self.0.trash.take(&meta)
                });
            match gone {
                Ok(meta) => trash.extend(meta),
                // Its record is gone or it is whole: the next start knows.
                Err(error) => log::warn!("layer {}: {error}", layer.diff_id),
            }
        }
        trash
    }

    pub(super) fn delete(&self, trash: &[String]) {
        trash.iter().for_each(|name| self.0.trash.delete(name));
    }

    /// Removes all layers that no image and no container stands on and
    /// that nobody holds: what pulls that failed have left. Returns the
    /// bytes of their files.
    pub fn collect_garbage(&self) -> u64 {
        let trash;
        let before;
        {
            let _changes = self.changes();
            before = self.layers_size();
            let all: Vec<Digest> =
                self.state().layers.keys().copied().collect();
            trash = self.drop_layers(&all);
        }
        self.delete(&trash);
        before.saturating_sub(self.layers_size())
    }
}

impl State {
    fn used_layers(&self) -> HashSet<Digest> {
        let images = self.images.values().flat_map(|image| &image.layers);
        let containers = self.containers.values().flat_map(|l| l.iter());
        images.chain(containers).copied().collect()
    }

    fn take_free_layer(&mut self, diff_id: &Digest) -> Option<Arc<Layer>> {
        let layer = self.layers.get(diff_id)?;
        // Clones are made under this lock only, so one means nobody.
        if Arc::strong_count(layer) > 1 {
            return None;
        }
        self.layers.remove(diff_id)
    }
}

struct Hashing<'a> {
    out: &'a mut dyn Write,
    hasher: Hasher,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::*;
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn a_layer_is_kept_and_its_tar_comes_back() {
        let temp = TempDir::new("store-layer");
        let tar = tar_of("a/file", b"hello");
        let blob = gzip(&tar);
        let store = Store::open(temp.path()).unwrap();
        let new = store.begin_layer().unwrap().unpack(&blob[..]).unwrap();
        assert_eq!(new.diff_id(), Digest::of_bytes(&tar));
        assert_eq!(new.blob().digest, Digest::of_bytes(&blob));
        assert_eq!(new.blob().size, blob.len() as u64);
        assert!(store.layer(&new.diff_id()).is_none());
        let layer = new.commit().unwrap();
        assert_eq!(layer.size, 5);
        assert_eq!(layer.tar_size, tar.len() as u64);
        assert!(names_in(temp.path(), "tmp").is_empty());
        drop(store);
        let store = Store::open(temp.path()).unwrap();
        let layer = store.layer(&layer.diff_id).unwrap();
        assert_eq!(fs::read(layer.path.join("a/file")).unwrap(), b"hello");
        let mode = fs::metadata(&layer.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
        let mut again = Vec::new();
        store.write_layer_tar(&layer, &mut again).unwrap();
        assert_eq!(again, tar);
        fs::write(layer.path.join("a/file"), b"HELLO").unwrap();
        let error = store.write_layer_tar(&layer, &mut io::sink()).unwrap_err();
        assert!(matches!(error, Error::Digest { .. }), "{error}");
    }

    #[test]
    fn the_same_layer_twice_at_once_is_one() {
        let temp = TempDir::new("store-twice");
        let store = Store::open(temp.path()).unwrap();
        let blob = gzip(&tar_of("f", &noise(100_000)));
        let digest = Digest::of_bytes(&blob);
        let layers: Vec<Arc<Layer>> = std::thread::scope(|scope| {
            let pull = || {
                let size = blob.len() as u64;
                let ingest = store.ingest(&digest, size).unwrap();
                let open = |at: u64| -> io::Result<Box<dyn Read + '_>> {
                    Ok(Box::new(&blob[at as usize..]))
                };
                let mut open = open;
                ingest.unpack(&mut open).unwrap().commit().unwrap()
            };
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(pull)).collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert!(layers.windows(2).all(|two| Arc::ptr_eq(&two[0], &two[1])));
        assert_eq!(names_in(temp.path(), "l").len(), 2);
        assert!(names_in(temp.path(), "tmp").is_empty());
        assert!(names_in(temp.path(), "ingest").is_empty());
    }

    #[test]
    fn short_names_that_collide_grow() {
        let temp = TempDir::new("store-short");
        let tar = tar_of("f", b"x");
        let hex = Digest::of_bytes(&tar).hex();
        let store = Store::open(temp.path()).unwrap();
        fs::create_dir(temp.path().join("l").join(&hex[..12])).unwrap();
        let layer = add(&store, &tar);
        assert!(layer.path.ends_with(&hex[..13]));
    }
}
