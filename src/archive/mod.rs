//! Tar archives beneath a directory descriptor.
//!
//! A layer goes through here in one pass: `decompress` → `read` (blocks to
//! entries) → `extract` (entries to files), while `framing` keeps what the
//! files do not hold, so that the identical tar can be given back later.
//! The other way is `pack` (files to entries) and `write` (entries to blocks).
//! Of the tar crate only the layout of the header blocks is used.
//!
//! Archives are hostile until proven otherwise: no name leads out of the
//! directory (the kernel resolves each of them beneath it, `sys::resolve`),
//! headers, sparse maps and lists are bounded, and what cannot be made is an
//! error that names the entry. What an archive may do is fill the disk.

pub mod changes;
pub mod copy;
pub mod decompress;
mod error;
pub mod extract;
pub mod framing;
mod header;
pub mod lookup;
pub mod pack;
mod parent;
mod path;
mod pax;
pub mod read;
mod sparse;
#[cfg(test)]
mod testing;
mod times;
pub mod tree;
pub mod write;
mod zstd;

pub use decompress::decompress;
pub use error::{Error, Result};
pub use extract::{Into, Mode, Summary, extract, extract_into};
