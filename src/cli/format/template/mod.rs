//! The part of Go's templates that people give to `--format`.
//!
//! Read by [`parse`], carried out by [`evaluate`]: fields and variables,
//! pipelines, `if`/`else`/`with`/`range`, and the functions of
//! [`functions`]. Left out: `define`, `template`, `block`, `break`.

mod evaluate;
mod functions;
mod parse;

pub use evaluate::{Missing, Mode};

use super::value::Value;

/// A template that has been read.
#[derive(Debug)]
pub struct Template {
    text: String,
    nodes: Vec<parse::Node>,
}

impl Template {
    /// Reads a template; the error is in Go's words.
    pub fn parse(text: &str) -> Result<Template, String> {
        let nodes = parse::parse(text)?;
        Ok(Template { text: text.to_owned(), nodes })
    }

    /// Carries the template out; the error is in Go's words.
    pub fn run(
        &self,
        data: &Value,
        missing: Missing,
        mode: Mode,
    ) -> Result<String, String> {
        evaluate::run(&self.text, &self.nodes, data, missing, mode)
    }

    /// Tells whether a field of this name is used anywhere.
    pub fn uses(&self, field: &str) -> bool {
        parse::uses(&self.nodes, field)
    }
}
