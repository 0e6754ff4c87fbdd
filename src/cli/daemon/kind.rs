//! The kinds of values that the daemon's settings have: how a flag's word
//! and a value of daemon.json are read into the same form.

use serde_json::{Map, Value, json};

use crate::cli::value;

/// The kind of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// Texts, one a flag.
    List,
    /// Texts by name, one `name=value` a flag.
    Map,
    /// Texts by name, by driver: `driver=name=value`.
    Maps,
    /// Switches by name: `name` or `name=false`.
    Switches,
    /// Limits by name: `name=soft[:hard]`.
    Ulimits,
    /// Programs by name: `name=path`.
    Runtimes,
    /// Networks to cut up: `base=CIDR,size=N`.
    Pools,
    /// An object that no flag sets.
    Object,
}

impl Kind {
    /// What stands for the value in help; empty for a switch.
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Switch => "",
            Kind::Text | Kind::Object => "string",
            Kind::Integer => "int",
            Kind::List => "list",
            Kind::Map => "map",
            Kind::Maps => "mapmap",
            Kind::Switches => "map",
            Kind::Ulimits => "ulimit",
            Kind::Runtimes => "runtime",
            Kind::Pools => "pool-options",
        }
    }

    /// Tells whether a flag of the kind may be given more than once.
    pub const fn is_repeatable(self) -> bool {
        !matches!(
            self,
            Kind::Switch | Kind::Text | Kind::Integer | Kind::Object
        )
    }

    /// Reads a flag's word and joins it to what earlier words gave.
    pub fn read(self, word: &str, held: &mut Value) -> Result<(), String> {
        let pair = |word: &str| {
            let (name, text) = word.split_once('=').unwrap_or((word, ""));
            (name.to_owned(), text.to_owned())
        };
        let (name, text) = pair(word);
        match self {
            Kind::Switch => *held = value::boolean(word)?.into(),
            Kind::Text => *held = word.into(),
            Kind::Integer => *held = value::integer(word)?.into(),
            Kind::List => push(held, word.into()),
            Kind::Map => put(held, &name, text.into()),
            Kind::Maps => {
                let (driver, option) = pair(word);
                let Some((option, text)) = option.split_once('=') else {
                    return Err(format!(
                        "invalid mapmap format: {word} (expected \
                         key1=key2=value)"
                    ));
                };
                let mut inner = held.get(&driver).cloned().unwrap_or_default();
                put(&mut inner, option, text.into());
                put(held, &driver, inner);
            }
            Kind::Switches => {
                let on = match word.contains('=') {
                    true => value::boolean(&text)?,
                    false => true,
                };
                put(held, &name, on.into());
            }
            Kind::Ulimits => {
                let (name, (soft, hard)) = value::ulimit(word)?;
                let limit = json!({"Name": name, "Hard": hard, "Soft": soft});
                put(held, &name, limit);
            }
            Kind::Runtimes => {
                if name.trim().is_empty() || text.trim().is_empty() {
                    return Err(format!("invalid runtime argument: {word}"));
                }
                let name = name.trim().to_lowercase();
                if held.get(&name).is_some() {
                    return Err(format!(
                        "runtime '{name}' was already defined"
                    ));
                }
                put(held, &name, json!({"path": text.trim()}));
            }
            Kind::Pools => push(held, pool(word)?),
            Kind::Object => return Err("it has no flag".into()),
        }
        Ok(())
    }

    /// Checks a value of daemon.json; the error is Go's.
    pub fn check(self, key: &str, given: &Value) -> Result<(), String> {
        let wrong = |given: &Value, wanted: &str| {
            let found = match given {
                Value::Bool(_) => "bool".to_owned(),
                Value::Number(n) if wanted == "int" => format!("number {n}"),
                Value::Number(_) => "number".to_owned(),
                Value::String(_) => "string".to_owned(),
                Value::Array(_) => "array".to_owned(),
                Value::Object(_) => "object".to_owned(),
                Value::Null => return Ok(()),
            };
            Err(format!(
                "json: cannot unmarshal {found} into Go struct field \
                 Config.{key} of type {wanted}"
            ))
        };
        let each = |given: &Value, of: Kind, wanted: &str| match given {
            Value::Object(map) => {
                map.values().try_for_each(|value| of.check(key, value))
            }
            other => wrong(other, wanted),
        };
        match self {
            Kind::Switch if !given.is_boolean() => wrong(given, "bool"),
            Kind::Text if !given.is_string() => wrong(given, "string"),
            Kind::Integer if !given.is_i64() => wrong(given, "int"),
            Kind::Switch | Kind::Text | Kind::Integer => Ok(()),
            Kind::List | Kind::Pools => {
                match given {
                    Value::Array(items) => items.iter().try_for_each(|item| {
                        match (self, item.is_object()) {
                            (Kind::List, _) => Kind::Text.check(key, item),
                            (_, true) => Ok(()),
                            _ => wrong(item, "ipamutils.NetworkToSplit"),
                        }
                    }),
                    other => wrong(
                        other,
                        match self {
                            Kind::List => "[]string",
                            _ => "[]*ipamutils.NetworkToSplit",
                        },
                    ),
                }
            }
            Kind::Map => each(given, Kind::Text, "map[string]string"),
            Kind::Maps => {
                each(given, Kind::Map, "map[string]map[string]string")
            }
            Kind::Switches => each(given, Kind::Switch, "map[string]bool"),
            Kind::Ulimits | Kind::Runtimes | Kind::Object => {
                let (outer, inner) = match self {
                    Kind::Ulimits => ("map[string]*Ulimit", "Ulimit"),
                    Kind::Runtimes => ("map[string]Runtime", "Runtime"),
                    _ => ("BuilderConfig", "BuilderGCConfig"),
                };
                let Value::Object(map) = given else {
                    return wrong(given, outer);
                };
                match map.values().find(|value| !value.is_object()) {
                    Some(bad) => wrong(bad, inner),
                    None => Ok(()),
                }
            }
        }
    }
}

