//! The standard library's types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::text::text;
use super::{Error, FromJson, Result, from_value};

impl FromJson for Value {
    fn kind() -> &'static str {
        "interface {}"
    }

    fn zero() -> Value {
        Value::Null
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        *self = value;
        Ok(())
    }
}

impl FromJson for bool {
    fn kind() -> &'static str {
        "bool"
    }

    fn zero() -> bool {
        false
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        match value {
            Value::Bool(value) => *self = value,
            Value::Null => {}
            other => return Err(Error::mismatch(&other, "bool")),
        }
        Ok(())
    }
}

impl FromJson for f64 {
    fn kind() -> &'static str {
        "float64"
    }

    fn zero() -> f64 {
        0.0
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        match value.as_f64() {
            Some(number) => *self = number,
            None if value.is_null() => {}
            None => return Err(Error::mismatch(&value, "float64")),
        }
        Ok(())
    }
}

/// A whole number between the bounds; `null` gives none.
fn integer(
    value: &Value,
    kind: &str,
    low: i128,
    high: i128,
) -> Result<Option<i128>> {
    let Value::Number(number) = value else {
        return match value {
            Value::Null => Ok(None),
            other => Err(Error::mismatch(other, kind)),
        };
    };
    let number = match number.as_i64() {
        Some(number) => Some(i128::from(number)),
        None => number.as_u64().map(i128::from),
    };
    match number {
        Some(number) if (low..=high).contains(&number) => Ok(Some(number)),
        _ => Err(Error::out_of_range(value, kind)),
    }
}

macro_rules! integers {
    ($($type:ty: $kind:literal,)*) => {$(
        impl FromJson for $type {
            fn kind() -> &'static str {
                $kind
            }

            fn zero() -> $type {
                0
            }

            fn fill(&mut self, value: Value) -> Result<()> {
                let (low, high) = (<$type>::MIN.into(), <$type>::MAX.into());
                if let Some(number) = integer(&value, $kind, low, high)? {
                    *self = number as $type;
                }
                Ok(())
            }
        }
    )*};
}

integers! {
    u8: "uint8",
    u16: "uint16",
    u32: "uint32",
    u64: "uint64",
    i32: "int",
    i64: "int64",
}

impl FromJson for String {
    fn kind() -> &'static str {
        "string"
    }

    fn zero() -> String {
        String::new()
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        if let Some(text) = text(value)? {
            *self = text;
        }
        Ok(())
    }
}

impl FromJson for PathBuf {
    fn kind() -> &'static str {
        "string"
    }

    fn zero() -> PathBuf {
        PathBuf::new()
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        if let Some(text) = text(value)? {
            *self = text.into();
        }
        Ok(())
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn kind() -> &'static str {
        T::kind()
    }

    fn zero() -> Option<T> {
        None
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        *self = match value {
            Value::Null => None,
            value => Some(from_value(value)?),
        };
        Ok(())
    }
}

impl<T: FromJson> FromJson for Box<T> {
    fn kind() -> &'static str {
        T::kind()
    }

    fn zero() -> Box<T> {
        Box::new(T::zero())
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        (**self).fill(value)
    }
}

/// The entries of a list; `null` is an empty one.
fn list(value: Value, kind: &str) -> Result<Vec<Value>> {
    match value {
        Value::Array(list) => Ok(list),
        Value::Null => Ok(Vec::new()),
        other => Err(Error::mismatch(&other, format!("[]{kind}"))),
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn kind() -> &'static str {
        "[]"
    }

    fn zero() -> Vec<T> {
        Vec::new()
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        let list = list(value, T::kind())?;
        self.clear();
        self.reserve_exact(list.len());
        for value in list {
            self.push(from_value(value)?);
        }
        Ok(())
    }
}

/// As Go's arrays: what is missing is zero, what is too much is dropped.
impl<T: FromJson, const N: usize> FromJson for [T; N] {
    fn kind() -> &'static str {
        "[]"
    }

    fn zero() -> [T; N] {
        std::array::from_fn(|_| T::zero())
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        for (place, value) in self.iter_mut().zip(list(value, T::kind())?) {
            place.fill(value)?;
        }
        Ok(())
    }
}

impl<T: FromJson> FromJson for (T, T) {
    fn kind() -> &'static str {
        "[]"
    }

    fn zero() -> (T, T) {
        (T::zero(), T::zero())
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        let mut list = list(value, T::kind())?.into_iter();
        self.0.fill(list.next().unwrap_or_default())?;
        self.1.fill(list.next().unwrap_or_default())
    }
}

impl<K: FromJson + Ord, T: FromJson> FromJson for BTreeMap<K, T> {
    fn kind() -> &'static str {
        "map"
    }

    fn zero() -> BTreeMap<K, T> {
        BTreeMap::new()
    }

    fn fill(&mut self, value: Value) -> Result<()> {
        let map = match value {
            Value::Object(map) => map,
            Value::Null => return Ok(()),
            other => {
                let wanted = format!("map[{}]{}", K::kind(), T::kind());
                return Err(Error::mismatch(&other, wanted));
            }
        };
        for (key, value) in map {
            self.insert(from_value(Value::String(key))?, from_value(value)?);
        }
        Ok(())
    }
}
