//! The `filters` parameter: `{"name":["a","b"]}`, or the older
//! `{"name":{"a":true}}`.

use std::collections::BTreeMap;

use super::{Error, Result};
use crate::json::{self, Value};

/// Filters by key; the values of one key are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, Vec<String>>);

impl Filters {
    /// Reads the parameter; an empty one filters nothing.
    pub fn parse(text: &str) -> Result<Filters> {
        if text.is_empty() {
            return Ok(Filters::default());
        }
        let bad = || Error::Invalid("invalid filter".into());
        let value = json::parse(text.as_bytes()).map_err(|_| bad())?;
        let map = match value {
            Value::Object(map) => map,
            Value::Null => return Ok(Filters::default()),
            _ => return Err(bad()),
        };
        let mut filters = BTreeMap::new();
        for (key, value) in map {
            let values = match value {
                Value::Array(list) => list
                    .into_iter()
                    .map(|v| match v {
                        Value::String(text) => Ok(text),
                        _ => Err(bad()),
                    })
                    .collect::<Result<Vec<_>>>()?,
                // Docker looks at the keys alone.
                Value::Object(set) => set.into_iter().map(|(k, _)| k).collect(),
                _ => return Err(bad()),
            };
            filters.insert(key, values);
        }
        Ok(Filters(filters))
    }

    /// Adds an alternative to a key.
    pub fn add(&mut self, key: &str, value: &str) {
        self.0.entry(key.into()).or_default().push(value.into());
    }

    /// Refuses keys that are not known, in Docker's words.
    pub fn validate(&self, known: &[&str]) -> Result<()> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Error::Invalid(format!("invalid filter '{key}'"))),
            None => Ok(()),
        }
    }

    /// Returns the alternatives of a key, empty if it is not there.
    pub fn get(&self, key: &str) -> &[String] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Tells whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        !self.get(key).is_empty()
    }

    /// Tells whether a key is absent, or one of its alternatives passes.
    pub fn any(&self, key: &str, passes: impl Fn(&str) -> bool) -> bool {
        !self.has(key) || self.get(key).iter().any(|v| passes(v))
    }

    /// Reads a yes-or-no filter, as `dangling`.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>> {
        let bad = |values: &[String]| {
            let values = values.join(" ");
            Error::Invalid(format!("invalid filter '{key}=[{values}]'"))
        };
        match self.get(key) {
            [] => Ok(None),
            [one] => match one.as_str() {
                "1" | "true" | "t" | "T" | "TRUE" | "True" => Ok(Some(true)),
                "0" | "false" | "f" | "F" | "FALSE" | "False" => {
                    Ok(Some(false))
                }
                _ => Err(bad(self.get(key))),
            },
            many => Err(bad(many)),
        }
    }

    /// Tells whether labels hold all that `label` asks: `key` or
    /// `key=value`; all of its values must hold.
    pub fn labels_match(&self, labels: &BTreeMap<String, String>) -> bool {
        self.get("label").iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|v| v == value),
            None => labels.contains_key(wanted),
        })
    }

    /// Tells whether none of what `label!` names holds.
    pub fn no_label_matches(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.get("label!").iter().any(|unwanted| {
            let (key, value) = match unwanted.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (unwanted.as_str(), None),
            };
            labels.get(key).is_some_and(|v| value.is_none_or(|w| w == v))
        })
    }
}

/// Matches as Docker's fuzzy filters do: `^a` and `a$` are anchors, else
/// the text may stand anywhere. (Docker takes any regular expression; one
/// that uses more than anchors is looked for as it is written.)
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let (pattern, start) = match pattern.strip_prefix('^') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    let (pattern, end) = match pattern.strip_suffix('$') {
        Some(rest) => (rest, true),
        None => (pattern, false),
    };
    match (start, end) {
        (true, true) => name == pattern,
        (true, false) => name.starts_with(pattern),
        (false, true) => name.ends_with(pattern),
        (false, false) => name.contains(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let new = Filters::parse(r#"{"status":["exited"]}"#).unwrap();
        let old = Filters::parse(r#"{"status":{"exited":true}}"#).unwrap();
        assert_eq!(new, old);
        assert_eq!(Filters::parse("").unwrap(), Filters::default());
        for bad in ["x", "[]", "{\"a\":1}", "{\"a\":[1]}"] {
            assert!(Filters::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_key_is_refused_in_dockers_words() {
        let filters = Filters::parse(r#"{"colour":["red"]}"#).unwrap();
        let error = filters.validate(&["name"]).unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'colour'");
    }

    #[test]
    fn labels_must_all_hold() {
        let labels =
            BTreeMap::from([("a".into(), "1".into()), ("b".into(), "".into())]);
        let holds =
            |text: &str| Filters::parse(text).unwrap().labels_match(&labels);
        assert!(holds(r#"{"label":["a=1","b"]}"#));
        assert!(!holds(r#"{"label":["a=2"]}"#));
        assert!(!holds(r#"{"label":["a","c"]}"#));
    }

    #[test]
    fn anchors_hold_a_name() {
        assert!(name_matches("^web$", "web"));
        assert!(name_matches("we", "/web"));
        assert!(!name_matches("^we$", "web"));
        assert!(name_matches("eb$", "web"));
    }
}
