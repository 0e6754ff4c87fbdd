//! What is on the disk: layers, images, their names, and what containers
//! need there. Knows neither the engine nor HTTP.
//!
//! ```text
//! ROOT/                     0700, held by one process
//!   lock                    flock(2) and the holder's pid
//!   l/SHORT/                a layer's files, as overlayfs takes them
//!   l/empty/                the layer of images that have none
//!   layers/HEX/layer.json   a layer's record (HEX: its diff id); last
//!   layers/HEX/framing.gz   its tar without the files (archive::framing)
//!   layers/HEX/replaced/    files that its own tar replaced; seldom
//!   images/HEX.json         an image's configuration, byte for byte
//!   index.json              tags, repository digests, tag times
//!   ingest/HEX              compressed bytes of a blob on its way
//!   containers/ID.json      a container's record
//!   containers/ID/          its directory: upper/, work/, and the engine's
//!   volumes/NAME/           a volume: volume.json, and in _data its files
//!   volumes/.HEX/           one in the making, or on its way out
//!   tmp/                    layers in the making
//!   trash/                  trees on their way out
//! ```
//!
//! A layer is found by its diff id alone: its files do not depend on the
//! layers below it. `SHORT` is as many digits of it as tell it apart, so
//! that 127 of them fit the page that mount(2) takes.
//!
//! Nothing half-made is ever visible: a layer is built in `tmp`, synced,
//! renamed, and its record comes last; what has no record when the root is
//! opened goes to the trash. Locks, in their order: `changes` (small writes
//! of records), `state` (memory only). Unpacking and deleting hold none.

mod container;
mod error;
mod image;
mod index;
mod ingest;
mod layer;
mod lock;
pub mod record;
#[cfg(test)]
mod testing;
mod trash;
mod unpack;
mod volume;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use container::Rootfs;
pub use error::{Error, Result};
pub use image::{Find, Image};
pub use index::{Facts, References};
pub use ingest::Ingest;
pub use layer::{Blob, Layer};
pub use lock::Lock;
pub use record::Sync;
pub use unpack::{LayerWriter, NewLayer};
pub use volume::{Fill, Volume};

use crate::oci::Digest;
use index::Index;
use trash::Trash;

/// The format of the records that the store itself writes.
const FORMAT: u32 = 1;

/// The store of one root. A clone is the same store.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    trash: Arc<Trash>,
    /// Taken by whoever changes records that others share; held over small
    /// writes, before `state`.
    changes: Mutex<()>,
    /// What is known; never held over a call on a file.
    state: Mutex<State>,
    /// Blobs whose `ingest` file somebody writes.
    ingesting: Mutex<HashSet<Digest>>,
    _lock: Lock,
}

#[derive(Debug, Default)]
struct State {
    layers: HashMap<Digest, Arc<Layer>>,
    images: BTreeMap<Digest, Arc<Image>>,
    index: Arc<Index>,
    /// The layers that each container stands on, lowest first.
    containers: HashMap<String, Arc<[Digest]>>,
}

impl Store {
    /// Takes the lock of `root`, which is made if it is missing, and opens
    /// the store.
    ///
    /// # Errors
    /// Those of [`Lock::take`] and [`Store::open_locked`].
    pub fn open(root: &Path) -> Result<Store> {
        Store::open_locked(Lock::take(root)?)
    }

    /// Opens the store of the root that is locked: sweeps what a crash
    /// left, and loads all records. Damaged ones are set aside.
    ///
    /// # Errors
    /// [`Error::Newer`] if a later version wrote a record of it.
    pub fn open_locked(lock: Lock) -> Result<Store> {
        let root = &lock.root().to_path_buf();
        for name in [
            "l",
            "l/empty",
            "layers",
            "images",
            "ingest",
            "containers",
            "volumes",
            "tmp",
            "trash",
        ] {
            make_dir(&root.join(name))?;
        }
        let trash = Arc::new(Trash::new(root.join("trash")));
        for name in record::names(&root.join("tmp")) {
            trash.take(&root.join("tmp").join(name))?;
        }
        for dir in ["", "images", "containers"] {
            record::sweep_temporary(&root.join(dir));
        }
        let layers = layer::load(root, &trash)?;
        let images = image::load(root, &layers);
        let index = record::load::<Index>(&root.join("index.json"), FORMAT)?;
        let containers = container::load(root, &trash)?;
        ingest::sweep(root);
        trash.empty();
        let state = State {
            layers,
            images,
            index: Arc::new(index.unwrap_or_default()),
            containers,
        };
        Ok(Store(Arc::new(Inner {
            root: root.to_path_buf(),
            trash,
            changes: Mutex::new(()),
            state: Mutex::new(state),
            ingesting: Mutex::new(HashSet::new()),
            _lock: lock,
        })))
    }

    /// Returns the root.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.root.join(below)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        take(&self.0.state)
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        take(&self.0.changes)
    }
}

