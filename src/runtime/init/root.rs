//! The container's root: the overlay, and how it becomes `/`.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::place::{How, Source};
use super::{Init, failed};
use crate::runtime::error::{Result, StartError};
use crate::runtime::features::{LOWERDIR_PLUS, MOUNT_API, OVERLAY_VOLATILE};
use crate::runtime::spec::Root;
use crate::sys::mount::{self, Builder, Flags};
use crate::sys::{self, errno, process};

/// The longest value that fsconfig(2) takes, without its end.
const LONGEST_VALUE: usize = 255;

/// The most text that mount(2) takes, with its end.
const PAGE: usize = 4096;

impl Init<'_> {
    /// Mounts the root upon a place, or else upon the parent of the
    /// read-write layer; in this namespace only.
    pub(super) fn mount_root(&mut self, place: Option<&Path>) -> Result<()> {
        let root = &self.spec.root;
        let words = "error preparing rootfs";
        if root.lower.is_empty() {
            let fd = mount::open_path(&root.upper).map_err(failed(words))?;
            let how = How::one(Flags::default());
            self.bind(Source::Path(&root.upper), fd.as_fd(), how)
                .map_err(failed(words))?;
            let fd = mount::open_path(&root.upper).map_err(failed(words))?;
            self.root = Some(fd);
            return Ok(());
        }
        let Some(target) = place.or(root.upper.parent()) else {
            return Err(StartError::init("the root has no place"));
        };
        let fd = self
            .mount_overlay(root, target)
            .map_err(failed(format!("error mounting overlay at {target:?}")))?;
        self.root = Some(fd);
        Ok(())
    }

    fn mount_overlay(
        &self,
        root: &Root,
        target: &Path,
    ) -> sys::Result<OwnedFd> {
        let volatile = root.volatile && self.features.allow(OVERLAY_VOLATILE);
        if volatile {
            // Left by the last mount, it forbids the next one: an unclean
            // end is no matter to a container that is thrown away.
            let mark = root.work.join("work/incompat/volatile");
            let _ = std::fs::remove_dir_all(mark);
        }
        let fits = |path: &PathBuf| path.as_os_str().len() <= LONGEST_VALUE;
        let short = root.lower.iter().all(fits)
            && fits(&root.upper)
            && fits(&root.work);
        if short
            && self.features.allow(MOUNT_API)
            && self.features.allow(LOWERDIR_PLUS)
        {
            match build_overlay(root, volatile) {
                Ok(fd) => {
                    let place = mount::open_path(target)?;
                    mount::attach(&fd, &place)?;
                    return Ok(fd);
                }
                // No fsopen(2), or no `lowerdir+`: EINVAL.
                Err(error) if error.is_missing_call() => (),
                Err(error) => return Err(error),
            }
        }
        let mounted = mount_with_text(root, target, volatile);
        match mounted {
            Err(error) if volatile && error.errno() == errno::EINVAL => {
                mount_with_text(root, target, false)?;
            }
            other => other?,
        }
        mount::open_path(target)
    }

    /// Makes the root itself read-only, not what is mounted in it.
    pub(super) fn make_root_read_only(&mut self) -> Result<()> {
        let root = self.root()?;
        self.set_flags(root, How::one(Flags::READ_ONLY))
            .map_err(failed("error making the root read-only"))
    }

    /// Makes the root `/`, and puts the host out of reach.
    pub(super) fn pivot(&mut self) -> Result<()> {
        let words = "error pivoting to the root";
        let root = self.root()?;
        process::change_dir(root).map_err(failed(words))?;
        match mount::pivot_root_here() {
            // The old root is mounted upon the new one now, which is what
            // umount finds at ".". Its mounts are slaves: nothing of this
            // goes on to the host.
            Ok(()) => mount::detach(Path::new(".")).map_err(failed(words))?,
            Err(error) if error.errno() == errno::EINVAL => {
                move_root().map_err(failed(words))?;
            }
            Err(error) => return Err(failed(words)(error)),
        }
        let root = self.root()?;
        process::change_dir(root).map_err(failed(words))
    }
}

/// Where `/` is an initramfs, which cannot be pivoted from: the working
/// directory's mount is moved upon it, the other mounts of the host are
/// detached, and the root is changed by chroot. From there no `..` leads
/// anywhere but to the container's own mount.
fn move_root() -> sys::Result<()> {
    let failed = |e| sys::Error::from_io("open(\"/proc/self/mountinfo\")", &e);
    let text = std::fs::read_to_string("/proc/self/mountinfo");
    let points = host_mounts(&text.map_err(failed)?);
    mount::move_to(Path::new("."), Path::new("/"))?;
    for point in points {
        match mount::detach(&point) {
            // It went with the one above it, or is the moved one.
            Err(error)
                if matches!(error.errno(), errno::EINVAL | errno::ENOENT) => {}
            other => other?,
        }
    }
    mount::chroot_here()
}

