//! Reads a log: the last lines, from a time, until a time, and on as it
//! grows. Never blocks on anything but the disk: when there is nothing more
//! for now it says so, and its descriptor tells when to look again, so that
//! a caller can wait for its client's hang-up at the same time.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::{Config, Driver, Entry, Error, compress, entry, tail};
use crate::sys::inotify::{Inotify, Watch};
use crate::sys::poll::EventFd;
use crate::time::Timestamp;

/// A longer line is not ours: one part has at most 16 KiB, six times that
/// when all of it is escaped, and the attributes.
const LINE_LIMIT: usize = 1024 * 1024;

/// Bytes read at once.
const BLOCK: usize = 32 * 1024;

/// How often a log is looked at when the kernel has no inotify instance
/// left for us.
const WITHOUT_INOTIFY: Duration = Duration::from_millis(200);

/// How much of what is already there is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// Everything.
    #[default]
    All,
    /// The last so many entries, both streams counted together.
    Last(u64),
}

/// What happens at the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Reading ends.
    #[default]
    No,
    /// Reading goes on with what is written later.
    Yes,
}

/// What is wanted of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// How much of what is there.
    pub tail: Tail,
    /// Leaves out what is older.
    pub since: Option<Timestamp>,
    /// Ends before what is newer.
    pub until: Option<Timestamp>,
    /// Whether to go on at the end.
    pub follow: Follow,
}

/// What [`Reader::next`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An entry.
    Entry(Entry),
    /// Nothing for now: wait until the reader's descriptor is readable, at
    /// most for [`Reader::wait_bound`], then ask again.
    Wait,
    /// There will be no more.
    End,
}

/// A reader of one container's log.
#[derive(Debug)]
pub struct Reader {
    config: Config,
    query: Query,
    current: Option<Source>,
    /// Newer files, to be read after the current one.
    later: VecDeque<Held>,
    watcher: Watcher,
    /// Pending changes were taken and the file was at its end since then.
    settled: bool,
    done: bool,
}

#[derive(Debug)]
enum Watcher {
    /// Nothing to wait for: the log is not followed.
    Off(EventFd),
    Inotify(Inotify),
    /// No instance left: the descriptor never becomes readable.
    Timed(EventFd),
}

/// A file that may be read later.
#[derive(Debug)]
struct Held {
    file: File,
    /// Compressed.
    packed: bool,
    /// Of the file itself, or of what it was made of.
    id: (u64, u64),
}

#[derive(Debug)]
struct Source {
    file: File,
    id: (u64, u64),
    /// Bytes read of the file.
    offset: u64,
    /// Bytes to read at most: the size when a plain reading began.
    limit: Option<u64>,
    buffer: Vec<u8>,
    /// How much of `buffer` was given out.
    given: usize,
    /// In the middle of a line that is too long.
    skipping: bool,
    /// A newer file exists and the end was not yet reached since then.
    superseded: bool,
}

impl Reader {
    /// Opens a log. One that has no file yet is empty, not an error.
    pub fn open(config: &Config, query: Query) -> Result<Reader, Error> {
        if config.driver == Driver::None {
            return Err(Error::NotReadable);
        }
        let failed = |e: io::Error| Error::Read(config.path.clone(), e);
        // Watch first, look later: nothing falls between the two.
        let watcher = match query.follow {
            Follow::Yes => Watcher::start(&config.path),
            Follow::No => EventFd::open().map(Watcher::Off),
        };
        let watcher = watcher.map_err(|e| failed(e.into()))?;
        let mut reader = Reader {
            config: config.clone(),
            query,
            current: None,
            later: files(config).map_err(failed)?,
            watcher,
            settled: false,
            done: false,
        };
        reader.seek().map_err(failed)?;
        Ok(reader)
    }

