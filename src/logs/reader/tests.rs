//! Tests of the log reader, most with the real writer at the other end.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::logs::{Stream, Writer};
use crate::sys::poll;

struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir()
            .join(format!("skiff-logr-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    fn config(&self) -> Config {
        Config::json_file(self.0.join("log"))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0)
}

/// Reads what is there; the texts, and what came after them.
fn read(reader: &mut Reader) -> (Vec<String>, Next) {
    let mut texts = Vec::new();
    loop {
        match reader.next().unwrap() {
            Next::Entry(entry) => {
                let text = String::from_utf8(entry.line).unwrap();
                texts.push(text.trim_end().to_string());
            }
            other => return (texts, other),
        }
    }
}

fn all(config: &Config, query: Query) -> Vec<String> {
    let (texts, end) = read(&mut Reader::open(config, query).unwrap());
    assert_eq!(end, Next::End);
    texts
}

fn write_lines(config: &Config, range: std::ops::Range<i64>) -> Writer {
    let mut writer = Writer::open(config).unwrap();
    for n in range {
        writer.feed(Stream::Stdout, format!("line {n}\n").as_bytes(), at(n));
    }
    writer
}

#[test]
fn a_missing_log_is_empty() {
    let dir = Dir::new("missing");
    assert!(all(&dir.config(), Query::default()).is_empty());
}

#[test]
fn tail_since_and_until_choose_lines() {
    let dir = Dir::new("choose");
    write_lines(&dir.config(), 0..10);
    let query =
        |tail, since, until| Query { tail, since, until, follow: Follow::No };
    assert_eq!(all(&dir.config(), Query::default()).len(), 10);
    assert_eq!(
        all(&dir.config(), query(Tail::Last(2), None, None)),
        ["line 8", "line 9"]
    );
    assert!(all(&dir.config(), query(Tail::Last(0), None, None)).is_empty());
    assert_eq!(
        all(&dir.config(), query(Tail::All, Some(at(7)), Some(at(8)))),
        ["line 7", "line 8"]
    );
}

#[test]
fn a_tail_reaches_into_rotated_files() {
    let dir = Dir::new("rotated");
    let config = Config { max_size: Some(150), max_file: 10, ..dir.config() };
    write_lines(&config, 0..9);
    assert!(dir.0.join("log.2").exists());
    let query = Query { tail: Tail::Last(5), ..Query::default() };
    let expected: Vec<_> = (4..9).map(|n| format!("line {n}")).collect();
    assert_eq!(all(&config, query), expected);
    assert_eq!(all(&config, Query::default()).len(), 9);
}

#[test]
fn damaged_lines_are_passed_over() {
    let dir = Dir::new("damaged");
    write_lines(&dir.config(), 0..2);
    let mut file =
        OpenOptions::new().append(true).open(dir.config().path).unwrap();
    file.write_all(b"{\"log\":\"ha\n\0\0\0\0\n").unwrap();
    file.write_all("z".repeat(LINE_LIMIT * 2).as_bytes()).unwrap();
    file.write_all(b"\n").unwrap();
    write_lines(&dir.config(), 2..3);
    file.write_all(b"{\"log\":\"unfinished").unwrap();
    assert_eq!(
        all(&dir.config(), Query::default()),
        ["line 0", "line 1", "line 2"]
    );
    let query = Query { tail: Tail::Last(2), ..Query::default() };
    assert_eq!(all(&dir.config(), query), ["line 1", "line 2"]);
}

#[test]
fn following_sees_what_comes_until_it_is_stopped() {
    let dir = Dir::new("follow");
    let query = Query { follow: Follow::Yes, ..Query::default() };
    // Even the file comes later.
    let mut reader = Reader::open(&dir.config(), query).unwrap();
    assert_eq!(read(&mut reader), (vec![], Next::Wait));
    let idle = Some(Duration::ZERO);
    assert!(!poll::wait_readable(&reader, idle).unwrap());

    let mut writer = write_lines(&dir.config(), 0..1);
    assert!(
        poll::wait_readable(&reader, Some(Duration::from_secs(1))).unwrap()
    );
    assert_eq!(read(&mut reader).0, ["line 0"]);
    assert_eq!(read(&mut reader), (vec![], Next::Wait));
    assert!(!poll::wait_readable(&reader, idle).unwrap());

    writer.feed(Stream::Stderr, b"more\n", at(1));
    assert!(
        poll::wait_readable(&reader, Some(Duration::from_secs(1))).unwrap()
    );
    assert_eq!(read(&mut reader).0, ["more"]);
    writer.feed(Stream::Stderr, b"last\n", at(1));
    reader.stop_following();
    assert_eq!(read(&mut reader), (vec!["last".to_string()], Next::End));
}

#[test]
fn following_goes_on_across_rotations() {
    let dir = Dir::new("follow-rotate");
    let config = Config { max_size: Some(200), max_file: 3, ..dir.config() };
    let mut writer = Writer::open(&config).unwrap();
    let query = Query { follow: Follow::Yes, ..Query::default() };
    let mut reader = Reader::open(&config, query).unwrap();
    let mut got = Vec::new();
    for n in 0..40 {
        writer.feed(Stream::Stdout, format!("line {n}\n").as_bytes(), at(n));
        // Read only sometimes, so that whole files pass by unread, but
        // never more than are kept.
        if n % 4 == 0 {
            got.extend(read(&mut reader).0);
        }
    }
    reader.stop_following();
    got.extend(read(&mut reader).0);
    let expected: Vec<_> = (0..40).map(|n| format!("line {n}")).collect();
    assert_eq!(got, expected);
}

#[test]
fn a_log_cut_by_its_owner_is_followed_from_its_start() {
    let dir = Dir::new("cut");
    let mut writer = write_lines(&dir.config(), 0..5);
    let query = Query { follow: Follow::Yes, ..Query::default() };
    let mut reader = Reader::open(&dir.config(), query).unwrap();
    assert_eq!(read(&mut reader).0.len(), 5);
    let file = OpenOptions::new().write(true).open(dir.config().path).unwrap();
    file.set_len(0).unwrap();
    assert!(read(&mut reader).0.is_empty());
    writer.feed(Stream::Stdout, b"after\n", at(9));
    assert_eq!(read(&mut reader).0, ["after"]);
}

#[test]
fn following_ends_at_a_time_in_the_past() {
    let dir = Dir::new("past");
    write_lines(&dir.config(), 0..3);
    let query =
        Query { follow: Follow::Yes, until: Some(at(100)), ..Query::default() };
    let mut reader = Reader::open(&dir.config(), query).unwrap();
    let (texts, end) = read(&mut reader);
    assert_eq!((texts.len(), end), (3, Next::End));
    assert!(reader.wait_bound().unwrap() <= Duration::from_millis(1));
}
