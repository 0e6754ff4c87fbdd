//! JSON as Go writes it.

use super::value::{HIDDEN, Value};

/// Which characters of a string are written as `\u` escapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Only what JSON demands.
    Plain,
    /// `<`, `>` and `&` too, as Go's encoder does by default.
    Html,
}

/// Writes a value on one line.
pub fn compact(value: &Value, escape: Escape) -> String {
    let mut out = String::new();
    write(value, escape, &mut out);
    out
}

fn write(value: &Value, escape: Escape, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(on) => out.push_str(if *on { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_string(text, escape, out),
        Value::Array(list) => {
            out.push('[');
            for (i, value) in list.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(value, escape, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            let shown = |name: &String| !name.starts_with(HIDDEN);
            let fields = fields.iter().filter(|(name, _)| shown(name));
            for (i, (name, value)) in fields.enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(name, escape, out);
                out.push(':');
                write(value, escape, out);
            }
            out.push('}');
        }
    }
}

fn write_string(text: &str, escape: Escape, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if escape == Escape::Html => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Lays out JSON text with four spaces a level; strings and numbers stay as
/// they were written. `depth` is the level at which the text stands.
pub fn indent(text: &str, mut depth: usize) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text.char_indices().peekable();
    let mut in_string = false;
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        for _ in 0..depth {
            out.push_str("    ");
        }
    };
    while let Some((at, c)) = rest.next() {
        if in_string {
            out.push(c);
            match c {
                '\\' => out.extend(rest.next().map(|(_, c)| c)),
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match c {
            '"' => {
                in_string = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                let next = text[at + 1..].trim_start().chars().next();
                if matches!(next, Some('}' | ']')) {
                    for (_, c) in rest.by_ref() {
                        if matches!(c, '}' | ']') {
                            out.push(c);
                            break;
                        }
                    }
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_ascii_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentation_is_gos() {
        let text = r#"[{"a":"x: {\"y\",","b":[],"c":{ },"d":[1,2.50]}]"#;
        assert_eq!(
            indent(text, 0),
            r#"[
    {
        "a": "x: {\"y\",",
        "b": [],
        "c": {},
        "d": [
            1,
            2.50
        ]
    }
]"#
        );
    }

    #[test]
    fn only_the_html_form_escapes_brackets() {
        let value = Value::from("<a&b>\u{1}\"");
        assert_eq!(compact(&value, Escape::Plain), "\"<a&b>\\u0001\\\"\"");
        assert_eq!(
            compact(&value, Escape::Html),
            "\"\\u003ca\\u0026b\\u003e\\u0001\\\"\""
        );
    }
}
