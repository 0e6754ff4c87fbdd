//! Appends a container's output to its log: whole lines, one write for all
//! lines of a batch. A disk that refuses never stops the program: the
//! lines are dropped and counted, and no half line stays in the file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use super::entry::Ending;
use super::lines::{Lines, Piece};
use super::remote::Sender;
use super::{Config, Driver, Error, Stream, compress, entry, numbered, packed};
use crate::time::Timestamp;

/// How often it is looked whether compressing is over, at least.
const COMPRESSING: Duration = Duration::from_secs(1);

/// Bytes of a batch from which more of its size are expected.
const BUSY: usize = 16 * 1024;

/// The writing end of a container's log. Only one may exist for a file.
#[derive(Debug)]
pub struct Writer {
    config: Config,
    /// `None` with the driver `none`, and while a rotation is unfinished.
    file: Option<File>,
    /// Bytes in the newest file, as far as this writer knows.
    size: u64,
    stdout: Lines,
    stderr: Lines,
    /// Ready JSON of the attributes, or empty.
    attrs: String,
    dropped: u64,
    /// A buffer for the next batch.
    spare: Vec<u8>,
    /// The service that gets the lines too.
    remote: Option<Sender>,
    /// Compresses rotated files.
    compressor: Option<Child>,
}

impl Writer {
    /// Opens the log for appending; makes the file if it is missing. A half
    /// line that an earlier power cut left is ended first.
    pub fn open(config: &Config) -> Result<Writer, Error> {
        let attrs = match config.attrs.is_empty() {
            true => String::new(),
            // A map of strings always has a JSON form.
            false => serde_json::to_string(&config.attrs).unwrap_or_default(),
        };
        let mut writer = Writer {
            config: config.clone(),
            file: None,
            size: 0,
            stdout: Lines::default(),
            stderr: Lines::default(),
            attrs,
            dropped: 0,
            spare: Vec::new(),
            remote: config.remote.as_ref().map(Sender::new),
            compressor: None,
        };
        if config.driver == Driver::JsonFile {
            let (file, size) = open(&config.path)
                .map_err(|e| Error::Open(config.path.clone(), e))?;
            writer.file = Some(file);
            writer.size = size;
        }
        Ok(writer)
    }

    /// Takes bytes that the program wrote, read at `now`.
    pub fn feed(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        let keeps = self.config.driver != Driver::None;
        if !keeps && self.remote.is_none() {
            return;
        }
        let spare = std::mem::take(&mut self.spare);
        let mut batch = Batch::new(stream, &self.attrs, spare);
        let lines = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let remote = &mut self.remote;
        lines.feed(bytes, now, |piece| {
            if let Some(remote) = remote {
                remote.add(stream, &piece);
            }
            if keeps {
                batch.add(piece);
            }
        });
        let Batch { bytes: mut batch, lines, .. } = batch;
        self.append(&batch, lines);
        self.tick();
        // Who writes much writes on: its buffer stays for the next time.
        if bytes.len() >= BUSY {
            batch.clear();
            self.spare = batch;
        }
    }

    /// Goes on with what is done beside: to be called when
    /// [`Writer::waits_for`] is writable, or [`Writer::wake_in`] has passed.
    pub fn tick(&mut self) {
        if let Some(remote) = &mut self.remote {
            remote.flush();
        }
        if let Some(child) = &mut self.compressor
            && !matches!(child.try_wait(), Ok(None))
        {
            self.compressor = None;
        }
    }

