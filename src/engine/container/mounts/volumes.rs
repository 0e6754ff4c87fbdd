//! A container's volumes: taken when it is created, filled, mounted while
//! it runs, left when it is removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Copy, Point};
use crate::api::host_config::Mount;
use crate::api::inspect::MountPoint;
use crate::api::volume::CreateVolume;
use crate::engine::container::Record;
use crate::engine::volume::{LOCAL, Made, missing};
use crate::engine::{Engine, Error, Result};
use crate::store::{self, Fill, Sync};
use crate::time::Timestamp;

/// The volumes that a container in the making has taken; it leaves them,
/// and those made for it go, unless it is kept.
pub struct Taken<'a> {
    engine: &'a Engine,
    id: &'a str,
    names: Vec<String>,
    made: Vec<String>,
}

/// Which of a container's volumes go with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithVolumes {
    /// None.
    #[default]
    No,
    /// Those that were not asked for by a name and that no other container
    /// uses.
    Anonymous,
}

impl Taken<'_> {
    /// Keeps them.
    pub fn keep(mut self) {
        self.names.clear();
        self.made.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            self.engine.volumes.leave(name, self.id);
        }
        for name in &self.made {
            match self.engine.drop_volume(name, Sync::No) {
                // Another container has taken it meanwhile.
                Ok(()) | Err(Error::Conflict(_)) => {}
                Err(error) => log::warn!("{error}"),
            }
        }
    }
}

/// Splits what was planned into what clients are told and the long forms,
/// by their places.
pub fn split(points: Vec<Point>) -> (Vec<MountPoint>, BTreeMap<String, Mount>) {
    let mut long = BTreeMap::new();
    let shown = points.into_iter().map(|point| {
        if let Some(mount) = point.long {
            long.insert(point.shown.destination.clone(), mount);
        }
        point.shown
    });
    let shown = shown.collect();
    (shown, long)
}

fn names(points: &[MountPoint]) -> Vec<&str> {
    let volumes = points.iter().filter(|point| point.kind == "volume");
    volumes.map(|point| point.name.as_str()).collect()
}

