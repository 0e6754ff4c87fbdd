//! From the blocks of a tar to its entries, one after the other, as a
//! stream: PAX headers, GNU long names and sparse maps are put together
//! here. Every byte that is not a file's content goes to the recorder.

use std::io::{self, Read};

use super::framing::Record;
use super::header::{self, BLOCK, Header};
use super::pax::{self, Pax};
use super::sparse::{self, Run};
use super::{Error, Result};

/// The most bytes of one extended header, one long name, or one sparse
/// map (Go's reader has the same bound).
const MAX_SPECIAL: u64 = 1 << 20;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A further name of a file.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    Char,
    /// A block device.
    Block,
    /// A directory.
    Dir,
    /// A named pipe.
    Fifo,
    /// PAX records for all entries that follow: nothing to make.
    Global,
    /// Something else, by its flag.
    Other(u8),
}

/// One entry, all its headers put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its name, as written.
    pub name: Vec<u8>,
    /// The target of a link, as written.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// The file's length, with its holes.
    pub size: u64,
    /// Modification time.
    pub mtime: (i64, u32),
    /// Access time.
    pub atime: (i64, u32),
    /// Device numbers.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The runs of data that the archive carries, one after the other.
    pub runs: Vec<Run>,
}

/// Reads the entries of a tar.
pub struct Reader<'a, R> {
    input: R,
    record: Option<&'a mut dyn Record>,
    /// Bytes of the tar that were read.
    offset: u64,
    /// Content of the current entry that is left.
    left: u64,
    /// Padding behind it.
    padding: u64,
    ended: bool,
    /// What names begin with, and what they begin with instead.
    rename: Option<(Vec<u8>, Vec<u8>)>,
}

/// Puts `new` in the place of the first `old` of a name.
fn rename(name: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let at = match old.len() {
        0 => Some(0),
        length => name.windows(length).position(|part| part == old),
    };
    if let Some(at) = at {
        name.splice(at..at + old.len(), new.iter().copied());
    }
}

impl<'a, R: Read> Reader<'a, R> {
    /// Reads from `input`, which should be buffered.
    pub fn new(input: R, record: Option<&'a mut dyn Record>) -> Reader<'a, R> {
        Reader {
            input,
            record,
            offset: 0,
            left: 0,
            padding: 0,
            ended: false,
            rename: None,
        }
    }

    /// Gives names another beginning, targets of hard links too.
    pub fn renamed(self, rename: Option<(Vec<u8>, Vec<u8>)>) -> Reader<'a, R> {
        Reader { rename, ..self }
    }

