//! `volume ls`.

use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::{FORMAT_HELP_TABLE, Layout, Row};
use crate::cli::session::Session;
use crate::cli::value;
use crate::client::Filters;

/// `volume ls`.
pub static COMMAND: Command = Command {
    paths: &["volume ls", "volume list"],
    usage: "[OPTIONS]",
    about: "List volumes",
    words: Words::AtMost(0),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    filters: Filters,
    format: String,
    quiet: bool,
}

const FLAGS: Table<Typed> = &[&[
    Flag::list(
        "filter",
        "filter",
        "Provide filter values (e.g. \"dangling=true\")",
        |t: &mut Typed, word| {
            let (name, value) = value::filter(word)?;
            t.filters.add(&name, &value);
            Ok(())
        },
    )
    .short('f'),
    Flag::value("format", "string", FORMAT_HELP_TABLE, |t, word| {
        let t: &mut Typed = t;
        word.clone_into(&mut t.format);
        Ok(())
    }),
    Flag::switch("quiet", "Only display volume names", |t: &mut Typed, on| {
        t.quiet = on;
    })
    .short('q'),
]];

const HEADS: &[(&str, &str)] = &[
    ("Name", "VOLUME NAME"),
    ("Driver", "DRIVER"),
    ("Scope", "SCOPE"),
    ("Mountpoint", "MOUNTPOINT"),
    ("Labels", "LABELS"),
    ("Links", "LINKS"),
    ("Size", "SIZE"),
    ("Availability", "AVAILABILITY"),
    ("Group", "GROUP"),
    ("Status", "STATUS"),
];

fn run(
    session: &mut Session,
    typed: Typed,
    _: Vec<String>,
) -> Result<i32, Error> {
    let Typed { filters, mut format, quiet } = typed;
    if quiet {
        format = "{{.Name}}".to_owned();
    }
    let layout = Layout::parse(&format, "{{.Driver}}\t{{.Name}}")?;
    let mut volumes = session.client()?.volumes(&filters)?.volumes;
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    let rows = volumes.into_iter().map(|volume| -> Row {
        let labels = volume.labels.unwrap_or_default();
        let labels: Vec<String> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let unknown = || "N/A".to_owned().into();
        vec![
            ("Availability", unknown()),
            ("Driver", volume.driver.into()),
            ("Group", unknown()),
            ("Labels", labels.join(",").into()),
            ("Links", unknown()),
            ("Mountpoint", volume.mountpoint.into()),
            ("Name", volume.name.into()),
            ("Scope", volume.scope.into()),
            ("Size", unknown()),
            ("Status", unknown()),
        ]
    });
    let text = layout.show(HEADS, "*formatter.volumeContext", rows)?;
    session.print(&text)?;
    Ok(0)
}