impl Engine {
    /// Makes the volumes of a container that are missing, and notes that it
    /// uses all of them. `had` are mounts that it had before.
    pub(in crate::engine::container) fn take_volumes<'a>(
        &'a self,
        id: &'a str,
        points: &mut [Point],
        had: &[MountPoint],
        sync: Sync,
    ) -> Result<Taken<'a>> {
        let had = names(had);
        let mut taken =
            Taken { engine: self, id, names: Vec::new(), made: Vec::new() };
        for point in points {
            let (shown, long) = (&mut point.shown, point.long.as_ref());
            if shown.kind != "volume" {
                continue;
            }
            if !shown.source.is_empty() {
                // Another container's: it must not be made anew.
                let name = &shown.name;
                if !self.volumes.join(name, id) {
                    return Err(missing(name));
                }
                if !had.contains(&name.as_str()) {
                    taken.names.push(name.clone());
                }
                continue;
            }
            let options = long.and_then(|mount| mount.volume_options.as_ref());
            let config = options.and_then(|o| o.driver_config.clone());
            let config = config.unwrap_or_default();
            let wanted = CreateVolume {
                driver: match config.name.is_empty() {
                    true => std::mem::take(&mut shown.driver),
                    false => config.name,
                },
                driver_opts: config.options,
                labels: options.and_then(|options| options.labels.clone()),
                name: shown.name.clone(),
            };
            // One without a name goes with the container if that is lost.
            let sync = if shown.name.is_empty() { sync } else { Sync::Yes };
            let (volume, made) = self.make_volume(wanted, Some(id), sync)?;
            let name = &volume.name;
            if !had.contains(&name.as_str()) {
                taken.names.push(name.clone());
            }
            if made == Made::Now {
                taken.made.push(name.clone());
            }
            shown.name.clone_from(name);
            shown.driver = LOCAL.into();
            shown.source = self.store.volume_path(name).display().to_string();
        }
        Ok(taken)
    }

    /// Fills the empty volumes of a container with what its image has.
    pub(in crate::engine::container) fn fill_volumes(
        &self,
        id: &str,
        points: &[Point],
        sync: Sync,
    ) -> Result<()> {
        for Point { shown, long, copy } in points {
            let options = long.as_ref().and_then(|m| m.volume_options.as_ref());
            if shown.kind != "volume"
                || *copy == Copy::No
                || options.is_some_and(|options| !options.subpath.is_empty())
            {
                continue;
            }
            let place = Path::new(&shown.destination);
            let device = self.device_of(&shown.name)?;
            let filled = self.volumes.hold(&shown.name, |is_mounted| {
                let fill = match is_mounted || device.is_some() {
                    true => Fill::Within,
                    false => Fill::Whole,
                };
                let own = || self.store.volume_path(&shown.name);
                let data = device.unwrap_or_else(own);
                self.store.fill_volume(&data, id, place, (fill, sync))
            })?;
            filled.map_err(|error| match error {
                store::Error::NoDirectory(path) => {
                    let path = path.display();
                    let is_own = shown.mode.is_empty() && long.is_none();
                    Error::Internal(match is_own {
                        true => format!(
                            "cannot mount volume over existing file, file \
                             exists {path}"
                        ),
                        false => format!("source {path} is not directory"),
                    })
                }
                error => {
                    let step = format!("populate volume {}", shown.name);
                    Error::internal(step, error)
                }
            })?;
        }
        Ok(())
    }

    /// Finds the directory of the host that a volume stands for, if it does.
    fn device_of(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(device) = self.volumes.device(name) else { return Ok(None) };
        match device.path.is_dir() {
            true => Ok(Some(device.path)),
            false => {
                let (own, path) = (self.store.volume_path(name), device.path);
                let (own, path) = (own.display(), path.display());
                Err(Error::Internal(format!(
                    "error while mounting volume '{own}': failed to mount \
                     local volume: mount {path}:{own}, flags: 0x1000: no such \
                     file or directory"
                )))
            }
        }
    }

    /// Notes that a container of an earlier daemon uses its volumes.
    pub(in crate::engine::container) fn find_volumes(&self, record: &Record) {
        for name in names(&record.mounts) {
            if !self.volumes.use_by(name, &record.id) {
                log::warn!("container {}: volume {name} is gone", record.id);
            }
        }
    }

    /// Notes that a container is about to run with its volumes, or does.
    pub(in crate::engine::container) fn mount_volumes(
        &self,
        record: &Record,
    ) -> Result<()> {
        for name in names(&record.mounts) {
            self.device_of(name)?;
            self.volumes.mount(name, &record.id)?;
        }
        Ok(())
    }

    /// Tells that a container's volumes are mounted.
    pub(in crate::engine::container) fn tell_mounted(&self, record: &Record) {
        let volumes = record.mounts.iter().filter(|p| p.kind == "volume");
        for point in volumes {
            let rw = if point.rw { "true" } else { "false" };
            self.volume_event_at(
                Timestamp::now(),
                "mount",
                &point.name,
                &[
                    ("container", &record.id),
                    ("destination", &point.destination),
                    ("propagation", &point.propagation),
                    ("read/write", rw),
                ],
            );
        }
    }

    /// Notes and tells that a container runs no more.
    pub(in crate::engine::container) fn unmount_volumes(
        &self,
        record: &Record,
        at: Timestamp,
    ) {
        for name in names(&record.mounts) {
            if self.volumes.unmount(name, &record.id) {
                let container = [("container", record.id.as_str())];
                self.volume_event_at(at, "unmount", name, &container);
            }
        }
    }

    /// Leaves the volumes of a container that is gone.
    pub(in crate::engine::container) fn leave_volumes(
        &self,
        record: &Record,
        with: WithVolumes,
        sync: Sync,
    ) {
        let names = names(&record.mounts);
        for name in &names {
            self.volumes.leave(name, &record.id);
        }
        if with == WithVolumes::Anonymous {
            let host = &record.host_config;
            let binds = host.binds.iter().flatten();
            let binds = binds.filter_map(|bind| bind.split(':').next());
            let mounts = host.mounts.iter().map(|mount| mount.source.as_str());
            let named: Vec<&str> = binds.chain(mounts).collect();
            self.drop_anonymous(
                names.into_iter().filter(|name| !named.contains(name)),
                sync,
            );
        }
    }

    /// Leaves those of `old` that `new` does not name.
    pub(in crate::engine::container) fn leave_replaced(
        &self,
        id: &str,
        old: &[MountPoint],
        new: &[MountPoint],
    ) {
        let new = names(new);
        for name in names(old) {
            if !new.contains(&name) {
                self.volumes.leave(name, id);
            }
        }
    }
}
