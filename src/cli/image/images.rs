//! `images`.

use std::collections::BTreeMap;

use crate::api::image::Summary;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::format::{FORMAT_HELP_TABLE, Layout, Row, Value};
use crate::cli::session::Session;
use crate::cli::value;
use crate::client::ListImages;
use crate::oci::reference::Reference;
use crate::time::Timestamp;
use crate::{id, units};

/// `images`.
pub static COMMAND: Command = Command {
    paths: &["image ls", "image list", "images"],
    usage: "[OPTIONS] [REPOSITORY[:TAG]]",
    about: "List images",
    words: Words::AtMost(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    list: ListImages,
    digests: bool,
    no_trunc: bool,
    quiet: bool,
    format: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "all",
        "Show all images (default hides intermediate images)",
        |t: &mut Typed, on| t.list.all = on,
    )
    .short('a'),
    Flag::switch("digests", "Show digests", |t: &mut Typed, on| {
        t.digests = on;
    }),
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
    Flag::switch("no-trunc", "Don't truncate output", |t: &mut Typed, on| {
        t.no_trunc = on;
    }),
    Flag::switch("quiet", "Only show image IDs", |t: &mut Typed, on| {
        t.quiet = on;
    })
    .short('q'),
]];

const HEADS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

const COLUMNS: &str = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t\
    {{.CreatedSince}}\t{{.Size}}";

const DIGEST_COLUMNS: &str = "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t\
    {{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

fn run(
    session: &mut Session,
    typed: Typed,
    words: Vec<String>,
) -> Result<i32, Error> {
    let Typed { mut list, digests, no_trunc, quiet, mut format } = typed;
    if let Some(name) = words.first() {
        list.filters.add("reference", name);
    }
    if quiet {
        format = "{{.ID}}".to_owned();
    } else if format.is_empty() {
        format.clone_from(&session.config().images_format);
    }
    let columns = if digests { DIGEST_COLUMNS } else { COLUMNS };
    let layout = Layout::parse(&format, columns)?;
    // A table without digests has a row for each tag only.
    let is_plain = format.is_empty() || format == "table" || quiet;
    let shows_digests = digests || (!is_plain && layout.uses("Digest"));
    let shows_digests = shows_digests && format != "json" || digests;
    let rows = match shows_digests {
        true => Digests::Shown,
        false => Digests::Hidden,
    };
    let images = session.client()?.images(&list)?;
    let now = Timestamp::now();
    let rows = images.iter().flat_map(|image| {
        names(image, rows)
            .into_iter()
            .map(|name| {
                let created = Timestamp::from_unix(image.created, 0);
                let stamp = layout.stamp("CreatedAt", created);
                row(image, name, stamp, now, no_trunc)
            })
            .collect::<Vec<_>>()
    });
    let text = layout.show(HEADS, "*formatter.imageContext", rows)?;
    session.print(&text)?;
    Ok(0)
}

/// Whether digests get rows of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Digests {
    Shown,
    Hidden,
}

/// One name of an image.
#[derive(Debug, PartialEq)]
struct Name {
    repository: String,
    tag: String,
    digest: String,
}

const NONE: &str = "<none>";

/// Lists the names of an image: a row for each tag (with each digest of its
/// repository, if digests are shown), then what has a digest only.
fn names(image: &Summary, digests: Digests) -> Vec<Name> {
    let name = |repository: &str, tag: &str, digest: &str| Name {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        digest: digest.to_owned(),
    };
    let mut by_digest: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in &image.repo_digests {
        if let Ok(reference) = Reference::parse(text)
            && let Some(digest) = reference.digest()
        {
            let list = by_digest.entry(reference.familiar_name());
            list.or_default().push(digest.to_string());
        }
    }
    let mut rows = Vec::new();
    let mut seen = Vec::new();
    for text in &image.repo_tags {
        let Ok(reference) = Reference::parse(text) else { continue };
        let Some(tag) = reference.tag() else { continue };
        let repository = reference.familiar_name();
        match by_digest.get(&repository) {
            Some(list) if digests == Digests::Shown => {
                rows.extend(list.iter().map(|d| name(&repository, tag, d)));
            }
            _ => rows.push(name(&repository, tag, NONE)),
        }
        seen.push(repository);
    }
    by_digest.retain(|repository, _| !seen.contains(repository));
    for (repository, list) in &by_digest {
        match digests {
            Digests::Shown => {
                rows.extend(list.iter().map(|d| name(repository, NONE, d)));
            }
            Digests::Hidden => rows.push(name(repository, NONE, "")),
        }
    }
    if rows.is_empty() {
        rows.push(name(NONE, NONE, NONE));
    }
    rows
}

