//! One header block of 512 bytes (pax(1) "ustar interchange format", GNU
//! tar "Basic Tar Format"), read as Go's `archive/tar` reads it, because
//! that is the reader that layers are made for.

/// The size of a block.
pub const BLOCK: usize = 512;

/// A header block, decoded; PAX records and GNU long names may replace
/// parts of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The type flag.
    pub flag: u8,
    /// The name, with the ustar prefix in front.
    pub name: Vec<u8>,
    /// The target of a link.
    pub link: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: i64,
    /// Group.
    pub gid: i64,
    /// Bytes of content that follow.
    pub size: u64,
    /// Seconds of Unix time.
    pub mtime: i64,
    /// Major and minor device number.
    pub device: (u32, u32),
    /// What an old GNU sparse header (`S`) says.
    pub sparse: Option<GnuSparse>,
}

/// The sparse part of an old GNU header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GnuSparse {
    /// Offset and length of each run of data.
    pub runs: Vec<(u64, u64)>,
    /// Whether a block with more runs follows.
    pub extended: bool,
    /// The file's length with its holes.
    pub real_size: u64,
}

/// Decodes a block; the error says what is wrong. An all-zero block is not
/// a header: see [`is_zero`].
pub fn parse(block: &[u8; BLOCK]) -> Result<Header, &'static str> {
    check_sum(block)?;
    let raw = tar::Header::from_byte_slice(block);
    let old = raw.as_old();
    let mut header = Header {
        flag: old.linkflag[0],
        name: text(&old.name).to_vec(),
        link: text(&old.linkname).to_vec(),
        mode: (number(&old.mode)? & 0o7777) as u32,
        uid: number(&old.uid)?,
        gid: number(&old.gid)?,
        size: unsigned(&old.size)?,
        mtime: number(&old.mtime)?,
        ..Header::default()
    };
    // The magic alone decides: some writers leave the version blank.
    let gnu = raw.as_gnu();
    if &block[257..263] == b"ustar\0" {
        header.device = device(&block[329..337], &block[337..345])?;
        let star = &block[508..512] == b"tar\0";
        let prefix = text(&block[345..if star { 476 } else { 500 }]);
        if !prefix.is_empty() {
            header.name = [prefix, b"/", &header.name].concat();
        }
    } else if let Some(gnu) = gnu {
        header.device = device(&gnu.dev_major, &gnu.dev_minor)?;
        if header.flag == b'S' {
            let mut runs = Vec::new();
            for pair in &gnu.sparse {
                push_run(&mut runs, &pair.offset, &pair.numbytes)?;
            }
            header.sparse = Some(GnuSparse {
                runs,
                extended: gnu.isextended[0] != 0,
                real_size: unsigned(&gnu.realsize)?,
            });
        }
    }
    if header.flag == b'S' && header.sparse.is_none() {
        return Err("sparse entry without a GNU header");
    }
    Ok(header)
}

/// Decodes a block of further runs of an old GNU sparse file; tells
/// whether one more follows.
pub fn parse_extension(
    block: &[u8; BLOCK],
    runs: &mut Vec<(u64, u64)>,
) -> Result<bool, &'static str> {
    for pair in block[..504].chunks_exact(24) {
        push_run(runs, &pair[..12], &pair[12..])?;
    }
    Ok(block[504] != 0)
}

fn push_run(
    runs: &mut Vec<(u64, u64)>,
    offset: &[u8],
    length: &[u8],
) -> Result<(), &'static str> {
    if offset[0] != 0 && length[0] != 0 {
        runs.push((unsigned(offset)?, unsigned(length)?));
    }
    Ok(())
}

/// Tells whether a block is all zeros: two of them end an archive.
pub fn is_zero(block: &[u8; BLOCK]) -> bool {
    block.iter().all(|byte| *byte == 0)
}

/// Historic writers summed signed bytes, so both sums are good.
fn check_sum(block: &[u8; BLOCK]) -> Result<(), &'static str> {
    let wanted = number(&block[148..156])?;
    let (mut unsigned, mut signed) = (0i64, 0i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte as i8);
    }
    if wanted == unsigned || wanted == signed {
        Ok(())
    } else {
        Err("wrong checksum")
    }
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    &field[..end]
}

fn unsigned(field: &[u8]) -> Result<u64, &'static str> {
    u64::try_from(number(field)?).map_err(|_| "negative number")
}

fn device(major: &[u8], minor: &[u8]) -> Result<(u32, u32), &'static str> {
    let part = |field| {
        u32::try_from(number(field)?).map_err(|_| "device number too large")
    };
    Ok((part(major)?, part(minor)?))
}

/// Reads a number: octal digits between blanks, or binary (two's
/// complement) when the highest bit is set, as GNU writes large ones.
fn number(field: &[u8]) -> Result<i64, &'static str> {
    if field[0] & 0x80 != 0 {
        let negative = field[0] & 0x40 != 0;
        let mut value: i128 = if negative { -1 } else { 0 };
        for (at, byte) in field.iter().enumerate() {
            let byte = if at == 0 && !negative { byte & 0x7f } else { *byte };
            value = (value << 8) | i128::from(byte);
            if i64::try_from(value).is_err() {
                return Err("number too large");
            }
        }
        return Ok(value as i64);
    }
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let Some(start) = field.iter().position(|b| !blank(b)) else {
        return Ok(0);
    };
    let digits = text(&field[start..]);
    let end = digits.iter().rposition(|b| !blank(b)).map_or(0, |at| at + 1);
    let mut value: i64 = 0;
    for digit in &digits[..end] {
        if !(b'0'..=b'7').contains(digit) {
            return Err("bad digit in a number");
        }
        value = value
            .checked_mul(8)
            .and_then(|v| v.checked_add(i64::from(digit - b'0')))
            .ok_or("number too large")?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        for (field, value) in [
            (&b"0000644\0"[..], Ok(0o644)),
            (b"   644 \0", Ok(0o644)),
            (b"00000644", Ok(0o644)),
            (b"\0\0\0\0\0\0\0\0", Ok(0)),
            (b"        ", Ok(0)),
            (b"\x80\0\0\0\0\0\x01\0", Ok(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Ok(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\x00", Ok(-256)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Ok(i64::MAX)),
        ] {
            assert_eq!(number(field), value, "{field:?}");
        }
        assert!(number(b"0000648\0").is_err());
        assert!(number(b"\x80\0\0\x01\0\0\0\0\0\0\0\0").is_err());
        assert!(number(b"-1\0\0\0\0\0\0").is_err());
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let mut raw = tar::Header::new_ustar();
        raw.set_path("a/b").unwrap();
        raw.set_cksum();
        let mut block = *raw.as_bytes();
        assert_eq!(parse(&block).unwrap().name, b"a/b");
        block[0] = b'x';
        assert_eq!(parse(&block), Err("wrong checksum"));
    }

    #[test]
    fn the_prefix_stands_before_the_name() {
        let mut raw = tar::Header::new_ustar();
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(90));
        raw.set_path(&long).unwrap();
        raw.set_cksum();
        let header = parse(raw.as_bytes()).unwrap();
        assert_eq!(header.name, long.as_bytes());
    }
}
