//! What containers need on the disk: a record that the engine fills, a
//! directory, and the read-write layer above the layers of their image.
//!
//! Creating one costs the syncs of one record, or none: the directories
//! are not synced, and are made again if a power cut took them.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::trash::Trash;
use super::{Error, FORMAT, Result, Store, Sync, make_dir, record};
use crate::archive::tree;
use crate::id;
use crate::json::{self, FromJson, Value};
use crate::oci::Digest;
use crate::sys;

/// The directories that a container's overlay is mounted from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rootfs {
    /// The layers, topmost first, as overlayfs's `lowerdir` has them. Each
    /// is `ROOT/l/SHORT`; never empty.
    pub lower: Vec<PathBuf>,
    /// The directory of what the container changes.
    pub upper: PathBuf,
    /// The directory that overlayfs works in.
    pub work: PathBuf,
}

#[derive(Serialize)]
struct Written<'a, T> {
    layers: &'a [Digest],
    container: &'a T,
}

#[derive(FromJson)]
struct Head {
    layers: Vec<Digest>,
    #[serde(rename = "container")]
    _container: Value,
}

struct Whole<T> {
    container: T,
}

impl<T: FromJson> FromJson for Whole<T> {
    fn kind() -> &'static str {
        "Whole"
    }

    fn zero() -> Whole<T> {
        Whole { container: T::zero() }
    }

    fn fill(&mut self, mut value: Value) -> json::Result<()> {
        self.container = json::field(&mut value, "container")?;
        Ok(())
    }
}

/// Loads which layers the containers of a root stand on; directories that
/// have no record go to the trash.
pub(super) fn load(
    root: &Path,
    trash: &Trash,
) -> Result<HashMap<String, Arc<[Digest]>>> {
    let dir = root.join("containers");
    let names = record::names(&dir);
    let mut containers = HashMap::new();
    for name in &names {
        let Some(id) = name.strip_suffix(".json") else { continue };
        if let Some(head) = record::load::<Head>(&dir.join(name), FORMAT)? {
            containers.insert(id.to_string(), Arc::from(head.layers));
        }
    }
    for name in &names {
        if id::is_hex_id(name)
            && !containers.contains_key(name)
            && !record::has_damaged(&dir.join(format!("{name}.json")))
        {
            trash.take(&dir.join(name))?;
        }
    }
    Ok(containers)
}

impl Store {
    /// Makes the directory and the read-write layer of a new container
    /// above `layers`, lowest first. Without a record, which
    /// [`Store::save_container`] writes, the next start sweeps it.
    ///
    /// # Errors
    /// [`Error::NoLayer`]; nothing is left then, as with all others.
    pub fn create_container(&self, id: &str, layers: &[Digest]) -> Result<()> {
        let dir = self.checked_dir(id)?;
        {
            let mut state = self.state();
            if let Some(missing) =
                layers.iter().find(|l| !state.layers.contains_key(l))
            {
                return Err(Error::NoLayer(*missing));
            }
            // From here on nobody removes them.
            state.containers.insert(id.to_string(), Arc::from(layers));
        }
        let top = self.lower(layers).into_iter().next();
        let made = make_dir(&dir).and_then(|()| make_rw(&dir, top.as_deref()));
        if made.is_err() {
            self.state().containers.remove(id);
            let _ = self.0.trash.discard(&dir);
        }
        made
    }

    /// Writes a container's record.
    ///
    /// # Errors
    /// [`Error::NoContainer`] unless it was created.
    pub fn save_container<T: Serialize>(
        &self,
        id: &str,
        container: &T,
        sync: Sync,
    ) -> Result<()> {
        let layers = self.container_layers(id)?;
        let written = Written { layers: &layers, container };
        record::save(&self.record_path(id), FORMAT, &written, sync)
    }

