//! Entries of a tar, written as Docker writes them: ustar headers, with PAX
//! records in front (pax(1)) where a field does not hold its value.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;

use super::header::BLOCK;
use super::read::Kind;

/// What one entry says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The type flag (see [`flag`]).
    pub flag: u8,
    /// The name; of a directory with a slash at its end.
    pub name: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes of content that follow.
    pub size: u64,
    /// Seconds of Unix time.
    pub mtime: i64,
    /// Major and minor device number.
    pub device: (u32, u32),
    /// Extended attributes.
    pub xattrs: Vec<(OsString, Vec<u8>)>,
}

/// Returns the type flag of a kind of entry.
pub fn flag(kind: Kind) -> u8 {
    match kind {
        Kind::HardLink => b'1',
        Kind::Symlink => b'2',
        Kind::Char => b'3',
        Kind::Block => b'4',
        Kind::Dir => b'5',
        Kind::Fifo => b'6',
        _ => b'0',
    }
}

/// Writes an entry's head; its content, padded by [`pad`], is to follow.
pub fn head(out: &mut dyn Write, meta: &Meta) -> io::Result<()> {
    let mut records = Vec::new();
    let mut block = [0; BLOCK];
    if !put_name(&mut block, &meta.name) {
        record(&mut records, b"path", &meta.name);
    }
    if meta.link.len() > 100 || !meta.link.is_ascii() {
        record(&mut records, b"linkpath", &meta.link);
    }
    put(&mut block[157..257], &meta.link);
    octal(&mut block[100..108], u64::from(meta.mode));
    for (at, key, value) in [
        (108, b"uid".as_slice(), u64::from(meta.uid)),
        (116, b"gid", u64::from(meta.gid)),
    ] {
        if !octal(&mut block[at..at + 8], value) {
            record(&mut records, key, value.to_string().as_bytes());
        }
    }
    if !octal(&mut block[124..136], meta.size) {
        record(&mut records, b"size", meta.size.to_string().as_bytes());
    }
    let mtime = u64::try_from(meta.mtime);
    if !mtime.is_ok_and(|mtime| octal(&mut block[136..148], mtime)) {
        record(&mut records, b"mtime", meta.mtime.to_string().as_bytes());
    }
    for (name, value) in &meta.xattrs {
        let key = [b"SCHILY.xattr.", name.as_bytes()].concat();
        record(&mut records, &key, value);
    }
    block[156] = meta.flag;
    if matches!(meta.flag, b'3' | b'4') {
        octal(&mut block[329..337], u64::from(meta.device.0));
        octal(&mut block[337..345], u64::from(meta.device.1));
    }
    if !records.is_empty() {
        let mut extended = [0; BLOCK];
        put(&mut extended[..100], &pax_name(&meta.name));
        octal(&mut extended[100..108], 0o644);
        octal(&mut extended[124..136], records.len() as u64);
        extended[156] = b'x';
        out.write_all(sealed(&mut extended))?;
        out.write_all(&records)?;
        pad(out, records.len() as u64)?;
    }
    out.write_all(sealed(&mut block))
}

/// Fills the last block of a content of so many bytes.
pub fn pad(out: &mut dyn Write, size: u64) -> io::Result<()> {
    let rest = (size % BLOCK as u64) as usize;
    match rest {
        0 => Ok(()),
        rest => out.write_all(&[0; BLOCK][rest..]),
    }
}

/// Ends an archive.
pub fn end(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&[0; 2 * BLOCK])
}

/// Puts a name into name and prefix, if it fits there.
fn put_name(block: &mut [u8; BLOCK], name: &[u8]) -> bool {
    if name.len() <= 100 {
        put(&mut block[..100], name);
        return name.is_ascii();
    }
    let last = name.len().saturating_sub(1).min(155);
    let cut = name[..=last].iter().rposition(|byte| *byte == b'/');
    match cut {
        Some(at) if at > 0 && name.len() - at - 1 <= 100 => {
            let base = &name[at + 1..];
            if base.is_empty() || !name.is_ascii() {
                put(&mut block[..100], name);
                return false;
            }
            put(&mut block[..100], base);
            put(&mut block[345..500], &name[..at]);
            true
        }
        _ => {
            put(&mut block[..100], name);
            false
        }
    }
}

