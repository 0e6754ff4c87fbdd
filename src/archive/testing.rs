//! Archives made by hand, for tests: any header, any lie.

use super::header::BLOCK;

/// Writes one PAX record.
pub fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = [b" ", key, b"=", value, b"\n"].concat();
    let mut length = body.len() + 1;
    while length.to_string().len() + body.len() != length {
        length = length.to_string().len() + body.len();
    }
    [length.to_string().as_bytes(), &body].concat()
}

/// A tar in the making.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

/// One entry's header fields.
pub struct Entry<'a> {
    pub flag: u8,
    pub name: &'a str,
    pub link: &'a str,
    pub mode: u32,
    pub owner: (u64, u64),
    pub mtime: u64,
    pub device: (u32, u32),
    /// What the header says; the content's own length if `None`.
    pub size: Option<u64>,
    pub content: &'a [u8],
}

impl Default for Entry<'_> {
    fn default() -> Self {
        Entry {
            flag: b'0',
            name: "",
            link: "",
            mode: 0o644,
            owner: (0, 0),
            mtime: 1_600_000_000,
            device: (0, 0),
            size: None,
            content: b"",
        }
    }
}

impl Tar {
    pub fn new() -> Tar {
        Tar::default()
    }

    /// Adds an entry with its content, padded.
    pub fn entry(mut self, entry: Entry<'_>) -> Tar {
        let mut header = tar::Header::new_gnu();
        let raw = header.as_old_mut();
        raw.name[..entry.name.len()].copy_from_slice(entry.name.as_bytes());
        raw.linkname[..entry.link.len()].copy_from_slice(entry.link.as_bytes());
        raw.linkflag = [entry.flag];
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(entry.mtime);
        header.set_size(entry.size.unwrap_or(entry.content.len() as u64));
        header
            .set_device_major(entry.device.0)
            .expect("a GNU header has device numbers");
        header
            .set_device_minor(entry.device.1)
            .expect("a GNU header has device numbers");
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.content(entry.content)
    }

    /// Adds bytes, padded to a block.
    pub fn content(mut self, content: &[u8]) -> Tar {
        self.0.extend_from_slice(content);
        let rest = self.0.len() % BLOCK;
        if rest > 0 {
            self.0.resize(self.0.len() + BLOCK - rest, 0);
        }
        self
    }

    pub fn file(self, name: &str, content: &[u8]) -> Tar {
        self.entry(Entry { name, content, ..Entry::default() })
    }

    pub fn dir(self, name: &str) -> Tar {
        self.entry(Entry { flag: b'5', name, mode: 0o755, ..Entry::default() })
    }

    pub fn symlink(self, name: &str, link: &str) -> Tar {
        self.entry(Entry { flag: b'2', name, link, ..Entry::default() })
    }

    pub fn hard_link(self, name: &str, link: &str) -> Tar {
        self.entry(Entry { flag: b'1', name, link, ..Entry::default() })
    }

    /// Adds an extended header for the next entry.
    pub fn pax(self, records: &[(&str, &[u8])]) -> Tar {
        let payload: Vec<u8> = records
            .iter()
            .flat_map(|(key, value)| pax_record(key.as_bytes(), value))
            .collect();
        self.entry(Entry {
            flag: b'x',
            name: "pax",
            content: &payload,
            ..Entry::default()
        })
    }

    /// Adds GNU's long name (`L`) or long link (`K`) for the next entry.
    pub fn long(self, flag: u8, text: &str) -> Tar {
        let content = [text.as_bytes(), b"\0"].concat();
        self.entry(Entry {
            flag,
            name: "././@LongLink",
            content: &content,
            ..Entry::default()
        })
    }

    /// Ends the archive as GNU tar does: zeros to a record of 10 KiB.
    pub fn end(mut self) -> Vec<u8> {
        let length = (self.0.len() + 2 * BLOCK).next_multiple_of(20 * BLOCK);
        self.0.resize(length, 0);
        self.0
    }
}
