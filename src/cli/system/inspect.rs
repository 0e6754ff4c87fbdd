//! `inspect`, for objects of any kind.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::{Error, Gathered};
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::json::{self, Escape};
use crate::cli::format::template::{Missing, Mode, Template};
use crate::cli::format::{FORMAT_HELP, Value};
use crate::cli::session::Session;
use crate::cli::value::quote;
use crate::client::{self, Object, Sizes};

/// `inspect`.
pub static COMMAND: Command = Command {
    paths: &["inspect"],
    usage: "[OPTIONS] NAME|ID [NAME|ID...]",
    about: "Return low-level information on Docker objects",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    format: String,
    size: bool,
    kind: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::value("format", "string", FORMAT_HELP, |t: &mut Typed, word| {
        word.clone_into(&mut t.format);
        Ok(())
    })
    .short('f'),
    Flag::switch(
        "size",
        "Display total file sizes if the type is container",
        |t: &mut Typed, on| t.size = on,
    )
    .short('s'),
    Flag::value(
        "type",
        "string",
        "Only inspect objects of the given type",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.kind);
            Ok(())
        },
    )
    .choices(&["container", "image", "network", "plugin", "volume"]),
]];

/// The kinds, in the order in which they are tried.
const KINDS: [(&str, Object); 5] = [
    ("container", Object::Container),
    ("image", Object::Image),
    ("network", Object::Network),
    ("volume", Object::Volume),
    ("plugin", Object::Plugin),
];

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    let sizes = if typed.size { Sizes::With } else { Sizes::Without };
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|(name, _)| typed.kind.is_empty() || typed.kind == *name)
        .collect();
    if kinds.is_empty() {
        return Err(Error::text(format!(
            "unknown type: {}: must be one of \"container\", \"image\", \
             \"network\", \"plugin\", \"volume\"",
            quote(&typed.kind)
        )));
    }
    let mut report = Report::parse(&typed.format)?;
    for name in &names {
        let mut found =
            Err(Error::text(format!("Error: No such object: {name}")));
        for (_, kind) in &kinds {
            match session.client()?.inspect(*kind, name, sizes) {
                Err(error) if typed.kind.is_empty() && is_other(&error) => {}
                answer => {
                    found = answer.map_err(Error::from);
                    break;
                }
            }
        }
        report.add(found)?;
    }
    report.finish(session)
}

/// Tells whether the object may be of another kind. Daemons without plugins
/// or volumes refuse the question itself.
fn is_other(error: &client::Error) -> bool {
    match error {
        client::Error::Daemon { status, message } => {
            matches!(status, 404 | 501)
                || message.contains("not supported")
                || message.contains("invalid reference format")
        }
        _ => false,
    }
}

/// What was found, shown once all is known.
pub struct Report {
    format: Form,
    found: Vec<String>,
    failed: Gathered,
}

enum Form {
    Indented,
    Lines,
    Template(Template),
}

impl Report {
    /// Reads a `--format`.
    pub fn parse(format: &str) -> Result<Report, Error> {
        let format = match format {
            "" => Form::Indented,
            "json" => Form::Lines,
            text => {
                Form::Template(Template::parse(text).map_err(|reason| {
                    Error::Text(format!("template parsing error: {reason}"), 64)
                })?)
            }
        };
        let (found, failed) = (Vec::new(), Gathered::default());
        Ok(Report { format, found, failed })
    }

    /// Adds an object's description, or why there is none. An error of the
    /// template ends the report.
    pub fn add<E: Into<Error>>(
        &mut self,
        answer: Result<Vec<u8>, E>,
    ) -> Result<(), Error> {
        let text = match answer {
            Ok(text) => text,
            Err(error) => {
                self.failed.push(error);
                return Ok(());
            }
        };
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let value = || {
            serde_json::from_slice::<Value>(text.as_bytes())
                .map_err(|error| Error::text(error.to_string()))
        };
        let shown = match &self.format {
            Form::Indented => text,
            Form::Lines => json::compact(&value()?, Escape::Plain),
            Form::Template(template) => {
                match template.run(&value()?, Missing::Key, Mode::Values) {
                    Ok(shown) => shown,
                    Err(reason) => {
                        // What was shown before the error ends its line.
                        println!();
                        return Err(Error::text(format!(
                            "template parsing error: {reason}"
                        )));
                    }
                }
            }
        };
        self.found.push(shown);
        Ok(())
    }

    /// Prints what was found, then fails with what was not.
    pub fn finish(self, session: &Session) -> Result<i32, Error> {
        match self.format {
            Form::Indented => {
                let all = format!("[{}]", self.found.join(","));
                session.print_line(&json::indent(&all, 0))?;
            }
            _ => {
                for line in self.found {
                    session.print_line(&line)?;
                }
            }
        }
        self.failed.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_template_gives_the_status_64() {
        let error = Report::parse("{{").err().unwrap();
        assert_eq!(error.status(), 64);
        assert_eq!(
            error.to_string(),
            "template parsing error: template: :1: unclosed action"
        );
    }

    #[test]
    fn fields_of_the_answer_keep_their_order() {
        let mut report = Report::parse("{{json .State}} {{.Id}}").unwrap();
        let answer = br#"{"Id":"x","State":{"Status":"r","Pid":1}}"#.to_vec();
        report.add(Ok::<_, Error>(answer)).unwrap();
        assert_eq!(report.found, ["{\"Status\":\"r\",\"Pid\":1} x"]);
    }
}