/// The mount points directly on the root mount (proc(5), mountinfo): their
/// detachment takes all beneath them along.
fn host_mounts(mountinfo: &str) -> Vec<PathBuf> {
    let fields = |line: &str| -> Option<(String, String, PathBuf)> {
        let mut words = line.split(' ');
        let id = words.next()?.to_string();
        let parent = words.next()?.to_string();
        let point = unescape(words.nth(2)?);
        Some((id, parent, point))
    };
    let mounts: Vec<_> = mountinfo.lines().filter_map(fields).collect();
    let is_root =
        |(_, _, point): &&(String, String, PathBuf)| point.as_os_str() == "/";
    let roots: Vec<&String> =
        mounts.iter().filter(is_root).map(|(id, _, _)| id).collect();
    mounts
        .iter()
        .rev()
        .filter(|(id, parent, _)| {
            roots.contains(&parent) && !roots.contains(&id)
        })
        .map(|(_, _, point)| point.clone())
        .collect()
}

/// A path of mountinfo, in which blanks are `\040`.
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = bytes
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

/// An overlay by fsopen(2): each layer is a value of its own, so there is
/// no limit but the kernel's 500.
fn build_overlay(root: &Root, volatile: bool) -> sys::Result<OwnedFd> {
    let builder = Builder::open(c"overlay")?;
    builder.set("source", "overlay")?;
    for lower in layers(root) {
        builder.set("lowerdir+", lower)?;
    }
    if !root.sealed {
        builder.set("upperdir", &root.upper)?;
        builder.set("workdir", &root.work)?;
    }
    if volatile {
        // A kernel with `lowerdir+` has it.
        builder.set_flag("volatile")?;
    }
    builder.mount(Flags::default())
}

/// The layers that are not written to, the topmost first.
fn layers(root: &Root) -> impl Iterator<Item = &PathBuf> {
    root.sealed.then_some(&root.upper).into_iter().chain(&root.lower)
}

/// An overlay by mount(2). All its text must fit a page, so the layers are
/// named from the directory that they share.
fn mount_with_text(
    root: &Root,
    target: &Path,
    volatile: bool,
) -> sys::Result<()> {
    let all: Vec<PathBuf> = layers(root).cloned().collect();
    let shared = shared_parent(&all);
    let data = overlay_text(root, &shared, volatile);
    if data.len() >= PAGE {
        return Err(sys::Error::new(
            format!("mount(\"overlay\", {} layers)", root.lower.len()),
            errno::E2BIG,
        ));
    }
    let here = mount::open_path(Path::new("."))?;
    let there = mount::open_path(&shared)?;
    process::change_dir(&there)?;
    let mounted = mount::mount(c"overlay", target, Flags::default(), &data);
    process::change_dir(&here)?;
    mounted
}

fn overlay_text(root: &Root, shared: &Path, volatile: bool) -> OsString {
    let mut text = b"lowerdir=".to_vec();
    for (at, lower) in layers(root).enumerate() {
        if at > 0 {
            text.push(b':');
        }
        let name = lower.strip_prefix(shared).unwrap_or(lower);
        let name = match name.as_os_str().is_empty() {
            true => OsStr::new("."),
            false => name.as_os_str(),
        };
        text.extend(escaped(name));
    }
    let written = [("upperdir", &root.upper), ("workdir", &root.work)];
    for (key, path) in written.into_iter().filter(|_| !root.sealed) {
        text.extend(format!(",{key}=").bytes());
        text.extend(escaped(path.as_os_str()));
    }
    if volatile {
        text.extend(b",volatile");
    }
    OsString::from_vec(text)
}

/// Overlay reads colons, commas and backslashes in paths as its own.
fn escaped(path: &OsStr) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for byte in path.as_bytes() {
        if matches!(byte, b':' | b',' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// The deepest directory that holds all the paths.
fn shared_parent(paths: &[PathBuf]) -> PathBuf {
    let Some(first) = paths.first().and_then(|path| path.parent()) else {
        return PathBuf::from("/");
    };
    let holds_all = |dir: &&Path| paths.iter().all(|p| p.starts_with(dir));
    let found = first.ancestors().find(holds_all);
    found.unwrap_or(Path::new("/")).to_path_buf()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_from_their_shared_directory() {
        let root = Root {
            lower: vec!["/data/l/AB".into(), "/data/l/C:D".into()],
            upper: "/data/c/1/upper".into(),
            work: "/data/c/1/work".into(),
            volatile: true,
            sealed: false,
        };
        let shared = shared_parent(&root.lower);
        assert_eq!(shared, Path::new("/data/l"));
        assert_eq!(
            overlay_text(&root, &shared, true),
            "lowerdir=AB:C\\:D,upperdir=/data/c/1/upper,\
             workdir=/data/c/1/work,volatile"
        );
    }

    #[test]
    fn layers_in_several_places_share_what_they_can() {
        let paths = ["/a/b/c".into(), "/a/x/y".into()];
        assert_eq!(shared_parent(&paths), Path::new("/a"));
        assert_eq!(shared_parent(&["/a/b".into()]), Path::new("/a"));
        assert_eq!(shared_parent(&[]), Path::new("/"));
    }

    #[test]
    fn hosts_mounts_are_those_directly_on_the_root() {
        let text = "\
            1 1 0:2 / / rw - rootfs rootfs rw\n\
            20 1 0:20 / /proc rw - proc proc rw\n\
            21 20 0:21 / /proc/sys rw - binfmt x rw\n\
            22 1 0:22 / /a\\040b rw - tmpfs tmpfs rw\n\
            23 22 0:23 / /a\\040b/root rw - overlay overlay rw\n";
        assert_eq!(
            host_mounts(text),
            [PathBuf::from("/a b"), PathBuf::from("/proc")]
        );
    }
}
