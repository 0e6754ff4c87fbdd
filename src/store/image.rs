//! Images: configurations whose layers are all here, and their names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::index::{Facts, Index, References};
use super::layer::Layer;
use super::{Error, FORMAT, Result, Store, Sync, record};
use crate::id;
use crate::oci::{self, Digest, ImageConfig, Reference};
use crate::time::Timestamp;

/// An image.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of its configuration.
    pub id: Digest,
    /// Its configuration.
    pub config: ImageConfig,
    /// Bytes of the files of its layers.
    pub size: u64,
    /// Its layers' diff ids, lowest first.
    pub layers: Vec<Digest>,
    /// The chain ids, lowest first.
    pub chain: Vec<Digest>,
    /// When it was made, as it says; zero if it does not.
    pub created: Timestamp,
}

/// Why no image was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// There is none.
    NotFound,
    /// Several ids begin so.
    Ambiguous,
}

/// Loads the images of a root. One whose layers are not all here is left
/// alone and not shown: pulling it again completes it.
pub(super) fn load(
    root: &Path,
    layers: &HashMap<Digest, Arc<Layer>>,
) -> BTreeMap<Digest, Arc<Image>> {
    let mut images = BTreeMap::new();
    for name in record::names(&root.join("images")) {
        let path = root.join("images").join(&name);
        let Some(id) = name.strip_suffix(".json").and_then(Digest::from_hex)
        else {
            continue;
        };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                record::set_aside(&path, &error.to_string());
                continue;
            }
        };
        if Digest::of_bytes(&bytes) != id {
            record::set_aside(&path, "its digest is another one");
            continue;
        }
        match Image::new(id, &bytes, layers) {
            Ok(image) => {
                images.insert(id, Arc::new(image));
            }
            Err(error @ Error::NoLayer(_)) => {
                log::error!("image {id} cannot be used: {error}");
            }
            Err(error) => record::set_aside(&path, &error.to_string()),
        }
    }
    images
}

impl Image {
    fn new(
        id: Digest,
        bytes: &[u8],
        present: &HashMap<Digest, Arc<Layer>>,
    ) -> Result<Image> {
        let config = ImageConfig::parse(bytes).map_err(Error::Config)?;
        let layers = config.rootfs.diff_ids.clone();
        let mut size = 0u64;
        for diff_id in &layers {
            let layer = present.get(diff_id).ok_or(Error::NoLayer(*diff_id))?;
            size = size.saturating_add(layer.size);
        }
        let created = config.created.as_deref();
        Ok(Image {
            id,
            size,
            chain: oci::chain_ids(&layers),
            layers,
            created: created
                .and_then(Timestamp::parse_rfc3339)
                .unwrap_or(Timestamp::ZERO),
            config,
        })
    }
}

impl Store {
    /// Stores the configuration of an image, byte for byte; its id is
    /// their digest. One that is here already is returned.
    ///
    /// # Errors
    /// [`Error::NoLayer`] unless all its layers are here.
    pub fn put_image(&self, config: &[u8]) -> Result<Arc<Image>> {
        let id = Digest::of_bytes(config);
        let _changes = self.changes();
        if let Some(image) = self.image(&id) {
            return Ok(image);
        }
        // Held until the image holds them.
        let layers = self.state().layers.clone();
        let image = Arc::new(Image::new(id, config, &layers)?);
        let path = self.config_path(&id);
        record::write(&path, config, Sync::Yes)?;
        self.state().images.insert(id, Arc::clone(&image));
        Ok(image)
    }

    /// Returns all images, by id.
    pub fn images(&self) -> Vec<Arc<Image>> {
        self.state().images.values().cloned().collect()
    }

    /// Returns the image with an id.
    pub fn image(&self, id: &Digest) -> Option<Arc<Image>> {
        self.state().images.get(id).cloned()
    }

    /// Reads the configuration of an image, as it came.
    pub fn image_config(&self, id: &Digest) -> Result<Vec<u8>> {
        let path = self.config_path(id);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        let actual = Digest::of_bytes(&bytes);
        if actual != *id {
            let expected = *id;
            return Err(Error::Digest { what: "image", expected, actual });
        }
        Ok(bytes)
    }

    /// Finds an image as Docker does: by its id, by a reference (without a
    /// tag, `latest` is meant; a digest goes before a tag), or by a unique
    /// prefix of its id.
    pub fn find_image(
        &self,
        name: &str,
    ) -> std::result::Result<Arc<Image>, Find> {
        let state = self.state();
        let by_id = |id: Digest| state.images.get(&id).cloned();
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        if let Some(id) = Digest::from_hex(hex) {
            return by_id(id).ok_or(Find::NotFound);
        }
        let named = Reference::parse(name).ok().and_then(|reference| {
            let reference = match reference.digest() {
                Some(_) => reference,
                None => reference.or_latest(),
            };
            by_id(state.index.get(&reference)?)
        });
        if let Some(image) = named {
            return Ok(image);
        }
        if !id::is_hex_id(hex) {
            return Err(Find::NotFound);
        }
        let mut found = state
            .images
            .values()
            .filter(|image| image.id.hex().starts_with(hex));
        match (found.next(), found.next()) {
            (Some(image), None) => Ok(Arc::clone(image)),
            (None, _) => Err(Find::NotFound),
            (Some(_), Some(_)) => Err(Find::Ambiguous),
        }
    }