    /// Returns what is to become writable before more can be sent.
    pub fn waits_for(&self) -> Option<BorrowedFd<'_>> {
        self.remote.as_ref()?.waits_for()
    }

    /// Returns when to look again, if there is something to do then.
    pub fn wake_in(&self) -> Option<Duration> {
        let remote = self.remote.as_ref().and_then(Sender::wake_in);
        let compressor = self.compressor.as_ref().map(|_| COMPRESSING);
        remote.into_iter().chain(compressor).min()
    }

    /// Ends a stream: an unfinished line is written as it is.
    pub fn finish(&mut self, stream: Stream, now: Timestamp) {
        let mut batch = Batch::new(stream, &self.attrs, Vec::new());
        let lines = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let keeps = self.config.driver != Driver::None;
        let remote = &mut self.remote;
        lines.finish(now, |piece| {
            if let Some(remote) = remote {
                remote.add(stream, &piece);
            }
            if keeps {
                batch.add(piece);
            }
        });
        let Batch { bytes, lines, .. } = batch;
        self.append(&bytes, lines);
        self.tick();
    }

    /// Ends both streams and closes the file; what is fed later is lost.
    pub fn close(&mut self, now: Timestamp) {
        self.finish(Stream::Stdout, now);
        self.finish(Stream::Stderr, now);
        self.file = None;
        self.config.driver = Driver::None;
        if let Some(mut remote) = self.remote.take() {
            remote.finish();
            self.dropped += remote.dropped;
        }
    }

    /// Returns how many lines were dropped because the disk refused them,
    /// or the service that they are sent to.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Appends encoded lines, to more than one file if they are more than
    /// one may hold.
    fn append(&mut self, mut bytes: &[u8], mut lines: u64) {
        while let Some(max) = self.config.max_size {
            let room = max.saturating_sub(self.size_after_rotation());
            let Some(end) = line_end_beyond(bytes, room) else { break };
            let (part, rest) = bytes.split_at(end);
            let ends = part.iter().filter(|b| **b == b'\n').count() as u64;
            self.append_part(part, ends.min(lines));
            bytes = rest;
            lines -= ends.min(lines);
        }
        self.append_part(bytes, lines);
    }

    /// Size of the file that the next line goes to.
    fn size_after_rotation(&self) -> u64 {
        match self.config.max_size {
            Some(max) if self.size >= max => 0,
            _ => self.size,
        }
    }

    fn append_part(&mut self, bytes: &[u8], lines: u64) {
        if bytes.is_empty() {
            return;
        }
        self.rotate_if_due();
        let Some(file) = &mut self.file else {
            self.dropped += lines;
            return;
        };
        let kept = append(file, bytes);
        self.size += kept as u64;
        if kept < bytes.len() {
            let ends = bytes[..kept].iter().filter(|b| **b == b'\n').count();
            self.dropped += lines.saturating_sub(ends as u64);
        }
    }

    /// Rotates when the newest file has reached its size. On failure the
    /// old file goes on growing: a line kept is worth more than a bound.
    fn rotate_if_due(&mut self) {
        let full = self.config.max_size.is_some_and(|max| self.size >= max);
        if (!full && self.file.is_some()) || self.config.driver == Driver::None
        {
            return;
        }
        if full && !self.shift() {
            return;
        }
        // Not cut in place but a new file: a reader that follows still has
        // the old one open and misses nothing.
        if let Ok((file, size)) = open(&self.config.path) {
            self.file = Some(file);
            self.size = size;
        }
    }

    /// Makes the name of the newest file free, and has what is older
    /// compressed. False if it has to stay for now.
    fn shift(&mut self) -> bool {
        if !self.config.compress {
            return shift(&self.config).is_ok();
        }
        // Held by readers and the compressor, for moments.
        let Some(_lock) = compress::try_lock(&self.config.path) else {
            return false;
        };
        let shifted = shift(&self.config).is_ok();
        if shifted && self.compressor.is_none() {
            let Config { path, max_file, .. } = &self.config;
            self.compressor = compress::spawn(path, *max_file).ok();
        }
        shifted
    }
}

/// Where the line ends that takes a file to its size, unless it is the last.
fn line_end_beyond(bytes: &[u8], room: u64) -> Option<usize> {
    let from = usize::try_from(room.saturating_sub(1)).ok()?;
    let rest = bytes.get(from..)?;
    let end = from + rest.iter().position(|b| *b == b'\n')? + 1;
    (end < bytes.len()).then_some(end)
}

/// Makes the name of the newest file free.
fn shift(config: &Config) -> io::Result<()> {
    let path = &config.path;
    let missing_is_fine = |result: io::Result<()>| match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    if config.max_file < 2 {
        return missing_is_fine(std::fs::remove_file(path));
    }
    let last = numbered(path, config.max_file - 1);
    if config.compress {
        missing_is_fine(std::fs::remove_file(packed(&last)))?;
        missing_is_fine(std::fs::remove_file(&last))?;
    }
    for n in (1..config.max_file - 1).rev() {
        let (from, to) = (numbered(path, n), numbered(path, n + 1));
        missing_is_fine(std::fs::rename(&from, &to))?;
        if config.compress {
            missing_is_fine(std::fs::rename(packed(&from), packed(&to)))?;
        }
    }
    missing_is_fine(std::fs::rename(path, numbered(path, 1)))
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    let mut size = file.metadata()?.len();
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::Start(size - 1))?;
        if file.read(&mut last)? == 1 && last[0] != b'\n' {
            // If the disk is full the half line spoils the next one; the
            // reader skips both.
            size += file.write(b"\n").unwrap_or(0) as u64;
        }
    }
    Ok((file, size))
}

/// Appends as many whole lines as the disk takes; returns how many bytes
/// that are.
fn append(file: &mut File, bytes: &[u8]) -> usize {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        }
    }
    if done == bytes.len() {
        return done;
    }
    let newline = bytes[..done].iter().rposition(|b| *b == b'\n');
    let whole = newline.map_or(0, |at| at + 1);
    // Shortening needs no space on the disk. If it fails all the same, the
    // reader skips the half line.
    if let Ok(metadata) = file.metadata() {
        let _ =
            file.set_len(metadata.len().saturating_sub((done - whole) as u64));
    }
    whole
}

