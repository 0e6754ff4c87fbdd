//! The functions of templates: Go's own, and those that Docker adds.

use std::cmp::Ordering;

use crate::cli::format::json::{self, Escape};
use crate::cli::format::value::Value;

/// Tells whether there is a function of this name.
pub fn is_known(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "eq"
            | "ge"
            | "gt"
            | "index"
            | "join"
            | "json"
            | "le"
            | "len"
            | "lower"
            | "lt"
            | "ne"
            | "not"
            | "or"
            | "pad"
            | "print"
            | "printf"
            | "println"
            | "slice"
            | "split"
            | "title"
            | "truncate"
            | "upper"
    )
}

/// Tells whether a function turns one word into another, which it must not
/// do with the head of a column.
pub fn changes_words(name: &str) -> bool {
    matches!(
        name,
        "json"
            | "join"
            | "lower"
            | "upper"
            | "pad"
            | "split"
            | "title"
            | "truncate"
    )
}

/// Calls a function; an error tells what is wrong with its arguments.
pub fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    let count = |low: usize, high: usize| match arguments.len() {
        n if n < low || n > high => {
            Err(format!("wrong number of args: want {low} got {n}"))
        }
        _ => Ok(()),
    };
    let text = |i: usize| arguments[i].to_string();
    match name {
        "json" => {
            count(1, 1)?;
            Ok(json::compact(&arguments[0], Escape::Plain).into())
        }
        "join" => {
            count(2, 2)?;
            let Value::Array(list) = &arguments[0] else {
                return Ok(Value::from(""));
            };
            let words: Vec<_> = list.iter().map(Value::to_string).collect();
            Ok(words.join(&text(1)).into())
        }
        "split" => {
            count(2, 2)?;
            let words = text(0);
            let separator = text(1);
            let words = words.split(separator.as_str()).map(Value::from);
            Ok(Value::Array(words.collect()))
        }
        "upper" => count(1, 1).map(|()| text(0).to_uppercase().into()),
        "lower" => count(1, 1).map(|()| text(0).to_lowercase().into()),
        "title" => count(1, 1).map(|()| title(&text(0)).into()),
        "pad" => {
            count(3, 3)?;
            let (before, after) = (size(&arguments[1])?, size(&arguments[2])?);
            let (before, after) = (" ".repeat(before), " ".repeat(after));
            Ok(format!("{before}{}{after}", text(0)).into())
        }
        "truncate" => {
            count(2, 2)?;
            let length = size(&arguments[1])?;
            Ok(text(0).chars().take(length).collect::<String>().into())
        }
        "print" => Ok(print(arguments).into()),
        "println" => {
            let words: Vec<_> =
                arguments.iter().map(Value::to_string).collect();
            Ok(format!("{}\n", words.join(" ")).into())
        }
        "printf" => match arguments.split_first() {
            Some((format, rest)) => {
                Ok(printf(&format.to_string(), rest).into())
            }
            None => Err("wrong number of args".to_owned()),
        },
        "len" => {
            count(1, 1)?;
            let length = match &arguments[0] {
                Value::String(text) => text.len(),
                Value::Array(list) => list.len(),
                Value::Object(fields) => fields.len(),
                Value::Null => 0,
                other => return Err(format!("len of type {other}")),
            };
            Ok(Value::from(length as i64))
        }
        "index" => match arguments.split_first() {
            Some((first, keys)) => keys
                .iter()
                .try_fold(first.clone(), |value, key| index(&value, key)),
            None => Err("wrong number of args".to_owned()),
        },
        "slice" => {
            count(1, 3)?;
            slice(&arguments[0], &arguments[1..])
        }
        "not" => count(1, 1).map(|()| Value::Bool(!arguments[0].is_true())),
        "and" => Ok(chosen(arguments, |value| !value.is_true())),
        "or" => Ok(chosen(arguments, Value::is_true)),
        "eq" => match arguments.split_first() {
            Some((first, rest)) if !rest.is_empty() => {
                Ok(Value::Bool(rest.iter().any(|other| equal(first, other))))
            }
            _ => Err("missing argument for comparison".to_owned()),
        },
        "ne" => {
            count(2, 2)?;
            Ok(Value::Bool(!equal(&arguments[0], &arguments[1])))
        }
        "lt" | "le" | "gt" | "ge" => {
            count(2, 2)?;
            let order = compare(&arguments[0], &arguments[1])
                .ok_or("incompatible types for comparison")?;
            Ok(Value::Bool(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            }))
        }
        _ => Err("no such function".to_owned()),
    }
}

