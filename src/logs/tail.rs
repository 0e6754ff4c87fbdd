//! Finds where the last lines of a log file begin, reading it backwards.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at once.
const BLOCK: usize = 32 * 1024;

/// Where the last lines of a file begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Offset of the first of them.
    pub start: u64,
    /// How many there are; fewer than wanted if the file has no more.
    pub lines: u64,
}

/// Looks at the first `len` bytes of the file for the last `wanted` whole
/// lines. Only what can be an entry counts (`{…}` and a line feed), so that
/// damaged lines do not take the place of good ones.
pub(super) fn find(file: &File, len: u64, wanted: u64) -> io::Result<Found> {
    let mut block = vec![0; BLOCK.min(len as usize)];
    let mut lines = 0;
    // Of the line that is being walked through from its end: where its line
    // feed is, its last byte, and the byte seen most recently.
    let mut end: Option<u64> = None;
    let mut last = None;
    let mut first = 0;
    let whole = |start: u64, end: Option<u64>, first: u8, last: Option<u8>| {
        end.is_some_and(|end| start < end)
            && first == b'{'
            && last == Some(b'}')
    };
    let mut high = len;
    while high > 0 {
        let size = (high as usize).min(BLOCK);
        let low = high - size as u64;
        let block = &mut block[..size];
        file.read_exact_at(block, low)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let at = low + index as u64;
            if *byte != b'\n' {
                last = last.or(Some(*byte));
                first = *byte;
                continue;
            }
            if wanted == 0 {
                return Ok(Found { start: at + 1, lines: 0 });
            }
            if whole(at + 1, end, first, last) {
                lines += 1;
                if lines == wanted {
                    return Ok(Found { start: at + 1, lines });
                }
            }
            end = Some(at);
            last = None;
        }
        high = low;
    }
    if wanted > 0 && whole(0, end, first, last) {
        lines += 1;
    }
    Ok(Found { start: 0, lines })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn found(text: &[u8], wanted: u64) -> (u64, u64) {
        let path = std::env::temp_dir().join(format!(
            "skiff-tail-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        File::create(&path).unwrap().write_all(text).unwrap();
        let file = File::open(&path).unwrap();
        let got = find(&file, text.len() as u64, wanted).unwrap();
        std::fs::remove_file(path).unwrap();
        (got.start, got.lines)
    }

    #[test]
    fn the_last_lines_are_found_from_the_end() {
        let text = b"{1}\n{22}\n{333}\n";
        assert_eq!(found(text, 1), (9, 1));
        assert_eq!(found(text, 2), (4, 2));
        assert_eq!(found(text, 3), (0, 3));
        assert_eq!(found(text, 9), (0, 3));
        assert_eq!(found(text, 0), (15, 0));
        assert_eq!(found(b"", 3), (0, 0));
    }

    #[test]
    fn damaged_lines_do_not_count() {
        let text = b"{1}\n{22}\n{half\n\n\0\0\0\n{3}\n{unfinished";
        assert_eq!(found(text, 1).1, 1);
        assert_eq!(found(text, 2), (4, 2));
        assert_eq!(found(b"{unfinished", 1), (0, 0));
    }

    #[test]
    fn lines_across_blocks_are_found() {
        let line = format!("{{{}}}\n", "x".repeat(BLOCK * 2));
        let text = line.repeat(3);
        let expected = (line.len() * 2) as u64;
        assert_eq!(found(text.as_bytes(), 1), (expected, 1));
        let mut exact = format!("{{{}}}\n", "y".repeat(BLOCK - 3));
        exact.push_str("{z}\n");
        assert_eq!(found(exact.as_bytes(), 1), (BLOCK as u64, 1));
        assert_eq!(found(exact.as_bytes(), 2), (0, 2));
    }
}
