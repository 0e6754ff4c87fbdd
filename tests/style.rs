//! The written rules of the source tree, held as tests: which folder may use
//! which, where `unsafe` stands, how long a file may be, how it opens.
//!
//! A file is looked at as text. `Source::code` has comments and the insides
//! of literals blanked, so a word in prose is never taken for code.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What a folder or leaf file may reach through `crate::`. Its own area is
/// always allowed; `leaves` stands for [`LEAVES`].
const LAYERS: &[(&str, &[&str])] = &[
    ("derive", &[]),
    ("sys", &[]),
    ("id", &["sys"]),
    ("names", &["sys"]),
    ("json", &[]),
    ("time", &["sys", "json"]),
    ("units", &["sys"]),
    ("signal", &["sys"]),
    ("users", &["sys"]),
    ("wait", &["sys"]),
    ("dns", &["sys", "time"]),
    ("archive", &["sys", "time"]),
    ("http", &["sys", "dns", "time"]),
    ("api", &["leaves"]),
    ("oci", &["json"]),
    ("store", &["sys", "archive", "oci", "leaves"]),
    ("registry", &["http", "oci", "leaves"]),
    ("runtime", &["sys", "leaves"]),
    ("proxy", &["sys"]),
    ("logs", &["sys", "json", "time"]),
    ("shim", &["sys", "runtime", "logs", "dns", "proxy", "leaves"]),
    ("network", &["sys", "leaves"]),
    (
        "engine",
        &[
            "api", "oci", "store", "archive", "registry", "runtime", "shim",
            "network", "logs", "dns", "leaves",
        ],
    ),
    ("profile", &["sys"]),
    ("server", &["http", "api", "engine", "profile", "sys", "leaves"]),
    ("client", &["http", "api", "json"]),
    ("cli", &["client", "api", "oci", "archive", "sys", "leaves"]),
];

/// The pure leaf files.
const LEAVES: &[&str] =
    &["id", "json", "names", "time", "units", "signal", "users", "wait"];

/// Wiring: these files may use everything.
const WIRING: &[&str] = &["lib", "main", "daemon"];

/// Names that say nothing about what a file holds.
const BANNED_NAMES: &[&str] = &["utils", "util", "helpers", "common", "misc"];

/// Marks of work that was left undone.
const UNDONE: &[&str] = &["todo!", "unimplemented!", "FIXME"];

const LONGEST_FILE: usize = 500;
const WIDEST_LINE: usize = 80;

/// One source file.
struct Source {
    path: PathBuf,
    text: String,
    code: String,
}

impl Source {
    fn load(path: PathBuf) -> Source {
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|cause| panic!("{}: {cause}", path.display()));
        let code = blank(&text);
        Source { path, text, code }
    }

    /// First folder below `src`, or the file's stem directly in it.
    fn area(&self) -> String {
        let inner = self.path.strip_prefix(root().join("src")).expect("in src");
        let first = inner.components().next().expect("a file has a name");
        let name = first.as_os_str().to_string_lossy();
        name.strip_suffix(".rs").unwrap_or(&name).to_string()
    }

    /// Line count before the tests that stand at the file's end.
    fn length(&self) -> usize {
        before_tests(&self.code).lines().count()
    }

    fn shown(&self) -> String {
        let shown = self.path.strip_prefix(root()).unwrap_or(&self.path);
        shown.display().to_string()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            into.push(path);
        }
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(&root().join(folder), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no file found in {folder}");
    paths.into_iter().map(Source::load).collect()
}

/// The part before the first `#[cfg(test)]` that opens a module.
fn before_tests(code: &str) -> &str {
    let mut from = 0;
    while let Some(found) = code[from..].find("#[cfg(test)]") {
        let at = from + found;
        let rest = code[at + "#[cfg(test)]".len()..].trim_start();
        if rest.starts_with("mod ") {
            return &code[..at];
        }
        from = at + 1;
    }
    code
}