    /// Gives an image the tag of a reference, and returns the image that
    /// had it.
    pub fn tag(
        &self,
        reference: &Reference,
        id: &Digest,
    ) -> Result<Option<Digest>> {
        let tagged = reference
            .tag()
            .and_then(|tag| reference.name_only().with_tag(tag).ok())
            .ok_or_else(|| Error::Reference(reference.to_string()))?;
        let former = self.publish(*id, &[&tagged])?;
        Ok(former.into_iter().next().flatten())
    }

    /// Notes that an image is what a repository serves under a digest.
    pub fn set_digest_ref(
        &self,
        reference: &Reference,
        id: &Digest,
    ) -> Result<()> {
        if reference.digest().is_none() {
            return Err(Error::Reference(reference.to_string()));
        }
        self.publish(*id, &[reference]).map(|_| ())
    }

    /// Gives an image several names at once: those with a digest as
    /// repository digests, the others as tags. Returns the images that had
    /// them.
    pub fn publish(
        &self,
        id: Digest,
        references: &[&Reference],
    ) -> Result<Vec<Option<Digest>>> {
        let nameless = references
            .iter()
            .find(|r| r.tag().is_none() && r.digest().is_none());
        if let Some(nameless) = nameless {
            return Err(Error::Reference(nameless.to_string()));
        }
        self.change_index(|state_has, index| {
            if !state_has(&id) {
                return Err(Error::NoImage(id));
            }
            if references.iter().any(|r| r.digest().is_none()) {
                index.facts_mut(id).last_tag_time = Some(Timestamp::now());
            }
            Ok(references.iter().map(|r| index.set(r, id)).collect())
        })
    }

    /// Takes a tag or a repository digest away; returns the image that
    /// had it.
    pub fn untag(&self, reference: &Reference) -> Result<Option<Digest>> {
        self.change_index(|_, index| Ok(index.unset(reference)))
    }

    /// Returns the names of an image.
    pub fn references(&self, id: &Digest) -> References {
        self.index().references(id)
    }

    /// Returns what a reference means.
    pub fn resolve(&self, reference: &Reference) -> Option<Digest> {
        self.index().get(reference)
    }

    /// Returns what is known of an image beside its configuration.
    pub fn facts(&self, id: &Digest) -> Facts {
        self.index().facts(id)
    }

    /// Notes the image that another one was made from.
    pub fn set_parent(&self, id: &Digest, parent: Digest) -> Result<()> {
        self.change_index(|_, index| {
            index.facts_mut(*id).parent = Some(parent);
            Ok(())
        })
    }

    /// Removes an image with all its names, whoever uses it, and the
    /// layers that nobody else stands on. Returns the chain ids that went,
    /// highest first.
    pub fn remove_image(&self, id: &Digest) -> Result<Vec<Digest>> {
        let image = self.image(id).ok_or(Error::NoImage(*id))?;
        self.change_index(|_, index| {
            index.forget(id);
            Ok(())
        })?;
        let (removed, trash) = {
            let _changes = self.changes();
            record::remove(&self.config_path(id), Sync::Yes)?;
            let mut state = self.state();
            state.images.remove(id);
            let mut kept: HashSet<Digest> = HashSet::new();
            for other in state.images.values() {
                kept.extend(&other.chain);
            }
            for layers in state.containers.values() {
                kept.extend(oci::chain_ids(layers));
            }
            drop(state);
            let removed: Vec<Digest> = image
                .chain
                .iter()
                .rev()
                .filter(|chain_id| !kept.contains(chain_id))
                .copied()
                .collect();
            (removed, self.drop_layers(&image.layers))
        };
        self.delete(&trash);
        Ok(removed)
    }

    /// Returns the bytes of an image's layers that other images have too.
    pub fn shared_size(&self, id: &Digest) -> u64 {
        let state = self.state();
        let Some(image) = state.images.get(id) else { return 0 };
        let others: HashSet<&Digest> = state
            .images
            .values()
            .filter(|other| other.id != *id)
            .flat_map(|other| &other.layers)
            .collect();
        let mut seen = HashSet::new();
        image
            .layers
            .iter()
            .filter(|diff_id| {
                others.contains(diff_id) && seen.insert(**diff_id)
            })
            .filter_map(|diff_id| state.layers.get(diff_id))
            .map(|layer| layer.size)
            .sum()
    }

    fn index(&self) -> Arc<Index> {
        Arc::clone(&self.state().index)
    }

    fn config_path(&self, id: &Digest) -> std::path::PathBuf {
        self.path("images").join(format!("{}.json", id.hex()))
    }

