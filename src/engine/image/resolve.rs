//! What a name stands for: read from what a client says, and asked of the
//! name's registry.

use super::reference;
use crate::engine::{Error, Result};
use crate::oci::{
    Digest, Document, ImageConfig, Manifest, Platform, Reference,
};
use crate::registry::{self, Repository};

/// What a registry says of an image.
#[derive(Clone, Debug)]
pub struct Found {
    /// The digest that the name stands for: of the index, if it is one.
    pub digest: Digest,
    /// The manifest for the wished platform.
    pub manifest: Manifest,
    /// The image's configuration, to the byte.
    pub config: Vec<u8>,
    /// The digests of the layers' tars, in the manifest's order.
    pub diff_ids: Vec<Digest>,
}

/// Joins name and tag, as clients of all times send them.
pub fn wanted(name: &str, tag: &str) -> Result<Reference> {
    let name = reference(name)?;
    let invalid = |e: &dyn std::fmt::Display| Error::Invalid(e.to_string());
    match tag {
        "" => Ok(match name.digest() {
            Some(_) => name,
            None => name.or_latest(),
        }),
        tag if tag.contains(':') => {
            let digest = Digest::parse(tag).map_err(|_| {
                Error::Invalid("invalid reference format".into())
            })?;
            Ok(name.name_only().with_digest(digest))
        }
        tag => name.name_only().with_tag(tag).map_err(|e| invalid(&e)),
    }
}

/// Asks a registry what a name stands for.
pub fn find(
    repository: &Repository,
    wanted: &Reference,
    platform: Option<&Platform>,
) -> Result<Found> {
    let version = match (wanted.digest(), wanted.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.unwrap_or("latest").to_string(),
    };
    let fetch = |version: &str| {
        repository.manifest(version).map_err(|e| registry_error(&e))
    };
    let unusable = |e: &dyn std::fmt::Display| Error::Invalid(e.to_string());
    let host = Platform::host();
    let target = platform.unwrap_or(&host);
    let top = fetch(&version)?;
    let mut document = Document::parse(&top.media_type, &top.bytes)
        .map_err(|e| unusable(&e))?;
    if let Document::Index(index) = &document {
        let best = index.select(target).first().map(|best| best.digest);
        let Some(best) = best else {
            return Err(Error::NotFound(format!(
                "no matching manifest for {target} in the manifest list \
                 entries"
            )));
        };
        let inner = fetch(&best.to_string())?;
        document = Document::parse(&inner.media_type, &inner.bytes)
            .map_err(|e| unusable(&e))?;
    }
    let Document::Manifest(manifest) = document else {
        return Err(Error::Invalid(
            "an index within an index cannot be pulled".into(),
        ));
    };
    let config = repository
        .small_blob(&manifest.config.digest, manifest.config.size)
        .map_err(|e| registry_error(&e))?;
    let image = ImageConfig::parse(&config).map_err(|e| unusable(&e))?;
    check_platform(&image, wanted, platform)?;
    let diff_ids = image.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        return Err(Error::Invalid(format!(
            "the image's configuration names {} layers, its manifest {}",
            diff_ids.len(),
            manifest.layers.len()
        )));
    }
    let manifest = *manifest;
    Ok(Found { digest: top.digest, manifest, config, diff_ids })
}

fn check_platform(
    image: &ImageConfig,
    wanted: &Reference,
    platform: Option<&Platform>,
) -> Result<()> {
    let own = image.platform();
    if !own.os.is_empty() && own.os != "linux" {
        return Err(Error::Invalid(format!(
            "image operating system \"{}\" cannot be used on this platform",
            own.os
        )));
    }
    match platform {
        Some(asked) if asked.rank(&own).is_none() => {
            Err(Error::NotFound(format!(
                "image with reference {} was found but its platform ({own}) \
                 does not match the specified platform ({asked})",
                wanted.familiar()
            )))
        }
        _ => Ok(()),
    }
}

/// Turns a registry's error into the API's; the words are Docker's already.
pub fn registry_error(error: &registry::Error) -> Error {
    match error.kind() {
        registry::Kind::NotFound => Error::NotFound(error.to_string()),
        registry::Kind::Invalid => Error::Invalid(error.to_string()),
        registry::Kind::Cancelled | registry::Kind::Failed => {
            Error::Internal(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(name: &str, tag: &str) -> Result<String> {
        wanted(name, tag).map(|reference| reference.familiar())
    }

    #[test]
    fn names_and_tags_of_all_clients_are_joined() {
        assert_eq!(joined("busybox", "").unwrap(), "busybox:latest");
        assert_eq!(joined("busybox:1", "").unwrap(), "busybox:1");
        assert_eq!(
            joined("docker.io/library/busybox", "latest").unwrap(),
            "busybox:latest"
        );
        let digest = Digest::of_bytes(b"").to_string();
        assert_eq!(joined("a/b", &digest).unwrap(), format!("a/b@{digest}"));
        assert!(joined("A", "").is_err());
        assert!(joined("a", "sha256:1").is_err());
    }
}
