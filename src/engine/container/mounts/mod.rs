//! What a container sees beside its own files: paths of the host, volumes,
//! file systems in memory; asked for in five ways.
//!
//! They are first read without touching anything (`plan`), then their
//! sources are made (`prepare`), then the container takes its volumes. Of
//! two mounts in one place the later way wins: `VolumesFrom`, then `Binds`
//! and `Mounts` (which must not meet), then `Volumes`, which yield to all.

mod long;
mod places;
mod propagation;
mod short;
mod volumes;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

pub use places::Place;
pub use propagation::check as check_propagation;
pub use volumes::{WithVolumes, split};

use super::Container;
use crate::api::container::Config;
use crate::api::host_config::{HostConfig, Mount};
use crate::api::inspect::MountPoint;
use crate::engine::{Engine, Error, Result};

/// How mounts can travel.
const MODES: [&str; 6] =
    ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/// Whether an empty volume is filled with what the image has in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// It is.
    Yes,
    /// It stays empty.
    No,
}

/// A mount that is planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// As clients are told of it. A volume has no source so far, and maybe
    /// no name.
    pub shown: MountPoint,
    /// The long form that it came from.
    pub long: Option<Mount>,
    /// Whether it is filled.
    pub copy: Copy,
}

impl Engine {
    /// Reads all mounts that a container asks for. `old` are those that it
    /// had before, whose volumes without a name it keeps.
    pub(super) fn plan_mounts(
        &self,
        config: &Config,
        host: &HostConfig,
        old: &[MountPoint],
    ) -> Result<Vec<Point>> {
        let tmpfs = tmpfs_places(host)?;
        let mut points = Vec::new();
        for text in host.volumes_from.iter().flatten() {
            let (name, rw) = short::volumes_from(text)?;
            let other = self
                .container(name)
                .map_err(|error| Error::Invalid(error.to_string()))?;
            for point in inherited(&other, rw) {
                put(&mut points, point);
            }
        }
        for point in own(host)? {
            put(&mut points, point);
        }
        let paths = config.volumes.iter().flat_map(BTreeMap::keys);
        for point in paths.map(|path| short::volume(path)) {
            let point = point?;
            let place = &point.shown.destination;
            let taken = points.iter().any(|p| p.shown.destination == *place);
            if !taken && !tmpfs.contains(place) {
                points.push(point);
            }
        }
        for point in &mut points {
            let shown = &mut point.shown;
            if shown.kind == "volume" && shown.name.is_empty() {
                let before = old.iter().find(|old| {
                    old.kind == "volume" && old.destination == shown.destination
                });
                if let Some(before) = before {
                    shown.name.clone_from(&before.name);
                }
            }
        }
        Ok(points)
    }
}

/// Puts a mount in the place of one that is there already.
fn put(points: &mut Vec<Point>, point: Point) {
    points.retain(|old| old.shown.destination != point.shown.destination);
    points.push(point);
}

/// The mounts of another container, as this one gets them.
fn inherited(other: &Container, rw: bool) -> Vec<Point> {
    let record = &other.snapshot().record;
    let point = |shown: &MountPoint| Point {
        shown: MountPoint {
            mode: String::new(),
            rw: rw && shown.rw,
            ..shown.clone()
        },
        long: record.long_mounts.get(&shown.destination).cloned(),
        copy: Copy::No,
    };
    record.mounts.iter().map(point).collect()
}

/// Reads `Binds` and `Mounts`, no two of which may be in one place.
fn own(host: &HostConfig) -> Result<Vec<Point>> {
    let tmpfs = tmpfs_places(host)?;
    let mut points: Vec<Point> = Vec::new();
    let binds = host.binds.iter().flatten().map(|text| {
        let mut point = short::bind(text)?;
        if point.shown.kind == "volume" {
            point.shown.driver.clone_from(&host.volume_driver);
        }
        Ok(point)
    });
    for point in binds.chain(host.mounts.iter().map(long::mount)) {
        let point = point?;
        let place = &point.shown.destination;
        if points.iter().any(|p| p.shown.destination == *place)
            || tmpfs.contains(place)
        {
            let long = point.long.as_ref().map(|mount| &mount.target);
            return Err(Error::Invalid(format!(
                "Duplicate mount point: {}",
                long.unwrap_or(place)
            )));
        }
        points.push(point);
    }
    Ok(points)
}

