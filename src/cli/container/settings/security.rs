//! `--security-opt`, `--storage-opt` and the other lists of `name=value`.

use std::collections::{BTreeMap, BTreeSet};

use crate::json;

/// What security options come to.
#[derive(Debug, Default, PartialEq)]
pub struct Security {
    /// The options that go to the daemon.
    pub options: Option<Vec<String>>,
    /// Whether no system path is hidden or made read-only.
    pub open_paths: bool,
}

/// Checks the options, and puts the text of a seccomp profile in the place
/// of its file's name.
pub fn read(words: &[String]) -> Result<Security, String> {
    let mut security = Security::default();
    let mut options = Vec::new();
    for word in words {
        if word == "systempaths=unconfined" {
            security.open_paths = true;
            continue;
        }
        let pair = word.split_once('=').or_else(|| word.split_once(':'));
        let Some((name, value)) = pair else {
            if word == "no-new-privileges" {
                options.push(word.clone());
                continue;
            }
            return Err(format!("Invalid --security-opt: \"{word}\""));
        };
        if name == "seccomp" && !matches!(value, "unconfined" | "builtin") {
            let failed = |reason: String| {
                format!("opening seccomp profile ({value}) failed: {reason}")
            };
            let text = std::fs::read(value).map_err(|error| {
                let code = error.raw_os_error().unwrap_or_default();
                let reason = crate::sys::Error::new("", code);
                failed(format!("open {value}: {}", reason.reason()))
            })?;
            let profile = json::parse(&text).map_err(|e| {
                format!(
                    "compacting json for seccomp profile ({value}) failed: {e}"
                )
            })?;
            options.push(format!("seccomp={profile}"));
            continue;
        }
        options.push(word.clone());
    }
    security.options = (!words.is_empty()).then_some(options);
    Ok(security)
}

/// Capabilities by their full names, sorted; one that is both added and
/// dropped is added.
pub fn capabilities(
    add: Vec<String>,
    drop: Vec<String>,
) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let full = |words: Vec<String>| {
        let names = words.iter().map(|word| {
            let word = word.trim().to_uppercase();
            match word == ALL || word.starts_with("CAP_") {
                true => word,
                false => format!("CAP_{word}"),
            }
        });
        let names: BTreeSet<String> = names.collect();
        match names.contains(ALL) {
            true => BTreeSet::from([ALL.to_owned()]),
            false => names,
        }
    };
    let (add, mut drop) = (full(add), full(drop));
    drop.retain(|name| !add.contains(name));
    let list = |names: BTreeSet<String>| {
        (!names.is_empty()).then(|| names.into_iter().collect())
    };
    (list(add), list(drop))
}

/// Stands for every capability.
const ALL: &str = "ALL";

/// Reads `name=value` words into a map; a word without `=` is refused.
pub fn pairs(
    words: &[String],
    refusal: &str,
) -> Result<BTreeMap<String, String>, String> {
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(refusal.to_owned()),
    };
    words.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_get_their_full_names() {
        let list = |words: &[&str]| {
            words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            capabilities(list(&["net_admin", "CAP_X", "b"]), list(&["b"])),
            (Some(list(&["CAP_B", "CAP_NET_ADMIN", "CAP_X"])), None)
        );
        assert_eq!(
            capabilities(list(&[]), list(&["all", "x"])),
            (None, Some(list(&["ALL"])))
        );
    }

    #[test]
    fn options_need_a_value_but_for_one() {
        let read = |word: &str| read(&[word.to_owned()]);
        assert!(read("no-new-privileges").is_ok());
        assert!(read("seccomp=unconfined").unwrap().options.is_some());
        assert!(read("systempaths=unconfined").unwrap().open_paths);
        assert_eq!(read("foo").unwrap_err(), "Invalid --security-opt: \"foo\"");
        assert_eq!(
            read("seccomp=/nonexist").unwrap_err(),
            "opening seccomp profile (/nonexist) failed: open /nonexist: no \
             such file or directory"
        );
    }
}