fn row(
    image: &Summary,
    name: Name,
    created_at: Value,
    now: Timestamp,
    no_trunc: bool,
) -> Row {
    let created = Timestamp::from_unix(image.created, 0);
    let age = units::human_duration(now.duration_since(created));
    let size = u64::try_from(image.size).unwrap_or(0);
    let counted = |bytes: i64| match u64::try_from(bytes) {
        Ok(bytes) => units::human_size(bytes),
        Err(_) => "N/A".to_owned(),
    };
    let unique = match image.shared_size {
        shared if shared < 0 => "N/A".to_owned(),
        shared => counted(image.size.saturating_sub(shared).max(0)),
    };
    let bare = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
    let shown = if no_trunc { image.id.as_str() } else { id::short(bare) };
    let containers = match image.containers {
        -1 => "N/A".to_owned(),
        count => count.to_string(),
    };
    vec![
        ("Containers", containers.into()),
        ("CreatedAt", created_at),
        ("CreatedSince", format!("{age} ago").into()),
        ("Digest", name.digest.into()),
        ("ID", shown.into()),
        ("Repository", name.repository.into()),
        ("SharedSize", counted(image.shared_size).into()),
        ("Size", units::human_size_with(size, 3).into()),
        ("Tag", name.tag.into()),
        ("UniqueSize", unique.into()),
        ("VirtualSize", units::human_size(size).into()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:631d4aed291458860decd0c60fb9a895ca12019ae9f3\
                          b39b9b9ebca8ace895eb";

    fn image(tags: &[&str], digests: &[&str]) -> Summary {
        Summary {
            containers: -1,
            created: 1795288077,
            id: "sha256:191a1be1193fea03ea180e0283b73a63b4fd70f01645fff6"
                .to_owned(),
            repo_tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            repo_digests: digests
                .iter()
                .map(|name| format!("{name}@{DIGEST}"))
                .collect(),
            shared_size: -1,
            size: 1986402,
            ..Summary::default()
        }
    }

    fn shown(image: &Summary, digests: Digests) -> Vec<String> {
        let names = names(image, digests).into_iter();
        names
            .map(|n| {
                let digest = n.digest.replace(DIGEST, "D");
                format!("{}:{}@{digest}", n.repository, n.tag)
            })
            .collect()
    }

    #[test]
    fn every_tag_has_a_row_and_lone_digests_too() {
        let both = image(&["a:1", "a:2", "b:1"], &["a", "c"]);
        assert_eq!(
            shown(&both, Digests::Hidden),
            ["a:1@<none>", "a:2@<none>", "b:1@<none>", "c:<none>@"]
        );
        assert_eq!(
            shown(&both, Digests::Shown),
            ["a:1@D", "a:2@D", "b:1@<none>", "c:<none>@D"]
        );
        let bare = image(&[], &[]);
        assert_eq!(shown(&bare, Digests::Hidden), ["<none>:<none>@<none>"]);
    }

    #[test]
    fn rows_show_the_recorded_sizes() {
        let image = image(&["busybox:latest"], &[]);
        let now = Timestamp::from_unix(1795288077 + 3700, 0);
        let name = names(&image, Digests::Hidden).remove(0);
        let row = row(&image, name, Value::Null, now, false);
        let field = |name: &str| {
            row.iter().find(|(n, _)| *n == name).unwrap().1.to_string()
        };
        assert_eq!(field("ID"), "191a1be1193f");
        assert_eq!(field("Size"), "1.99MB");
        assert_eq!(field("VirtualSize"), "1.986MB");
        assert_eq!(field("CreatedSince"), "About an hour ago");
        assert_eq!(field("UniqueSize"), "N/A");
    }
}