    /// Returns the next entry, if there is one. Never waits.
    #[expect(clippy::should_implement_trait, reason = "Wait is no item")]
    pub fn next(&mut self) -> Result<Next, Error> {
        while !self.done {
            let line = self.current.as_mut().and_then(Source::line);
            if let Some(entry) = line {
                let Some(entry) = entry else { continue };
                if self.query.until.is_some_and(|until| entry.time > until) {
                    self.done = true;
                } else if self.query.since.is_none_or(|s| entry.time >= s) {
                    return Ok(Next::Entry(entry));
                }
                continue;
            }
            let more = match &mut self.current {
                Some(source) => source.fill(),
                None => Ok(false),
            };
            let more = match more {
                Ok(true) => Ok(true),
                Ok(false) => self.advance(),
                Err(e) => Err(e),
            };
            if more.map_err(|e| Error::Read(self.config.path.clone(), e))? {
                self.settled = false;
                continue;
            }
            if self.query.follow == Follow::No || self.is_past() {
                self.done = true;
            } else if self.settled {
                self.settled = false;
                return Ok(Next::Wait);
            } else {
                self.watcher.take(&self.config.path);
                self.settled = true;
            }
        }
        Ok(Next::End)
    }

    /// Ends the following: what is in the log now is still given out, then
    /// comes [`Next::End`]. To be called when the container has ended.
    pub fn stop_following(&mut self) {
        self.query.follow = Follow::No;
    }

    /// Returns how long to wait at most after [`Next::Wait`].
    pub fn wait_bound(&self) -> Option<Duration> {
        let timed = match self.watcher {
            Watcher::Timed(_) => Some(WITHOUT_INOTIFY),
            _ => None,
        };
        let until = self.query.until.map(|until| {
            let left = until.unix_nanos() - Timestamp::now().unix_nanos();
            // One more millisecond: then the time is surely over.
            let left = left.clamp(0, 86_400_000_000_000) as u64 + 1_000_000;
            Duration::from_nanos(left)
        });
        timed.into_iter().chain(until).min()
    }

    fn is_past(&self) -> bool {
        self.query.until.is_some_and(|until| Timestamp::now() > until)
    }

    /// Chooses the first file and the place in it.
    fn seek(&mut self) -> io::Result<()> {
        let mut wanted = match self.query.tail {
            Tail::All => u64::MAX,
            Tail::Last(n) => n,
        };
        let bounded = self.query.follow == Follow::No;
        let mut chosen = VecDeque::new();
        let mut start = 0;
        while let Some(held) = self.later.pop_back() {
            let held = match wanted {
                0..u64::MAX => held.expand(&self.config.path)?,
                u64::MAX => held,
            };
            let len = held.file.metadata()?.len();
            let limit = (bounded && chosen.is_empty()).then_some(len);
            if wanted < u64::MAX {
                let found = tail::find(&held.file, len, wanted)?;
                start = found.start;
                wanted -= found.lines;
            }
            chosen.push_front((held, limit));
            if wanted == 0 {
                break;
            }
        }
        if let Some((held, limit)) = chosen.pop_front() {
            let held = held.expand(&self.config.path)?;
            self.current = Some(Source::open(held, start, limit)?);
            // A limit is the newest file's; if that one is not the current,
            // it stands alone and unlimited: a little more is no harm.
            self.later = chosen.into_iter().map(|(held, _)| held).collect();
        }
        Ok(())
    }

    /// Goes on when the current file is at its end: to the next file, or
    /// from the start of a file that was cut. False if there is nothing to
    /// go on to.
    fn advance(&mut self) -> io::Result<bool> {
        if let Some(next) = self.later.pop_front() {
            let next = next.expand(&self.config.path)?;
            self.current = Some(Source::open(next, 0, None)?);
            return Ok(true);
        }
        // One that has followed still steps over the last rotations.
        if matches!(self.watcher, Watcher::Off(_)) {
            return Ok(false);
        }
        if let Some(source) = &mut self.current
            && source.file.metadata()?.len() < source.offset
        {
            source.restart()?;
            return Ok(true);
        }
        let newest = match std::fs::metadata(&self.config.path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            // Between the two steps of a rotation, or not yet made.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(e),
        };
        match &mut self.current {
            Some(source) if source.id == newest => return Ok(false),
            Some(source) if !source.superseded => {
                // Lines may have come between the end and the rotation.
                source.superseded = true;
                return Ok(true);
            }
            _ => {}
        }
        let mut files = files(&self.config)?;
        if let Some(source) = &self.current {
            // An inode is used again: the newest is the one.
            let known = files.iter().rposition(|f| f.id == source.id);
            // If ours is gone already, all that exist are newer.
            files.drain(..known.map_or(0, |at| at + 1));
        }
        self.later = files;
        Ok(!self.later.is_empty())
    }
}

impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.watcher {
            Watcher::Inotify(inotify) => inotify.as_fd(),
            Watcher::Off(event) | Watcher::Timed(event) => event.as_fd(),
        }
    }
}

impl Watcher {
    fn start(path: &Path) -> crate::sys::Result<Watcher> {
        let Ok(inotify) = Inotify::open() else {
            return EventFd::open().map(Watcher::Timed);
        };
        let parent = path.parent().unwrap_or(Path::new("/"));
        if inotify.add(parent, Watch::Names).is_err() {
            return EventFd::open().map(Watcher::Timed);
        }
        let watcher = Watcher::Inotify(inotify);
        watcher.take(path);
        Ok(watcher)
    }

    /// Takes pending changes, and watches the file that has the name now.
    fn take(&self, path: &Path) {
        if let Watcher::Inotify(inotify) = self {
            inotify.drain();
            // A file that is watched already stays so; one that is not
            // there yet is announced by its directory.
            let _ = inotify.add(path, Watch::Content);
        }
    }
}

impl Source {
    fn open(held: Held, start: u64, limit: Option<u64>) -> io::Result<Source> {
        let Held { mut file, id, .. } = held;
        file.seek(SeekFrom::Start(start))?;
        Ok(Source {
            id,
            file,
            offset: start,
            limit,
            buffer: Vec::new(),
            given: 0,
            skipping: false,
            superseded: false,
        })
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        self.offset = 0;
        self.buffer.clear();
        self.given = 0;
        self.skipping = false;
        Ok(())
    }

    /// Takes the next whole line out of the buffer: `None` if there is
    /// none, `Some(None)` if it is no entry.
    fn line(&mut self) -> Option<Option<Entry>> {
        let rest = &self.buffer[self.given..];
        let end = rest.iter().position(|b| *b == b'\n')?;
        let line = &rest[..end];
        self.given += end + 1;
        if std::mem::take(&mut self.skipping) {
            return Some(None);
        }
        Some(entry::decode(line))
    }

    /// Reads more of the file; false at its end.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.given);
        self.given = 0;
        if self.buffer.len() > LINE_LIMIT {
            self.buffer.clear();
            self.skipping = true;
        }
        let room = match self.limit {
            Some(limit) => limit.saturating_sub(self.offset).min(BLOCK as u64),
            None => BLOCK as u64,
        } as usize;
        let old = self.buffer.len();
        self.buffer.resize(old + room, 0);
        let got = loop {
            match self.file.read(&mut self.buffer[old..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => break other,
            }
        };
        self.buffer.truncate(old + *got.as_ref().unwrap_or(&0));
        let got = got?;
        self.offset += got as u64;
        Ok(got > 0)
    }
}

fn id(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Held {
    /// Makes a compressed file a plain one.
    fn expand(self, path: &Path) -> io::Result<Held> {
        if !self.packed {
            return Ok(self);
        }
        let file = compress::expand(&self.file, path)?;
        Ok(Held { file, packed: false, ..self })
    }
}

/// Opens all files of a log, oldest first.
fn files(config: &Config) -> io::Result<VecDeque<Held>> {
    let path = &config.path;
    let mut files: VecDeque<Held> = VecDeque::new();
    // A file that is being compressed or shifted must not show twice.
    let _lock = config.compress.then(|| compress::lock(path));
    // From the newest to the oldest: a rotation in between then shows a
    // file twice, and not one too few.
    for n in 0..config.max_file.clamp(1, 1000) {
        let opened = match n {
            0 => File::open(path).map(|file| (file, false)),
            _ => compress::open(path, n),
        };
        match opened {
            Ok((file, packed)) => {
                let mut id = id(&file)?;
                if packed {
                    id.1 = compress::source_inode(&file).unwrap_or(0);
                }
                if packed || !files.iter().any(|other| other.id == id) {
                    files.push_front(Held { file, packed, id });
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                // The newest may be missing in the middle of a rotation.
                if n > 0 {
                    break;
                }
            }
            Err(e) => return Err(e),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
