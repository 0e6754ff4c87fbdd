//! Where on the host the mounts of a container are: for those who look into
//! one that does not run.

use std::path::{Path, PathBuf};

use crate::api::inspect::MountPoint;
use crate::engine::Engine;
use crate::engine::container::Record;

/// A mount, as the host has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where the container sees it: an absolute path, clean by its words.
    pub destination: PathBuf,
    /// The host's path.
    pub source: PathBuf,
    /// What is mounted beneath that, unless empty; no link on the way may
    /// lead out of the source.
    pub beneath: PathBuf,
    /// Whether what is mounted beneath it is left out.
    pub alone: bool,
    /// Whether the container may write there.
    pub rw: bool,
}

impl Engine {
    /// Tells where on the host the mounts of a container are, those nearest
    /// to the root first. What is in memory only is not there.
    pub(in crate::engine) fn places(&self, record: &Record) -> Vec<Place> {
        let on_disk = record
            .mounts
            .iter()
            .filter(|point| matches!(point.kind.as_str(), "bind" | "volume"));
        let place = |point: &MountPoint| {
            let device = match point.kind.as_str() {
                "volume" => self.volumes.device(&point.name),
                _ => None,
            };
            let destination = &point.destination;
            let read_only = device.as_ref().is_some_and(|d| d.read_only);
            Place {
                destination: PathBuf::from(destination),
                alone: device.as_ref().is_some_and(|d| !d.is_tree),
                source: match device {
                    Some(device) => device.path,
                    None => self.own_source(point),
                },
                beneath: beneath(record, destination).to_path_buf(),
                rw: point.rw && !read_only,
            }
        };
        let mut places: Vec<Place> = on_disk.map(place).collect();
        places.sort_by_key(|place| place.destination.components().count());
        places
    }

    fn own_source(&self, point: &MountPoint) -> PathBuf {
        match point.kind.as_str() {
            "volume" => self.store.volume_path(&point.name),
            _ => PathBuf::from(&point.source),
        }
    }
}

/// The path inside of a volume that is mounted at a place.
fn beneath<'a>(record: &'a Record, destination: &str) -> &'a Path {
    let long = record.long_mounts.get(destination);
    let options = long.and_then(|mount| mount.volume_options.as_ref());
    Path::new(options.map_or("", |options| &options.subpath))
}
