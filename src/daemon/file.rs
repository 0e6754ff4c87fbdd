//! daemon.json: found, decoded, and read into values by the settings' rows.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::cli::Given;
use crate::cli::daemon::{self, Kind, go_text};

/// Where the file is if nobody says else, the first that is there.
const USUAL: [&str; 2] = ["/etc/skiff/daemon.json", "/etc/docker/daemon.json"];

/// Keys whose flags are joined to what the file has.
const JOINED: &[&str] = &["runtimes"];

/// Finds the file. One that was named must be there.
pub(super) fn find(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => USUAL.iter().map(PathBuf::from).find(|path| path.exists()),
    }
}

/// Reads a file. No value of `flags` may be given in it again.
pub(super) fn read(path: &Path, flags: &Given) -> Result<Given, String> {
    // The usual way to have none.
    if path == Path::new("/dev/null") {
        return Ok(Given::default());
    }
    let failed = |what: &str, e: &io::Error| {
        let reason = match e.kind() {
            io::ErrorKind::NotFound => "no such file or directory".into(),
            io::ErrorKind::PermissionDenied => "permission denied".into(),
            io::ErrorKind::IsADirectory => "is a directory".into(),
            _ => e.to_string(),
        };
        format!("{what} {}: {reason}", path.display())
    };
    let kind = fs::metadata(path).map_err(|e| failed("open", &e))?;
    if !kind.is_file() && !kind.is_dir() {
        // A pipe that nobody writes to would keep the daemon waiting.
        return Err(format!("open {}: not a file", path.display()));
    }
    let bytes = fs::read(path).map_err(|e| failed("read", &e))?;
    parse(&decode(&bytes)?, flags)
}

/// Decodes UTF-8, or what a byte order mark tells.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let bad = |at: usize| {
        format!("failed to decode configuration JSON at offset {at}")
    };
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        match rest.is_empty() {
            true => text.map_err(|_| bad(0)),
            false => Err(bad(bytes.len())),
        }
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            let text = std::str::from_utf8(rest);
            text.map(str::to_owned).map_err(|e| bad(e.valid_up_to()))
        }
    }
}

fn parse(text: &str, flags: &Given) -> Result<Given, String> {
    if text.trim().is_empty() {
        return Ok(Given::default());
    }
    let whole: Value =
        serde_json::from_str(text).map_err(|e| format!("invalid JSON: {e}"))?;
    let whole = match whole {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        other => {
            let found = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Bool(_) => "bool",
                _ => "number",
            };
            return Err(format!(
                "json: cannot unmarshal {found} into Go value of type \
                 map[string]interface {{}}"
            ));
        }
    };
    let values = flatten(whole);
    refuse_unknown(&values)?;
    refuse_doubles(&values, flags)?;
    let mut given = Given::default();
    for (key, value) in values {
        let Some(row) = daemon::by_key(&key) else { continue };
        row.kind.check(&key, &value)?;
        if !value.is_null() {
            given.0.insert(row.name(), value);
        }
    }
    Ok(given)
}

/// Lifts what stands in sections (`proxies`) to the top, as dockerd does.
fn flatten(whole: Map<String, Value>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (key, value) in whole {
        let is_section = daemon::by_key(&key).is_none_or(|row| {
            matches!(row.kind, Kind::Switch | Kind::Text | Kind::Integer)
        });
        match value {
            Value::Object(section) if is_section => values.extend(section),
            value => drop(values.insert(key, value)),
        }
    }
    values
}

fn refuse_unknown(values: &BTreeMap<String, Value>) -> Result<(), String> {
    let unknown: Vec<&str> = values
        .keys()
        .map(String::as_str)
        .filter(|key| daemon::by_key(key).is_none())
        .collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the following directives don't match any configuration option: \
             {}",
            unknown.join(", ")
        )),
    }
}