/// A panic while a lock was held changed nothing by half: what it guards
/// is committed by single assignments.
fn take<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_dir(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Error::io("mkdir", path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use super::testing::*;
    use super::*;
    use crate::sys::testing::TempDir;

    fn wait_for_empty_trash(root: &Path) {
        let end = Instant::now() + Duration::from_secs(10);
        while !names_in(root, "trash").is_empty() {
            assert!(Instant::now() < end, "the trash is not emptied");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A small file system of its own; unmounted when dropped.
    struct Small(TempDir);

    impl Small {
        fn new(size: &str) -> Option<Small> {
            let temp = TempDir::new("store-full");
            let mounted = std::process::Command::new("mount")
                .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
                .arg(temp.path())
                .status();
            mounted.ok()?.success().then_some(Small(temp))
        }
    }

    impl Drop for Small {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount")
                .arg(self.0.path())
                .status();
        }
    }

    #[test]
    fn what_a_crash_left_is_swept() {
        let temp = TempDir::new("store-sweep");
        let kept = {
            let store = Store::open(temp.path()).unwrap();
            let kept = add(&store, &tar_of("f", b"x"));
            // As if the process had died at each step of another layer.
            std::mem::forget(store.begin_layer().unwrap());
            let id = "c".repeat(64);
            store.create_container(&id, &[kept.diff_id]).unwrap();
            kept.diff_id
        };
        let root = temp.path();
        let hex = "ab".repeat(32);
        fs::create_dir_all(root.join("layers").join(&hex)).unwrap();
        fs::create_dir_all(root.join("l/abababababab/deep/er")).unwrap();
        fs::write(root.join(".index.json.tmp-0123"), "half").unwrap();
        fs::write(root.join("ingest").join(&hex), "kept").unwrap();
        fs::write(root.join("ingest/rubbish"), "not kept").unwrap();
        // The forgotten writer still has the lock: its clone of the store.
        fs::remove_file(root.join("lock")).unwrap();
        let store = Store::open(root).unwrap();
        assert!(store.layer(&kept).is_some());
        assert_eq!(names_in(root, "layers"), [kept.hex()]);
        assert_eq!(names_in(root, "l").len(), 2);
        assert!(names_in(root, "tmp").is_empty());
        assert!(names_in(root, "containers").is_empty());
        assert_eq!(names_in(root, "ingest"), [hex]);
        assert!(!root.join(".index.json.tmp-0123").exists());
        wait_for_empty_trash(root);
    }

    #[test]
    fn damaged_records_do_not_keep_the_store_from_opening() {
        let temp = TempDir::new("store-damaged");
        let root = temp.path();
        let id = "a".repeat(64);
        let (image, layer) = {
            let store = Store::open(root).unwrap();
            let layer = add(&store, &tar_of("f", b"x"));
            let image = store.put_image(&config(&[layer.diff_id], "")).unwrap();
            store.create_container(&id, &[layer.diff_id]).unwrap();
            store.save_container(&id, &1, Sync::Yes).unwrap();
            (image, layer)
        };
        let meta = root.join("layers").join(layer.diff_id.hex());
        fs::write(meta.join("layer.json"), "{").unwrap();
        fs::write(root.join("index.json"), "\0").unwrap();
        fs::write(root.join("containers").join(format!("{id}.json")), "")
            .unwrap();
        let store = Store::open(root).unwrap();
        assert!(store.image(&image.id).is_none());
        assert!(store.containers::<u32>().unwrap().is_empty());
        // What belongs to a damaged record is kept for who wants to look.
        assert!(layer.path.join("f").exists());
        assert!(store.container_dir(&id).is_dir());
        assert!(record::has_damaged(&root.join("index.json")));
        // Pulled again, all is well.
        let again = add(&store, &tar_of("f", b"x"));
        assert_eq!(again.diff_id, layer.diff_id);
        store.put_image(&config(&[layer.diff_id], "")).unwrap();
        drop((store, again));
        let images = root.join("images");
        let file = images.join(format!("{}.json", image.id.hex()));
        assert!(Store::open(root).unwrap().image(&image.id).is_some());
        fs::write(&file, "{}").unwrap();
        assert!(Store::open(root).unwrap().image(&image.id).is_none());
        assert!(record::has_damaged(&file));
        fs::write(meta.join("layer.json"), r#"{"format":9,"record":{}}"#)
            .unwrap();
        let error = Store::open(root).unwrap_err();
        assert!(matches!(error, Error::Newer { format: 9, .. }), "{error}");
    }

    #[test]
    fn a_root_is_opened_once() {
        let temp = TempDir::new("store-lock");
        let store = Store::open(temp.path()).unwrap();
        let error = Store::open(temp.path()).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        drop(store);
        Store::open(temp.path()).unwrap();
    }

    #[test]
    fn a_full_disk_is_a_clean_error_and_leaves_nothing() {
        let Some(disk) = Small::new("1m") else {
            eprintln!("skipped: no tmpfs can be mounted");
            return;
        };
        let root = disk.0.path().join("root");
        let store = Store::open(&root).unwrap();
        let small = add(&store, &tar_of("f", b"x"));
        let blob = tar_of("big", &noise(2 << 20));
        let writer = store.begin_layer().unwrap();
        let error = writer.unpack(&blob[..]).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        let digest = Digest::of_bytes(&blob);
        let ingest = store.ingest(&digest, blob.len() as u64).unwrap();
        let error =
            ingest.unpack(&mut |_| Ok(Box::new(&blob[..]))).unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        assert!(error.to_string().contains("no space left on device"));
        for below in ["tmp", "trash", "ingest"] {
            assert!(names_in(&root, below).is_empty(), "{below}");
        }
        // A record that does not fit leaves the one before.
        store.create_container("ab", &[small.diff_id]).unwrap();
        store.save_container("ab", &"first", Sync::Yes).unwrap();
        let error = store
            .save_container("ab", &"x".repeat(2 << 20), Sync::Yes)
            .unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        let all = store.containers::<String>().unwrap();
        assert_eq!(all, [("ab".to_string(), "first".to_string())]);
        assert_eq!(names_in(&root, "containers"), ["ab", "ab.json"]);
        // Sockets, threads: the store can still remove.
        store.remove_container("ab", Sync::Yes).unwrap();
        store.collect_garbage();
        drop(store);
    }
}