/// Files whose whole module is declared under `#[cfg(test)]`.
fn test_files(sources: &[Source]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for source in sources {
        let mut under_test = false;
        for line in source.code.lines() {
            let line = line.trim();
            let declared = line
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ")
                .strip_prefix("mod ")
                .and_then(|rest| rest.strip_suffix(';'));
            if let (true, Some(name)) = (under_test, declared) {
                let stem = source.path.file_stem().expect("a file has one");
                let folder = source.path.parent().expect("it is in src");
                let folder = match stem.to_str() {
                    Some("mod" | "lib" | "main") => folder.to_path_buf(),
                    _ => folder.join(stem),
                };
                files.push(folder.join(format!("{name}.rs")));
            }
            under_test = line.starts_with("#[cfg(test)]")
                || (under_test && line.starts_with("#["));
        }
    }
    files
}

/// Blanks comments and the insides of string and character literals; line
/// breaks stay, so line numbers hold.
fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    let cover = |from: usize, to: usize, out: &mut Vec<u8>| {
        for byte in &bytes[from..to.min(bytes.len())] {
            out.push(if *byte == b'\n' { b'\n' } else { b' ' });
        }
    };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let word_before = at > 0
            && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        let end = if rest.starts_with(b"//") {
            at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            at + find(rest, b"*/").map_or(rest.len(), |to| to + 2)
        } else if let Some(length) = raw_string(rest).filter(|_| !word_before) {
            at + length
        } else if rest[0] == b'"' {
            at + quoted(rest, b'"')
        } else if rest[0] == b'\'' && is_character(rest) {
            at + quoted(rest, b'\'')
        } else {
            out.push(rest[0]);
            at += 1;
            continue;
        };
        cover(at, end, &mut out);
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Length of a raw string that opens here (`r"…"`, `br#"…"#`).
fn raw_string(rest: &[u8]) -> Option<usize> {
    let start = if rest.starts_with(b"br") {
        2
    } else if rest.starts_with(b"r") {
        1
    } else {
        return None;
    };
    let marks = rest[start..].iter().take_while(|b| **b == b'#').count();
    if rest.get(start + marks) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'"'];
    close.resize(1 + marks, b'#');
    let inside = start + marks + 1;
    let end = find(&rest[inside..], &close)?;
    Some(inside + end + close.len())
}

/// Length of a literal between two of `quote`.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Whether a `'` opens a character literal and not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(first) if first.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => true,
        None => false,
    }
}

/// Whether the word stands alone at `at`.
fn stands_alone(code: &str, at: usize, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    !code[..at].chars().next_back().is_some_and(part)
        && !code[at + word.len()..].chars().next().is_some_and(part)
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Every place of a whole word, as line numbers.
fn words(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .filter(|(at, _)| stands_alone(code, *at, word))
        .map(|(at, _)| line_of(code, at))
        .collect()
}

/// Areas that a file names through `crate::`, with their lines.
fn crate_uses(code: &str) -> Vec<(String, usize)> {
    let mut uses = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if !stands_alone(code, at, "crate") {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        for name in first_names(rest) {
            uses.push((name, line_of(code, at)));
        }
    }
    uses
}

/// The first name of a path, or of each path in a group.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    if !rest.starts_with('{') {
        return vec![name(rest)];
    }
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                names.push(name(item.trim()));
                item.clear();
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if !(c == '{' && depth == 1) {
            item.push(c);
        }
    }
    names.push(name(item.trim()));
    names.retain(|name| !name.is_empty());
    names
}

