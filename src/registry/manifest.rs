//! Getting a manifest: bounded, and checked against its digest.

use super::error::{Cause, Error, Result};
use super::remote::Remote;
use crate::oci::Digest;
use crate::oci::manifest::ACCEPTED;

/// The longest manifest that is taken (the distribution specification lets
/// registries refuse longer ones).
pub const MAX_MANIFEST: u64 = 4 * 1024 * 1024;

/// A manifest or an index, as a registry serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The `Content-Type` that it was served with.
    pub media_type: String,
    /// Its digest, computed here.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Gets the manifest of a tag or a digest once.
pub fn fetch(remote: &Remote, path: &str, version: &str) -> Result<Fetched> {
    let wanted = Digest::parse(version).ok();
    let verb = if wanted.is_some() { "Get" } else { "Head" };
    let target = format!("/v2/{path}/manifests/{version}");
    let accept = ("Accept".to_string(), ACCEPTED.join(", "));
    let reply = remote.get(verb, &target, &[agent(), accept])?;
    let media_type = reply.header("content-type").unwrap_or("").to_string();
    let claimed = reply
        .header("docker-content-digest")
        .and_then(|text| Digest::parse(text).ok());
    let url = reply.url.to_string();
    let bytes = match remote.connections.read(reply, MAX_MANIFEST) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(Error::ManifestTooLarge(MAX_MANIFEST)),
        Err(Cause::Cancelled) => return Err(Error::Cancelled),
        Err(cause) => return Err(Error::Exchange { verb: "Get", url, cause }),
    };
    let digest = Digest::of_bytes(&bytes);
    for expected in [wanted, claimed].into_iter().flatten() {
        if digest != expected {
            return Err(Error::ManifestDigest(expected));
        }
    }
    Ok(Fetched { media_type, digest, bytes })
}

/// The header that says who asks.
pub fn agent() -> (String, String) {
    let name = concat!("skiff/", env!("CARGO_PKG_VERSION"), " (linux)");
    ("User-Agent".to_string(), name.to_string())
}
