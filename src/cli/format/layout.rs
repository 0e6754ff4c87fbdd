//! `--format` of the lists: the default table, `table TEMPLATE`, `json`, or
//! a template for each row.

use super::json::{self, Escape};
use super::table::{self, LIST};
use super::template::{Missing, Mode, Template};
use super::value::Value;
use crate::cli::error::Error;
use crate::time::Timestamp;

/// A row of a list: the fields that templates can name.
pub type Row = Vec<(&'static str, Value)>;

/// What a list looks like.
#[derive(Debug)]
pub enum Layout {
    /// Columns with a head.
    Table(Template),
    /// One JSON object a line.
    Json,
    /// A template a line.
    Plain(Template),
}

impl Layout {
    /// Reads a `--format`; an empty one, or `table` alone, means `default`,
    /// the template of the columns.
    pub fn parse(format: &str, default: &str) -> Result<Layout, Error> {
        let parsed = |text: &str| {
            Template::parse(&unescape(text)).map_err(|reason| {
                Error::text(format!("template parsing error: {reason}"))
            })
        };
        match format.strip_prefix("table") {
            Some("") => Ok(Layout::Table(parsed(default)?)),
            Some(rest) => Ok(Layout::Table(parsed(rest.trim())?)),
            None if format.is_empty() => Ok(Layout::Table(parsed(default)?)),
            None if format == "json" => Ok(Layout::Json),
            None => Ok(Layout::Plain(parsed(format)?)),
        }
    }

    /// Tells whether the layout needs a field.
    pub fn uses(&self, field: &str) -> bool {
        match self {
            Layout::Json => true,
            Layout::Table(template) | Layout::Plain(template) => {
                template.uses(field)
            }
        }
    }

    /// A row's time in the local zone, or nothing if no row shows it: the
    /// zone's rules would be read for each.
    pub fn stamp(&self, field: &str, time: Timestamp) -> Value {
        match self.uses(field) {
            true => time.format_local().into(),
            false => Value::Null,
        }
    }

    /// Shows the rows. `heads` gives the column head of each field;
    /// `kind` names the rows' type in errors.
    pub fn show(
        &self,
        heads: &[(&'static str, &str)],
        kind: &'static str,
        rows: impl Iterator<Item = Row>,
    ) -> Result<String, Error> {
        let missing = Missing::Type(kind);
        let mut out = String::new();
        let failed = |reason: String| {
            Error::text(format!("template parsing error: {reason}"))
        };
        match self {
            Layout::Json => {
                for mut row in rows {
                    row.sort_by_key(|(name, _)| *name);
                    out.push_str(&json::compact(&object(row), Escape::Html));
                    out.push('\n');
                }
            }
            Layout::Plain(template) => {
                for row in rows {
                    let value = object(row);
                    let line = template.run(&value, missing, Mode::Values);
                    out.push_str(&line.map_err(failed)?);
                    out.push('\n');
                }
            }
            Layout::Table(template) => {
                let head = heads
                    .iter()
                    .map(|(name, head)| (*name, Value::from(*head)))
                    .collect();
                let line = template.run(&object(head), missing, Mode::Heads);
                out.push_str(&line.map_err(failed)?);
                out.push('\n');
                for row in rows {
                    let value = object(row);
                    let line = template.run(&value, missing, Mode::Values);
                    out.push_str(&line.map_err(failed)?);
                    out.push('\n');
                }
                out = table::align(&out, LIST);
            }
        }
        Ok(out)
    }
}

/// Turns a row into a template's value.
pub fn object(row: Row) -> Value {
    Value::Object(row.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
}

/// Reads `\t` and `\n`, which shells do not.
fn unescape(format: &str) -> String {
    format.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADS: &[(&str, &str)] = &[("Name", "NAME"), ("ID", "ITEM ID")];

    fn show(format: &str) -> Result<String, String> {
        let rows = ["a", "b"].map(|name| {
            vec![
                ("Name", Value::from(name)),
                ("ID", Value::from("<1>")),
                ("\0labels", Value::Null),
            ]
        });
        Layout::parse(format, "{{.Name}}\t{{.ID}}")
            .and_then(|layout| layout.show(HEADS, "*x.y", rows.into_iter()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_four_forms_are_shown_as_docker_does() {
        let table = "NAME      ITEM ID\na         <1>\nb         <1>\n";
        assert_eq!(show("").unwrap(), table);
        assert_eq!(show("table").unwrap(), table);
        assert_eq!(
            show("table {{.ID}}\\t{{upper .Name}}").unwrap(),
            "ITEM ID   NAME\n<1>       A\n<1>       B\n"
        );
        assert_eq!(show("{{.Name}}={{.ID}}").unwrap(), "a=<1>\nb=<1>\n");
        assert_eq!(
            show("json").unwrap(),
            "{\"ID\":\"\\u003c1\\u003e\",\"Name\":\"a\"}\n\
             {\"ID\":\"\\u003c1\\u003e\",\"Name\":\"b\"}\n"
        );
    }

    #[test]
    fn unknown_fields_are_refused_in_dockers_words() {
        assert_eq!(
            show("{{.Name}} {{.Foo}}").unwrap_err(),
            "template parsing error: template: :1:12: executing \"\" at \
             <.Foo>: can't evaluate field Foo in type *x.y"
        );
        assert_eq!(
            show("{{.Repo").unwrap_err(),
            "template parsing error: template: :1: unclosed action"
        );
    }
}
