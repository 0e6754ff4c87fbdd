//! `GET /containers/json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::{Serialize, SerializeSeq, Serializer};

use super::health;
use super::index::Index;
use super::inspect::{Sizes, show_endpoints, show_ports};
use super::life::{Phase, Snapshot};
use super::status::status;
use crate::api::container::{Summary, SummaryHostConfig, SummaryNetworks};
use crate::engine::filters::name_matches;
use crate::engine::{Engine, Error, Filters, Result};
use crate::oci::Digest;
use crate::time::Timestamp;

/// Which containers are listed.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Also those that do not run.
    pub all: bool,
    /// Only so many of the latest; 0: no bound.
    pub limit: usize,
    /// Whether they are told with their sizes.
    pub sizes: Sizes,
    /// Only those that pass.
    pub filters: Filters,
}

/// The keys that Docker knows.
const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "isolation",
    "is-task",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// A list of containers. Its rows are made one by one while they are
/// written: a thousand containers take no more memory than one.
pub struct Listing<'e> {
    engine: &'e Engine,
    found: Vec<Arc<Snapshot>>,
    sizes: Sizes,
    now: Timestamp,
}

/// What images are called, by the name that was asked for and the image.
type ImageNames = BTreeMap<(String, Digest), String>;

impl Serialize for Listing<'_> {
    fn serialize<S: Serializer>(
        &self,
        to: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        let mut names = ImageNames::new();
        let mut links = self.engine.link_names();
        let mut rows = to.serialize_seq(Some(self.found.len()))?;
        for snapshot in &self.found {
            rows.serialize_element(
                &self.row(snapshot, &mut names, &mut links),
            )?;
        }
        rows.end()
    }
}

impl Engine {
    /// Lists containers, the latest first.
    pub fn list(&self, options: &ListOptions) -> Result<Listing<'_>> {
        let filters = &options.filters;
        filters.validate(FILTERS)?;
        let bounds = Bounds::find(&self.containers, filters)?;
        let exited = exit_codes(filters)?;
        check_statuses(filters)?;
        health::check_filter(filters)?;
        let all = options.all
            || options.limit > 0
            || ["status", "exited", "before", "since"]
                .iter()
                .any(|key| filters.has(key));
        let mut found: Vec<Arc<Snapshot>> = self
            .containers
            .all()
            .iter()
            .map(|container| container.snapshot())
            .filter(|s| all || s.life.is_up())
            .filter(|s| bounds.hold(s))
            .filter(|s| {
                exited.is_empty()
                    || (!s.life.is_up()
                        && !s.life.started_at.is_zero()
                        && exited.contains(&s.life.exit_code))
            })
            .filter(|s| self.passes(s, filters))
            .collect();
        found.sort_by_key(|s| std::cmp::Reverse(s.record.created));
        if options.limit > 0 {
            found.truncate(options.limit);
        }
        let (sizes, now) = (options.sizes, Timestamp::now());
        Ok(Listing { engine: self, found, sizes, now })
    }

    /// Tells whether a container passes the filters that look at it alone.
    fn passes(&self, snapshot: &Snapshot, filters: &Filters) -> bool {
        let (record, life) = (&snapshot.record, &snapshot.life);
        let no_labels = Default::default();
        let labels = record.config.labels.as_ref().unwrap_or(&no_labels);
        let port =
            |wanted: &str| {
                record.config.exposed_ports.keys().any(|p| {
                    p == wanted || p.strip_suffix("/tcp") == Some(wanted)
                })
            };
        filters.any("id", |id| record.id.starts_with(id))
            && filters.any("name", |pattern| {
                let slashed = format!("/{}", record.name);
                name_matches(pattern, &record.name)
                    || name_matches(pattern, &slashed)
            })
            && filters.any("status", |s| s == life.phase.as_str())
            && filters.labels_match(labels)
            && filters.any("health", |h| h == health::word(life))
            && filters.any("isolation", |i| i == "default")
            && filters.any("is-task", |t| matches!(t, "false" | "0"))
            && filters.any("expose", port)
            && filters.any("publish", |_| false)
            && filters.any("volume", |wanted| {
                record.mounts.iter().any(|mount| {
                    wanted == mount.destination
                        || wanted == mount.source
                        || (!mount.name.is_empty() && wanted == mount.name)
                })
            })
            && filters.any("network", |wanted| {
                let mode = record.host_config.network_mode.as_str();
                wanted == mode
                    || self
                        .networks
                        .id(mode)
                        .is_some_and(|id| id.starts_with(wanted))
            })
            && filters
                .any("ancestor", |wanted| self.is_ancestor(wanted, record))
    }
}