fn expand(row: &[&'static str]) -> Vec<&'static str> {
    let mut all = Vec::new();
    for name in row {
        match *name {
            "leaves" => all.extend_from_slice(LEAVES),
            other => all.push(other),
        }
    }
    all
}

fn report(broken: Vec<String>) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn folders_use_only_the_layers_below_them() {
    let table: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut broken = Vec::new();
    for source in sources("src") {
        let area = source.area();
        if WIRING.contains(&area.as_str()) {
            continue;
        }
        let Some(row) = table.get(area.as_str()) else {
            broken.push(format!("{}: not in the table", source.shown()));
            continue;
        };
        let allowed = expand(row);
        for (name, line) in crate_uses(&source.code) {
            if name != area && !allowed.contains(&name.as_str()) {
                broken.push(format!(
                    "{}:{line}: {area} may not use {name}",
                    source.shown()
                ));
            }
        }
    }
    report(broken);
}

#[test]
fn only_sys_makes_system_calls() {
    let mut broken = Vec::new();
    for source in sources("src") {
        if source.area() == "sys" {
            continue;
        }
        for word in ["unsafe", "rustix", "libc"] {
            for line in words(&source.code, word) {
                broken.push(format!(
                    "{}:{line}: {word} outside src/sys",
                    source.shown()
                ));
            }
        }
    }
    report(broken);
}

#[test]
fn every_unsafe_block_says_what_holds() {
    let mut broken = Vec::new();
    for source in sources("src") {
        let lines: Vec<&str> = source.text.lines().collect();
        for line in words(&source.code, "unsafe") {
            let code = source.code.lines().nth(line - 1).unwrap_or_default();
            if !code.contains("unsafe {") && !code.contains("unsafe impl") {
                continue;
            }
            let told = lines[line.saturating_sub(9)..line]
                .iter()
                .any(|text| text.contains("SAFETY:"));
            if !told {
                broken.push(format!(
                    "{}:{line}: no SAFETY line above",
                    source.shown()
                ));
            }
        }
    }
    report(broken);
}

#[test]
fn files_stay_short_and_open_with_what_they_are_for() {
    let mut broken = Vec::new();
    let product = sources("src");
    let tests = test_files(&product);
    for source in product.into_iter().chain(sources("tests")) {
        let counts = !tests.contains(&source.path);
        if counts && source.length() > LONGEST_FILE {
            broken.push(format!(
                "{}: {} lines before its tests",
                source.shown(),
                source.length()
            ));
        }
        if !source.text.starts_with("//!") {
            broken.push(format!("{}: no //! head", source.shown()));
        }
    }
    report(broken);
}

#[test]
fn files_are_named_after_what_they_hold() {
    let mut broken = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        for part in Path::new(&source.shown()).components() {
            let name = part.as_os_str().to_string_lossy();
            let name = name.strip_suffix(".rs").unwrap_or(&name);
            if BANNED_NAMES.contains(&name) {
                broken.push(format!("{}: says nothing", source.shown()));
            }
        }
    }
    report(broken);
}

#[test]
fn nothing_is_left_undone() {
    let mut broken = Vec::new();
    let all = sources("src");
    let tests = test_files(&all);
    for source in all {
        for mark in UNDONE {
            for (at, _) in source.text.match_indices(mark) {
                broken.push(format!(
                    "{}:{}: {mark}",
                    source.shown(),
                    line_of(&source.text, at)
                ));
            }
        }
        let code = if tests.contains(&source.path) {
            ""
        } else {
            before_tests(&source.code)
        };
        for (at, _) in code.match_indices(".unwrap()") {
            broken.push(format!(
                "{}:{}: unwrap outside of tests",
                source.shown(),
                line_of(code, at)
            ));
        }
    }
    report(broken);
}

#[test]
fn lines_are_eighty_wide() {
    let mut broken = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")) {
        for (number, line) in source.text.lines().enumerate() {
            // The formatter cannot break a long literal or an address.
            let may_stay = line.contains('"') || line.contains("://");
            if line.chars().count() > WIDEST_LINE && !may_stay {
                broken.push(format!(
                    "{}:{}: {} wide",
                    source.shown(),
                    number + 1,
                    line.chars().count()
                ));
            }
        }
    }
    report(broken);
}

#[test]
fn blanking_keeps_code_and_drops_prose() {
    let text = "let a = 'x'; // crate::sys\nlet b: &'a str = \"unsafe \\\" {\";\nlet c = r#\"libc\"#; /* rustix\n */ use crate::{oci, store::x};\n";
    let code = blank(text);
    assert_eq!(code.lines().count(), text.lines().count());
    for gone in ["sys", "unsafe", "libc", "rustix"] {
        assert!(!code.contains(gone), "{gone} stayed in {code}");
    }
    let uses = crate_uses(&code);
    assert_eq!(uses, [("oci".to_string(), 4), ("store".to_string(), 4)]);
}
