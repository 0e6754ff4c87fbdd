//! The records of a PAX extended header (pax(1), "pax Header Block"):
//! `LENGTH KEY=VALUE\n`, as many as there are.

/// What the records of one header say about the entry after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pax {
    /// Its name.
    pub path: Option<Vec<u8>>,
    /// Its link target.
    pub link: Option<Vec<u8>>,
    /// Bytes of content that follow.
    pub size: Option<u64>,
    /// Owner.
    pub uid: Option<i64>,
    /// Group.
    pub gid: Option<i64>,
    /// Modification time.
    pub mtime: Option<(i64, u32)>,
    /// Access time.
    pub atime: Option<(i64, u32)>,
    /// Extended attributes.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// GNU's sparse records.
    pub sparse: Sparse,
}

/// The sparse records, formats 0.0, 0.1 and 1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse {
    /// The format's version.
    pub version: Option<(u32, u32)>,
    /// The file's real name.
    pub name: Option<Vec<u8>>,
    /// The file's length with its holes.
    pub real_size: Option<u64>,
    /// Offsets and lengths in turn, formats 0.0 and 0.1.
    pub map: Vec<u64>,
}

/// Reads the payload of an extended header.
pub fn parse(mut payload: &[u8]) -> Result<Pax, &'static str> {
    let mut pax = Pax::default();
    let (mut major, mut minor) = (None, None);
    while !payload.is_empty() {
        let (key, value, rest) = record(payload)?;
        payload = rest;
        // An empty value takes the record back.
        if value.is_empty() && !key.starts_with(b"SCHILY.xattr.") {
            continue;
        }
        match key {
            b"path" => pax.path = Some(named(value)?),
            b"linkpath" => pax.link = Some(named(value)?),
            b"size" => pax.size = Some(decimal(value)?),
            b"uid" => pax.uid = Some(signed(value)?),
            b"gid" => pax.gid = Some(signed(value)?),
            b"mtime" => pax.mtime = Some(time(value)?),
            b"atime" => pax.atime = Some(time(value)?),
            b"GNU.sparse.major" => major = Some(small(value)?),
            b"GNU.sparse.minor" => minor = Some(small(value)?),
            b"GNU.sparse.name" => pax.sparse.name = Some(named(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => {
                pax.sparse.real_size = Some(decimal(value)?);
            }
            b"GNU.sparse.offset" => {
                if pax.sparse.map.len() % 2 != 0 {
                    return Err("sparse offset without a length");
                }
                pax.sparse.map.push(decimal(value)?);
            }
            b"GNU.sparse.numbytes" => {
                if pax.sparse.map.len() % 2 != 1 {
                    return Err("sparse length without an offset");
                }
                pax.sparse.map.push(decimal(value)?);
            }
            b"GNU.sparse.map" => {
                pax.sparse.map.clear();
                for part in value.split(|byte| *byte == b',') {
                    pax.sparse.map.push(decimal(part)?);
                }
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    if name.is_empty() {
                        return Err("attribute without a name");
                    }
                    pax.xattrs.push((name.to_vec(), value.to_vec()));
                }
            }
        }
    }
    if pax.sparse.map.len() % 2 != 0 {
        return Err("sparse map of odd length");
    }
    pax.sparse.version = match (major, minor) {
        (None, None) if !pax.sparse.map.is_empty() => Some((0, 0)),
        (None, None) => None,
        (major, minor) => Some((major.unwrap_or(0), minor.unwrap_or(0))),
    };
    Ok(pax)
}

type Record<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Splits the first record off: key, value, rest.
fn record(payload: &[u8]) -> Result<Record<'_>, &'static str> {
    const BAD: &str = "malformed PAX record";
    let space = payload.iter().position(|b| *b == b' ').ok_or(BAD)?;
    let length = decimal(&payload[..space])?;
    let length = usize::try_from(length).map_err(|_| BAD)?;
    // The length counts itself, the blank and the line feed.
    if length < space + 3 || length > payload.len() {
        return Err(BAD);
    }
    let (record, rest) = payload.split_at(length);
    if record[length - 1] != b'\n' {
        return Err(BAD);
    }
    let record = &record[space + 1..length - 1];
    let equals = record.iter().position(|b| *b == b'=').ok_or(BAD)?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return Err(BAD);
    }
    Ok((key, value, rest))
}

