//! Answers about images in the shapes of older versions.

use serde_json::{Map, Value, json};

use super::answers::{add, at, each};
use super::container::add_limits;

/// How many containers use an image is not told.
pub fn uncounted(list: &mut Value) {
    each(list, |row| {
        row.insert("Containers".into(), (-1).into());
    });
}

/// The fields of a container's configuration that an image's has no use
/// for.
pub fn full_config(image: &mut Value) {
    at(image, &["Config"], |config| add(config, container_fields()));
}

fn container_fields() -> Value {
    json!({
        "AttachStderr": false,
        "AttachStdin": false,
        "AttachStdout": false,
        "Domainname": "",
        "Hostname": "",
        "Image": "",
        "OpenStdin": false,
        "StdinOnce": false,
        "Tty": false,
    })
}

/// The container that the image was made from: none.
pub fn container_config(image: &mut Value) {
    at(image, &[], |map| {
        let mut config = container_fields();
        let fields = json!({
            "Cmd": null,
            "Entrypoint": null,
            "Env": null,
            "Labels": null,
            "OnBuild": null,
            "User": "",
            "Volumes": null,
            "WorkingDir": "",
        });
        at(&mut config, &[], |config| add(config, fields));
        add(map, json!({ "Container": "", "ContainerConfig": config }));
    });
}

/// The size has a second name.
pub fn virtual_sizes(list: &mut Value) {
    each(list, virtual_size);
}

/// The size has a second name, and what has no date is very old.
pub fn size_and_date(image: &mut Value) {
    at(image, &[], |map| {
        virtual_size(map);
        add(map, json!({ "Created": "0001-01-01T00:00:00Z" }));
    });
}

fn virtual_size(map: &mut Map<String, Value>) {
    let size = map.get("Size").cloned();
    add(map, json!({ "VirtualSize": size }));
}

/// What has neither tag nor digest is called `<none>`.
pub fn none_names(list: &mut Value) {
    each(list, |row| {
        let none = |names: Option<&Value>| {
            names.and_then(Value::as_array).is_none_or(Vec::is_empty)
        };
        if none(row.get("RepoTags")) && none(row.get("RepoDigests")) {
            row.insert("RepoTags".into(), json!(["<none>:<none>"]));
            row.insert("RepoDigests".into(), json!(["<none>@<none>"]));
        }
    });
}

/// Limits were part of the configuration.
pub fn limits(image: &mut Value) {
    for config in ["Config", "ContainerConfig"] {
        at(image, &[config], |map| add_limits(map, &Value::Null));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_name_is_none() {
        let mut list = json!([
            { "RepoTags": [], "RepoDigests": [] },
            { "RepoTags": [], "RepoDigests": ["a@sha256:1"] },
        ]);
        none_names(&mut list);
        assert_eq!(list[0]["RepoTags"][0], "<none>:<none>");
        assert_eq!(list[0]["RepoDigests"][0], "<none>@<none>");
        assert_eq!(list[1]["RepoTags"], json!([]));
    }

    #[test]
    fn an_image_without_a_date_is_very_old() {
        let mut image = json!({ "Size": 7 });
        size_and_date(&mut image);
        assert_eq!(image["Created"], "0001-01-01T00:00:00Z");
        assert_eq!(image["VirtualSize"], 7);
        let mut image = json!({ "Created": "2024-01-01T00:00:00Z" });
        size_and_date(&mut image);
        assert_eq!(image["Created"], "2024-01-01T00:00:00Z");
    }
}
