//! A JSON value that keeps the order of its fields.
//!
//! Docker's client decodes into structs, so `{{json .State}}` shows fields in
//! the order of the engine's answer; a sorted map would not.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// In front of the name of a field that templates can use but JSON does not
/// show.
pub const HIDDEN: char = '\0';

/// Any JSON value.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// An object; the fields in the order in which they came.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Returns a field of an object.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => {
                fields.iter().find(|(key, _)| key == name).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// Returns a field of an object, also one that JSON does not show.
    pub fn any_field(&self, name: &str) -> Option<&Value> {
        self.field(name).or_else(|| {
            let Value::Object(fields) = self else { return None };
            let hidden = |key: &str| key.strip_prefix(HIDDEN) == Some(name);
            fields.iter().find(|(key, _)| hidden(key)).map(|(_, v)| v)
        })
    }

    /// Tells what a template's `if` tells: neither zero nor empty.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(on) => *on,
            Value::Number(n) => n.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
        }
    }

    /// Returns the fields of an object sorted by name, as Go walks a map.
    pub fn sorted(&self) -> Vec<(&str, &Value)> {
        let Value::Object(fields) = self else { return Vec::new() };
        let mut fields: Vec<_> =
            fields.iter().map(|(name, v)| (name.as_str(), v)).collect();
        fields.sort_by_key(|(name, _)| *name);
        fields
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number.into())
    }
}

/// Prints as Go's `fmt` does: `[a b]`, `map[a:1 b:2]`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("<nil>"),
            Value::Bool(on) => on.fmt(f),
            Value::Number(number) => number.fmt(f),
            Value::String(text) => f.write_str(text),
            Value::Array(list) => {
                f.write_str("[")?;
                for (i, value) in list.iter().enumerate() {
                    let space = if i > 0 { " " } else { "" };
                    write!(f, "{space}{value}")?;
                }
                f.write_str("]")
            }
            Value::Object(_) => {
                f.write_str("map[")?;
                for (i, (name, value)) in self.sorted().iter().enumerate() {
                    let space = if i > 0 { " " } else { "" };
                    write!(f, "{space}{name}:{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, on: bool) -> Result<Value, E> {
        Ok(Value::Bool(on))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut from: A,
    ) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut from: A,
    ) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = from.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_but_print_sorted() {
        let value: Value =
            serde_json::from_str(r#"{"b":[1,"x",null],"a":{"c":true}}"#)
                .unwrap();
        let Value::Object(fields) = &value else { panic!() };
        assert_eq!(fields[0].0, "b");
        assert_eq!(value.to_string(), "map[a:map[c:true] b:[1 x <nil>]]");
    }

    #[test]
    fn truth_is_gos() {
        for text in ["null", "false", "0", "\"\"", "[]", "{}"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(!value.is_true(), "{text}");
        }
        for text in ["true", "-1", "\"a\"", "[0]", "{\"a\":null}"] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert!(value.is_true(), "{text}");
        }
    }
}