/// Encoded lines on their way into one write.
struct Batch<'a> {
    stream: Stream,
    attrs: &'a str,
    ending: Ending,
    bytes: Vec<u8>,
    lines: u64,
}

impl<'a> Batch<'a> {
    fn new(stream: Stream, attrs: &'a str, bytes: Vec<u8>) -> Batch<'a> {
        Batch { stream, attrs, ending: Ending::default(), bytes, lines: 0 }
    }

    fn add(&mut self, piece: Piece<'_>) {
        let (text, time, feed) = match piece {
            Piece::Line(text, time) => (text, time, "\\n"),
            Piece::Part(text, time) => (text, time, ""),
        };
        let whose = (self.stream, self.attrs);
        let (out, ending) = (&mut self.bytes, &mut self.ending);
        entry::encode(out, whose, time, text, feed, ending);
        self.lines += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir()
            .join(format!("skiff-logw-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix(second, 0)
    }

    #[test]
    fn lines_of_both_streams_go_into_one_file() {
        let dir = dir("both");
        let config = Config::json_file(dir.join("log"));
        let mut writer = Writer::open(&config).unwrap();
        writer.feed(Stream::Stdout, b"one\ntw", at(1));
        writer.feed(Stream::Stderr, b"err\n", at(2));
        writer.feed(Stream::Stdout, b"o\nend", at(3));
        writer.finish(Stream::Stdout, at(4));
        let text = std::fs::read_to_string(&config.path).unwrap();
        let logs: Vec<_> =
            text.lines().map(|l| l.split('"').nth(3).unwrap()).collect();
        assert_eq!(logs, ["one\\n", "err\\n", "two\\n", "end"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_full_disk_drops_and_counts_lines() {
        let mut writer = Writer::open(&Config::json_file("/dev/full")).unwrap();
        writer.feed(Stream::Stdout, b"one\ntwo\nthr", at(1));
        assert_eq!(writer.dropped(), 2);
        writer.finish(Stream::Stdout, at(1));
        assert_eq!(writer.dropped(), 3);
    }

    #[test]
    fn files_rotate_and_the_oldest_goes() {
        let dir = dir("rotate");
        let config = Config {
            max_size: Some(100),
            max_file: 3,
            ..Config::json_file(dir.join("log"))
        };
        let mut writer = Writer::open(&config).unwrap();
        for n in 0..10 {
            let line = format!("line {n} {}\n", "x".repeat(60));
            writer.feed(Stream::Stdout, line.as_bytes(), at(n));
        }
        let read =
            |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(read("log").contains("line 9"));
        assert!(read("log.1").contains("line 8"));
        assert!(read("log.2").contains("line 7"));
        assert!(!dir.join("log.3").exists());
        config.remove().unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn one_write_may_fill_several_files() {
        let dir = dir("burst");
        let config = Config {
            max_size: Some(1000),
            max_file: 3,
            ..Config::json_file(dir.join("log"))
        };
        let mut writer = Writer::open(&config).unwrap();
        let lines: String = (0..200).map(|n| format!("line {n}\n")).collect();
        writer.feed(Stream::Stdout, lines.as_bytes(), at(1));
        let mut kept = String::new();
        for name in ["log.2", "log.1", "log"] {
            let text = std::fs::read_to_string(dir.join(name)).unwrap();
            assert!(text.len() < 1100, "{name}: {}", text.len());
            assert!(text.ends_with('\n'));
            kept.push_str(&text);
        }
        let last: Vec<&str> = kept.lines().collect();
        assert!(last[last.len() - 1].contains("line 199"));
        assert!(last[last.len() - 2].contains("line 198"));
        assert!(!dir.join("log.3").exists());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn with_one_file_a_rotation_starts_anew() {
        let dir = dir("one");
        let config =
            Config { max_size: Some(10), ..Config::json_file(dir.join("log")) };
        let mut writer = Writer::open(&config).unwrap();
        writer.feed(Stream::Stdout, b"first\n", at(1));
        writer.feed(Stream::Stdout, b"second\n", at(1));
        let text = std::fs::read_to_string(dir.join("log")).unwrap();
        assert!(text.contains("second") && !text.contains("first"));
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_half_line_of_a_power_cut_is_ended_before_the_next() {
        let dir = dir("half");
        let config = Config::json_file(dir.join("log"));
        std::fs::write(&config.path, "{\"log\":\"ha").unwrap();
        let mut writer = Writer::open(&config).unwrap();
        writer.feed(Stream::Stdout, b"whole\n", at(1));
        let text = std::fs::read_to_string(&config.path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(
            entry::decode(text.lines().nth(1).unwrap().as_bytes()).is_some()
        );
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn the_driver_none_keeps_nothing() {
        let config = Config { driver: Driver::None, ..Config::default() };
        let mut writer = Writer::open(&config).unwrap();
        writer.feed(Stream::Stdout, b"x\n", at(1));
        writer.finish(Stream::Stdout, at(1));
        assert_eq!(writer.dropped(), 0);
    }
}