    /// Reads the records of all containers, by id. One that does not read
    /// as `T` is set aside.
    pub fn containers<T: FromJson>(&self) -> Result<Vec<(String, T)>> {
        let mut ids: Vec<String> =
            self.state().containers.keys().cloned().collect();
        ids.sort();
        let mut containers = Vec::with_capacity(ids.len());
        for id in ids {
            let path = self.record_path(&id);
            if let Some(whole) = record::load::<Whole<T>>(&path, FORMAT)? {
                containers.push((id, whole.container));
            }
        }
        Ok(containers)
    }

    /// Removes a container with all that it has on the disk; that there is
    /// none is no error. Layers that only it still stood on go too.
    pub fn remove_container(&self, id: &str, sync: Sync) -> Result<()> {
        let dir = self.checked_dir(id)?;
        record::remove(&self.record_path(id), sync)?;
        let mut trash: Vec<String> =
            self.0.trash.take(&dir)?.into_iter().collect();
        let orphans = {
            let mut state = self.state();
            let layers = state.containers.remove(id).unwrap_or_default();
            let images: Vec<_> = state.images.values().cloned().collect();
            let is_used =
                |l: &Digest| images.iter().any(|i| i.layers.contains(l));
            layers.iter().copied().filter(|l| !is_used(l)).collect::<Vec<_>>()
        };
        if !orphans.is_empty() {
            let _changes = self.changes();
            trash.extend(self.drop_layers(&orphans));
        }
        self.delete(&trash);
        Ok(())
    }

    /// Returns the directory of a container, where the engine may keep
    /// files of its own.
    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.path("containers").join(id)
    }

    /// Returns the layers that a container stands on, lowest first.
    pub fn container_layers(&self, id: &str) -> Result<Arc<[Digest]>> {
        let layers = self.state().containers.get(id).cloned();
        layers.ok_or_else(|| Error::NoContainer(id.to_string()))
    }

    /// Returns what a container's overlay is mounted from, and makes it
    /// again where a power cut took it.
    pub fn rootfs(&self, id: &str) -> Result<Rootfs> {
        let rootfs = self.rootfs_paths(id)?;
        let top = rootfs.lower.first().map(PathBuf::as_path);
        make_rw(&self.container_dir(id), top)?;
        Ok(rootfs)
    }

    /// As [`Store::rootfs`], without touching the disk.
    ///
    /// # Errors
    /// Only [`Error::NoContainer`].
    pub fn rootfs_paths(&self, id: &str) -> Result<Rootfs> {
        let layers = self.container_layers(id)?;
        let lower = self.lower(&layers);
        let dir = self.container_dir(id);
        Ok(Rootfs { lower, upper: dir.join("upper"), work: dir.join("work") })
    }

    /// Returns the bytes of the files that a container changed.
    pub fn rw_size(&self, id: &str) -> Result<u64> {
        let upper = self.container_dir(id).join("upper");
        let dir =
            sys::fs::open_dir(&upper).map_err(Error::sys("open", &upper))?;
        tree::size(dir.as_fd()).map_err(Error::sys("read", &upper))
    }

    /// Returns the bytes of the files of the layers that a container
    /// stands on.
    pub fn lower_size(&self, id: &str) -> Result<u64> {
        let layers = self.container_layers(id)?;
        let state = self.state();
        let sizes = layers.iter().filter_map(|l| state.layers.get(l));
        Ok(sizes.map(|layer| layer.size).sum())
    }

    fn lower(&self, layers: &[Digest]) -> Vec<PathBuf> {
        let state = self.state();
        let mut lower: Vec<PathBuf> = layers
            .iter()
            .rev()
            .filter_map(|diff_id| state.layers.get(diff_id))
            .map(|layer| layer.path.clone())
            .collect();
        // overlayfs refuses one directory twice; of two equal layers the
        // lower one shows nothing that the upper one does not.
        let mut seen = std::collections::HashSet::new();
        lower.retain(|path| seen.insert(path.clone()));
        if lower.is_empty() {
            lower.push(self.path("l").join("empty"));
        }
        lower
    }

    fn record_path(&self, id: &str) -> PathBuf {
        self.path("containers").join(format!("{id}.json"))
    }

    /// The id becomes a file's name.
    fn checked_dir(&self, id: &str) -> Result<PathBuf> {
        if !id::is_hex_id(id) {
            return Err(Error::NoContainer(id.to_string()));
        }
        Ok(self.container_dir(id))
    }
}

