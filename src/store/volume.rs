//! Volumes: directories of files that outlive containers.
//!
//! `volumes/NAME/volume.json` is the record, `volumes/NAME/_data` what
//! containers see. A volume is made beside its place, under a name that
//! begins with a dot, and renamed: it is there as a whole or not at all. It
//! goes in the same way. One whose record is damaged keeps its files and
//! loses only its labels.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Error, FORMAT, Result, Store, Sync, make_dir, record};
use crate::archive::{copy, tree};
use crate::id;
use crate::json::FromJson;
use crate::sys::fs::OFlags;
use crate::sys::resolve::{self, Scope};
use crate::sys::{self, errno, overlay};
use crate::time::Timestamp;

/// What is known of a volume beside its files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, FromJson)]
#[serde(default)]
pub struct Volume {
    /// The name: that of its directory.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its labels, if any were given.
    pub labels: Option<BTreeMap<String, String>>,
    /// The options of its driver, if any were given.
    pub options: Option<BTreeMap<String, String>>,
}

/// How files get into a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// All at once: nobody has it mounted.
    Whole,
    /// One by one, in the directory that somebody has mounted.
    Within,
}

impl Store {
    /// Loads all volumes, and removes what was half made or half removed.
    ///
    /// # Errors
    /// [`Error::Newer`].
    pub fn volumes(&self) -> Result<Vec<Volume>> {
        let root = self.path("volumes");
        let mut volumes = Vec::new();
        for name in record::names(&root) {
            let dir = root.join(&name);
            if name.starts_with('.') {
                self.discard_volume_dir(&name);
                continue;
            }
            let Ok(data) = fs::symlink_metadata(dir.join("_data")) else {
                log::warn!("{}: no volume", dir.display());
                continue;
            };
            record::sweep_temporary(&dir);
            let path = dir.join("volume.json");
            let volume = match record::load::<Volume>(&path, FORMAT)? {
                Some(volume) => Volume { name, ..volume },
                None => {
                    let created = data.modified().ok();
                    let volume = Volume {
                        name,
                        created: created.map_or(Timestamp::now(), since_1970),
                        ..Volume::default()
                    };
                    let saved = record::save(&path, FORMAT, &volume, Sync::Yes);
                    if let Err(error) = saved {
                        log::warn!("{}: {error}", path.display());
                    }
                    volume
                }
            };
            volumes.push(volume);
        }
        Ok(volumes)
    }

    /// Makes a volume. The name becomes a directory's: it is checked.
    ///
    /// # Errors
    /// [`Error::VolumeExists`]; with all errors nothing is left.
    pub fn create_volume(&self, volume: &Volume, sync: Sync) -> Result<()> {
        let root = self.path("volumes");
        let dir = root.join(&volume.name);
        if volume.name.starts_with('.') || volume.name.contains('/') {
            return Err(Error::Reference(volume.name.clone()));
        }
        if dir.exists() {
            return Err(Error::VolumeExists(volume.name.clone()));
        }
        let hidden = format!(".{}", id::random());
        let new = root.join(&hidden);
        let made = make_dir(&new)
            .and_then(|()| make_data(&new.join("_data")))
            .and_then(|()| {
                record::save(&new.join("volume.json"), FORMAT, volume, sync)
            })
            .and_then(|()| {
                fs::rename(&new, &dir).map_err(Error::io("rename", &dir))
            });
        if let Err(error) = made {
            self.discard_volume_dir(&hidden);
            return Err(error);
        }
        match sync {
            Sync::Yes => record::sync_dir(&root),
            Sync::No => Ok(()),
        }
    }