    /// Returns the next entry; `None` at the end, when the tar was read to
    /// its very last byte. Content that was not read is skipped.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut pax = Pax::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.skip_content()?;
            if self.ended {
                return Ok(None);
            }
            let Some(block) = self.header_block()? else {
                self.ended = true;
                return Ok(None);
            };
            let at = self.offset - BLOCK as u64;
            let bad = |why| Error::Header { why, offset: at };
            let mut header = header::parse(&block).map_err(bad)?;
            match header.flag {
                b'x' | b'X' => {
                    let payload = self.special(header.size, at)?;
                    pax = pax::parse(&payload).map_err(bad)?;
                }
                b'L' => long_name = Some(self.long(header.size, at)?),
                b'K' => long_link = Some(self.long(header.size, at)?),
                _ => {
                    if let Some(name) = long_name {
                        header.name = name;
                    }
                    if let Some(link) = long_link {
                        header.link = link;
                    }
                    let mut entry = self.entry(header, pax, at)?;
                    if let Some((old, new)) = &self.rename {
                        rename(&mut entry.name, old, new);
                        if entry.kind == Kind::HardLink {
                            rename(&mut entry.link, old, new);
                        }
                    }
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// Reads content of the current entry; 0 at its end. What is read so
    /// is not recorded.
    pub fn read_content(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let want = self.left.min(buffer.len() as u64) as usize;
        if want == 0 {
            return Ok(0);
        }
        let count = self.read_some(&mut buffer[..want])?;
        if count == 0 {
            return Err(Error::Truncated);
        }
        self.left -= count as u64;
        Ok(count)
    }

    /// Records bytes that are on no file.
    pub fn record_literal(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.record {
            Some(record) => record.literal(bytes).map_err(Error::Framing),
            None => Ok(()),
        }
    }

    /// Records that the current entry's content is in a file.
    pub fn record_content(
        &mut self,
        path: &[u8],
        label: u64,
        runs: &[Run],
    ) -> Result<()> {
        match &mut self.record {
            Some(record) => {
                record.content(path, label, runs).map_err(Error::Framing)
            }
            None => Ok(()),
        }
    }

    fn entry(&mut self, head: Header, pax: Pax, at: u64) -> Result<Entry> {
        let bad = |why| Error::Header { why, offset: at };
        let name = pax.path.unwrap_or(head.name);
        let size = pax.size.unwrap_or(head.size);
        let kind = match head.flag {
            // Before POSIX, a slash at the end was what made a directory.
            b'0' | 0 if name.ends_with(b"/") => Kind::Dir,
            b'0' | 0 | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::Symlink,
            b'3' => Kind::Char,
            b'4' => Kind::Block,
            b'5' => Kind::Dir,
            b'6' => Kind::Fifo,
            b'g' => Kind::Global,
            flag => Kind::Other(flag),
        };
        // As Go: these have no content whatever the header says.
        let has_content =
            matches!(kind, Kind::File | Kind::Global | Kind::Other(_));
        self.left = if has_content { size } else { 0 };
        self.padding = self.left.wrapping_neg() % BLOCK as u64;
        let mtime = pax.mtime.unwrap_or((head.mtime, 0));
        let id = |value: i64| {
            u32::try_from(value).map_err(|_| bad("owner out of range"))
        };
        let mut entry = Entry {
            kind,
            name,
            link: pax.link.unwrap_or(head.link),
            mode: head.mode,
            uid: id(pax.uid.unwrap_or(head.uid))?,
            gid: id(pax.gid.unwrap_or(head.gid))?,
            size: self.left,
            mtime,
            atime: pax.atime.unwrap_or(mtime),
            device: head.device,
            xattrs: pax.xattrs,
            runs: Vec::new(),
        };
        if kind == Kind::File {
            let map = match head.sparse {
                Some(gnu) => Some((self.extensions(gnu, at)?, None)),
                None => self.pax_map(pax.sparse, at)?,
            };
            entry.runs = match map {
                None => vec![Run { offset: 0, length: size }],
                Some(((pairs, real_size), name)) => {
                    entry.size = real_size;
                    entry.name = name.unwrap_or(entry.name);
                    sparse::check(&pairs, real_size, self.left).map_err(bad)?
                }
            };
        }
        Ok(entry)
    }

    /// Reads the blocks of further runs behind an old GNU sparse header.
    fn extensions(
        &mut self,
        mut gnu: header::GnuSparse,
        at: u64,
    ) -> Result<Map> {
        let bad = |why| Error::Header { why, offset: at };
        while gnu.extended {
            let mut block = [0; BLOCK];
            self.recorded(&mut block)?;
            gnu.extended =
                header::parse_extension(&block, &mut gnu.runs).map_err(bad)?;
            if gnu.runs.len() > sparse::MAX_RUNS {
                return Err(bad("sparse map too long"));
            }
        }
        Ok((gnu.runs, gnu.real_size))
    }

    /// Takes the map from PAX records, or from before the data.
    fn pax_map(
        &mut self,
        sparse: pax::Sparse,
        at: u64,
    ) -> Result<Option<(Map, Option<Vec<u8>>)>> {
        let bad = |why| Error::Header { why, offset: at };
        let Some(version) = sparse.version else { return Ok(None) };
        let real_size =
            sparse.real_size.ok_or(bad("sparse file without its size"))?;
        let pairs = match version {
            (0, 0 | 1) => {
                sparse.map.chunks_exact(2).map(|p| (p[0], p[1])).collect()
            }
            (1, 0) => self.lines(at)?,
            _ => return Err(bad("unknown sparse format")),
        };
        Ok(Some(((pairs, real_size), sparse.name)))
    }

    fn lines(&mut self, at: u64) -> Result<Vec<(u64, u64)>> {
        let bad = |why| Error::Header { why, offset: at };
        let (mut text, mut seen, mut wanted) = (Vec::new(), 0, None);
        loop {
            if self.left < BLOCK as u64 || text.len() as u64 >= MAX_SPECIAL {
                return Err(bad("sparse map without an end"));
            }
            let mut block = [0; BLOCK];
            self.recorded(&mut block)?;
            self.left -= BLOCK as u64;
            text.extend_from_slice(&block);
            seen += block.iter().filter(|byte| **byte == b'\n').count();
            if wanted.is_none() {
                wanted = sparse::lines(&text).map_err(bad)?;
            }
            if wanted.is_some_and(|wanted| seen >= wanted) {
                return sparse::parse_lines(&text).map_err(bad);
            }
        }
    }

    /// Reads the payload of a header that stands for others.
    fn special(&mut self, size: u64, at: u64) -> Result<Vec<u8>> {
        if size > MAX_SPECIAL {
            return Err(Error::Header {
                why: "extended header too large",
                offset: at,
            });
        }
        let mut payload = vec![0; size as usize];
        self.recorded(&mut payload)?;
        self.padding = size.wrapping_neg() % BLOCK as u64;
        Ok(payload)
    }

    fn long(&mut self, size: u64, at: u64) -> Result<Vec<u8>> {
        let mut text = self.special(size, at)?;
        if let Some(end) = text.iter().position(|byte| *byte == 0) {
            text.truncate(end);
        }
        Ok(text)
    }

    /// Skips what is left of the current entry, recording it.
    fn skip_content(&mut self) -> Result<()> {
        let mut left = std::mem::take(&mut self.left)
            .checked_add(std::mem::take(&mut self.padding))
            .ok_or(Error::Truncated)?;
        let mut buffer = [0; 8192];
        while left > 0 {
            let want = left.min(buffer.len() as u64) as usize;
            self.recorded(&mut buffer[..want])?;
            left -= want as u64;
        }
        Ok(())
    }

    /// Reads a header block; `None` at the end: no byte is left, or two
    /// blocks of zeros were read, and what follows them.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        if !self.block_or_end(&mut block)? {
            return Ok(None);
        }
        if !header::is_zero(&block) {
            return Ok(Some(block));
        }
        if self.block_or_end(&mut block)? {
            if !header::is_zero(&block) {
                return Err(Error::Header {
                    why: "a single block of zeros",
                    offset: self.offset - BLOCK as u64,
                });
            }
            // The rest belongs to the tar's digest.
            let mut buffer = [0; 8192];
            loop {
                let count = self.read_some(&mut buffer)?;
                if count == 0 {
                    break;
                }
                self.record_literal(&buffer[..count])?;
            }
        }
        Ok(None)
    }

    fn block_or_end(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        let mut have = 0;
        while have < BLOCK {
            match self.read_some(&mut block[have..])? {
                0 if have == 0 => return Ok(false),
                0 => return Err(Error::Truncated),
                count => have += count,
            }
        }
        self.record_literal(block)?;
        Ok(true)
    }

    fn recorded(&mut self, buffer: &mut [u8]) -> Result<()> {
        let mut have = 0;
        while have < buffer.len() {
            match self.read_some(&mut buffer[have..])? {
                0 => return Err(Error::Truncated),
                count => have += count,
            }
        }
        self.record_literal(buffer)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.input.read(buffer) {
                Ok(count) => {
                    self.offset += count as u64;
                    return Ok(count);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(Error::Read(cause)),
            }
        }
    }
}

type Map = (Vec<(u64, u64)>, u64);