/// Makes the read-write layer, unless it is there. The root that the
/// container sees has mode and owner of the upper directory: they are taken
/// from the topmost layer.
fn make_rw(dir: &Path, top: Option<&Path>) -> Result<()> {
    let upper = dir.join("upper");
    let work = dir.join("work");
    if !work.is_dir() {
        make_dir(&work)?;
    }
    if upper.is_dir() {
        return Ok(());
    }
    make_dir(&upper)?;
    let fd = sys::fs::open_dir(&upper).map_err(Error::sys("open", &upper))?;
    let (mode, uid, gid) = match top {
        Some(top) => {
            let stat = sys::fs::open_dir(top)
                .and_then(sys::fs::stat)
                .map_err(Error::sys("stat", top))?;
            (stat.mode, stat.uid, stat.gid)
        }
        None => (0o755, 0, 0),
    };
    sys::fs::chown(&fd, uid, gid).map_err(Error::sys("chown", &upper))?;
    sys::fs::chmod(&fd, mode).map_err(Error::sys("chmod", &upper))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::super::testing::*;
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn containers_live_until_they_are_removed() {
        let temp = TempDir::new("store-container");
        let store = Store::open(temp.path()).unwrap();
        let mut tar = tar_of("f", b"12345");
        // The root of the layer, with a mode of its own.
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_path("./").unwrap();
        header.set_size(0);
        header.set_mode(0o1711);
        header.set_uid(5);
        header.set_cksum();
        tar.splice(0..0, header.as_bytes().iter().copied());
        let low = add(&store, &tar_of("low", b"low")).diff_id;
        let top = add(&store, &tar).diff_id;
        let id = "e".repeat(64);
        store.create_container(&id, &[top, low, top]).unwrap();
        let error = store
            .create_container(&"f".repeat(64), &[Digest::of_bytes(b"no")])
            .unwrap_err();
        assert!(matches!(error, Error::NoLayer(_)));
        store.save_container(&id, &vec![1, 2], Sync::Yes).unwrap();
        store.save_container(&id, &vec![1, 2, 3], Sync::No).unwrap();
        drop(store);
        let store = Store::open(temp.path()).unwrap();
        let all = store.containers::<Vec<u32>>().unwrap();
        assert_eq!(all, [(id.clone(), vec![1, 2, 3])]);
        let rootfs = store.rootfs(&id).unwrap();
        let path = |diff_id| store.layer(diff_id).unwrap().path.clone();
        assert_eq!(rootfs.lower, [path(&top), path(&low)]);
        let upper = fs::metadata(&rootfs.upper).unwrap();
        assert_eq!((upper.mode() & 0o7777, upper.uid()), (0o1711, 5));
        fs::write(rootfs.upper.join("new"), b"four").unwrap();
        assert_eq!(store.rw_size(&id).unwrap(), 4);
        assert_eq!(store.lower_size(&id).unwrap(), 13);
        // As after a power cut that took what was not synced.
        fs::remove_dir_all(store.container_dir(&id)).unwrap();
        assert_eq!(store.rootfs_paths(&id).unwrap(), rootfs);
        assert!(!store.container_dir(&id).exists());
        assert_eq!(store.rootfs(&id).unwrap(), rootfs);
        assert!(rootfs.work.is_dir());
        store.remove_container(&id, Sync::No).unwrap();
        store.remove_container(&id, Sync::No).unwrap();
        assert!(store.containers::<Vec<u32>>().unwrap().is_empty());
        assert!(names_in(temp.path(), "containers").is_empty());
        for bad in ["", "..", "../../etc", "x"] {
            assert!(store.create_container(bad, &[]).is_err(), "{bad}");
            assert!(store.remove_container(bad, Sync::No).is_err(), "{bad}");
        }
        store.create_container(&id, &[]).unwrap();
        let empty = store.rootfs(&id).unwrap().lower;
        assert_eq!(empty, [temp.path().join("l/empty")]);
    }
}
