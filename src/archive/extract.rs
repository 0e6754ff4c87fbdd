//! From the entries of a tar to files beneath a directory.
//!
//! Each entry: clean the name → open its parent beneath the root (made if
//! missing) → make the file under its one name there, exclusively → owner,
//! mode, attributes, times on the new file's descriptor. Nothing that
//! exists is ever opened for writing, so no entry changes what an earlier
//! one made, through whatever links. Times of directories come last.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use super::error::lossy;
use super::framing::Record;
use super::parent::{self, Parent, is_whiteout, set_opaque};
use super::path::{self, Whiteout};
use super::read::{self, Entry, Reader};
use super::times::DirTimes;
use super::{Error, Result, tree};
use crate::sys::errno;
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::{self, xattr};

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A layer of an image: whiteouts become overlayfs's.
    Layer,
    /// Files and nothing else.
    Plain,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of all files and links, each file once.
    pub size: u64,
    /// Number of entries.
    pub entries: u64,
}

/// Attributes that overlayfs itself reads; an archive has none to set.
const OVERLAY: [&[u8]; 2] = [b"trusted.overlay.", b"user.overlay."];
/// The kernel's bound for a path (`PATH_MAX`).
const MAX_PATH: usize = 4096;
const BUFFER: usize = 128 << 10;
/// Names the refusal to change what kind of thing a name is.
const OVERWRITE: &str = "overwrite";

/// Unpacks a tar beneath `dir`, reading it to its very end.
pub fn extract(
    tar: impl Read,
    dir: BorrowedFd<'_>,
    mode: Mode,
) -> Result<Summary> {
    Extractor::new(Reader::new(tar, None), dir, mode, None).run()
}

/// How files are put into a tree that has others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Into {
    /// The directory in the tree that names begin from: clean, relative.
    pub prefix: Vec<u8>,
    /// Whether a directory stays one, and what is none stays none.
    pub keeps_kinds: bool,
    /// Who owns what is made, instead of whom the archive names.
    pub owner: Option<(u32, u32)>,
    /// What names begin with, and what they begin with instead.
    pub rename: Option<(Vec<u8>, Vec<u8>)>,
}

/// Unpacks a tar into a tree, beneath its directory `into.prefix`. Links
/// that are there lead within the tree, as they do for who lives in it.
pub fn extract_into(
    tar: impl Read,
    root: BorrowedFd<'_>,
    into: Into,
) -> Result<Summary> {
    let reader = Reader::new(tar, None).renamed(into.rename.clone());
    let mut extractor = Extractor::new(reader, root, Mode::Plain, None);
    extractor.into = into;
    extractor.run()
}

/// Unpacks a layer beneath `dir` and records its framing. A file that a
/// later entry of the same tar replaces is moved to `replaced`, where
/// `framing::assemble` finds it.
pub fn extract_recorded(
    tar: impl Read,
    dir: BorrowedFd<'_>,
    record: &mut dyn Record,
    replaced: BorrowedFd<'_>,
) -> Result<Summary> {
    let reader = Reader::new(tar, Some(record));
    Extractor::new(reader, dir, Mode::Layer, Some(replaced)).run()
}

struct Extractor<'a, R> {
    reader: Reader<'a, R>,
    root: BorrowedFd<'a>,
    mode: Mode,
    replaced: Option<BorrowedFd<'a>>,
    into: Into,
    /// The parent of the last entry: most have the same.
    last_parent: Option<(Vec<u8>, Rc<Parent>)>,
    times: DirTimes<'a>,
    summary: Summary,
    buffer: Vec<u8>,
    warned: bool,
}

/// What was done to make place for an entry.
#[derive(PartialEq, Eq)]
enum Place {
    /// Something was there and is gone.
    Cleared,
    /// A whiteout of this same layer was there and is gone.
    WasWhiteout,
    /// A directory is there and stays.
    KeptDir,
}

