//! `DELETE /images/{name}`.

use std::sync::Arc;

use super::reference;
use crate::api::image::Deleted;
use crate::engine::container::Container;
use crate::engine::{Engine, Error, Result};
use crate::id;
use crate::oci::Reference;
use crate::store::{Image, References};

/// How sure the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Only what nothing stands against.
    No,
    /// Also what stopped containers use.
    Yes,
}

impl Engine {
    /// Removes a name of an image, and the image with its last name.
    pub fn remove_image(
        &self,
        name: &str,
        force: Force,
    ) -> Result<Vec<Deleted>> {
        let image = self.image(name)?;
        let references = self.store.references(&image.id);
        if is_id(name, &image) {
            return self.remove_by_id(&image, &references, force);
        }
        self.remove_by_name(name, &image, &references, force)
    }

    fn remove_by_name(
        &self,
        name: &str,
        image: &Image,
        references: &References,
        force: Force,
    ) -> Result<Vec<Deleted>> {
        let wanted = reference(name)?;
        let wanted = match wanted.digest() {
            Some(_) => wanted,
            None => wanted.or_latest(),
        };
        let last = is_single(references, &wanted);
        if last
            && force == Force::No
            && let Some(user) = self.user_of(image, |_| true)
        {
            return Err(Error::Conflict(format!(
                "conflict: unable to remove repository reference \"{name}\" \
                 (must force) - container {} is using its referenced image {}",
                id::short(&user.id),
                image.id.short()
            )));
        }
        let mut done = Vec::new();
        self.untag(image, &wanted, &mut done)?;
        // The repository's digests go with its last tag.
        let rest = self.store.references(&image.id);
        let same = |name: &&Reference| name.name() == wanted.name();
        if !rest.tags.iter().any(|tag| same(&tag)) {
            for digest in rest.digests.iter().filter(same) {
                self.untag(image, digest, &mut done)?;
            }
        }
        let rest = self.store.references(&image.id);
        let used = self.user_of(image, |_| true).is_some();
        if rest.tags.is_empty() && rest.digests.is_empty() && !used {
            self.delete(image, &mut done)?;
        }
        Ok(done)
    }

    fn remove_by_id(
        &self,
        image: &Image,
        references: &References,
        force: Force,
    ) -> Result<Vec<Deleted>> {
        let conflict = |hard: &str, why: String| {
            Err(Error::Conflict(format!(
                "conflict: unable to delete {} ({hard}) - {why}",
                image.id.short()
            )))
        };
        if let Some(user) = self.user_of(image, |c| c.snapshot().life.is_up()) {
            let user = id::short(&user.id);
            return conflict(
                "cannot be forced",
                format!("image is being used by running container {user}"),
            );
        }
        if force == Force::No {
            let repositories: std::collections::BTreeSet<String> =
                references.tags.iter().map(Reference::name).collect();
            if repositories.len() > 1 || references.tags.len() > 1 {
                return conflict(
                    "must be forced",
                    "image is referenced in multiple repositories".into(),
                );
            }
            if let Some(user) = self.user_of(image, |_| true) {
                let user = id::short(&user.id);
                return conflict(
                    "must be forced",
                    format!("image is being used by stopped container {user}"),
                );
            }
        }
        let mut done = Vec::new();
        for name in references.tags.iter().chain(&references.digests) {
            self.untag(image, name, &mut done)?;
        }
        self.delete(image, &mut done)?;
        Ok(done)
    }

    fn untag(
        &self,
        image: &Image,
        name: &Reference,
        done: &mut Vec<Deleted>,
    ) -> Result<()> {
        self.store
            .untag(name)
            .map_err(|e| Error::internal("remove a name", e))?;
        self.image_event(image, "untag", &image.id.to_string());
        done.push(Deleted { untagged: name.familiar(), ..Deleted::default() });
        Ok(())
    }

    fn delete(&self, image: &Image, done: &mut Vec<Deleted>) -> Result<()> {
        let layers = self
            .store
            .remove_image(&image.id)
            .map_err(|e| Error::internal("delete an image", e))?;
        self.image_event(image, "delete", &image.id.to_string());
        let all = std::iter::once(image.id).chain(layers);
        done.extend(all.map(|id| Deleted {
            deleted: id.to_string(),
            ..Deleted::default()
        }));
        Ok(())
    }

    /// Finds a container that uses an image.
    fn user_of(
        &self,
        image: &Image,
        counts: impl Fn(&Container) -> bool,
    ) -> Option<Arc<Container>> {
        self.containers.all().into_iter().find(|container| {
            container.snapshot().record.image == image.id && counts(container)
        })
    }
}

/// Tells whether a client named an image by its id or a prefix of it.
fn is_id(name: &str, image: &Image) -> bool {
    let hex = name.strip_prefix("sha256:").unwrap_or(name);
    id::is_hex_id(hex) && image.id.hex().starts_with(hex)
}

/// Tells whether `name` is an image's only name: digests of the same
/// repository do not count beside its tag.
fn is_single(references: &References, name: &Reference) -> bool {
    let others = |list: &[Reference]| {
        list.iter().any(|other| other.name() != name.name())
    };
    references.tags.len() <= 1
        && !others(&references.tags)
        && !others(&references.digests)
}