impl Listing<'_> {
    fn row(
        &self,
        snapshot: &Snapshot,
        names: &mut ImageNames,
        links: &mut BTreeMap<String, Vec<String>>,
    ) -> Summary {
        let (record, life) = (&snapshot.record, &snapshot.life);
        let (size_rw, size_root_fs) = match self.sizes {
            // One that is just being removed does not spoil the list.
            Sizes::Measured => {
                self.engine.sizes(record).unwrap_or_else(|error| {
                    log::info!("container {}: {error}", record.id);
                    (0, 0)
                })
            }
            Sizes::Left => (0, 0),
        };
        let image = names
            .entry((record.config.image.clone(), record.image))
            .or_insert_with(|| self.engine.image_name(record))
            .clone();
        Summary {
            id: record.id.clone(),
            names: [format!("/{}", record.name)]
                .into_iter()
                .chain(links.remove(&record.id).unwrap_or_default())
                .collect(),
            image,
            image_id: record.image.to_string(),
            command: command(&record.path, &record.args),
            created: record.created.seconds,
            ports: match life.has_process() {
                true => show_ports(record),
                false => Vec::new(),
            },
            size_rw,
            size_root_fs,
            labels: record.config.labels.clone().unwrap_or_default(),
            state: life.phase.as_str().into(),
            status: status(life, self.now),
            host_config: SummaryHostConfig {
                network_mode: record.host_config.network_mode.clone(),
                annotations: record.host_config.annotations.clone(),
            },
            network_settings: SummaryNetworks {
                networks: show_endpoints(self.engine, record, life),
            },
            mounts: record.mounts.clone(),
        }
    }
}

/// The containers that `before` and `since` name.
struct Bounds {
    before: Vec<Timestamp>,
    since: Vec<Timestamp>,
}

impl Bounds {
    fn find(index: &Index, filters: &Filters) -> Result<Bounds> {
        let created = |key: &str| -> Result<Vec<Timestamp>> {
            let names = filters.get(key).iter();
            names
                .map(|name| Ok(index.find(name)?.snapshot().record.created))
                .collect()
        };
        Ok(Bounds { before: created("before")?, since: created("since")? })
    }

    fn hold(&self, snapshot: &Snapshot) -> bool {
        let created = snapshot.record.created;
        self.before.iter().all(|bound| created < *bound)
            && self.since.iter().all(|bound| created > *bound)
    }
}

fn exit_codes(filters: &Filters) -> Result<Vec<i32>> {
    let codes = filters.get("exited").iter();
    codes
        .map(|code| {
            code.parse().map_err(|_| {
                Error::Invalid(format!("invalid filter 'exited={code}'"))
            })
        })
        .collect()
}

fn check_statuses(filters: &Filters) -> Result<()> {
    const PHASES: [Phase; 7] = [
        Phase::Created,
        Phase::Restarting,
        Phase::Running,
        Phase::Removing,
        Phase::Paused,
        Phase::Exited,
        Phase::Dead,
    ];
    for status in filters.get("status") {
        if !PHASES.iter().any(|phase| phase.as_str() == status) {
            return Err(Error::Invalid(format!(
                "invalid filter 'status={status}'"
            )));
        }
    }
    Ok(())
}

/// Joins a command line as Docker shows it: an argument with a space is
/// quoted.
fn command(path: &str, args: &[String]) -> String {
    let mut text = path.to_string();
    for arg in args {
        text.push(' ');
        match arg.contains(' ') {
            true => text.push_str(&format!("'{arg}'")),
            false => text.push_str(arg),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_spaces_is_quoted() {
        let args = ["-c", "echo started; true"].map(String::from);
        assert_eq!(command("sh", &args), "sh -c 'echo started; true'");
        assert_eq!(command("sh", &[]), "sh");
    }

    #[test]
    fn an_unknown_status_is_refused() {
        let filters = Filters::parse(r#"{"status":["up"]}"#).unwrap();
        let error = check_statuses(&filters).unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'status=up'");
    }
}
