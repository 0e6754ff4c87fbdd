//! Image types of the OCI and Docker distribution formats: references,
//! digests, manifests, image configurations, platforms, chain ids. Pure
//! data: no files, no network, no clock.
//!
//! Everything that is read from JSON takes `null` and missing fields for
//! empty ones, as Go does, because images in the wild carry both.

pub mod chain;
pub mod config;
pub mod digest;
pub mod manifest;
pub mod platform;
pub mod reference;

pub use chain::chain_ids;
pub use config::{
    ContainerConfig, Healthcheck, History, ImageConfig, RootFs, to_bytes,
};
pub use digest::{Digest, Hasher};
pub use manifest::{Descriptor, Document, Index, Manifest};
pub use platform::Platform;
pub use reference::Reference;
