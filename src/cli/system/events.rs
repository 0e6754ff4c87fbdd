//! `events`.

use crate::api::event::Event;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::template::{Missing, Mode, Template};
use crate::cli::format::value::HIDDEN;
use crate::cli::format::{FORMAT_HELP, Value};
use crate::cli::session::Session;
use crate::cli::value;
use crate::client::{self, Filters};
use crate::time::Timestamp;

/// `events`.
pub static COMMAND: Command = Command {
    paths: &["system events", "events"],
    usage: "[OPTIONS]",
    about: "Get real time events from the server",
    words: Words::None,
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    filters: Filters,
    format: String,
    since: String,
    until: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::list(
        "filter",
        "filter",
        "Filter output based on conditions provided",
        |t: &mut Typed, word| {
            let (name, value) = value::filter(word)?;
            t.filters.add(&name, &value);
            Ok(())
        },
    )
    .short('f'),
    Flag::value("format", "string", FORMAT_HELP, |t: &mut Typed, word| {
        word.clone_into(&mut t.format);
        Ok(())
    }),
    Flag::value(
        "since",
        "string",
        "Show all events created since timestamp",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.since);
            Ok(())
        },
    ),
    Flag::value(
        "until",
        "string",
        "Stream events until this timestamp",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.until);
            Ok(())
        },
    ),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    _: Vec<String>,
) -> Result<i32, Error> {
    let form = match typed.format.as_str() {
        "" => Form::Line,
        "json" => Form::Json,
        text => {
            let template = Template::parse(text).map_err(|reason| {
                Error::Text(format!("Error parsing format: {reason}"), 64)
            })?;
            Form::Template(template)
        }
    };
    let since = value::moment(&typed.since).map_err(Error::text)?;
    let until = value::moment(&typed.until).map_err(Error::text)?;
    let client = session.client()?;
    let stream = client.events(&since, &until, &typed.filters)?;
    for event in client::objects::<Event>(stream) {
        session.print_line(&form.show(&event?)?)?;
    }
    Ok(0)
}

enum Form {
    Line,
    Json,
    Template(Template),
}

impl Form {
    fn show(&self, event: &Event) -> Result<String, Error> {
        let json = || {
            serde_json::to_string(event)
                .map_err(|error| Error::text(error.to_string()))
        };
        match self {
            Form::Line => Ok(line(event)),
            Form::Json => json(),
            Form::Template(template) => {
                let mut value: Value =
                    serde_json::from_slice(json()?.as_bytes())
                        .map_err(|error| Error::text(error.to_string()))?;
                add_go_names(&mut value, event);
                let kind = Missing::Type("*events.Message");
                template.run(&value, kind, Mode::Values).map_err(|reason| {
                    Error::Text(format!("Error parsing format: {reason}"), 64)
                })
            }
        }
    }
}

/// Templates name the fields of Go's struct, of which some have other names
/// in JSON.
fn add_go_names(value: &mut Value, event: &Event) {
    let Value::Object(fields) = value else { return };
    let mut add = |name: &str, value: Value| {
        fields.push((format!("{HIDDEN}{name}"), value));
    };
    add("ID", event.id.as_str().into());
    add("Status", event.status.as_str().into());
    add("From", event.from.as_str().into());
    add("Scope", event.scope.as_str().into());
    add("Time", event.time.into());
    add("TimeNano", event.time_nano.into());
}

/// `TIME TYPE ACTION ID (name=value, …)`
fn line(event: &Event) -> String {
    let time = match event.time_nano {
        0 => Timestamp::from_unix(event.time, 0),
        nanos => Timestamp::from_unix_nanos(nanos.into()),
    };
    let mut text = format!(
        "{} {} {} {}",
        time.format_fixed_local(),
        event.kind,
        event.action,
        event.actor.id
    );
    if !event.actor.attributes.is_empty() {
        let attributes = event.actor.attributes.iter();
        let attributes: Vec<_> =
            attributes.map(|(name, value)| format!("{name}={value}")).collect();
        text.push_str(&format!(" ({})", attributes.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        crate::json::from_slice(
            br#"{"status":"die","id":"446a","from":"my/b:1","Type":"container",
            "Action":"die","Actor":{"ID":"446a","Attributes":{"name":"m",
            "exitCode":"0"}},"scope":"local","time":1795291747,
            "timeNano":1795291747665710673}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_line_is_the_recorded_one() {
        let line = line(&event());
        assert!(
            line.ends_with(" container die 446a (exitCode=0, name=m)"),
            "{line}"
        );
        assert!(line.contains(":07.665710673"), "{line}");
    }

    #[test]
    fn templates_use_gos_names() {
        let template = Template::parse(
            "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Status}} {{.TimeNano}} \
             {{.Actor.Attributes.name}}",
        );
        let form = Form::Template(template.unwrap());
        assert_eq!(
            form.show(&event()).unwrap(),
            "container die 446a die 1795291747665710673 m"
        );
    }
}
