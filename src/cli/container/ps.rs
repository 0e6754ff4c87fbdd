//! `ps`.

use super::ports;
use crate::api::container::Summary;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::template::{Missing, Mode, Template};
use crate::cli::format::{FORMAT_HELP_TABLE, Layout, Row, Value, layout};
use crate::cli::session::Session;
use crate::cli::value::{self, quote};
use crate::client::ListContainers;
use crate::oci::reference::Reference;
use crate::time::Timestamp;
use crate::{id, units};

/// `ps`.
pub static COMMAND: Command = Command {
    paths: &["container ls", "container list", "container ps", "ps"],
    usage: "[OPTIONS]",
    about: "List containers",
    words: Words::None,
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    list: ListContainers,
    latest: bool,
    no_trunc: bool,
    quiet: bool,
    format: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "all",
        "Show all containers (default shows just running)",
        |t: &mut Typed, on| t.list.all = on,
    )
    .short('a'),
    Flag::list(
        "filter",
        "filter",
        "Filter output based on conditions provided",
        |t: &mut Typed, word| {
            let (name, value) = value::filter(word)?;
            t.list.filters.add(&name, &value);
            Ok(())
        },
    )
    .short('f'),
    Flag::value("format", "string", FORMAT_HELP_TABLE, |t, word| {
        let t: &mut Typed = t;
        word.clone_into(&mut t.format);
        Ok(())
    }),
    Flag::value(
        "last",
        "int",
        "Show n last created containers (includes all states) (default -1)",
        |t: &mut Typed, word| {
            t.list.limit = value::integer(word)?;
            Ok(())
        },
    )
    .short('n'),
    Flag::switch(
        "latest",
        "Show the latest created container (includes all states)",
        |t: &mut Typed, on| t.latest = on,
    )
    .short('l'),
    Flag::switch("no-trunc", "Don't truncate output", |t: &mut Typed, on| {
        t.no_trunc = on;
    }),
    Flag::switch("quiet", "Only display container IDs", |t, on| {
        let t: &mut Typed = t;
        t.quiet = on;
    })
    .short('q'),
    Flag::switch("size", "Display total file sizes", |t: &mut Typed, on| {
        t.list.size = on;
    })
    .short('s'),
]];

const COLUMNS: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t\
    {{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

const SIZE_COLUMN: &str = "\t{{.Size}}";

const HEADS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Names", "NAMES"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("Ports", "PORTS"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Size", "SIZE"),
    ("Labels", "LABELS"),
    ("Mounts", "MOUNTS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Networks", "NETWORKS"),
    ("Platform", "PLATFORM"),
];

const KIND: &str = "*formatter.ContainerContext";

fn run(
    session: &mut Session,
    typed: Typed,
    _: Vec<String>,
) -> Result<i32, Error> {
    let Typed { mut list, latest, no_trunc, quiet, mut format } = typed;
    if latest && list.limit <= 0 {
        list.limit = 1;
    }
    let cut = if no_trunc { Cut::No } else { Cut::Yes };
    if quiet && !format.is_empty() {
        session.warn(
            "WARNING: Ignoring custom format, because both --format and \
             --quiet are set.",
        );
    }
    if quiet {
        return show_ids(session, &list, cut);
    }
    if format.is_empty() {
        format.clone_from(&session.config().ps_format);
    }
    // A list without sizes is much faster, so they are asked for only when
    // they will be seen; this also finds errors before any request.
    let is_plain = matches!(format.as_str(), "" | "table" | "json" | "raw");
    if !is_plain {
        list.size |= check(&format)?.uses("Size");
    }
    let columns = match list.size {
        true => format!("{COLUMNS}{SIZE_COLUMN}"),
        false => COLUMNS.to_owned(),
    };
    let layout = Layout::parse(&format, &columns)?;
    let containers = session.client()?.containers(&list)?;
    let now = Timestamp::now();
    let rows = containers.iter().map(|container| {
        let created = Timestamp::from_unix(container.created, 0);
        row(container, layout.stamp("CreatedAt", created), now, cut)
    });
    let text = layout.show(HEADS, KIND, rows)?;
    session.print(&text)?;
    Ok(0)
}

fn show_ids(
    session: &mut Session,
    list: &ListContainers,
    cut: Cut,
) -> Result<i32, Error> {
    let containers = session.client()?.containers(list)?;
    let mut text = String::new();
    for container in containers {
        text.push_str(shortened(&container.id, cut));
        text.push('\n');
    }
    session.print(&text)?;
    Ok(0)
}

/// Tries a format on an empty row, as Docker does: its errors come in other
/// words than those of other lists.
fn check(format: &str) -> Result<Template, Error> {
    let parsed = Template::parse(format);
    let template = parsed.map_err(|reason| {
        Error::text(format!("failed to parse template: {reason}"))
    })?;
    let empty =
        row(&Summary::default(), Value::Null, Timestamp::ZERO, Cut::Yes);
    template
        .run(&layout::object(empty), Missing::Type(KIND), Mode::Values)
        .map_err(|reason| {
            Error::text(format!("failed to execute template: {reason}"))
        })?;
    Ok(template)
}

/// Whether long texts are cut.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Yes,
    No,
}

fn shortened(id: &str, cut: Cut) -> &str {
    match cut {
        Cut::Yes => id::short(id),
        Cut::No => id,
    }
}