impl<'a, R: Read> Extractor<'a, R> {
    fn new(
        reader: Reader<'a, R>,
        root: BorrowedFd<'a>,
        mode: Mode,
        replaced: Option<BorrowedFd<'a>>,
    ) -> Extractor<'a, R> {
        Extractor {
            reader,
            root,
            mode,
            replaced,
            into: Into::default(),
            last_parent: None,
            times: DirTimes::new(root),
            summary: Summary::default(),
            buffer: vec![0; BUFFER],
            warned: false,
        }
    }

    fn run(mut self) -> Result<Summary> {
        while let Some(entry) = self.reader.next_entry()? {
            self.summary.entries += 1;
            self.entry(&entry)?;
        }
        self.times.apply()?;
        Ok(self.summary)
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        match entry.kind {
            read::Kind::Global => return Ok(()),
            read::Kind::Other(flag) => {
                return Err(Error::Kind { name: lossy(&entry.name), flag });
            }
            _ => {}
        }
        let clean = path::clean(&entry.name)
            .ok_or_else(|| Error::Outside { name: lossy(&entry.name) })?;
        let clean = self.within(clean);
        if clean.len() >= MAX_PATH {
            let cause = sys::Error::new("openat2(…)", errno::ENAMETOOLONG);
            return Err(Error::file(&entry.name)(cause));
        }
        if clean.is_empty() {
            return self.root_entry(entry);
        }
        let (parent_path, base) = path::split(&clean);
        let base = OsStr::from_bytes(base);
        if self.mode == Mode::Layer {
            match path::whiteout(base.as_bytes()) {
                Whiteout::None => {}
                Whiteout::Meta => return Ok(()),
                Whiteout::Bad => {
                    return Err(Error::Outside { name: lossy(&entry.name) });
                }
                Whiteout::Opaque => {
                    let parent = self.parent(parent_path)?;
                    return set_opaque(&parent.fd)
                        .map_err(Error::file(&entry.name));
                }
                Whiteout::Hides(name) => {
                    let parent = self.parent(parent_path)?;
                    return hide(&parent.fd, OsStr::from_bytes(name))
                        .map_err(Error::file(&entry.name));
                }
            }
        }
        let parent = self.parent(parent_path)?;
        match entry.kind {
            read::Kind::Dir => self.dir(entry, &clean, &parent, base),
            read::Kind::File => self.file(entry, &clean, &parent, base),
            read::Kind::HardLink => self.hard_link(entry, &parent, base),
            _ => self.special(entry, &parent, base),
        }
    }

    /// Puts a clean name into the directory that names begin from.
    fn within(&self, clean: Vec<u8>) -> Vec<u8> {
        let prefix = &self.into.prefix;
        match (prefix.is_empty(), clean.is_empty()) {
            (true, _) => clean,
            (false, true) => prefix.clone(),
            (false, false) => [prefix, b"/".as_slice(), &clean].concat(),
        }
    }

    fn root_entry(&mut self, entry: &Entry) -> Result<()> {
        let failed = Error::file(b"/");
        if entry.kind != read::Kind::Dir {
            return Err(failed(sys::Error::new("openat(…)", errno::EISDIR)));
        }
        let fd = fs::open_dir_at(self.root, ".").map_err(failed)?;
        self.describe(&fd, entry)?;
        self.times.remember(b"", entry);
        Ok(())
    }

    /// Opens the directory that an entry goes in; makes what is missing.
    fn parent(&mut self, path: &[u8]) -> Result<Rc<Parent>> {
        if let Some((last, parent)) = &self.last_parent
            && last == path
        {
            return Ok(Rc::clone(parent));
        }
        let parent = Parent::open(self.root, path).or_else(|e| {
            if !matches!(e.errno(), errno::ENOENT | errno::ENOTDIR) {
                return Err(e);
            }
            parent::make(self.root, path, self.mode)?;
            Parent::open(self.root, path)
        });
        let parent = Rc::new(parent.map_err(Error::file(path))?);
        self.last_parent = Some((path.to_vec(), Rc::clone(&parent)));
        Ok(parent)
    }

    /// Makes a name free for an entry.
    fn clear(
        &mut self,
        parent: &Parent,
        base: &OsStr,
        kind: read::Kind,
    ) -> sys::Result<Place> {
        let stat = match fs::stat_at(&parent.fd, base) {
            Ok(stat) => stat,
            Err(e) if e.errno() == errno::ENOENT => return Ok(Place::Cleared),
            Err(error) => return Err(error),
        };
        if stat.kind == Kind::Dir && kind == read::Kind::Dir {
            return Ok(Place::KeptDir);
        }
        let is_dir = stat.kind == Kind::Dir;
        if self.into.keeps_kinds && is_dir != (kind == read::Kind::Dir) {
            let code = if is_dir { errno::EISDIR } else { errno::ENOTDIR };
            return Err(sys::Error::new(OVERWRITE, code));
        }
        // What was remembered may lead through it.
        self.last_parent = None;
        let freed = tree::remove(parent.fd.as_fd(), base, self.replaced)?;
        self.summary.size = self.summary.size.saturating_sub(freed);
        if self.mode == Mode::Layer && is_whiteout(&stat) {
            return Ok(Place::WasWhiteout);
        }
        Ok(Place::Cleared)
    }

    fn dir(
        &mut self,
        entry: &Entry,
        clean: &[u8],
        parent: &Parent,
        base: &OsStr,
    ) -> Result<()> {
        let failed = || Error::file(&entry.name);
        let mut place = Place::Cleared;
        if let Err(error) = fs::mkdir_at(&parent.fd, base, 0o700) {
            if error.errno() != errno::EEXIST {
                return Err(failed()(error));
            }
            place = self.clear(parent, base, entry.kind).map_err(failed())?;
            if place != Place::KeptDir {
                fs::mkdir_at(&parent.fd, base, 0o700).map_err(failed())?;
            }
        }
        let fd = fs::open_dir_at(&parent.fd, base).map_err(failed())?;
        self.describe(&fd, entry)?;
        if place == Place::WasWhiteout {
            set_opaque(&fd).map_err(failed())?;
        }
        self.times.remember(clean, entry);
        Ok(())
    }

    fn file(
        &mut self,
        entry: &Entry,
        clean: &[u8],
        parent: &Parent,
        base: &OsStr,
    ) -> Result<()> {
        let failed = || Error::file(&entry.name);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let fd = match fs::open_at(&parent.fd, base, flags, 0o600) {
            Err(e) if e.errno() == errno::EEXIST => {
                self.clear(parent, base, entry.kind).map_err(failed())?;
                fs::open_at(&parent.fd, base, flags, 0o600)
            }
            other => other,
        };
        let mut file = File::from(fd.map_err(failed())?);
        // Behind a link that may lead elsewhere later, the framing keeps
        // the content itself.
        let literal = self.replaced.is_some() && !parent.direct;
        self.content(entry, &mut file, literal)?;
        if self.replaced.is_some() && !literal {
            let label = fs::stat(&file).map_err(failed())?.ino;
            self.reader.record_content(clean, label, &entry.runs)?;
        }
        self.describe(&file, entry)?;
        fs::set_times(&file, entry.atime, entry.mtime).map_err(failed())?;
        self.summary.size = self.summary.size.saturating_add(entry.size);
        Ok(())
    }

    fn content(
        &mut self,
        entry: &Entry,
        file: &mut File,
        literal: bool,
    ) -> Result<()> {
        let written = |cause: std::io::Error| {
            let cause = sys::Error::from_io("write(…)", &cause);
            Error::file(&entry.name)(cause)
        };
        let whole = matches!(
            entry.runs.as_slice(),
            [run] if run.offset == 0 && run.length == entry.size
        );
        if !whole {
            fs::truncate(&*file, entry.size)
                .map_err(Error::file(&entry.name))?;
        }
        for run in &entry.runs {
            let (mut at, mut left) = (run.offset, run.length);
            while left > 0 {
                let want = left.min(self.buffer.len() as u64) as usize;
                let count =
                    self.reader.read_content(&mut self.buffer[..want])?;
                let bytes = &self.buffer[..count];
                if count == 0 {
                    return Err(Error::Truncated);
                }
                if whole {
                    file.write_all(bytes).map_err(written)?;
                } else {
                    file.write_all_at(bytes, at).map_err(written)?;
                }
                if literal {
                    self.reader.record_literal(bytes)?;
                }
                at += count as u64;
                left -= count as u64;
            }
        }
        Ok(())
    }

    fn hard_link(
        &mut self,
        entry: &Entry,
        parent: &Parent,
        base: &OsStr,
    ) -> Result<()> {
        let failed = || Error::file(&entry.name);
        let outside = || Error::Outside { name: lossy(&entry.link) };
        let target = path::clean(&entry.link).ok_or_else(outside)?;
        if target.is_empty() {
            return Err(outside());
        }
        let target = self.within(target);
        let (target_parent, target_base) = path::split(&target);
        let target_base = OsStr::from_bytes(target_base);
        let from = Parent::open(self.root, target_parent).map_err(failed())?;
        let link = || fs::link_at(&from.fd, target_base, &parent.fd, base);
        match link() {
            Ok(()) => return Ok(()),
            Err(e) if e.errno() == errno::EEXIST => {}
            Err(error) => return Err(failed()(error)),
        }
        let id = |stat: fs::Stat| (stat.dev, stat.ino);
        let old = fs::stat_at(&parent.fd, base).map_err(failed())?;
        let new = fs::stat_at(&from.fd, target_base).map_err(failed())?;
        if id(old) == id(new) {
            return Ok(());
        }
        self.clear(parent, base, entry.kind).map_err(failed())?;
        link().map_err(failed())
    }

    /// Makes a symbolic link, a device or a fifo.
    fn special(
        &mut self,
        entry: &Entry,
        parent: &Parent,
        base: &OsStr,
    ) -> Result<()> {
        let failed = || Error::file(&entry.name);
        let fd = parent.fd.as_fd();
        let node = |kind| fs::mknod_at(fd, base, kind, 0o600, entry.device);
        let make = || match entry.kind {
            read::Kind::Symlink => {
                fs::symlink_at(OsStr::from_bytes(&entry.link), fd, base)
            }
            read::Kind::Char => node(Kind::Char),
            read::Kind::Block => node(Kind::Block),
            _ => node(Kind::Fifo),
        };
        match make() {
            Err(e) if e.errno() == errno::EEXIST => {
                self.clear(parent, base, entry.kind).map_err(failed())?;
                make().map_err(failed())?;
            }
            other => other.map_err(failed())?,
        }
        let (uid, gid) = self.into.owner.unwrap_or((entry.uid, entry.gid));
        fs::chown_at(fd, base, uid, gid).map_err(failed())?;
        if entry.kind == read::Kind::Symlink {
            self.summary.size += entry.link.len() as u64;
        } else {
            fs::chmod_at(fd, base, entry.mode).map_err(failed())?;
        }
        for (name, value) in attributes(entry) {
            let set = xattr::set_at(fd, base, name, value);
            self.tolerate(set, entry)?;
        }
        fs::set_times_at(fd, base, entry.atime, entry.mtime).map_err(failed())
    }

    /// Sets owner, mode and attributes of a new file. In this order: chown
    /// clears setuid and capabilities.
    fn describe(&mut self, fd: impl AsFd, entry: &Entry) -> Result<()> {
        let fd = fd.as_fd();
        let failed = || Error::file(&entry.name);
        let (uid, gid) = self.into.owner.unwrap_or((entry.uid, entry.gid));
        fs::chown(fd, uid, gid).map_err(failed())?;
        fs::chmod(fd, entry.mode).map_err(failed())?;
        for (name, value) in attributes(entry) {
            let set = xattr::set(fd, name, value);
            self.tolerate(set, entry)?;
        }
        Ok(())
    }

    /// A file system without attributes loses them, as with Docker; every
    /// other failure counts.
    fn tolerate(&mut self, set: sys::Result<()>, entry: &Entry) -> Result<()> {
        match set {
            Err(error) if error.errno() == errno::EOPNOTSUPP => {
                if !self.warned {
                    let name = lossy(&entry.name);
                    log::warn!("{name:?}: attribute not kept: {error}");
                    self.warned = true;
                }
                Ok(())
            }
            other => other.map_err(Error::file(&entry.name)),
        }
    }
}