    /// Changes the names: on the disk first, then in memory, both at once
    /// or not at all.
    fn change_index<T>(
        &self,
        change: impl FnOnce(&dyn Fn(&Digest) -> bool, &mut Index) -> Result<T>,
    ) -> Result<T> {
        let _changes = self.changes();
        let before = self.index();
        let mut index = Index::clone(&before);
        let has = |id: &Digest| self.image(id).is_some();
        let result = change(&has, &mut index)?;
        if index != *before {
            let path = self.path("index.json");
            record::save(&path, FORMAT, &index, Sync::Yes)?;
            self.state().index = Arc::new(index);
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn images_are_found_as_docker_finds_them() {
        let temp = TempDir::new("store-find");
        let store = Store::open(temp.path()).unwrap();
        let layer = add(&store, &tar_of("f", b"x"));
        let missing = config(&[Digest::of_bytes(b"none")], "");
        assert!(matches!(store.put_image(&missing), Err(Error::NoLayer(_))));
        // Two whose ids begin with the same digit, found by trying.
        let images = ["a1", "a2"].map(|prefix| {
            let bytes = (0..)
                .map(|note: u32| config(&[layer.diff_id], &note.to_string()))
                .find(|b| Digest::of_bytes(b).hex().starts_with(prefix))
                .unwrap();
            store.put_image(&bytes).unwrap()
        });
        let store = {
            drop(store);
            Store::open(temp.path()).unwrap()
        };
        let image = Arc::clone(&images[0]);
        let reference = Reference::parse("busybox").unwrap().or_latest();
        store.tag(&reference, &image.id).unwrap();
        let digest = Digest::of_bytes(b"manifest");
        let by_digest = reference.name_only().with_digest(digest);
        store.set_digest_ref(&by_digest, &image.id).unwrap();
        let id = image.id.hex();
        for name in [
            "busybox",
            "busybox:latest",
            "docker.io/library/busybox",
            &format!("busybox@{digest}"),
            &format!("busybox:other@{digest}"),
            &id,
            &format!("sha256:{id}"),
            &id[..2],
            &format!("sha256:{}", &id[..12]),
        ] {
            let found = store.find_image(name).map(|image| image.id);
            assert_eq!(found, Ok(image.id), "{name}");
        }
        for (name, why) in [
            ("busybox:1", Find::NotFound),
            ("nothing", Find::NotFound),
            ("BAD", Find::NotFound),
            ("", Find::NotFound),
            ("a", Find::Ambiguous),
            (&"0".repeat(64), Find::NotFound),
        ] {
            let found = store.find_image(name).map(|image| image.id);
            assert_eq!(found, Err(why), "{name}");
        }
        assert_eq!(image.created.to_string(), "2024-01-02T03:04:05Z");
        let names = store.references(&image.id);
        assert_eq!(names.tags, std::slice::from_ref(&reference));
        assert_eq!(names.digests, [by_digest]);
        assert!(store.facts(&image.id).last_tag_time.is_some());
        let other = images[1].id;
        assert_eq!(store.tag(&reference, &other).unwrap(), Some(image.id));
        assert_eq!(store.untag(&reference).unwrap(), Some(other));
        assert_eq!(store.untag(&reference).unwrap(), None);
        let nobody = Digest::of_bytes(b"nobody");
        let error = store.tag(&reference, &nobody).unwrap_err();
        assert!(matches!(error, Error::NoImage(_)));
    }

    #[test]
    fn an_image_takes_only_its_own_layers_with_it() {
        let temp = TempDir::new("store-rmi");
        let store = Store::open(temp.path()).unwrap();
        let base = add(&store, &tar_of("base", b"base")).diff_id;
        let top = add(&store, &tar_of("top", b"top")).diff_id;
        let free = add(&store, &tar_of("free", b"free")).diff_id;
        let one = store.put_image(&config(&[base, top], "1")).unwrap();
        let two = store.put_image(&config(&[base], "2")).unwrap();
        assert_eq!(store.shared_size(&one.id), 4);
        assert_eq!((one.size, two.size), (7, 4));
        let reference = Reference::parse("one:1").unwrap();
        store.tag(&reference, &one.id).unwrap();
        let removed = store.remove_image(&one.id).unwrap();
        assert_eq!(removed, [one.chain[1]]);
        assert!(store.find_image("one:1").is_err());
        assert!(store.layer(&top).is_none());
        assert!(store.layer(&base).is_some());
        // A container and a pull hold what they stand on.
        let id = "d".repeat(64);
        store.create_container(&id, &[base]).unwrap();
        store.save_container(&id, &"record", Sync::Yes).unwrap();
        assert!(store.remove_image(&two.id).unwrap().is_empty());
        assert!(store.layer(&base).is_some());
        let held = store.layer(&free).unwrap();
        assert_eq!(store.collect_garbage(), 0);
        drop(held);
        assert_eq!(store.collect_garbage(), 4);
        store.remove_container(&id, Sync::Yes).unwrap();
        assert!(store.layer(&base).is_none());
        assert_eq!(names_in(temp.path(), "l"), ["empty"]);
        for below in ["layers", "images", "containers", "trash", "tmp"] {
            assert!(names_in(temp.path(), below).is_empty(), "{below}");
        }
        let error = store.remove_image(&one.id).unwrap_err();
        assert!(matches!(error, Error::NoImage(_)));
    }
}