fn named(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    if value.contains(&0) {
        return Err("NUL in a name");
    }
    Ok(value.to_vec())
}

/// Reads an unsigned decimal number.
pub fn decimal(value: &[u8]) -> Result<u64, &'static str> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err("bad decimal number");
    }
    value
        .iter()
        .try_fold(0u64, |sum, digit| {
            sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
        })
        .filter(|number| *number <= i64::MAX as u64)
        .ok_or("number too large")
}

fn small(value: &[u8]) -> Result<u32, &'static str> {
    u32::try_from(decimal(value)?).map_err(|_| "number too large")
}

fn signed(value: &[u8]) -> Result<i64, &'static str> {
    match value.strip_prefix(b"-") {
        Some(value) => Ok(-(decimal(value)? as i64)),
        None => Ok(decimal(value)? as i64),
    }
}

/// Reads seconds with a fraction; digits beyond nanoseconds are cut.
fn time(value: &[u8]) -> Result<(i64, u32), &'static str> {
    let mut halves = value.splitn(2, |byte| *byte == b'.');
    let whole = halves.next().unwrap_or(b"");
    let fraction = halves.next().unwrap_or(b"");
    let negative = whole.starts_with(b"-");
    let seconds = signed(whole)?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err("bad time");
    }
    let mut nanos = 0u32;
    for at in 0..9 {
        let digit = fraction.get(at).map_or(0, |digit| digit - b'0');
        nanos = nanos * 10 + u32::from(digit);
    }
    Ok(match (negative, nanos) {
        (true, 1..) => (seconds - 1, 1_000_000_000 - nanos),
        _ => (seconds, nanos),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, value: &[u8]) -> Vec<u8> {
        super::super::testing::pax_record(key.as_bytes(), value)
    }

    #[test]
    fn records_are_read() {
        let payload = [
            line("path", b"a/b"),
            line("mtime", b"1700000000.123456789123"),
            line("atime", b"-1.25"),
            line("uid", b"70000"),
            line("SCHILY.xattr.security.capability", b"\x01\0\n=\x02"),
            line("comment", b"whatever"),
            line("linkpath", b""),
        ]
        .concat();
        let pax = parse(&payload).unwrap();
        assert_eq!(pax.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(pax.mtime, Some((1_700_000_000, 123_456_789)));
        assert_eq!(pax.atime, Some((-2, 750_000_000)));
        assert_eq!(pax.uid, Some(70000));
        assert_eq!(pax.link, None);
        let capability = (b"security.capability".to_vec(), b"\x01\0\n=\x02");
        assert_eq!(pax.xattrs, [(capability.0, capability.1.to_vec())]);
    }

    #[test]
    fn sparse_records_of_the_first_format_come_in_pairs() {
        let payload = [
            line("GNU.sparse.size", b"4096"),
            line("GNU.sparse.numblocks", b"2"),
            line("GNU.sparse.offset", b"0"),
            line("GNU.sparse.numbytes", b"5"),
            line("GNU.sparse.offset", b"1000"),
            line("GNU.sparse.numbytes", b"6"),
        ]
        .concat();
        let sparse = parse(&payload).unwrap().sparse;
        assert_eq!(sparse.map, [0, 5, 1000, 6]);
        assert_eq!(sparse.version, Some((0, 0)));
        assert_eq!(sparse.real_size, Some(4096));
    }

    #[test]
    fn malformed_records_are_errors() {
        for payload in [
            &b"x"[..],
            b"4 a=\n",
            b"99999999999999999999 a=b\n",
            b"100 a=b\n",
            b"3 a=b\n",
            b"6 a=b",
            b"6 a=bX",
            b"6 =ab\n",
            b"6 abc\n",
            b"-6 a=b\n",
            b"11 path=a\0\n",
            b"9 size=x\n",
            b"0 \n",
        ] {
            assert!(parse(payload).is_err(), "{payload:?}");
        }
    }
}
