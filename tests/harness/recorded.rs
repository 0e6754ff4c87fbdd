//! What the reference says, as files with placeholders under
//! `tests/recorded`, and the comparison with what came.
//!
//! A file holds `exit N`, standard output, and after `--- stderr` standard
//! error. `<id> <short> <time> <number> <name> <address> <mac> <path> <any>`
//! stand for what differs in each run. The file EXEMPTIONS names the lines in
//! which our answers differ on purpose, each with its reason.

use std::fs;
use std::path::PathBuf;

use super::command::Run;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

/// Asserts that a run said what the file records, but for the exemptions.
/// `known` gives more placeholders, such as the registry's address.
#[track_caller]
pub fn same_as(file: &str, run: &Run, known: &[(&str, &str)]) {
    let path = folder().join(format!("{file}.txt"));
    let mut text = fs::read_to_string(&path)
        .unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
    for (name, value) in known {
        text = text.replace(&format!("<{name}>"), value);
    }
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("exit ").and_then(|n| n.parse().ok());
    assert_eq!(Some(run.status), status, "{file}\n{run:?}");
    let lines: Vec<&str> = lines.collect();
    let mut parts = lines.split(|line| *line == "--- stderr");
    let out = parts.next().unwrap_or_default();
    let err = parts.next().unwrap_or_default();
    let mut broken = differences(file, out, &run.out());
    broken.extend(differences(file, err, &run.err()));
    assert!(broken.is_empty(), "{file}:\n{}\n{run:?}", broken.join("\n"));
}

/// Lines that differ and are not exempted, with - and + in front.
fn differences(file: &str, wanted: &[&str], came: &str) -> Vec<String> {
    let came: Vec<&str> = came.lines().collect();
    let exempt = exemptions(file);
    let mut broken = Vec::new();
    let (missing, extra) = unmatched(wanted, &came);
    for line in missing {
        let known = exempt.iter().any(|(sign, l)| *sign == '-' && *l == line);
        if !known {
            broken.push(format!("- {line}"));
        }
    }
    for line in extra {
        let known =
            exempt.iter().any(|(sign, l)| *sign == '+' && matches(l, line));
        if !known {
            broken.push(format!("+ {line}"));
        }
    }
    broken
}

/// The lines of each side that are not in the longest common sequence.
fn unmatched<'a>(
    wanted: &[&'a str],
    came: &[&'a str],
) -> (Vec<&'a str>, Vec<&'a str>) {
    let (rows, columns) = (wanted.len(), came.len());
    let mut best = vec![vec![0usize; columns + 1]; rows + 1];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            best[row][column] = if matches(wanted[row], came[column]) {
                best[row + 1][column + 1] + 1
            } else {
                best[row + 1][column].max(best[row][column + 1])
            };
        }
    }
    let (mut row, mut column) = (0, 0);
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    while row < rows && column < columns {
        if matches(wanted[row], came[column])
            && best[row][column] == best[row + 1][column + 1] + 1
        {
            row += 1;
            column += 1;
        } else if best[row + 1][column] >= best[row][column + 1] {
            missing.push(wanted[row]);
            row += 1;
        } else {
            extra.push(came[column]);
            column += 1;
        }
    }
    missing.extend_from_slice(&wanted[row..]);
    extra.extend_from_slice(&came[column..]);
    (missing, extra)
}

fn exemptions(file: &str) -> Vec<(char, String)> {
    let text = fs::read_to_string(folder().join("EXEMPTIONS"));
    let text = text.expect("the file of exemptions");
    let mut found = Vec::new();
    for entry in text.lines().filter(|line| !line.starts_with('#')) {
        let (line, reason) = entry
            .rsplit_once(" | ")
            .unwrap_or_else(|| panic!("no reason: {entry}"));
        assert!(reason.len() > 8, "no reason: {entry}");
        let rest = line.strip_prefix(&format!("{file}.txt "));
        let Some(rest) = rest else { continue };
        let sign = rest.chars().next().expect("a sign");
        found.push((sign, rest.get(2..).unwrap_or_default().to_string()));
    }
    found
}

/// Whether a line fits a pattern; runs of blanks within are all alike,
/// because columns are as wide as what stands in them.
fn matches(pattern: &str, line: &str) -> bool {
    if !pattern.contains('<') && !pattern.contains("  ") {
        return pattern == line;
    }
    fits(&squeeze(pattern), &squeeze(line))
}

/// Leaves at most two blanks in a row, but for those in front.
fn squeeze(text: &str) -> String {
    let inside = text.trim_start_matches(' ');
    let mut out = " ".repeat(text.len() - inside.len());
    let mut blanks = 0;
    for c in inside.chars() {
        blanks = if c == ' ' { blanks + 1 } else { 0 };
        if blanks <= 2 {
            out.push(c);
        }
    }
    out
}

fn fits(pattern: &str, line: &str) -> bool {
    let Some(open) = pattern.find('<') else { return pattern == line };
    let Some(close) = pattern[open..].find('>') else {
        return pattern == line;
    };
    let Some(rest) = line.strip_prefix(&pattern[..open]) else {
        return false;
    };
    let name = &pattern[open + 1..open + close];
    let after = &pattern[open + close + 1..];
    if !is_placeholder(name) {
        let Some(rest) = rest.strip_prefix('<') else { return false };
        return fits(&pattern[open + 1..], rest);
    }
    let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
    std::iter::once(0)
        .chain(ends)
        .any(|end| stands_for(name, &rest[..end]) && fits(after, &rest[end..]))
}

fn is_placeholder(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "id", "short", "time", "number", "name", "address", "mac", "path",
        "any",
    ];
    NAMES.contains(&name)
}

fn stands_for(name: &str, text: &str) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    match name {
        "id" => text.len() == 64 && text.chars().all(hex),
        "short" => text.len() == 12 && text.chars().all(hex),
        "number" => {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
        }
        "time" => {
            text.len() >= 20
                && text.contains('T')
                && text
                    .chars()
                    .all(|c| c.is_ascii_digit() || "-:.TZ".contains(c))
        }
        "name" => {
            text.contains('_')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        }
        "address" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "mac" => text.len() == 17 && text.chars().all(|c| hex(c) || c == ':'),
        "path" => text.starts_with('/') && !text.contains(['"', ' ']),
        _ => true,
    }
}

#[test]
fn placeholders_stand_for_what_they_say() {
    assert!(matches("a <number> b", "a 17 b"));
    assert!(!matches("a <number> b", "a x b"));
    assert!(matches("<any> ago   Up <any>", "2 seconds ago  Up 1 second"));
    assert!(matches("at <address>.", "at 10.0.0.1."));
    assert!(!matches("<none>", "none"));
    assert!(matches("<none> <number>", "<none> 4"));
    let (missing, extra) = unmatched(&["a", "b", "c"], &["a", "x", "c"]);
    assert_eq!((missing, extra), (vec!["b"], vec!["x"]));
}
