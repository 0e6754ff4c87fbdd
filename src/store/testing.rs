//! Layers and configurations made for tests.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Layer, Store, record};
use crate::oci::Digest;

/// A plain tar with one file.
pub fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder
        .append_data(&mut header, name, content)
        .expect("the test sets it up so");
    builder.into_inner().expect("the test sets it up so")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("the test sets it up so");
    encoder.finish().expect("the test sets it up so")
}

/// Bytes that do not compress, so that a cut falls into the content.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.push(state as u8);
    }
    bytes
}

pub fn add(store: &Store, tar: &[u8]) -> Arc<Layer> {
    store
        .begin_layer()
        .expect("the test sets it up so")
        .unpack(tar)
        .expect("the test sets it up so")
        .commit()
        .expect("the test sets it up so")
}

pub fn config(layers: &[Digest], note: &str) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({
        "architecture": "amd64",
        "os": "linux",
        "author": note,
        "created": "2024-01-02T03:04:05Z",
        "rootfs": {"type": "layers", "diff_ids": layers},
    }))
    .expect("the test sets it up so")
}

pub fn names_in(root: &Path, below: &str) -> Vec<String> {
    let mut names = record::names(&root.join(below));
    names.sort();
    names
}
