//! Several directories seen as one, read-only: an overlay that is mounted
//! nowhere, reached by its descriptor alone.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::mount::{self, Builder, Flags, Propagation, Reach};
use super::process::{self, Namespaces};
use super::{Error, Result, fs};

/// Enough for a few system calls and a page of text.
const STACK: usize = 64 << 10;

/// The longest value that fsconfig(2) takes, without its end.
const LONGEST_VALUE: usize = 255;

/// Shows directories of the host, topmost first, as one tree. At least two
/// are needed; an empty one serves. Nothing of it is visible in the host's
/// mounts, and it ends with its descriptors.
pub fn merged(lower: &[PathBuf]) -> Result<OwnedFd> {
    let fits = |path: &PathBuf| path.as_os_str().len() <= LONGEST_VALUE;
    if lower.iter().all(fits) {
        match detached(lower) {
            // No fsopen(2), or no `lowerdir+` (6.7).
            Err(error) if error.is_missing_call() => {}
            done => return done,
        }
    }
    in_own_namespace(lower)
}

fn detached(lower: &[PathBuf]) -> Result<OwnedFd> {
    let builder = Builder::open(c"overlay")?;
    for path in lower {
        builder.set("lowerdir+", path)?;
    }
    let mount = builder.mount(Flags::READ_ONLY)?;
    fs::open_dir_at(&mount, ".")
}

/// As [`merged`], by mount(2) in a mount namespace that lives as long as a
/// thread: the directory that it opens lives on.
fn in_own_namespace(lower: &[PathBuf]) -> Result<OwnedFd> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("overlay".to_string())
            .stack_size(STACK)
            .spawn_scoped(scope, || mount_here(lower));
        match thread.map(|thread| thread.join()) {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(e) => Err(Error::from_io("clone(thread)", &e)),
        }
    })
}

fn mount_here(lower: &[PathBuf]) -> Result<OwnedFd> {
    // Takes the working directory of this thread apart from the others'.
    process::unshare(Namespaces::MOUNT)?;
    mount::set_propagation(Path::new("/"), Reach::Tree, Propagation::Private)?;
    let shared = lower.first().and_then(|path| path.parent());
    let shared = shared.unwrap_or(Path::new("/"));
    process::change_dir(mount::open_path(shared)?)?;
    let mut data = b"lowerdir=".to_vec();
    for (at, path) in lower.iter().enumerate() {
        if at > 0 {
            data.push(b':');
        }
        let name = path.strip_prefix(shared).unwrap_or(path);
        for byte in name.as_os_str().as_bytes() {
            // Overlay reads these as its own.
            if matches!(byte, b':' | b',' | b'\\') {
                data.push(b'\\');
            }
            data.push(*byte);
        }
    }
    let data = OsString::from_vec(data);
    let target = lower.last().map(PathBuf::as_path);
    let target = target.unwrap_or(Path::new("/"));
    let flags = Flags::READ_ONLY;
    mount::mount(c"overlay", target, flags, OsStr::new(&data))?;
    fs::open_dir(target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn directories_are_seen_as_one_and_nothing_is_left() {
        let temp = TempDir::new("overlay");
        let path = |name: &str| temp.path().join(name);
        for (name, text) in [("top/a", "top"), ("low/a", "low"), ("low/b", "b")]
        {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), text).unwrap();
        }
        let lower = [path("top"), path("low")];
        for way in [merged, in_own_namespace] {
            let root = match way(&lower) {
                Err(error) if error.errno() == libc::EPERM => {
                    eprintln!("skipped: no overlay can be mounted");
                    return;
                }
                root => root.unwrap(),
            };
            let read = |name: &str| {
                let path = format!("{}/{name}", fs::proc_path(&root));
                std::fs::read_to_string(path).unwrap()
            };
            assert_eq!((read("a"), read("b")), ("top".into(), "b".into()));
            let path = format!("{}/c", fs::proc_path(&root));
            assert!(std::fs::write(path, "c").is_err());
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(temp.path().to_str().unwrap()));
    }
}