fn attributes(entry: &Entry) -> impl Iterator<Item = (&OsStr, &[u8])> {
    entry
        .xattrs
        .iter()
        .filter(|(name, _)| !OVERLAY.iter().any(|own| name.starts_with(own)))
        .map(|(name, value)| (OsStr::from_bytes(name), value.as_slice()))
}

/// Hides a name of the lower layers. What this layer itself has under the
/// name stays (a whiteout means lower layers only), but then a directory
/// must not show theirs through.
fn hide(parent: &OwnedFd, name: &OsStr) -> sys::Result<()> {
    match fs::mknod_at(parent, name, Kind::Char, 0, (0, 0)) {
        Err(e) if e.errno() == errno::EEXIST => {}
        other => return other,
    }
    if fs::stat_at(parent, name)?.kind == Kind::Dir {
        set_opaque(&fs::open_dir_at(parent, name)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;

    use super::super::framing;
    use super::super::parent::{IMPLIED_MODE, OPAQUE};
    use super::super::testing::{Entry, Tar};
    use super::*;
    use crate::sys::resolve;
    use crate::sys::testing::TempDir;

    /// A directory to unpack in, with something beside it that must stay
    /// as it is.
    struct Place {
        temp: TempDir,
    }

    impl Place {
        fn new() -> Place {
            let temp = TempDir::new("extract");
            std::fs::create_dir(temp.path().join("root")).unwrap();
            std::fs::create_dir(temp.path().join("replaced")).unwrap();
            std::fs::create_dir(temp.path().join("outside")).unwrap();
            std::fs::write(temp.path().join("outside/f"), "safe").unwrap();
            Place { temp }
        }

        fn root(&self) -> PathBuf {
            self.temp.path().join("root")
        }

        fn layer(&self, tar: &[u8]) -> Result<Summary> {
            let dir = fs::open_dir(&self.root()).unwrap();
            extract(tar, dir.as_fd(), Mode::Layer)
        }

        fn stat(&self, name: &str) -> fs::Stat {
            let dir = fs::open_dir(&self.root()).unwrap();
            fs::stat_at(&dir, name).unwrap()
        }

        fn read(&self, name: &str) -> String {
            std::fs::read_to_string(self.root().join(name)).unwrap()
        }

        fn has(&self, name: &str) -> bool {
            self.root().join(name).symlink_metadata().is_ok()
        }

        /// Unpacks with a record, and checks that the tar comes back.
        fn round_trip(&self, tar: &[u8]) -> Summary {
            let dir = fs::open_dir(&self.root()).unwrap();
            let replaced =
                fs::open_dir(&self.temp.path().join("replaced")).unwrap();
            let mut writer = framing::Writer::create(Vec::new()).unwrap();
            let summary = extract_recorded(
                tar,
                dir.as_fd(),
                &mut writer,
                replaced.as_fd(),
            )
            .unwrap();
            let framing = writer.finish().unwrap();
            let mut again = Vec::new();
            framing::assemble(
                &framing[..],
                dir.as_fd(),
                Some(replaced.as_fd()),
                &mut again,
            )
            .unwrap();
            assert!(again == tar, "the tar is another one");
            summary
        }
    }

    #[test]
    fn files_of_all_kinds_are_made_with_their_attributes() {
        let place = Place::new();
        let long = "l".repeat(90) + "/" + &"m".repeat(200);
        let device = |flag, name, device| Entry {
            flag,
            name,
            device,
            mode: 0o666,
            ..Entry::default()
        };
        let tar = Tar::new()
            .entry(Entry {
                flag: b'5',
                name: "./",
                mode: 0o1755,
                mtime: 1_000_000,
                ..Entry::default()
            })
            .entry(Entry {
                flag: b'5',
                name: "d/",
                mode: 0o2750,
                owner: (7, 8),
                mtime: 2_000_000,
                ..Entry::default()
            })
            .pax(&[
                ("mtime", b"1500000000.25"),
                ("SCHILY.xattr.user.x", b"a\nb\0c"),
                (
                    "SCHILY.xattr.security.capability",
                    b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                ),
                ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
            ])
            .entry(Entry {
                name: "d/f",
                mode: 0o4755,
                owner: (3_000_000, 9),
                content: b"hello",
                ..Entry::default()
            })
            .hard_link("d/g", "d/f")
            .symlink("d/link", "../nowhere")
            .entry(device(b'3', "null", (1, 3)))
            .entry(device(b'4', "disk", (8, 300)))
            .entry(device(b'6', "pipe", (0, 0)))
            .long(b'L', &long)
            .file("cut", b"long name")
            .file("deep/er/file", b"x")
            .end();
        let summary = place.round_trip(&tar);
        let sizes = 5 + "../nowhere".len() + "long name".len() + 1;
        assert_eq!(summary.size, sizes as u64);
        let root = place.stat(".");
        assert_eq!((root.mode, root.mtime.0), (0o1755, 1_000_000));
        let d = place.stat("d");
        assert_eq!((d.mode, d.uid, d.gid), (0o2750, 7, 8));
        assert_eq!(d.mtime, (2_000_000, 0));
        let f = place.stat("d/f");
        assert_eq!((f.mode, f.uid, f.gid), (0o4755, 3_000_000, 9));
        assert_eq!(f.mtime, (1_500_000_000, 250_000_000));
        assert_eq!((f.nlink, f.ino), (2, place.stat("d/g").ino));
        let dir = fs::open_dir(&place.root().join("d")).unwrap();
        let get = |name| xattr::value_at(&dir, "f", name).unwrap();
        assert_eq!(get("user.x").as_deref(), Some(&b"a\nb\0c"[..]));
        assert!(get("security.capability").is_some());
        assert_eq!(get("trusted.overlay.redirect"), None);
        assert_eq!(place.stat("d/link").mtime.0, 1_600_000_000);
        let null = place.stat("null");
        assert_eq!((null.kind, null.rdev), (Kind::Char, (1, 3)));
        assert_eq!(null.mode, 0o666);
        let disk = place.stat("disk");
        assert_eq!((disk.kind, disk.rdev), (Kind::Block, (8, 300)));
        assert_eq!(place.stat("pipe").kind, Kind::Fifo);
        assert_eq!(place.read(&long), "long name");
        assert_eq!(place.stat("deep").mode, IMPLIED_MODE);
    }

    #[test]
    fn hostile_archives_change_nothing_outside() {
        let huge = vec![b'a'; 2 << 20];
        let lie = |size| Entry {
            name: "f",
            size: Some(size),
            content: b"short",
            ..Entry::default()
        };
        // Archive, and whether it may be unpacked at all.
        let table: Vec<(&str, Vec<u8>, bool)> = vec![
            ("climbs", Tar::new().file("../outside/f", b"x").end(), false),
            ("climbs late", Tar::new().file("a/../../b", b"x").end(), false),
            ("absolute", Tar::new().file("/outside/f", b"x").end(), true),
            (
                "absolute and climbs",
                Tar::new().file("/../outside/f", b"x").end(),
                true,
            ),
            (
                "writes through a link",
                Tar::new().symlink("l", "../outside").file("l/f", b"x").end(),
                false,
            ),
            (
                "writes through an absolute link",
                Tar::new().symlink("l", "/tmp").file("l/f", b"x").end(),
                false,
            ),
            (
                "writes over a link",
                Tar::new().symlink("f", "../outside/f").file("f", b"x").end(),
                true,
            ),
            (
                "directory over a link",
                Tar::new()
                    .symlink("d", "../outside")
                    .dir("d/")
                    .file("d/f", b"x")
                    .end(),
                true,
            ),
            (
                "hard link to outside",
                Tar::new().hard_link("h", "../outside/f").end(),
                false,
            ),
            (
                "hard link to the host's root",
                Tar::new().hard_link("h", "/etc/passwd").end(),
                false,
            ),
            (
                "hard link through a link",
                Tar::new()
                    .symlink("l", "../outside")
                    .hard_link("h", "l/f")
                    .file("h", b"x")
                    .end(),
                false,
            ),
            (
                "hard link to a link, then written",
                Tar::new()
                    .symlink("l", "../outside/f")
                    .hard_link("h", "l")
                    .file("h", b"x")
                    .end(),
                true,
            ),
            (
                "whiteout of the parent",
                Tar::new().dir("d").file("d/.wh...", b"").end(),
                false,
            ),
            (
                "whiteout through a link",
                Tar::new()
                    .symlink("l", "../outside")
                    .file("l/.wh.f", b"")
                    .end(),
                false,
            ),
            (
                "opaque through a link",
                Tar::new().symlink("l", "/").file("l/.wh..wh..opq", b"").end(),
                true,
            ),
            (
                "links in a loop",
                Tar::new()
                    .symlink("a", "b")
                    .symlink("b", "a")
                    .file("a/f", b"x")
                    .end(),
                false,
            ),
            (
                "hard link to itself",
                Tar::new().file("f", b"x").hard_link("f", "f").end(),
                true,
            ),
            (
                "hard link to a directory",
                Tar::new().dir("d").hard_link("h", "d").end(),
                false,
            ),
            ("size beyond the end", Tar::new().entry(lie(1 << 40)).0, false),
            (
                "size of all bytes",
                Tar::new().entry(lie(i64::MAX as u64)).0,
                false,
            ),
            (
                "huge extended header",
                Tar::new().pax(&[("comment", &huge)]).file("f", b"").end(),
                false,
            ),
            (
                "huge long name",
                Tar::new()
                    .long(b'L', &"a".repeat(2 << 20))
                    .file("f", b"")
                    .end(),
                false,
            ),
            (
                "name longer than a path",
                Tar::new().long(b'L', &"a/".repeat(4000)).file("f", b"").end(),
                false,
            ),
            (
                "name of a component too long",
                Tar::new().long(b'L', &"a".repeat(300)).file("f", b"").end(),
                false,
            ),
            (
                "no owner",
                Tar::new()
                    .entry(Entry {
                        name: "f",
                        owner: (u64::from(u32::MAX), 0),
                        ..Entry::default()
                    })
                    .end(),
                false,
            ),
            (
                "unknown kind",
                Tar::new()
                    .entry(Entry { flag: b'V', name: "v", ..Entry::default() })
                    .end(),
                false,
            ),
            ("the root as a file", Tar::new().file("./", b"").end(), true),
            ("the root as a link", Tar::new().symlink(".", "/").end(), false),
            ("one block of zeros", vec![0; 512], true),
            (
                "zeros, then more",
                [&[0; 512][..], &Tar::new().file("f", b"").end()].concat(),
                false,
            ),
            ("half a block", vec![0; 100], false),
            ("rubbish", b"rubbish!".repeat(1000), false),
            ("nothing", Vec::new(), true),
        ];
        for method in [resolve::Method::Walk, resolve::Method::Best] {
            resolve::force_walk(method);
            for (name, tar, good) in &table {
                let place = Place::new();
                let result = place.layer(tar);
                assert_eq!(result.is_ok(), *good, "{name}: {result:?}");
                let outside = place.temp.path().join("outside");
                let kept = std::fs::read(outside.join("f")).unwrap();
                assert_eq!(kept, b"safe", "{name}");
                let meta = std::fs::metadata(outside.join("f")).unwrap();
                assert_eq!(meta.nlink(), 1, "{name}");
                let count = std::fs::read_dir(&outside).unwrap().count();
                assert_eq!(count, 1, "{name}");
                let beside = std::fs::read_dir(place.temp.path()).unwrap();
                assert_eq!(beside.count(), 3, "{name}");
            }
        }
    }

    #[test]
    fn links_to_absolute_directories_stay_in_the_root() {
        let place = Place::new();
        let tar = Tar::new()
            .dir("usr/lib/")
            .symlink("lib", "/usr/lib")
            .file("lib/x", b"inner")
            .symlink("up", "../../usr")
            .file("up/y", b"inner too")
            .end();
        place.round_trip(&tar);
        assert_eq!(place.read("usr/lib/x"), "inner");
        assert_eq!(place.read("usr/y"), "inner too");
    }

    #[test]
    fn whiteouts_become_those_of_overlayfs() {
        let place = Place::new();
        let tar = Tar::new()
            .file("d/.wh.gone", b"")
            .file("e/.wh..wh..opq", b"")
            .file("e/f", b"f")
            .file(".wh..wh.plnk", b"skipped")
            // Hidden and made anew, in both orders.
            .file(".wh.before", b"")
            .dir("before/")
            .dir("after/")
            .file(".wh.after", b"")
            .file("kept", b"kept")
            .file(".wh.kept", b"")
            .file(".wh.implied", b"")
            .file("implied/f", b"f")
            .file(".wh.file", b"")
            .file("file", b"new")
            .end();
        place.round_trip(&tar);
        let gone = place.stat("d/gone");
        assert_eq!((gone.kind, gone.rdev), (Kind::Char, (0, 0)));
        for name in ["e", "before", "after", "implied"] {
            let dir = fs::open_dir(&place.root().join(name)).unwrap();
            let value = xattr::value(&dir, OPAQUE).unwrap();
            assert_eq!(value.as_deref(), Some(&b"y"[..]), "{name}");
        }
        assert_eq!(place.read("kept"), "kept");
        assert_eq!(place.read("file"), "new");
        assert!(!place.has(".wh..wh.plnk"));
    }

    #[test]
    fn in_a_plain_archive_whiteouts_are_files() {
        let place = Place::new();
        let dir = fs::open_dir(&place.root()).unwrap();
        let tar = Tar::new().file(".wh.x", b"1").end();
        extract(&tar[..], dir.as_fd(), Mode::Plain).unwrap();
        assert_eq!(place.read(".wh.x"), "1");
    }

    #[test]
    fn entries_replace_what_stands_in_their_place() {
        let place = Place::new();
        let tar = Tar::new()
            .file("f", b"first")
            .file("f", b"second!")
            .file("d/a/b", b"deep")
            .hard_link("other", "d/a/b")
            .file("d", b"now a file")
            .file("g", b"now a directory")
            .dir("g/")
            .file("g/x", b"x")
            .symlink("l", "f")
            .file("l", b"no link")
            .dir("h/")
            .symlink("h", "g")
            .file("h/y", b"y")
            .dir("h/")
            .hard_link("f", "l")
            .end();
        let summary = place.round_trip(&tar);
        assert_eq!(place.read("f"), "no link");
        assert_eq!(place.read("d"), "now a file");
        assert_eq!(place.read("other"), "deep");
        assert_eq!(place.read("g/x"), "x");
        assert_eq!(place.read("g/y"), "y");
        assert_eq!(place.stat("h").kind, Kind::Dir);
        let dir = fs::open_dir(&place.root()).unwrap();
        assert_eq!(tree::size(dir.as_fd()).unwrap(), summary.size);
    }

    #[test]
    fn sparse_files_of_all_formats_keep_their_holes() {
        let real = 1 << 20;
        let data = b"datadata";
        let run = |at: u64, length: u64| {
            let mut field = [0u8; 24];
            field[..12].copy_from_slice(format!("{at:011o}\0").as_bytes());
            field[12..].copy_from_slice(format!("{length:011o}\0").as_bytes());
            field
        };
        let old = |runs: &[[u8; 24]], rest: &[[u8; 24]]| {
            let mut header = tar::Header::new_gnu();
            let raw = header.as_old_mut();
            raw.name[..3].copy_from_slice(b"old");
            raw.linkflag = *b"S";
            header.set_mode(0o644);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(8);
            let bytes = header.as_mut_bytes();
            for (at, run) in runs.iter().enumerate() {
                bytes[386 + at * 24..][..24].copy_from_slice(run);
            }
            bytes[482] = u8::from(!rest.is_empty());
            let size = format!("{real:011o}\0");
            bytes[483..495].copy_from_slice(size.as_bytes());
            header.set_cksum();
            let mut blocks = header.as_bytes().to_vec();
            if !rest.is_empty() {
                blocks.extend(rest.concat());
                blocks.resize(1024, 0);
            }
            Tar(blocks).content(data)
        };
        let size = real.to_string();
        let file = |name| Entry { name, content: data, ..Entry::default() };
        let mut map = b"2\n4096\n4\n524288\n4\n".to_vec();
        map.resize(512, 0);
        map.extend_from_slice(data);
        let table = [
            old(&[run(4096, 4), run(524_288, 4), run(real, 0)], &[]),
            old(
                &[run(4096, 1), run(4097, 1), run(4098, 1), run(4099, 1)],
                &[run(524_288, 4)],
            ),
            Tar::new()
                .pax(&[
                    ("GNU.sparse.size", size.as_bytes()),
                    ("GNU.sparse.numblocks", b"2"),
                    ("GNU.sparse.offset", b"4096"),
                    ("GNU.sparse.numbytes", b"4"),
                    ("GNU.sparse.offset", b"524288"),
                    ("GNU.sparse.numbytes", b"4"),
                ])
                .entry(file("old")),
            Tar::new()
                .pax(&[
                    ("GNU.sparse.size", size.as_bytes()),
                    ("GNU.sparse.name", b"old"),
                    ("GNU.sparse.map", b"4096,4,524288,4"),
                ])
                .entry(file("GNUSparseFile.0/old")),
            Tar::new()
                .pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.name", b"old"),
                    ("GNU.sparse.realsize", size.as_bytes()),
                ])
                .entry(Entry {
                    name: "GNUSparseFile.0/old",
                    content: &map,
                    ..Entry::default()
                }),
        ];
        for (number, tar) in table.into_iter().enumerate() {
            let place = Place::new();
            let tar = tar.file("after", b"!").end();
            let summary = place.round_trip(&tar);
            assert_eq!(summary.size, real + 1, "format {number}");
            let bytes = std::fs::read(place.root().join("old")).unwrap();
            let mut want = vec![0; real as usize];
            want[4096..4100].copy_from_slice(b"data");
            want[524_288..524_292].copy_from_slice(b"data");
            assert!(bytes == want, "format {number}");
            assert!(place.stat("old").blocks <= 64, "format {number}");
            assert_eq!(place.read("after"), "!");
        }
        for (offset, length) in [(real, 8), (u64::from(u32::MAX), 8), (0, 9)] {
            let place = Place::new();
            let tar = old(&[run(offset, length)], &[]).end();
            assert!(place.layer(&tar).is_err(), "{offset} {length}");
        }
    }

    #[test]
    fn every_cut_of_an_archive_is_an_error_or_an_end() {
        let tar = Tar::new()
            .pax(&[("SCHILY.xattr.user.a", b"b")])
            .file("f", &[1; 700])
            .dir("d/")
            .0;
        for cut in (0..tar.len()).step_by(97) {
            let place = Place::new();
            let result = place.layer(&tar[..cut]);
            let whole = [0, 1024, 1024 + 512 + 1024].contains(&cut);
            assert!(result.is_err() || whole, "{cut}: {result:?}");
        }
    }

    #[test]
    fn a_tar_of_gnu_tar_comes_back_as_it_was() {
        let place = Place::new();
        let source = place.temp.path().join("outside");
        std::fs::create_dir_all(source.join("a/b")).unwrap();
        std::fs::write(source.join("a/b/x"), vec![3; 70_000]).unwrap();
        std::fs::write(source.join("a/empty"), b"").unwrap();
        let holes = File::create(source.join("holes")).unwrap();
        holes.set_len(3 << 20).unwrap();
        holes.write_all_at(b"end", (2 << 20) + 5).unwrap();
        std::fs::hard_link(source.join("a/b/x"), source.join("z")).unwrap();
        for format in ["gnu", "posix", "ustar", "v7", "oldgnu"] {
            let sparse = matches!(format, "gnu" | "posix");
            let output = std::process::Command::new("tar")
                .arg(format!("--format={format}"))
                .args(sparse.then_some("--sparse"))
                .arg("-C")
                .arg(&source)
                .args(["-cf", "-", "."])
                .output();
            let Ok(output) = output else {
                eprintln!("skipped: no tar program");
                return;
            };
            assert!(output.status.success(), "{output:?}");
            let inner = Place::new();
            inner.round_trip(&output.stdout);
            assert_eq!(inner.stat("holes").size, 3 << 20, "{format}");
            assert_eq!(inner.stat("a/b/x").ino, inner.stat("z").ino);
            let x = std::fs::read(inner.root().join("a/b/x")).unwrap();
            assert_eq!(x, vec![3; 70_000]);
        }
    }
}