fn row(
    container: &Summary,
    created_at: Value,
    now: Timestamp,
    cut: Cut,
) -> Row {
    let created = Timestamp::from_unix(container.created, 0);
    let age = units::human_duration(now.duration_since(created));
    let labels = container.labels.iter();
    let labels: Vec<_> = labels.map(|(n, v)| format!("{n}={v}")).collect();
    let networks = container.network_settings.networks.keys();
    let networks: Vec<_> = networks.map(String::as_str).collect();
    let is_local = |m: &&crate::api::inspect::MountPoint| m.driver == "local";
    let volumes = container.mounts.iter().filter(is_local).count();
    let label_map = container.labels.iter();
    let label_map =
        label_map.map(|(n, v)| (n.clone(), Value::from(v.as_str())));
    vec![
        ("ID", shortened(&container.id, cut).into()),
        ("Names", names(container, cut).into()),
        ("Image", image(container, cut).into()),
        ("Command", command(container, cut).into()),
        ("CreatedAt", created_at),
        ("RunningFor", format!("{age} ago").into()),
        ("Ports", ports::show(&container.ports).into()),
        ("State", container.state.as_str().into()),
        ("Status", container.status.as_str().into()),
        ("Size", size(container).into()),
        ("Labels", labels.join(",").into()),
        ("Mounts", mounts(container, cut).into()),
        ("LocalVolumes", volumes.to_string().into()),
        ("Networks", networks.join(",").into()),
        ("Platform", Value::Null),
        ("\0labels", Value::Object(label_map.collect())),
    ]
}

fn names(container: &Summary, cut: Cut) -> String {
    let names = container
        .names
        .iter()
        .map(|name| name.strip_prefix('/').unwrap_or(name));
    // `web/db` is a link's name for another container.
    let own = names.filter(|name| cut == Cut::No || !name.contains('/'));
    own.collect::<Vec<_>>().join(",")
}

fn image(container: &Summary, cut: Cut) -> String {
    let image = container.image.as_str();
    if image.is_empty() {
        return "<no image>".to_owned();
    }
    if cut == Cut::No {
        return image.to_owned();
    }
    let bare = |id: &str| id.strip_prefix("sha256:").unwrap_or(id).to_owned();
    if bare(&container.image_id) == bare(image) {
        return id::short(&bare(image)).to_owned();
    }
    match Reference::parse(image) {
        Ok(name) if name.digest().is_some() && name.tag().is_some() => {
            let tag = name.tag().unwrap_or_default();
            format!("{}:{tag}", name.familiar_name())
        }
        Ok(name) if name.digest().is_some() => name.familiar_name(),
        _ => image.to_owned(),
    }
}

fn command(container: &Summary, cut: Cut) -> String {
    match cut {
        Cut::Yes => quote(&ellipsis(&container.command, 20)),
        Cut::No => quote(&container.command),
    }
}

/// Cuts a text to a number of characters, the last of them dots.
fn ellipsis(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn size(container: &Summary) -> String {
    let shown = |bytes: i64| {
        units::human_size_with(u64::try_from(bytes).unwrap_or(0), 3)
    };
    let own = shown(container.size_rw);
    match container.size_root_fs {
        0 => own,
        all => format!("{own} (virtual {})", shown(all)),
    }
}

fn mounts(container: &Summary, cut: Cut) -> String {
    let shown = container.mounts.iter().map(|mount| {
        let name = match mount.name.is_empty() {
            true => &mount.source,
            false => &mount.name,
        };
        match cut {
            Cut::Yes => ellipsis(name, 15),
            Cut::No => name.clone(),
        }
    });
    shown.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded() -> Summary {
        let text = r#"{"Id":"46aea10b70823ab0ec4208ffe86df8ecd7d6cab649de849a451d6b2c3a281007",
            "Names":["/web","/other/alias"],"Image":"busybox",
            "ImageID":"sha256:191a","Command":"sh -c 'echo started; x'",
            "Created":1795291721,"Ports":[],"Labels":{"role":"web"},
            "State":"running","Status":"Up 1 second","SizeRw":2,
            "SizeRootFs":1986402,"Mounts":[{"Type":"volume","Name":"data",
            "Source":"/x","Driver":"local"}]}"#;
        crate::json::from_slice(text.as_bytes()).unwrap()
    }

    fn show(format: &str, cut: Cut) -> String {
        let now = Timestamp::from_unix(1795291722, 0);
        let layout = Layout::parse(format, COLUMNS).unwrap();
        let rows = [row(&recorded(), Value::Null, now, cut)];
        layout.show(HEADS, KIND, rows.into_iter()).unwrap()
    }

    #[test]
    fn the_table_is_the_recorded_one() {
        assert_eq!(
            show("", Cut::Yes),
            "CONTAINER ID   IMAGE     COMMAND                  CREATED        \
             STATUS        PORTS     NAMES\n\
             46aea10b7082   busybox   \"sh -c 'echo started…\"   1 second ago   \
             Up 1 second             web\n"
        );
    }

    #[test]
    fn fields_can_be_picked() {
        let format = "{{.Label \"role\"}} {{.Size}} {{.Mounts}} \
                      {{.LocalVolumes}} {{.Names}}";
        assert_eq!(
            show(format, Cut::No),
            "web 2B (virtual 1.99MB) data 1 web,other/alias\n"
        );
        assert_eq!(
            check("{{.Nope}}").unwrap_err().to_string(),
            "failed to execute template: template: :1:2: executing \"\" at \
             <.Nope>: can't evaluate field Nope in type \
             *formatter.ContainerContext"
        );
    }
}
