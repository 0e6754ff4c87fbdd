//! The framing of a tar: all its bytes that are not the content of a file
//! on disk (headers, padding, the zeros at the end), in their order, with
//! marks where a file's content stood. From it and the layer's files the
//! identical tar is made again.
//!
//! ```text
//! gzip( "skiff-framing 1\n"
//!       1 LENGTH bytes…                       literal bytes
//!       2 LENGTH path… LABEL RUNS (OFFSET LENGTH)…   content of a file
//!       3 TOTAL )                             the end; size of the tar
//! ```
//!
//! Numbers are LEB128. A file that a later entry of the same archive
//! replaced lies under its label in a directory of replaced files; the
//! label is the inode number that it had when it was unpacked.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::error::lossy;
use super::sparse::{MAX_RUNS, Run};
use super::{Error, Result};
use crate::sys::errno;
use crate::sys::fs::{self, Kind, OFlags};
use crate::sys::resolve::{self, Scope};

const HEAD: &[u8] = b"skiff-framing 1\n";
const LITERAL: u8 = 1;
const CONTENT: u8 = 2;
const END: u8 = 3;

/// How many literal bytes are gathered to one record.
const GATHER: usize = 32 << 10;
const MAX_PATH: u64 = 64 << 10;

/// Takes a tar's bytes as they are read, each once and in order.
pub trait Record {
    /// Takes bytes that are on no file.
    fn literal(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Notes that the content of the file at `path` stands here.
    fn content(
        &mut self,
        path: &[u8],
        label: u64,
        runs: &[Run],
    ) -> io::Result<()>;
}

/// Writes a framing.
pub struct Writer<W: Write> {
    out: GzEncoder<W>,
    gathered: Vec<u8>,
    total: u64,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    pub fn create(out: W) -> io::Result<Writer<W>> {
        // The headers repeat themselves so much that the fastest level
        // leaves a tenth of them.
        let mut out = GzEncoder::new(out, Compression::fast());
        out.write_all(HEAD)?;
        Ok(Writer { out, gathered: Vec::new(), total: 0 })
    }

    /// Ends it and returns what it was written to, not synced.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush_literal()?;
        let mut end = vec![END];
        push_number(&mut end, self.total);
        self.out.write_all(&end)?;
        self.out.finish()
    }

    fn flush_literal(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut head = vec![LITERAL];
        push_number(&mut head, self.gathered.len() as u64);
        self.out.write_all(&head)?;
        self.out.write_all(&self.gathered)?;
        self.gathered.clear();
        Ok(())
    }
}

impl<W: Write> Record for Writer<W> {
    fn literal(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.total += bytes.len() as u64;
        for part in bytes.chunks(GATHER) {
            if self.gathered.len() + part.len() > GATHER {
                self.flush_literal()?;
            }
            self.gathered.extend_from_slice(part);
        }
        Ok(())
    }

