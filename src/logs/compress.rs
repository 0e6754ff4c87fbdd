//! Rotated files, made small. A short-lived process of its own does it, so
//! that the monitor never waits; it may be killed at any time, and the next
//! one goes on.
//!
//! ```text
//! NAME.2 ──▶ NAME.gz.tmp ──(lock)──▶ NAME.3.gz, if NAME.2 has been shifted
//! ```
//!
//! Whoever renames files holds the lock of their directory for that moment.
//! A compressed file remembers the inode of its source, so that a reader
//! that follows knows what it has read already.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use super::{numbered, packed, rotated};
use crate::sys::{self, memory};

/// The name under which `main` is executed to compress (`argv[0]`).
pub const COMPRESSOR: &str = "skiff-compress";

/// How long the directory's lock is waited for: it is held for moments.
const PATIENCE: Duration = Duration::from_secs(1);

/// Entered when the program is executed under the name [`COMPRESSOR`], with
/// the newest file's path and the number of files kept.
pub fn main(words: &[OsString]) -> ! {
    memory::use_one_arena();
    let path = words.get(1).map(PathBuf::from).unwrap_or_default();
    let files = words.get(2).and_then(|w| w.to_str()?.parse().ok());
    // What is left is found by the next one.
    let code = i32::from(compress(&path, files.unwrap_or(1)).is_err());
    std::process::exit(code)
}

/// Begins to compress; never waits.
pub(super) fn spawn(path: &Path, max_file: u32) -> io::Result<Child> {
    Command::new("/proc/self/exe")
        .arg0(COMPRESSOR)
        .arg(path)
        .arg(max_file.to_string())
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Compresses all rotated files that are not, the oldest first.
pub(super) fn compress(path: &Path, max_file: u32) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz.tmp");
    let temporary = PathBuf::from(name);
    let mut out = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&temporary)?;
    // Another one is at it.
    if !matches!(sys::fs::try_lock(&out), Ok(true)) {
        return Ok(());
    }
    for source in rotated(path, max_file) {
        let Ok(file) = File::open(&source) else { continue };
        out.set_len(0)?;
        out.seek(SeekFrom::Start(0))?;
        let inode = file.metadata()?.ino();
        let mode = file.metadata()?.permissions();
        let mut encoder = GzBuilder::new()
            .comment(inode.to_string())
            .write(out, Compression::fast());
        io::copy(&mut &file, &mut encoder)?;
        out = encoder.finish()?;
        out.set_permissions(mode)?;
        let lock = lock(path).ok_or(io::ErrorKind::WouldBlock)?;
        let has_inode = |p: &PathBuf| {
            std::fs::metadata(p).is_ok_and(|data| data.ino() == inode)
        };
        // It may have been shifted meanwhile, or be gone.
        if let Some(now) = rotated(path, max_file).iter().find(|p| has_inode(p))
        {
            std::fs::rename(&temporary, packed(now))?;
            std::fs::remove_file(now)?;
            out = File::options()
                .write(true)
                .create(true)
                .truncate(true)
                .open(&temporary)?;
        }
        drop(lock);
    }
    std::fs::remove_file(&temporary)
}

/// Takes the lock of a log's directory, if it comes free soon.
pub(super) fn lock(path: &Path) -> Option<File> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(lock) = try_lock(path) {
            return Some(lock);
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Takes the lock of a log's directory, if it is free.
pub(super) fn try_lock(path: &Path) -> Option<File> {
    let directory = File::open(path.parent()?).ok()?;
    matches!(sys::fs::try_lock(&directory), Ok(true)).then_some(directory)
}

/// Opens a rotated file as it is or compressed; tells whether it is.
pub(super) fn open(path: &Path, n: u32) -> io::Result<(File, bool)> {
    let name = numbered(path, n);
    match File::open(&name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Ok((File::open(packed(&name))?, true))
        }
        other => Ok((other?, false)),
    }
}

/// Returns the inode of the file that a compressed one was made of.
pub(super) fn source_inode(file: &File) -> Option<u64> {
    let mut decoder = MultiGzDecoder::new(file);
    let _ = decoder.read(&mut [0; 1]);
    let comment = decoder.header()?.comment()?;
    let inode = std::str::from_utf8(comment).ok()?.parse().ok();
    let mut file = file;
    file.seek(SeekFrom::Start(0)).ok()?;
    inode
}

/// Unpacks a compressed file into one without a name beside it. What is
/// damaged ends it.
pub(super) fn expand(file: &File, path: &Path) -> io::Result<File> {
    let unnamed = |directory: &Path| {
        let name = format!(".log-{}", std::process::id());
        let thread = format!("{:?}", std::thread::current().id());
        let path = directory.join(name + &thread);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)?;
        std::fs::remove_file(path)?;
        Ok::<File, io::Error>(file)
    };
    let near = path.parent().unwrap_or(Path::new("/"));
    let out = unnamed(near).or_else(|_| unnamed(&std::env::temp_dir()))?;
    let mut decoder = MultiGzDecoder::new(file);
    let mut block = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = decoder.read(&mut block) {
        (&out).write_all(&block[..n])?;
    }
    (&out).seek(SeekFrom::Start(0))?;
    Ok(out)
}
