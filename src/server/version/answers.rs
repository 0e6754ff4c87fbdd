//! What the answers of older versions have that the newest do not: one row
//! for each change, the newest first.
//!
//! An answer to which no row applies is written straight from its type. Any
//! other becomes a [`Value`], goes through its rows from the top, and so
//! gets older step by step.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Version, container, image, system};

/// One change of an answer.
pub struct Change {
    /// It applies to versions below 1.`below`.
    pub below: u16,
    /// The operation whose answers it changes.
    pub of: &'static str,
    /// What the answer of an older version is.
    pub what: &'static str,
    /// Makes it so.
    apply: fn(&mut Value),
}

const fn row(
    below: u16,
    of: &'static str,
    what: &'static str,
    apply: fn(&mut Value),
) -> Change {
    Change { below, of, what, apply }
}

const INFO: &str = "SystemInfo";
const IMAGES: &str = "ImageList";
const IMAGE: &str = "ImageInspect";
const CONTAINERS: &str = "ContainerList";
const CONTAINER: &str = "ContainerInspect";
const STATS: &str = "ContainerStats";
const CREATE: &str = "ContainerCreate";

/// All changes, the newest first.
pub static CHANGES: &[Change] = &[
    row(51, IMAGES, "Containers is -1", image::uncounted),
    row(50, IMAGE, "Config has a container's fields", image::full_config),
    row(50, INFO, "tells of bridge-nf-call", system::bridge_nf),
    row(49, INFO, "commits are Expected", system::expected_commits),
    row(49, INFO, "artifacts that cannot be pushed", system::nondistributable),
    row(46, CONTAINERS, "no annotations", container::unannotated),
    row(45, IMAGE, "has a ContainerConfig", image::container_config),
    row(45, CONTAINER, "Aliases has the short id", container::id_aliases),
    row(44, IMAGES, "has VirtualSize", image::virtual_sizes),
    row(44, IMAGE, "has VirtualSize and Created", image::size_and_date),
    row(44, CREATE, "no warning of MacAddress", container::mac_unwarned),
    row(43, IMAGES, "an unnamed image is <none>", image::none_names),
    row(42, CONTAINER, "has KernelMemory", container::kernel_memory),
    row(42, INFO, "has KernelMemory", system::kernel_memory),
    row(39, INFO, "what is not known is <unknown>", system::unknown),
    row(25, INFO, "SecurityOptions are names", system::security_names),
    row(25, CONTAINERS, "a removing one is exited", container::exited_all),
    row(25, CONTAINER, "a removing one is exited", container::exited),
    row(24, INFO, "has ExecutionDriver", system::execution_driver),
    row(22, CONTAINER, "has LxcConf", container::lxc),
    row(21, CONTAINER, "one network, no names", container::one_network),
    row(21, STATS, "one network, the sum of all", container::network_sum),
    row(20, CONTAINER, "Volumes, limits in Config", container::volumes),
    row(20, IMAGE, "limits in Config", image::limits),
    row(20, INFO, "has InitPath", system::init_path),
    row(19, INFO, "booleans are numbers", system::numbers),
];

/// Writes an answer in the shape of a version.
pub fn write(
    out: &mut Vec<u8>,
    value: &(impl Serialize + ?Sized),
    operation: &str,
    version: Version,
) -> serde_json::Result<()> {
    let rows = CHANGES.iter();
    let mut rows = rows
        .take_while(|row| version < Version::of(1, row.below))
        .filter(|row| row.of == operation)
        .peekable();
    if rows.peek().is_none() {
        return serde_json::to_writer(out, value);
    }
    let mut value = serde_json::to_value(value)?;
    rows.for_each(|row| (row.apply)(&mut value));
    serde_json::to_writer(out, &value)
}

/// Applies a change to each object of a list.
pub(super) fn each(list: &mut Value, change: fn(&mut Map<String, Value>)) {
    let rows = list.as_array_mut().into_iter().flatten();
    rows.filter_map(Value::as_object_mut).for_each(change);
}

/// Applies a change to the object below these names, if there is one.
pub(super) fn at(
    value: &mut Value,
    path: &[&str],
    change: impl FnOnce(&mut Map<String, Value>),
) {
    let inner = path.iter().try_fold(value, |v, name| v.get_mut(name));
    if let Some(map) = inner.and_then(Value::as_object_mut) {
        change(map);
    }
}

/// Adds fields that are not there yet.
pub(super) fn add(map: &mut Map<String, Value>, fields: Value) {
    if let Value::Object(fields) = fields {
        for (name, value) in fields {
            map.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::routes::ROUTES;
    use crate::server::version::{MAX, MIN};
    use serde_json::json;

    #[test]
    fn changes_stand_newest_first_and_name_operations() {
        assert!(CHANGES.is_sorted_by(|a, b| a.below >= b.below));
        for row in CHANGES {
            let below = Version::of(1, row.below);
            assert!(MIN < below && below <= MAX, "{}", row.what);
            let known = ROUTES.iter().any(|r| r.operation == row.of);
            assert!(known, "{}: {}", row.of, row.what);
        }
    }

    #[test]
    fn no_answer_makes_a_change_panic() {
        let odd = [json!(null), json!([]), json!({}), json!([1]), json!("x")];
        for row in CHANGES {
            for value in &odd {
                (row.apply)(&mut value.clone());
            }
        }
    }

    #[test]
    fn the_newest_answer_is_written_as_it_is() {
        let list = json!([{ "Size": 7, "Containers": 3 }]);
        let text = |minor| {
            let mut out = Vec::new();
            let version = Version::of(1, minor);
            write(&mut out, &list, "ImageList", version).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(51), r#"[{"Containers":3,"Size":7}]"#);
        assert_eq!(text(50), r#"[{"Containers":-1,"Size":7}]"#);
        assert_eq!(text(43), r#"[{"Containers":-1,"Size":7,"VirtualSize":7}]"#);
    }
}
