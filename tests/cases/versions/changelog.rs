//! Docker's list of changes, a row for each, carried out on a real daemon:
//! one version below the change and in it. `changelog.txt` says how.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::Daemon;

const TEXT: &str = include_str!("changelog.txt");

/// Parts of operations that are not built.
const LATER: &[&str] = &["networks", "volumes"];

/// One row: the version, what changed, and how that is looked at.
struct Row {
    minor: u16,
    what: &'static str,
    kind: &'static str,
    rest: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let lines = TEXT.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    let row = |line: &'static str| {
        let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [version, what, kind, rest @ ..] = fields.as_slice() else {
            panic!("{line:?} is no row")
        };
        let minor = version.strip_prefix("1.").and_then(|m| m.parse().ok());
        let minor = minor.unwrap_or_else(|| panic!("{line:?}"));
        Row { minor, what, kind, rest: rest.to_vec() }
    };
    lines.map(row).collect()
}

/// Follows a path (`0.Names.0`); in a name, `~` stands for a dot.
fn follow<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |value, name| match value {
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        other => other.get(name.replace('~', ".")),
    })
}

/// Tells whether a value is as a row says.
fn fits(seen: Option<&Value>, wanted: &str) -> bool {
    let Some(seen) = seen else { return wanted == "-" };
    match wanted {
        "-" => false,
        "*" => true,
        "int" => seen.is_i64(),
        "bool" => seen.is_boolean(),
        "text" => seen.is_string(),
        "list" => seen.is_array(),
        "map" => seen.is_object(),
        json => *seen == serde_json::from_str::<Value>(json).expect(json),
    }
}

/// A daemon with two images, one of them without a name, a container that
/// runs, and one that does not.
fn daemon() -> Daemon {
    let daemon = Daemon::with_image();
    let tar = crate::harness::image::tar(&[]);
    let kind = [("Content-Type", "application/x-tar")];
    let import = "/images/create?fromSrc=-";
    daemon.wire().exchange("POST", import, &kind, Some(&tar)).is(200);
    daemon.run_with(
        "web",
        "sleep 1000",
        json!({
            "Labels": { "a": "b" },
            "ExposedPorts": { "80/tcp": {} },
            "HostConfig": {
                "NetworkMode": "bridge",
                "Binds": ["/tmp:/host:ro"],
                "Annotations": { "a": "b" },
                "Memory": 67108864,
            },
        }),
    );
    daemon.create("idle", json!({ "Cmd": ["true"] }));
    daemon
}

/// Asks under a version, unless the target has one of its own.
fn ask(daemon: &Daemon, minor: u16, target: &str) -> Value {
    let target = target.strip_prefix("GET ").expect("GET");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let encoded = query.bytes().map(|byte| match byte {
        b'=' | b'&' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    });
    let query: String = encoded.collect();
    let version = match path.starts_with("/v1.") {
        true => String::new(),
        false => format!("/v1.{minor}"),
    };
    daemon.get(&format!("{version}{path}?{query}")).is(200).json()
}

/// Creates a container under a version; what today's inspect tells of it.
fn create(daemon: &Daemon, minor: u16, body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).expect(body);
    body["Image"] = "busybox".into();
    body["Cmd"] = json!(["true"]);
    body["HostConfig"]["NetworkMode"] = "none".into();
    let target = format!("/v1.{minor}/containers/create");
    let made = daemon.post_json(&target, &body).is(201).json();
    let id = made["Id"].as_str().expect("an id");
    let seen = daemon.inspect(id);
    daemon.delete(&format!("/containers/{id}")).is(204);
    seen
}

#[test]
fn every_version_has_its_rows() {
    let seen: BTreeSet<u16> = rows().iter().map(|row| row.minor).collect();
    assert_eq!(seen, (15..=51).collect());
    assert!(rows().is_sorted_by(|a, b| a.minor >= b.minor));
    for row in rows() {
        let count = match row.kind {
            "shape" | "create" => 4,
            "told" => 2,
            "test" | "unbuilt" | "later" | "never" => 1,
            other => panic!("1.{} {}: {other}", row.minor, row.what),
        };
        assert_eq!(row.rest.len(), count, "1.{} {}", row.minor, row.what);
        if row.kind == "later" {
            assert!(LATER.contains(&row.rest[0]), "{}", row.what);
        }
    }
}

#[test]
fn answers_and_parameters_change_with_their_version() {
    let daemon = daemon();
    let mut wrong = Vec::new();
    for row in rows() {
        let (path, wanted) = match row.kind {
            "shape" | "create" => (row.rest[1], [row.rest[2], row.rest[3]]),
            "told" => (row.rest[1], ["*", "*"]),
            _ => continue,
        };
        for (minor, wanted) in
            [row.minor - 1, row.minor].into_iter().zip(wanted)
        {
            let all = match row.kind {
                "create" => create(&daemon, minor, row.rest[0]),
                _ => ask(&daemon, minor, row.rest[0]),
            };
            let seen = follow(&all, path);
            if !fits(seen, wanted) {
                let what = row.what;
                wrong.push(format!(
                    "v1.{minor} {what}: {path} is {seen:?}, not {wanted}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_of_what_is_not_built_name_what_cannot_be_done() {
    let daemon = Daemon::start();
    let operations = include_str!("../../operations/v1.51.txt");
    let names: BTreeSet<&str> = rows()
        .iter()
        .filter(|row| row.kind == "unbuilt")
        .flat_map(|row| row.rest[0].split(", "))
        .collect();
    for name in names {
        let line =
            operations.lines().find(|l| l.ends_with(&format!(" {name}")));
        let line = line.unwrap_or_else(|| panic!("{name} is no operation"));
        let mut words = line.split(' ');
        let method = words.next().expect("a method");
        let path = words.next().expect("a path");
        let path = path.replace("{name}", "no").replace("{id}", "no");
        let body = matches!(method, "POST" | "PUT").then_some(&b""[..]);
        let reply = daemon.wire().exchange(method, &path, &[], body);
        // What cannot be made is not found; making it answers 501.
        let status = reply.head.status;
        let is_unbuilt = matches!(status, 501 | 404);
        assert!(is_unbuilt, "{name} is built: give its rows a check");
    }
}

#[test]
fn rows_name_tests_that_are_there() {
    let mut sources = String::new();
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    gather(&top.join("src"), &mut sources);
    gather(&top.join("tests"), &mut sources);
    let absent = |row: &Row| {
        let wanted = format!("#[test] fn {}()", row.rest[0]);
        row.kind == "test" && !sources.contains(&wanted)
    };
    let absent: Vec<&str> =
        rows().iter().filter(|r| absent(r)).map(|r| r.rest[0]).collect();
    assert!(absent.is_empty(), "{absent:?}");
}

/// Gathers the text of all sources, each run of spaces as one.
fn gather(directory: &Path, into: &mut String) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(path).expect("a source");
            let words: Vec<&str> = text.split_whitespace().collect();
            into.push_str(&words.join(" "));
        }
    }
}
