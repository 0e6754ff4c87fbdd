//! Structs by tables of their fields, and enums by their names.

use serde_json::{Map, Value};

use super::{Error, FromJson, Result, from_value};

/// How a field is read.
#[derive(Clone, Copy)]
pub enum Rule {
    /// Without it, the zero value stays.
    Optional,
    /// Without it, the whole is damaged.
    Required,
    /// As optional; the value is put into form first.
    From(fn(Value) -> Value),
}

/// Reads an object into the fields of the struct `owner`: `table`, sorted by
/// the names, says how, and `places` in the same order where to.
pub fn fields(
    owner: &'static str,
    table: &'static [(&'static str, Rule)],
    places: &mut [&mut dyn FromJson],
    value: Value,
) -> Result<()> {
    let map = match value {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        other => return Err(Error::mismatch(&other, owner)),
    };
    let mut seen = vec![false; table.len()];
    for (key, value) in map {
        if value.is_null() {
            continue;
        }
        let exact = table.binary_search_by(|(name, _)| (*name).cmp(&key));
        let at = match exact {
            Ok(at) => at,
            Err(_) => match inexact(table, &key) {
                Some(at) if !seen[at] => at,
                _ => continue,
            },
        };
        seen[at] = true;
        let (name, rule) = table[at];
        let value = match rule {
            Rule::From(form) => form(value),
            Rule::Optional | Rule::Required => value,
        };
        places[at].fill(value).map_err(|e| e.within(owner, name))?;
    }
    for ((name, rule), seen) in table.iter().zip(seen) {
        if matches!(rule, Rule::Required) && !seen {
            return Err(Error::Missing(name));
        }
    }
    Ok(())
}

fn inexact(table: &[(&str, Rule)], key: &str) -> Option<usize> {
    table.iter().position(|(name, _)| name.eq_ignore_ascii_case(key))
}

/// Reads a required field of an object.
pub fn field<T: FromJson>(value: &mut Value, name: &'static str) -> Result<T> {
    match take(value, name) {
        Value::Null => Err(Error::Missing(name)),
        value => from_value(value),
    }
}

/// Takes a field out of an object, by its exact name or else in any case;
/// `null` if there is none.
pub fn take(value: &mut Value, name: &str) -> Value {
    let Value::Object(map) = value else { return Value::Null };
    let mut exact = map.remove(name);
    map.retain(|key, value| {
        let found = key.eq_ignore_ascii_case(name);
        if found {
            exact.get_or_insert_with(|| value.take());
        }
        !found
    });
    exact.unwrap_or_default()
}

/// Reads a text that is one of `names`; returns which.
pub fn variant(kind: &str, names: &[&str], value: Value) -> Result<usize> {
    let Value::String(text) = value else {
        return Err(Error::mismatch(&value, kind));
    };
    names.iter().position(|name| *name == text).ok_or_else(|| {
        Error::Text(format!("unknown variant `{text}` of {kind}"))
    })
}

/// Takes the text out of an object that tells what the object is.
pub fn tag(value: &mut Value, name: &'static str) -> Result<String> {
    match value.get_mut(name).map(Value::take) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(Error::Missing(name)),
    }
}