    /// Removes a volume with its files; that it is gone is no error.
    pub fn remove_volume(&self, name: &str, sync: Sync) -> Result<()> {
        let root = self.path("volumes");
        let hidden = format!(".{}", id::random());
        let dir = root.join(name);
        match fs::rename(&dir, root.join(&hidden)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(());
            }
            done => done.map_err(Error::io("rename", &dir))?,
        }
        if sync == Sync::Yes {
            record::sync_dir(&root)?;
        }
        self.discard_volume_dir(&hidden);
        Ok(())
    }

    /// Returns the directory that containers see of a volume.
    pub fn volume_path(&self, name: &str) -> PathBuf {
        self.path("volumes").join(name).join("_data")
    }

    /// Returns the bytes of a volume's files.
    pub fn volume_size(&self, name: &str) -> Result<u64> {
        let path = self.volume_path(name);
        let dir =
            sys::fs::open_dir(&path).map_err(Error::sys("open", &path))?;
        tree::size(dir.as_fd()).map_err(Error::sys("read", &path))
    }

    /// Fills an empty volume, whose files are in `data`, with what a
    /// container's layers have at `path`; one that is not empty stays. A
    /// crash, or a failure with [`Fill::Whole`], leaves it empty.
    ///
    /// # Errors
    /// [`Error::NoDirectory`] if the layers have something else there.
    pub fn fill_volume(
        &self,
        data: &Path,
        container: &str,
        path: &Path,
        (fill, sync): (Fill, Sync),
    ) -> Result<()> {
        let to = sys::fs::open_dir(data).map_err(Error::sys("open", data))?;
        let mut names =
            sys::fs::read_dir(&to).map_err(Error::sys("read", data))?;
        if names.next().is_some() {
            return Ok(());
        }
        let failed = || Error::sys("read", path);
        let mut lower = self.rootfs_paths(container)?.lower;
        let empty = self.path("l").join("empty");
        if !lower.contains(&empty) {
            lower.push(empty);
        }
        let root = match &lower[..] {
            // Nothing but the empty one.
            [_] => return Ok(()),
            lower => overlay::merged(lower).map_err(failed())?,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let from = match resolve::open(root, path, flags, 0, Scope::InRoot) {
            Err(e) if e.errno() == errno::ENOENT => return Ok(()),
            Err(e) if e.errno() == errno::ENOTDIR => {
                return Err(Error::NoDirectory(path.to_path_buf()));
            }
            from => from.map_err(failed())?,
        };
        if fill == Fill::Within {
            let copied = copy::copy(from.as_fd(), to.as_fd());
            return copied.map_err(Error::sys("copy to", data));
        }
        let hidden = format!(".{}", id::random());
        let new = self.path("volumes").join(&hidden);
        let filled = make_data(&new).and_then(|()| {
            let failed = || Error::sys("copy to", data);
            let copied = sys::fs::open_dir(&new).map_err(failed())?;
            copy::copy(from.as_fd(), copied.as_fd()).map_err(failed())?;
            if sync == Sync::Yes {
                sys::fs::syncfs(&copied).map_err(failed())?;
            }
            fs::rename(&new, data).map_err(Error::io("rename", data))
        });
        if let Err(error) = filled {
            self.discard_volume_dir(&hidden);
            return Err(error);
        }
        match (sync, data.parent()) {
            (Sync::Yes, Some(dir)) => record::sync_dir(dir),
            _ => Ok(()),
        }
    }

    /// Deletes what nobody sees any more. Its failure is logged only: the
    /// next start tries again.
    fn discard_volume_dir(&self, hidden: &str) {
        let root = self.path("volumes");
        let deleted = sys::fs::open_dir(&root)
            .and_then(|dir| tree::remove(dir.as_fd(), hidden.as_ref(), None));
        if let Err(error) = deleted {
            let path = root.join(hidden);
            log::warn!("{}: not deleted: {error}", path.display());
        }
    }
}

/// Makes the directory that containers see; the umask does not count.
fn make_data(path: &Path) -> Result<()> {
    let made = DirBuilder::new().mode(0o755).create(path);
    made.map_err(Error::io("mkdir", path))?;
    let failed = || Error::sys("chmod", path);
    let dir = sys::fs::open_dir(path).map_err(failed())?;
    sys::fs::chmod(&dir, 0o755).map_err(failed())
}

