//! The file that says which process the daemon is.

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use super::settings::make_dir;

/// The daemon's pid file, removed at its end.
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, unless a live daemon stands in it.
    pub(super) fn write(path: &Path) -> Result<PidFile, Error> {
        let failed = |e| Error::Path(path.to_owned(), e);
        if let Some(pid) = fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse::<i32>().ok())
            && pid > 0
            && pid != std::process::id() as i32
            && is_daemon(pid)
        {
            return Err(Error::Running(path.to_owned(), pid));
        }
        if let Some(dir) = path.parent() {
            make_dir(dir)?;
        }
        fs::write(path, std::process::id().to_string()).map_err(failed)?;
        Ok(PidFile(path.to_owned()))
    }
}

/// Tells whether a process is a daemon of ours: after a reboot the number
/// in a pid file may be anybody's.
fn is_daemon(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    let own = fs::read_to_string("/proc/self/comm");
    // One that was killed and not reaped yet has no program any more.
    let is_alive = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
    is_alive && matches!((name, own), (Ok(name), Ok(own)) if name == own)
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
