//! Sparse maps: which runs of a file the archive carries. The rest of the
//! file is holes.

/// One run of data in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where it begins in the file.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// The most runs that one file may have; GNU tar writes one for each 512
/// bytes at worst, and real files have far fewer.
pub const MAX_RUNS: usize = 1 << 17;

/// Checks a map against the file's length and against the bytes that the
/// archive carries for it: runs rise, do not overlap, and end in the file.
pub fn check(
    pairs: &[(u64, u64)],
    real_size: u64,
    stored: u64,
) -> Result<Vec<Run>, &'static str> {
    if pairs.len() > MAX_RUNS {
        return Err("sparse map too long");
    }
    let mut runs: Vec<Run> = Vec::with_capacity(pairs.len());
    let (mut end, mut sum) = (0u64, 0u64);
    for &(offset, length) in pairs {
        let next = offset.checked_add(length).ok_or("sparse run too long")?;
        if offset < end || next > real_size {
            return Err("sparse run outside of its file");
        }
        end = next;
        sum = sum.checked_add(length).ok_or("sparse run too long")?;
        if length > 0 {
            runs.push(Run { offset, length });
        }
    }
    if sum != stored {
        return Err("sparse map and size disagree");
    }
    Ok(runs)
}

/// Tells how many lines the map of format 1.0 has, which stands before the
/// data: the number of runs, then offset and length of each, a decimal
/// number a line. `None`: not even the first line is there.
pub fn lines(text: &[u8]) -> Result<Option<usize>, &'static str> {
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    match super::pax::decimal(&text[..end])? {
        count if count <= MAX_RUNS as u64 => Ok(Some(1 + 2 * count as usize)),
        _ => Err("sparse map too long"),
    }
}

/// Reads such a map, all of whose lines are there.
pub fn parse_lines(text: &[u8]) -> Result<Vec<(u64, u64)>, &'static str> {
    let wanted = lines(text)?.ok_or("sparse map cut short")?;
    let numbers = text
        .split(|byte| *byte == b'\n')
        .take(wanted)
        .skip(1)
        .map(super::pax::decimal)
        .collect::<Result<Vec<u64>, _>>()?;
    if numbers.len() + 1 != wanted {
        return Err("sparse map cut short");
    }
    Ok(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_must_fit_its_file_and_its_bytes() {
        assert_eq!(
            check(&[(0, 5), (100, 0), (100, 5)], 200, 10).unwrap(),
            [Run { offset: 0, length: 5 }, Run { offset: 100, length: 5 }]
        );
        assert!(check(&[(0, 5)], 4, 5).is_err());
        assert!(check(&[(0, 5), (4, 5)], 100, 10).is_err());
        assert!(check(&[(50, 5), (0, 5)], 100, 10).is_err());
        assert!(check(&[(0, 5)], 100, 6).is_err());
        assert!(check(&[(u64::MAX, 5)], u64::MAX, 5).is_err());
        assert!(check(&[(0, 0); MAX_RUNS + 1], 0, 0).is_err());
    }

    #[test]
    fn lines_are_read_when_they_are_all_there() {
        let text = b"2\n0\n5\n1000\n6\n\0\0\0";
        assert_eq!(lines(text), Ok(Some(5)));
        assert_eq!(parse_lines(text).unwrap(), [(0, 5), (1000, 6)]);
        assert!(parse_lines(b"2\n0\n5\n10").is_err());
        assert_eq!(lines(b"12"), Ok(None));
        assert!(lines(b"x\n").is_err());
        assert!(lines(b"99999999999\n").is_err());
    }
}