    fn content(
        &mut self,
        path: &[u8],
        label: u64,
        runs: &[Run],
    ) -> io::Result<()> {
        self.flush_literal()?;
        let mut record = vec![CONTENT];
        push_number(&mut record, path.len() as u64);
        record.extend_from_slice(path);
        push_number(&mut record, label);
        push_number(&mut record, runs.len() as u64);
        for run in runs {
            push_number(&mut record, run.offset);
            push_number(&mut record, run.length);
            self.total += run.length;
        }
        self.out.write_all(&record)
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Writes the tar of a layer again and returns its size. `root` holds the
/// layer's files, `replaced` those that a later entry replaced, if there
/// are any. Whether the tar is the right one is told by its digest only:
/// the caller compares it.
pub fn assemble(
    framing: impl Read,
    root: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
    out: &mut dyn Write,
) -> Result<u64> {
    let buffered = BufReader::with_capacity(64 << 10, framing);
    let mut input = BufReader::new(GzDecoder::new(buffered));
    let mut head = [0; HEAD.len()];
    input.read_exact(&mut head).map_err(Error::Framing)?;
    if head != HEAD {
        return Err(bad("unknown format"));
    }
    let mut buffer = vec![0; 128 << 10];
    let mut total = 0u64;
    loop {
        match byte(&mut input)? {
            LITERAL => {
                let length = number(&mut input)?;
                let mut part = input.by_ref().take(length);
                let copied =
                    io::copy(&mut part, out).map_err(Error::Framing)?;
                if copied < length {
                    return Err(bad("cut short"));
                }
                total += length;
            }
            CONTENT => {
                let length = number(&mut input)?;
                if length > MAX_PATH {
                    return Err(bad("path too long"));
                }
                let mut path = vec![0; length as usize];
                input.read_exact(&mut path).map_err(Error::Framing)?;
                let label = number(&mut input)?;
                let file = open(root, replaced, &path, label)?;
                let runs = number(&mut input)?;
                if runs > MAX_RUNS as u64 {
                    return Err(bad("too many runs"));
                }
                for _ in 0..runs {
                    let offset = number(&mut input)?;
                    let length = number(&mut input)?;
                    let run = Run { offset, length };
                    copy_run(&file, &path, run, &mut buffer, out)?;
                    total += length;
                }
            }
            END => {
                if number(&mut input)? != total {
                    return Err(bad("wrong size"));
                }
                return Ok(total);
            }
            _ => return Err(bad("unknown record")),
        }
    }
}

fn open(
    root: BorrowedFd<'_>,
    replaced: Option<BorrowedFd<'_>>,
    path: &[u8],
    label: u64,
) -> Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    if let Some(replaced) = replaced {
        match fs::open_at(replaced, label.to_string(), flags, 0) {
            Ok(fd) => return Ok(File::from(fd)),
            Err(e) if e.errno() == errno::ENOENT => {}
            Err(cause) => return Err(Error::file(path)(cause)),
        }
    }
    let name = Path::new(OsStr::from_bytes(path));
    let fd = resolve::open(root, name, flags, 0, Scope::NoLinks)
        .map_err(Error::file(path))?;
    if fs::stat(fd.as_fd()).map_err(Error::file(path))?.kind != Kind::File {
        return Err(Error::Changed { name: lossy(path) });
    }
    Ok(File::from(fd))
}

fn copy_run(
    file: &File,
    path: &[u8],
    run: Run,
    buffer: &mut [u8],
    out: &mut dyn Write,
) -> Result<()> {
    let (mut at, mut left) = (run.offset, run.length);
    while left > 0 {
        let want = left.min(buffer.len() as u64) as usize;
        let count = match file.read_at(&mut buffer[..want], at) {
            Ok(0) => return Err(Error::Changed { name: lossy(path) }),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(cause) => {
                let cause = crate::sys::Error::from_io("pread(…)", &cause);
                return Err(Error::file(path)(cause));
            }
        };
        out.write_all(&buffer[..count]).map_err(Error::Framing)?;
        at += count as u64;
        left -= count as u64;
    }
    Ok(())
}

fn bad(why: &'static str) -> Error {
    Error::Framing(io::Error::new(io::ErrorKind::InvalidData, why))
}

fn byte(input: &mut impl Read) -> Result<u8> {
    let mut byte = [0];
    input.read_exact(&mut byte).map_err(Error::Framing)?;
    Ok(byte[0])
}

fn number(input: &mut impl Read) -> Result<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = byte(input)?;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            break;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(bad("number too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn what_was_recorded_comes_back() {
        let temp = TempDir::new("framing");
        std::fs::create_dir_all(temp.path().join("root/a")).unwrap();
        std::fs::create_dir(temp.path().join("old")).unwrap();
        std::fs::write(temp.path().join("root/a/f"), "hello world").unwrap();
        std::fs::write(temp.path().join("old/77"), "former").unwrap();
        let mut writer = Writer::create(Vec::new()).unwrap();
        writer.literal(b"head").unwrap();
        writer.literal(&[7; 100_000]).unwrap();
        let run = |offset, length| Run { offset, length };
        writer.content(b"a/f", 5, &[run(0, 5), run(6, 5)]).unwrap();
        writer.content(b"a/f", 77, &[run(0, 6)]).unwrap();
        writer.literal(b"tail").unwrap();
        let framing = writer.finish().unwrap();
        let root = fs::open_dir(&temp.path().join("root")).unwrap();
        let old = fs::open_dir(&temp.path().join("old")).unwrap();
        let mut out = Vec::new();
        let old = Some(old.as_fd());
        let total =
            assemble(&framing[..], root.as_fd(), old, &mut out).unwrap();
        let want =
            [b"head", &[7; 100_000][..], b"helloworldformertail"].concat();
        assert_eq!(out, want);
        assert_eq!(total, want.len() as u64);
        // A shorter file, a file gone, a framing cut.
        std::fs::write(temp.path().join("root/a/f"), "hell").unwrap();
        let error = assemble(&framing[..], root.as_fd(), old, &mut io::sink())
            .unwrap_err();
        assert!(matches!(error, Error::Changed { .. }), "{error}");
        std::fs::remove_file(temp.path().join("root/a/f")).unwrap();
        assert!(
            assemble(&framing[..], root.as_fd(), old, &mut io::sink()).is_err()
        );
        let cut = &framing[..framing.len() - 20];
        assert!(assemble(cut, root.as_fd(), old, &mut io::sink()).is_err());
    }

    #[test]
    fn numbers_are_bounded() {
        for value in [0, 1, 127, 128, 1 << 40, u64::MAX] {
            let mut bytes = Vec::new();
            push_number(&mut bytes, value);
            assert_eq!(number(&mut &bytes[..]).unwrap(), value);
        }
        assert!(number(&mut &[0xff; 20][..]).is_err());
    }
}
