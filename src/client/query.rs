//! Queries and filters as Docker's client writes them: sorted by name, in
//! `application/x-www-form-urlencoded`.

use std::collections::BTreeMap;
use std::fmt;

/// The query of a request; prints with its `?`, or as nothing.
#[derive(Debug, Default)]
pub struct Query(Vec<(&'static str, String)>);

impl Query {
    /// An empty query.
    pub fn new() -> Query {
        Query::default()
    }

    /// Adds a value.
    pub fn with(
        mut self,
        name: &'static str,
        value: impl fmt::Display,
    ) -> Query {
        self.0.push((name, value.to_string()));
        self
    }

    /// Adds `name=1` when it holds.
    pub fn flag(self, name: &'static str, on: bool) -> Query {
        if on { self.with(name, 1) } else { self }
    }

    /// Adds a text that is not empty.
    pub fn text(self, name: &'static str, text: &str) -> Query {
        if text.is_empty() { self } else { self.with(name, text) }
    }

    /// Adds filters, if there are any.
    pub fn filters(self, filters: &Filters) -> Query {
        if filters.is_empty() { self } else { self.with("filters", filters) }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pairs: Vec<_> = self.0.iter().collect();
        pairs.sort_by_key(|(name, _)| *name);
        for (i, (name, value)) in pairs.into_iter().enumerate() {
            let mark = if i == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", Escaped(value))?;
        }
        Ok(())
    }
}

/// Text in a query: spaces as `+`, all but letters, digits and `-_.~` as
/// `%XX`.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b' ' => f.write_str("+")?,
                b if is_plain(b) => write!(f, "{}", char::from(b))?,
                b => write!(f, "%{b:02X}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

/// Escapes a name for use in a path; slashes and the marks of references
/// stay.
pub fn path_segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b if is_plain(b) || b"/:@$&+=".contains(&b) => {
                out.push(char::from(b));
            }
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// Conditions on a list: for each name the values of which one must match.
/// Prints as the API's JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeMap<String, bool>>);

impl Filters {
    /// Adds a condition.
    pub fn add(&mut self, name: &str, value: &str) {
        let values = self.0.entry(name.to_owned()).or_default();
        values.insert(value.to_owned(), true);
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = serde_json::to_string(&self.0).map_err(|_| fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_sorted_and_escaped_as_gos() {
        let query = Query::new()
            .with("tag", "la test")
            .flag("all", true)
            .flag("size", false)
            .text("empty", "")
            .with("fromImage", "docker.io/library/busybox");
        assert_eq!(
            query.to_string(),
            "?all=1&fromImage=docker.io%2Flibrary%2Fbusybox&tag=la+test"
        );
        assert_eq!(Query::new().to_string(), "");
    }

    #[test]
    fn filters_are_the_recorded_json() {
        let mut filters = Filters::default();
        filters.add("status", "running");
        filters.add("label", "role=web");
        assert_eq!(
            Query::new().flag("all", true).filters(&filters).to_string(),
            "?all=1&filters=%7B%22label%22%3A%7B%22role%3Dweb%22%3Atrue%7D\
             %2C%22status%22%3A%7B%22running%22%3Atrue%7D%7D"
        );
    }

    #[test]
    fn names_keep_their_slashes_in_a_path() {
        assert_eq!(path_segment("a/b:1@sha256:c"), "a/b:1@sha256:c");
        assert_eq!(path_segment("a b?#%"), "a%20b%3F%23%25");
    }
}