fn since_1970(time: std::time::SystemTime) -> Timestamp {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_nanos(since.as_nanos() as i128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::*;
    use crate::sys::testing::TempDir;

    fn volume(name: &str) -> Volume {
        let labels = BTreeMap::from([("a".into(), "b".into())]);
        Volume {
            name: name.into(),
            created: Timestamp::now(),
            labels: Some(labels),
            options: None,
        }
    }

    #[test]
    fn volumes_are_made_kept_and_removed() {
        let temp = TempDir::new("volumes");
        let kept = volume("data");
        {
            let store = Store::open(temp.path()).unwrap();
            store.create_volume(&kept, Sync::Yes).unwrap();
            store.create_volume(&volume("gone"), Sync::No).unwrap();
            let again = store.create_volume(&kept, Sync::No).unwrap_err();
            assert!(matches!(again, Error::VolumeExists(_)), "{again}");
            store.remove_volume("gone", Sync::Yes).unwrap();
            store.remove_volume("gone", Sync::Yes).unwrap();
            let path = store.volume_path("data");
            fs::write(path.join("f"), "12345").unwrap();
            assert_eq!(store.volume_size("data").unwrap(), 5);
        }
        fs::create_dir_all(temp.path().join("volumes/.half/_data")).unwrap();
        let store = Store::open(temp.path()).unwrap();
        assert_eq!(store.volumes().unwrap(), [kept]);
        assert_eq!(names_in(temp.path(), "volumes"), ["data"]);
    }

    #[test]
    fn a_damaged_record_costs_the_labels_and_no_file() {
        let temp = TempDir::new("volumes-damaged");
        let store = Store::open(temp.path()).unwrap();
        store.create_volume(&volume("data"), Sync::Yes).unwrap();
        fs::write(store.volume_path("data").join("f"), "x").unwrap();
        let record = temp.path().join("volumes/data/volume.json");
        fs::write(&record, "{").unwrap();
        for _ in 0..2 {
            let volumes = store.volumes().unwrap();
            assert_eq!(volumes.len(), 1);
            assert_eq!(
                (&*volumes[0].name, &volumes[0].labels),
                ("data", &None)
            );
        }
        assert!(record::has_damaged(&record));
        assert!(store.volume_path("data").join("f").exists());
        fs::write(&record, r#"{"format":9,"record":{}}"#).unwrap();
        let error = store.volumes().unwrap_err();
        assert!(matches!(error, Error::Newer { format: 9, .. }), "{error}");
    }

    #[test]
    fn an_empty_volume_is_filled_from_the_layers() {
        let temp = TempDir::new("volumes-fill");
        let store = Store::open(temp.path()).unwrap();
        let layers = [
            add(&store, &tar_of("srv/a", b"old")).diff_id,
            add(&store, &tar_of("srv/b", b"more")).diff_id,
            add(&store, &tar_of("srv/a", b"new")).diff_id,
        ];
        let id = "ab".repeat(32);
        store.create_container(&id, &layers).unwrap();
        let fill = |name: &str, path: &str, fill| {
            store.create_volume(&volume(name), Sync::No).unwrap();
            let dir = store.volume_path(name);
            let filled =
                store.fill_volume(&dir, &id, Path::new(path), (fill, Sync::No));
            filled.map(|()| {
                let mut names = record::names(&dir);
                names.sort();
                names
            })
        };
        match fill("whole", "/srv/../srv", Fill::Whole) {
            Err(Error::Io { cause, .. })
                if cause.raw_os_error() == Some(errno::EPERM) =>
            {
                eprintln!("skipped: no overlay can be mounted");
                return;
            }
            names => assert_eq!(names.unwrap(), ["a", "b"]),
        }
        let path = store.volume_path("whole").join("a");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fill("within", "/srv", Fill::Within).unwrap(), ["a", "b"]);
        assert!(fill("none", "/nosuch/x", Fill::Whole).unwrap().is_empty());
        let error = fill("file", "/srv/a", Fill::Whole).unwrap_err();
        assert!(matches!(error, Error::NoDirectory(_)), "{error}");
        // One that has something is left alone.
        fs::write(&path, "mine").unwrap();
        let how = (Fill::Whole, Sync::Yes);
        let whole = store.volume_path("whole");
        store.fill_volume(&whole, &id, Path::new("/srv"), how).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let names = names_in(temp.path(), "volumes");
        assert_eq!(names, ["file", "none", "whole", "within"]);
    }
}