/// The first value that decides, else the last.
fn chosen(values: &[Value], decides: impl Fn(&Value) -> bool) -> Value {
    let found = values.iter().find(|value| decides(value));
    found.or(values.last()).cloned().unwrap_or_default()
}

/// More padding than this is refused.
const WIDEST: usize = 4096;

fn size(value: &Value) -> Result<usize, String> {
    match value {
        Value::Number(number) => number
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n <= WIDEST)
            .ok_or_else(|| format!("out of range: {number}")),
        other => {
            Err(format!("wrong type for value; expected int; got {other}"))
        }
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64()?.partial_cmp(&b.as_f64()?)
        }
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

fn index(value: &Value, key: &Value) -> Result<Value, String> {
    match (value, key) {
        (Value::Object(fields), Value::String(key)) => {
            match value.field(key) {
                Some(found) => Ok(found.clone()),
                // The zero value of a map of strings.
                None if fields
                    .iter()
                    .all(|(_, v)| matches!(v, Value::String(_))) =>
                {
                    Ok(Value::from(""))
                }
                None => Ok(Value::Null),
            }
        }
        (Value::Array(list), Value::Number(at)) => at
            .as_u64()
            .and_then(|at| list.get(usize::try_from(at).ok()?))
            .cloned()
            .ok_or_else(|| format!("index out of range: {at}")),
        (Value::Null, Value::String(_)) => Ok(Value::from("")),
        (Value::Null, _) => Err("index of untyped nil".to_owned()),
        (_, key) => Err(format!("can't index item with {key}")),
    }
}

fn slice(value: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.len(),
        other => return Err(format!("can't slice item of type {other}")),
    };
    let bound = |i: usize, other: usize| match bounds.get(i) {
        None => Ok(other),
        Some(Value::Number(n)) => n
            .as_u64()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n <= length)
            .ok_or_else(|| format!("index out of range: {n}")),
        Some(other) => Err(format!("cannot index slice/array with {other}")),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    let invalid = || format!("invalid slice index: {from} > {to}");
    match value {
        Value::String(text) => {
            Ok(text.get(from..to).ok_or_else(invalid)?.into())
        }
        Value::Array(list) => {
            let part = list.get(from..to).ok_or_else(invalid)?;
            Ok(Value::Array(part.to_vec()))
        }
        _ => Ok(Value::Null),
    }
}

/// Go's `Print`: a space between two values of which neither is a string.
fn print(values: &[Value]) -> String {
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        let is_text = |v: &Value| matches!(v, Value::String(_));
        if i > 0 && !is_text(value) && !is_text(&values[i - 1]) {
            out.push(' ');
        }
        out.push_str(&value.to_string());
    }
    out
}

/// Go's `Printf`, with widths, for the verbs that make sense here.
fn printf(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let flags: String = rest
            .clone()
            .take_while(|c| c.is_ascii_digit() || "-+#. ".contains(*c))
            .collect();
        for _ in 0..flags.len() {
            rest.next();
        }
        let Some(verb) = rest.next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let Some(value) = values.next() else {
            out.push_str(&format!("%!{verb}(MISSING)"));
            continue;
        };
        let shown = match verb {
            'q' => crate::cli::value::quote(&value.to_string()),
            'x' => match value {
                Value::Number(n) => {
                    format!("{:x}", n.as_i64().unwrap_or_default())
                }
                other => other
                    .to_string()
                    .bytes()
                    .map(|b| format!("{b:02x}"))
                    .collect(),
            },
            's' | 'v' | 'd' | 't' => value.to_string(),
            verb => format!("%!{verb}({value})"),
        };
        let width = flags.trim_start_matches(['-', '+', '#', ' ', '0']);
        let width = width.split('.').next().unwrap_or_default();
        let width = width.parse::<usize>().unwrap_or(0).min(WIDEST);
        let pad = width.saturating_sub(shown.chars().count());
        match flags.starts_with('-') {
            true => out.push_str(&format!("{shown}{}", " ".repeat(pad))),
            false => out.push_str(&format!("{}{shown}", " ".repeat(pad))),
        }
    }
    out
}

fn title(text: &str) -> String {
    let mut out = String::new();
    let mut is_first = true;
    for c in text.chars() {
        match is_first {
            true => out.extend(c.to_uppercase()),
            false => out.push(c),
        }
        is_first = !c.is_alphanumeric() && c != '_' && c != '\'';
    }
    out
}
