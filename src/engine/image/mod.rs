//! Images: one operation a file, named as in Docker's API.

mod download;
mod import;
mod inspect;
mod list;
mod pull;
mod remove;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use import::ImportOptions;
pub(in crate::engine) use import::{changed, named};
pub use list::ImageListOptions;
pub use pull::{Pull, PullOptions, Pulls};
pub use remove::Force;

use super::container::Record;
use super::{Engine, Error, Result};
use crate::id;
use crate::oci::{Platform, Reference};
use crate::store::{Find, Image};

impl Engine {
    /// Finds an image by reference, id or unique prefix of an id.
    pub(super) fn image(&self, name: &str) -> Result<Arc<Image>> {
        self.store.find_image(name).map_err(|find| match find {
            Find::NotFound => match Reference::parse(name) {
                Ok(reference) => {
                    Error::NoSuchImage(reference.or_latest().familiar())
                }
                // An id of full length reads as no reference.
                Err(_) if id::is_full(name) => Error::NoSuchImage(name.into()),
                Err(error) => Error::Invalid(error.to_string()),
            },
            Find::Ambiguous => Error::AmbiguousPrefix(name.into()),
        })
    }

    /// Finds the image for a new container. One that is made for another
    /// platform than the wished one counts as absent, so that clients pull
    /// it.
    pub(super) fn image_for_create(
        &self,
        name: &str,
        platform: Option<&Platform>,
    ) -> Result<Arc<Image>> {
        if name.is_empty() {
            return Err(Error::Invalid(
                "config.Image must not be empty".into(),
            ));
        }
        self.image_of_platform(name, platform)
    }

    /// Finds an image, which must be for a platform if one is given.
    pub(super) fn image_of_platform(
        &self,
        name: &str,
        platform: Option<&Platform>,
    ) -> Result<Arc<Image>> {
        let image = self.image(name)?;
        let own = image.config.platform();
        if let Some(wanted) = platform
            && wanted.rank(&own).is_none()
        {
            return Err(Error::NotFound(format!(
                "image with reference {name} was found but its platform \
                 ({}/{}) does not match the specified platform ({}/{})",
                own.os, own.architecture, wanted.os, wanted.architecture
            )));
        }
        Ok(image)
    }

    /// Returns the name under which a container's image is shown: as it
    /// was asked for, or its id once the name means another image.
    pub(super) fn image_name(&self, record: &Record) -> String {
        let asked = &record.config.image;
        match self.store.find_image(asked) {
            Ok(image) if image.id == record.image => asked.clone(),
            _ => record.image.to_string(),
        }
    }

    /// Tells whether `wanted` is a container's image, or one that it was
    /// made from.
    pub(super) fn is_ancestor(&self, wanted: &str, record: &Record) -> bool {
        self.store.find_image(wanted).is_ok_and(|found| {
            found.id == record.image
                || (!found.layers.is_empty()
                    && self
                        .store
                        .container_layers(&record.id)
                        .is_ok_and(|own| own.starts_with(&found.layers)))
        })
    }

    /// Publishes an image's event.
    pub(in crate::engine) fn image_event(
        &self,
        image: &Image,
        action: &str,
        name: &str,
    ) {
        let id = image.id.to_string();
        self.events.publish("image", action, &id, attributes(image, name));
    }

    /// Publishes the event of a pull: its object is the name.
    fn pull_event(&self, image: &Image, name: &Reference) {
        let attributes = attributes(image, &name.familiar_name());
        self.events.publish("image", "pull", &name.familiar(), attributes);
    }
}

/// What an image's events tell, as Docker's: its labels and a name.
fn attributes(image: &Image, name: &str) -> BTreeMap<String, String> {
    let config = image.config.config.as_ref();
    let labels = config.and_then(|config| config.labels.clone());
    let mut attributes = labels.unwrap_or_default();
    attributes.insert("name".into(), name.into());
    attributes
}

/// Reads a reference, in Docker's words if it is none.
fn reference(text: &str) -> Result<Reference> {
    Reference::parse(text).map_err(|e| Error::Invalid(e.to_string()))
}
