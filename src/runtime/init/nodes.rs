//! Small things made in the root: device nodes, the working directory,
//! kernel parameters.

use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::place::is_proc;
use super::{Init, failed};
use crate::runtime::error::{Result, StartError};
use crate::runtime::spec::{Device, DeviceKind};
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::{self, errno};

/// What of the host's `/dev` is no device of a privileged container.
const NOT_DEVICES: [&str; 7] =
    ["pts", "shm", "fd", "mqueue", "console", ".udev", "core"];

/// The most nodes that are copied.
const MOST_NODES: usize = 10_000;

impl Init<'_> {
    /// Makes a device node; one that is there is replaced.
    pub(super) fn make_node(&mut self, device: &Device) -> Result<()> {
        self.try_make_node(device).map_err(failed(format!(
            "error creating device nodes: mknod {:?}",
            device.path
        )))
    }

    fn try_make_node(&self, device: &Device) -> sys::Result<()> {
        let path = &device.path;
        let parent = self.make_dirs(path.parent().unwrap_or(path))?;
        let name = path.file_name().unwrap_or_default();
        let kind = match device.kind {
            DeviceKind::Block => Kind::Block,
            _ => Kind::Char,
        };
        let number = (device.major, device.minor);
        let mode = device.mode & 0o7777;
        match fs::mknod_at(&parent, name, kind, mode, number) {
            Err(error) if error.errno() == errno::EEXIST => {
                fs::unlink_at(&parent, name)?;
                fs::mknod_at(&parent, name, kind, mode, number)?;
            }
            other => other?,
        }
        if (device.uid, device.gid) == (0, 0) {
            return Ok(());
        }
        fs::chown_at(&parent, name, device.uid, device.gid)
    }

    /// Makes the nodes that the host has in `/dev`. One that cannot be
    /// made is told, and the rest goes on.
    pub(super) fn make_host_nodes(&mut self) -> Result<()> {
        for device in host_devices(Path::new("/dev")) {
            match self.try_make_node(&device) {
                Err(error) if error.errno() != errno::EEXIST => {
                    self.warn(format!("{}: {error}", device.path.display()));
                }
                _ => (),
            }
        }
        Ok(())
    }

    /// Makes the working directory.
    pub(super) fn make_cwd(&mut self, path: &Path) -> Result<()> {
        match self.make_dirs(path) {
            Ok(_) => Ok(()),
            // A file there: told when it is changed into.
            Err(error) if error.errno() == errno::ENOTDIR => Ok(()),
            Err(error) => {
                Err(failed(format!("mkdir {}", path.display()))(error))
            }
        }
    }

    /// Sets a kernel parameter, through the container's own `/proc/sys`.
    pub(super) fn set_sysctl(
        &mut self,
        path: &Path,
        value: &str,
    ) -> Result<()> {
        let full = Path::new("/proc/sys").join(path);
        let words = format!("open {}", full.display());
        let Some(proc) = &self.proc else {
            return Err(StartError::init(format!("{words}: no /proc")));
        };
        // Through proc itself: whatever a path leads to by now, this is no
        // other file (CVE-2025-52881).
        let below = Path::new("sys").join(path);
        let fd = self
            .open_below(proc.as_fd(), &below, OFlags::WRONLY)
            .map_err(failed(&words))?;
        if !is_proc(fd.as_fd()) {
            return Err(StartError::init(format!("{words}: not in /proc")));
        }
        let mut file = std::fs::File::from(fd);
        std::io::Write::write_all(&mut file, value.as_bytes()).map_err(|e| {
            StartError::init(format!(
                "write sysctl key {}: {}",
                path.display(),
                sys::Error::from_io("write", &e).reason()
            ))
        })
    }
}

/// The device nodes beneath a directory, links not followed.
pub fn host_devices(top: &Path) -> Vec<Device> {
    let mut dirs = vec![top.to_path_buf()];
    let mut devices = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if dir == top && NOT_DEVICES.iter().any(|not| name == *not) {
                continue;
            }
            let Ok(data) = entry.path().symlink_metadata() else { continue };
            if data.is_dir() {
                dirs.push(entry.path());
            }
            let kind = match data.file_type() {
                kind if kind.is_char_device() => DeviceKind::Char,
                kind if kind.is_block_device() => DeviceKind::Block,
                _ => continue,
            };
            let (major, minor) = fs::device_number(data.rdev());
            let below: PathBuf = entry
                .path()
                .strip_prefix(top)
                .map(Path::to_path_buf)
                .unwrap_or_default();
            devices.push(Device {
                path: Path::new("/dev").join(below),
                kind,
                major,
                minor,
                mode: data.mode() & 0o7777,
                uid: data.uid(),
                gid: data.gid(),
            });
        }
        if devices.len() + dirs.len() > MOST_NODES {
            break;
        }
    }
    devices
}