/// Checks the places of `Tmpfs`.
fn tmpfs_places(host: &HostConfig) -> Result<Vec<String>> {
    let place = |path: &String| match check_destination(path) {
        Ok(()) => Ok(clean(path)),
        Err(reason) => Err(Error::Invalid(reason)),
    };
    host.tmpfs.keys().map(place).collect()
}

/// Makes the sources that Docker makes (those of `Binds`), and refuses
/// mounts whose source is missing.
pub fn prepare(host: &HostConfig) -> Result<()> {
    for mount in &host.mounts {
        if mount.kind != "bind" || Path::new(&mount.source).exists() {
            continue;
        }
        let wanted = mount.bind_options.as_ref();
        if wanted.is_some_and(|options| options.create_mountpoint) {
            make_dir(&mount.source)?;
            continue;
        }
        return Err(Error::Invalid(format!(
            "invalid mount config for type \"bind\": bind source path does \
             not exist: {}",
            mount.source
        )));
    }
    for text in host.binds.iter().flatten() {
        let point = short::bind(text)?.shown;
        if point.kind == "bind" && !Path::new(&point.source).exists() {
            make_dir(&point.source)?;
        }
    }
    Ok(())
}

fn make_dir(path: &str) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| {
        Error::Internal(format!(
            "error while creating mount source path '{path}': {e}"
        ))
    })
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

/// Refuses a place in Docker's words.
fn check_destination(path: &str) -> std::result::Result<(), String> {
    if clean(path) == "/" && is_absolute(path) {
        return Err("invalid specification: destination can't be '/'".into());
    }
    match is_absolute(path) {
        true => Ok(()),
        false => Err(format!(
            "invalid mount path: '{path}' mount path must be absolute"
        )),
    }
}

/// Cleans an absolute path of `.`, `..` and doubled slashes, without
/// looking at the file system.
fn clean(path: &str) -> String {
    let mut out = PathBuf::from("/");
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => drop(out.pop()),
            _ => {}
        }
    }
    out.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_mounts_in_one_place_are_refused() {
        let binds = Some(vec!["/a:/x".into(), "/b:/x/".into()]);
        let two = HostConfig { binds, ..Default::default() };
        let tmpfs = HostConfig {
            binds: Some(vec!["data:/x".into()]),
            tmpfs: BTreeMap::from([("/x/".into(), String::new())]),
            ..Default::default()
        };
        for host in [two, tmpfs] {
            assert_eq!(
                own(&host).unwrap_err().to_string(),
                "Duplicate mount point: /x"
            );
        }
    }

    #[test]
    fn a_later_way_wins() {
        let mut points = vec![short::bind("/a:/x").unwrap()];
        put(&mut points, short::bind("/b:/y").unwrap());
        put(&mut points, short::bind("data:/x").unwrap());
        let places: Vec<_> =
            points.iter().map(|p| &*p.shown.destination).collect();
        assert_eq!(places, ["/y", "/x"]);
        assert_eq!(points[1].shown.name, "data");
    }

    #[test]
    fn a_mounts_missing_source_is_an_error() {
        let host = HostConfig {
            mounts: vec![Mount {
                kind: "bind".into(),
                source: "/nonexistent/skiff".into(),
                target: "/x".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        assert_eq!(
            prepare(&host).unwrap_err().to_string(),
            "invalid mount config for type \"bind\": bind source path does \
             not exist: /nonexistent/skiff"
        );
    }

    #[test]
    fn places_in_memory_are_checked() {
        for (path, words) in [
            ("/", "invalid specification: destination can't be '/'"),
            ("x", "invalid mount path: 'x' mount path must be absolute"),
        ] {
            let tmpfs = BTreeMap::from([(path.into(), String::new())]);
            let host = HostConfig { tmpfs, ..Default::default() };
            assert_eq!(tmpfs_places(&host).unwrap_err().to_string(), words);
        }
    }
}