fn refuse_doubles(
    values: &BTreeMap<String, Value>,
    flags: &Given,
) -> Result<(), String> {
    let mut rows: Vec<_> = daemon::settings().collect();
    rows.sort_by_key(|row| row.spec.long);
    let doubles: Vec<String> = rows
        .into_iter()
        .filter_map(|row| {
            let key = row.key;
            let flag = flags.0.get(row.name())?;
            // The key for one address is older than that for several.
            let (key, file) = match (values.get(key), key) {
                (None, "host-gateway-ips") => {
                    let old = "host-gateway-ip";
                    (old, values.get(old)?)
                }
                (file, _) => (key, file?),
            };
            if JOINED.contains(&key) {
                return None;
            }
            let shown = |value: &Value| match key {
                "http-proxy" | "https-proxy" => mask(&go_text(value)),
                _ => go_text(value),
            };
            Some(format!(
                "{key}: (from flag: {}, from file: {})",
                shown(flag),
                shown(file)
            ))
        })
        .collect();
    match doubles.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the following directives are specified both as a flag and in \
             the configuration file: {}",
            doubles.join(", ")
        )),
    }
}

/// Hides the credentials of a URL.
pub(super) fn mask(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://xxxxx:xxxxx@{host}{path}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flags(words: &[&str]) -> Given {
        let words: Vec<_> = words.iter().map(Into::into).collect();
        let mut given = Given::default();
        given.read(&words).unwrap();
        given
    }

    #[test]
    fn byte_order_marks_and_empty_files_are_fine() {
        let text = r#"{"debug": true}"#;
        let wide = |unit: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let text = format!("\u{feff}{text}");
            text.encode_utf16().flat_map(unit).collect()
        };
        let forms = [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            wide(u16::to_le_bytes),
            wide(u16::to_be_bytes),
        ];
        for form in forms {
            assert_eq!(decode(&form).unwrap(), text);
        }
        assert!(decode(b"\xff\xfe{").is_err());
        assert_eq!(
            decode(b"{\"a\": \"\xff\"}").unwrap_err(),
            "failed to decode configuration JSON at offset 7"
        );
        let none = Path::new("/dev/null");
        assert!(read(none, &Given::default()).unwrap().0.is_empty());
        for empty in ["", " \n", "null", "{}"] {
            let given = parse(empty, &Given::default()).unwrap();
            assert!(given.0.is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_dockers_words() {
        let table = [
            (
                r#"{"nosuch": 1, "x": {"y": 2}, "Debug": true}"#,
                "the following directives don't match any configuration \
                 option: Debug, nosuch, y",
            ),
            (
                r#"{"labels": "x"}"#,
                "json: cannot unmarshal string into Go struct field \
                 Config.labels of type []string",
            ),
            (
                "[]",
                "json: cannot unmarshal array into Go value of type \
                 map[string]interface {}",
            ),
            (
                "{\n\"debug\": true,}",
                "invalid JSON: trailing comma at line 2 column 15",
            ),
        ];
        for (text, expected) in table {
            let error = parse(text, &Given::default()).unwrap_err();
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn a_setting_in_both_places_is_refused() {
        let flags = flags(&[
            "-D",
            "-H",
            "unix:///a",
            "--label=c=d",
            "--http-proxy=http://u:p@h/",
            "--add-runtime=x=/y",
        ]);
        let text = r#"{"hosts": ["unix:///x"], "labels": ["a=b"],
            "debug": true, "proxies": {"http-proxy": "http://v:q@i"},
            "runtimes": {"z": {"path": "/z"}}}"#;
        assert_eq!(
            parse(text, &flags).unwrap_err(),
            "the following directives are specified both as a flag and in \
             the configuration file: debug: (from flag: true, from file: \
             true), hosts: (from flag: [unix:///a], from file: [unix:///x]), \
             http-proxy: (from flag: http://xxxxx:xxxxx@h/, from file: \
             http://xxxxx:xxxxx@i), labels: (from flag: [c=d], from file: \
             [a=b])"
        );
    }

    #[test]
    fn sections_are_lifted_but_maps_stay() {
        let text = r#"{"proxies": {"no-proxy": "a"}, "features": {"x": true},
            "default-network-opts": {"bridge": {"a": "b"}},
            "builder": {"gc": {"enabled": true}}}"#;
        let given = parse(text, &Given::default()).unwrap();
        assert_eq!(given.0["no-proxy"], json!("a"));
        assert_eq!(given.0["features"], json!({"x": true}));
        assert_eq!(given.0.len(), 4);
    }
}
