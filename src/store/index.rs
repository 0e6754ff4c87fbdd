//! Names of images: which tag and which repository digest means which
//! image. Pure data; the store writes it as one record.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::json::FromJson;
use crate::oci::{Digest, Reference};
use crate::time::Timestamp;

/// All names of a store, and what else is known of images but not in
/// their configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
pub struct Index {
    /// By the repository's full name: `docker.io/library/busybox`.
    repositories: BTreeMap<String, Repository>,
    /// By the image's id.
    images: BTreeMap<Digest, Facts>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
struct Repository {
    #[serde(default)]
    tags: BTreeMap<String, Digest>,
    #[serde(default)]
    digests: BTreeMap<Digest, Digest>,
}

/// What is known of an image beside its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
pub struct Facts {
    /// When it last got a tag.
    #[serde(default)]
    pub last_tag_time: Option<Timestamp>,
    /// The image that it was made from, here.
    #[serde(default)]
    pub parent: Option<Digest>,
}

/// The names of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// With a tag, in order.
    pub tags: Vec<Reference>,
    /// With a digest, in order.
    pub digests: Vec<Reference>,
}

impl Index {
    /// Returns the image that a reference means: by its digest if it has
    /// one, else by its tag.
    pub fn get(&self, reference: &Reference) -> Option<Digest> {
        let repository = self.repositories.get(&reference.name())?;
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => repository.digests.get(digest).copied(),
            (None, Some(tag)) => repository.tags.get(tag).copied(),
            (None, None) => None,
        }
    }

    /// Sets the meaning of a reference, by the same rule; returns the
    /// former one.
    pub fn set(
        &mut self,
        reference: &Reference,
        image: Digest,
    ) -> Option<Digest> {
        let repository = self.repositories.entry(reference.name()).or_default();
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => repository.digests.insert(*digest, image),
            (None, Some(tag)) => repository.tags.insert(tag.to_string(), image),
            (None, None) => None,
        }
    }

    /// Takes a reference's meaning away and returns it.
    pub fn unset(&mut self, reference: &Reference) -> Option<Digest> {
        let name = reference.name();
        let repository = self.repositories.get_mut(&name)?;
        let former = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => repository.digests.remove(digest),
            (None, Some(tag)) => repository.tags.remove(tag),
            (None, None) => None,
        };
        if repository.tags.is_empty() && repository.digests.is_empty() {
            self.repositories.remove(&name);
        }
        former
    }

    /// Takes all that is known of an image away.
    pub fn forget(&mut self, image: &Digest) {
        for repository in self.repositories.values_mut() {
            repository.tags.retain(|_, id| id != image);
            repository.digests.retain(|_, id| id != image);
        }
        self.repositories
            .retain(|_, r| !(r.tags.is_empty() && r.digests.is_empty()));
        self.images.remove(image);
        for facts in self.images.values_mut() {
            if facts.parent.as_ref() == Some(image) {
                facts.parent = None;
            }
        }
    }

    /// Returns the names of an image.
    pub fn references(&self, image: &Digest) -> References {
        let mut found = References::default();
        for (name, repository) in &self.repositories {
            let Ok(name) = Reference::parse(name) else { continue };
            for (tag, id) in &repository.tags {
                if id == image {
                    found.tags.extend(name.with_tag(tag));
                }
            }
            for (digest, id) in &repository.digests {
                if id == image {
                    found.digests.push(name.with_digest(*digest));
                }
            }
        }
        found
    }

    /// Returns what is known of an image.
    pub fn facts(&self, image: &Digest) -> Facts {
        self.images.get(image).cloned().unwrap_or_default()
    }

    /// Changes what is known of an image.
    pub fn facts_mut(&mut self, image: Digest) -> &mut Facts {
        self.images.entry(image).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn reference(text: &str) -> Reference {
        Reference::parse(text).unwrap()
    }

    #[test]
    fn names_come_and_go() {
        let (a, b) = (Digest::of_bytes(b"a"), Digest::of_bytes(b"b"));
        let mut index = Index::default();
        let latest = reference("busybox:latest");
        assert_eq!(index.set(&latest, a), None);
        assert_eq!(index.set(&latest, b), Some(a));
        let by_digest = reference("busybox").with_digest(a);
        index.set(&by_digest, b);
        assert_eq!(index.get(&latest), Some(b));
        assert_eq!(index.get(&by_digest), Some(b));
        assert_eq!(index.get(&reference("busybox")), None);
        assert_eq!(index.get(&reference("busybox:1")), None);
        let names = index.references(&b);
        assert_eq!(names.tags, std::slice::from_ref(&latest));
        assert_eq!(names.digests, std::slice::from_ref(&by_digest));
        assert_eq!(names.tags[0].familiar(), "busybox:latest");
        assert_eq!(index.unset(&latest), Some(b));
        assert_eq!(index.unset(&latest), None);
        index.forget(&b);
        assert_eq!(index, Index::default());
    }

    #[test]
    fn it_is_written_and_read() {
        let a = Digest::of_bytes(b"a");
        let mut index = Index::default();
        index.set(&reference("localhost:5000/x/y:1"), a);
        index.set(&reference("localhost:5000/x/y").with_digest(a), a);
        index.facts_mut(a).last_tag_time = Some(Timestamp::now());
        let text = serde_json::to_string(&index).unwrap();
        assert_eq!(json::from_slice::<Index>(text.as_bytes()).unwrap(), index);
    }
}
