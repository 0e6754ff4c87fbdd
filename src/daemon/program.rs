//! The program that containers' monitors are executed from.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::Error;
use crate::runtime::features::{self, Features};
use crate::sys::mount::{self, Change, Flags, Reach};
use crate::sys::{self, sealed};

/// The file that monitors are executed from: one that no container can
/// write through `/proc/PID/exe` (CVE-2019-5736). It exists as long as this
/// does.
pub(super) struct Program(OwnedFd);

impl Program {
    /// Makes it: a read-only mount of the daemon's own file, or where the
    /// kernel has no such mounts (before 5.12) a sealed copy in memory.
    pub(super) fn open() -> Result<Program, Error> {
        let path = Path::new("/proc/self/exe");
        let failed = |e| Error::Path(path.to_owned(), e);
        let mut exe = File::open(path).map_err(failed)?;
        let has_mounts = Features::from_env().allow(features::MOUNT_SETATTR);
        if has_mounts {
            match read_only_mount(&exe) {
                Ok(mount) => return Ok(Program(mount)),
                Err(error) => log::debug!("a copy in memory it is: {error}"),
            }
        }
        let copy = sealed::copy(&mut exe);
        copy.map(Program).map_err(|e| failed(e.into()))
    }

    /// Where it is executed.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }
}

fn read_only_mount(exe: &File) -> sys::Result<OwnedFd> {
    let mount = mount::clone_tree_of(exe, Reach::One)?;
    let change = Change { set: Flags::READ_ONLY, ..Change::default() };
    mount::change(&mount, Reach::One, &change)?;
    Ok(mount)
}