fn push(held: &mut Value, item: Value) {
    match held {
        Value::Array(items) => items.push(item),
        other => *other = Value::Array(vec![item]),
    }
}

fn put(held: &mut Value, name: &str, item: Value) {
    if !held.is_object() {
        *held = Value::Object(Map::new());
    }
    if let Value::Object(map) = held {
        map.insert(name.to_owned(), item);
    }
}

fn pool(word: &str) -> Result<Value, String> {
    let (mut base, mut size) = ("", None);
    for part in word.split(',') {
        match part.split_once('=') {
            Some(("base", text)) => base = text,
            Some(("size", text)) => size = Some(value::integer(text)?),
            Some((name, _)) => {
                return Err(format!("unexpected key '{name}' in '{part}'"));
            }
            None => {
                return Err(format!(
                    "invalid field '{part}' must be a key=value pair"
                ));
            }
        }
    }
    Ok(json!({"base": base, "size": size.unwrap_or_default()}))
}

/// Writes a value as Go's `%v` does: `true`, `[a b]`, `map[k:v]`.
pub fn go_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(go_text).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(map) => {
            let items: Vec<String> = map
                .iter()
                .map(|(name, value)| format!("{name}:{}", go_text(value)))
                .collect();
            format!("map[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: Kind, words: &[&str]) -> Result<Value, String> {
        let mut held = Value::Null;
        for word in words {
            kind.read(word, &mut held)?;
        }
        Ok(held)
    }

    #[test]
    fn words_become_what_the_file_would_say() {
        let table: [(Kind, &[&str], Value); 9] = [
            (Kind::Switch, &["true"], json!(true)),
            (Kind::Integer, &["1400"], json!(1400)),
            (Kind::List, &["a", "b"], json!(["a", "b"])),
            (Kind::Map, &["a=1", "b"], json!({"a": "1", "b": ""})),
            (
                Kind::Maps,
                &["bridge=x=1", "bridge=y=2"],
                json!({"bridge": {"x": "1", "y": "2"}}),
            ),
            (Kind::Switches, &["a", "b=false"], json!({"a": true, "b": false})),
            (
                Kind::Ulimits,
                &["nofile=1:2"],
                json!({"nofile": {"Name": "nofile", "Hard": 2, "Soft": 1}}),
            ),
            (Kind::Runtimes, &["x=/y"], json!({"x": {"path": "/y"}})),
            (
                Kind::Pools,
                &["base=10.0.0.0/8,size=24"],
                json!([{"base": "10.0.0.0/8", "size": 24}]),
            ),
        ];
        for (kind, words, expected) in table {
            let value = read(kind, words).unwrap();
            assert_eq!(value, expected);
            assert_eq!(kind.check("k", &value), Ok(()));
        }
    }

    #[test]
    fn words_are_refused_in_dockers_words() {
        let table = [
            (
                Kind::Integer,
                "x",
                "strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
            (Kind::Ulimits, "nofile", "invalid ulimit argument: nofile"),
            (Kind::Runtimes, "x", "invalid runtime argument: x"),
            (Kind::Pools, "x", "invalid field 'x' must be a key=value pair"),
            (Kind::Pools, "a=b", "unexpected key 'a' in 'a=b'"),
        ];
        for (kind, word, text) in table {
            assert_eq!(read(kind, &[word]).unwrap_err(), text);
        }
    }

    #[test]
    fn wrong_types_are_told_in_gos_words() {
        let table = [
            (Kind::List, json!("x"), "string", "[]string"),
            (Kind::List, json!([1]), "number", "string"),
            (Kind::Switch, json!("x"), "string", "bool"),
            (Kind::Integer, json!("x"), "string", "int"),
            (Kind::Integer, json!(1.5), "number 1.5", "int"),
            (Kind::Map, json!({"a": 3}), "number", "string"),
            (Kind::Ulimits, json!({"a": 3}), "number", "Ulimit"),
            (Kind::Runtimes, json!([]), "array", "map[string]Runtime"),
        ];
        for (kind, value, found, wanted) in table {
            let text = format!(
                "json: cannot unmarshal {found} into Go struct field \
                 Config.key of type {wanted}"
            );
            assert_eq!(kind.check("key", &value), Err(text));
        }
    }

    #[test]
    fn values_are_shown_as_go_shows_them() {
        let value = json!({"a": ["x", "y"], "b": true, "c": 1});
        assert_eq!(go_text(&value), "map[a:[x y] b:true c:1]");
    }
}