/// The name of the records' own entry, which readers pass over.
fn pax_name(name: &[u8]) -> Vec<u8> {
    let trimmed = name.strip_suffix(b"/").unwrap_or(name);
    let at = trimmed.iter().rposition(|byte| *byte == b'/');
    let (dir, base) = trimmed.split_at(at.map_or(0, |at| at + 1));
    let mut full = [dir, b"PaxHeaders.0/", base].concat();
    full.retain(u8::is_ascii);
    full.truncate(100);
    full
}

fn put(field: &mut [u8], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// Writes digits and a NUL; false if there is no room for them: then zero
/// stands there.
fn octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    let fits = value >> (3 * digits).min(63) == 0;
    let mut rest = if fits { value } else { 0 };
    for byte in field[..digits].iter_mut().rev() {
        *byte = b'0' + (rest & 7) as u8;
        rest >>= 3;
    }
    fits
}

/// Adds magic and checksum.
fn sealed(block: &mut [u8; BLOCK]) -> &[u8; BLOCK] {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    octal(&mut block[148..155], sum);
    block
}

/// Adds a record: its own length, key and value.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // A blank, an equals sign, a line feed.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    records.extend(length.to_string().bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::read::Reader;
    use super::*;

    fn read_back(meta: &Meta) -> super::super::read::Entry {
        let mut tar = Vec::new();
        head(&mut tar, meta).unwrap();
        let content = vec![b'x'; meta.size.min(1000) as usize];
        tar.extend(&content);
        pad(&mut tar, content.len() as u64).unwrap();
        end(&mut tar).unwrap();
        let mut reader = Reader::new(&tar[..], None);
        reader.next_entry().unwrap().expect("an entry")
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = format!("{}/{}", "d".repeat(150), "f".repeat(90));
        let longest = format!("{}/{}", "d".repeat(200), "f".repeat(190));
        for name in ["a", "dir/file", &long, &longest, "umläut"] {
            let meta = Meta {
                flag: b'0',
                name: name.into(),
                mode: 0o4755,
                uid: 3_000_000,
                gid: 7,
                size: 700,
                mtime: 1_700_000_000,
                xattrs: vec![("user.a".into(), b"v\n=\0".to_vec())],
                ..Meta::default()
            };
            let entry = read_back(&meta);
            assert_eq!(entry.name, meta.name, "{name}");
            assert_eq!((entry.uid, entry.gid), (3_000_000, 7));
            assert_eq!((entry.mode, entry.size), (0o4755, 700));
            assert_eq!(entry.mtime.0, 1_700_000_000);
            assert_eq!(entry.xattrs.len(), 1);
        }
    }

    #[test]
    fn links_devices_and_old_times_are_read_back() {
        let link = "t".repeat(300);
        let meta = Meta {
            flag: b'2',
            name: b"l".to_vec(),
            link: link.clone().into(),
            mtime: -5,
            ..Meta::default()
        };
        let entry = read_back(&meta);
        assert_eq!((entry.link, entry.mtime.0), (link.into_bytes(), -5));
        let meta = Meta {
            flag: b'4',
            name: b"b".to_vec(),
            device: (8, 300),
            ..Meta::default()
        };
        assert_eq!(read_back(&meta).device, (8, 300));
    }

    #[test]
    fn a_size_beyond_octal_is_a_record() {
        let mut tar = Vec::new();
        let size = 9 << 30;
        let meta = Meta { name: b"a".to_vec(), size, ..Meta::default() };
        head(&mut tar, &meta).unwrap();
        let text = String::from_utf8_lossy(&tar).into_owned();
        assert!(text.contains(&format!("size={size}\n")), "{text}");
    }
}
