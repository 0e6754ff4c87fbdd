//! Pull from a real registry.

use serde_json::{Value, json};

use crate::harness::image::{self, Image, Layer, busybox_root};
use crate::harness::registry::Registry;
use crate::harness::{Daemon, Reply};

#[track_caller]
pub fn pull(daemon: &Daemon, name: &str, tag: &str) -> Reply {
    daemon.post(&format!("/images/create?fromImage={name}&tag={tag}"))
}

/// Pulls and asserts success; the messages.
#[track_caller]
pub fn pulled(daemon: &Daemon, name: &str, tag: &str) -> Vec<Value> {
    let reply = pull(daemon, name, tag).is(200);
    let lines = reply.json_lines();
    let failed = lines.iter().any(|line| !line["error"].is_null());
    assert!(!failed, "{reply:?}");
    lines
}

/// Pulls and asserts a failure, before or in the stream; its text.
#[track_caller]
pub fn fails(daemon: &Daemon, name: &str, tag: &str) -> String {
    let reply = pull(daemon, name, tag);
    if reply.head.status >= 400 {
        return reply.message();
    }
    let lines = reply.json_lines();
    let failure = lines.iter().find_map(|line| line["error"].as_str());
    failure.unwrap_or_else(|| panic!("no failure\n{reply:?}")).to_string()
}

/// Text of the statuses, without those of the layers' progress.
fn statuses(lines: &[Value]) -> Vec<String> {
    let text = lines.iter().filter_map(|line| line["status"].as_str());
    text.map(String::from).collect()
}

/// Layers by their diff ids do not depend on the encoding.
pub fn several_layers() -> Image {
    let second = image::tar(&[
        image::directory("layered/"),
        image::file("layered/second", "2"),
        image::file("etc/group", "root:x:0:\nnew:x:9:\n"),
    ]);
    let third = image::tar(&[
        image::directory("layered/"),
        image::file("layered/third", "3"),
        image::file("layered/.wh.second", ""),
        image::file("etc/.wh.notexec", ""),
        image::directory("home/"),
        image::file("home/.wh..wh..opq", ""),
    ]);
    Image::new(
        vec![
            Layer::gzip(busybox_root()),
            Layer::zstd(&second),
            Layer::plain(&third),
        ],
        json!({"Cmd": ["sh"], "Env": ["PATH=/bin"]}),
    )
}

#[test]
fn a_mirror_serves_the_hub() {
    let Some(registry) = Registry::start() else { return };
    registry.push("library/busybox", &[Image::busybox()]);
    let mirror = format!("http://{}", registry.name(""));
    let mirror = mirror.trim_end_matches('/');
    let daemon = Daemon::with(&["--registry-mirror", mirror]);
    let lines = pulled(&daemon, "busybox", "latest");
    let told = statuses(&lines);
    assert_eq!(told[0], "Pulling from library/busybox");
    assert_eq!(
        told.last().map(String::as_str),
        Some("Status: Downloaded newer image for busybox:latest")
    );
    let image = daemon.get("/images/busybox/json").is(200).json();
    assert_eq!(image["RepoTags"], json!(["busybox:latest"]));
    let info = daemon.get("/info").is(200).json();
    let shown = &info["RegistryConfig"]["IndexConfigs"]["docker.io"];
    assert_eq!(
        shown["Mirrors"][0].as_str().map(|m| m.trim_end_matches('/')),
        Some(mirror)
    );
}

#[test]
fn a_pull_tells_its_progress_as_docker_does() {
    let Some(registry) = Registry::start() else { return };
    let daemon = Daemon::start();
    registry.push("busybox", &[Image::busybox()]);
    let name = registry.name("busybox");
    let lines = pulled(&daemon, &name, "latest");
    let layer = image::sha256(&Image::busybox().layers[0].blob);
    let short = &layer["sha256:".len()..][..12];
    assert_eq!(
        lines[0],
        json!({"status": "Pulling from busybox", "id": "latest"})
    );
    for wanted in [
        "Pulling fs layer",
        "Verifying Checksum",
        "Download complete",
        "Pull complete",
    ] {
        let found = lines
            .iter()
            .any(|line| line["status"] == wanted && line["id"] == short);
        assert!(found, "{wanted}: {lines:#?}");
    }
    let digest = registry.digest("busybox");
    let all = statuses(&lines);
    assert_eq!(
        all[all.len() - 2..],
        [
            format!("Digest: {digest}"),
            format!("Status: Downloaded newer image for {name}:latest"),
        ]
    );
    let again = pulled(&daemon, &name, "latest");
    assert_eq!(
        statuses(&again),
        [
            "Pulling from busybox".to_string(),
            format!("Digest: {digest}"),
            format!("Status: Image is up to date for {name}:latest"),
        ]
    );
    let seen = daemon.get(&format!("/images/{name}/json")).is(200).json();
    assert_eq!(seen["Id"], Image::busybox().id());
    assert_eq!(seen["RepoDigests"], json!([format!("{name}@{digest}")]));
    assert_eq!(seen["Created"], "2024-05-06T07:08:09Z");
    let body = json!({"Image": name});
    assert_eq!(daemon.shell("exit 4", body).0, 4);
}

#[test]
fn a_pull_by_digest() {
    let Some(registry) = Registry::start() else { return };
    let daemon = Daemon::start();
    registry.push("busybox", &[Image::busybox()]);
    let name = registry.name("busybox");
    let digest = registry.digest("busybox");
    let lines = pulled(&daemon, &name, &digest);
    assert_eq!(
        statuses(&lines).last(),
        Some(&format!("Status: Downloaded newer image for {name}@{digest}"))
    );
    let by_digest = format!("/images/{name}@{digest}/json");
    let seen = daemon.get(&by_digest).is(200).json();
    assert_eq!(seen["RepoTags"], json!([]));
    assert_eq!(seen["RepoDigests"], json!([format!("{name}@{digest}")]));
    // An old client sends the whole name in fromImage.
    let target = format!("/images/create?fromImage={name}%40{digest}&tag=");
    daemon.post(&target).is(200);
}

#[test]
fn all_kinds_of_layers_make_one_root() {
    let Some(registry) = Registry::start() else { return };
    let daemon = Daemon::start();
    let made = several_layers();
    registry.push("layers", std::slice::from_ref(&made));
    let name = registry.name("layers");
    pulled(&daemon, &name, "latest");
    let seen = daemon.get(&format!("/images/{name}/json")).is(200).json();
    let diff_ids: Vec<&str> =
        made.layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    assert_eq!(seen["RootFS"]["Layers"], json!(diff_ids));
    let line = "cat /layered/third; ls /layered; ls /home | wc -l; \
                [ ! -e /etc/notexec ]; tail -1 /etc/group";
    let (code, out, err) = daemon.shell(line, json!({"Image": name}));
    assert_eq!(code, 0, "{err}");
    assert_eq!(out, "3third\n0\nnew:x:9:\n");
}

#[test]
fn an_index_gives_the_image_of_this_platform() {
    let Some(registry) = Registry::start() else { return };
    let daemon = Daemon::start();
    let own = Image::busybox();
    let other = image::tar(&[image::file("other", "arm")]);
    let arm = Image::of("arm64", vec![Layer::gzip(&other)], json!({}));
    registry.push("many", &[arm.clone(), own.clone()]);
    let name = registry.name("many");
    pulled(&daemon, &name, "latest");
    let seen = daemon.get(&format!("/images/{name}/json")).is(200).json();
    assert_eq!(seen["Id"], own.id());
    let digest = registry.digest("many");
    assert_eq!(seen["RepoDigests"], json!([format!("{name}@{digest}")]));
    // Nothing for this platform.
    let riscv = Image::of("riscv64", vec![Layer::gzip(&other)], json!({}));
    registry.push("foreign", &[arm.clone(), riscv]);
    let text = fails(&daemon, &registry.name("foreign"), "latest");
    assert!(text.contains("no matching manifest for linux/amd64"), "{text}");
}

#[test]
fn the_older_docker_formats_are_read() {
    let Some(registry) = Registry::start() else { return };
    let daemon = Daemon::start();
    registry.push_as_docker("old", &Image::busybox());
    let name = registry.name("old");
    pulled(&daemon, &name, "latest");
    assert_eq!(daemon.shell("exit 0", json!({"Image": name})).0, 0);
}

#[test]
fn missing_names_are_told_in_dockers_words() {
    let Some(registry) = Registry::start() else { return };
    let daemon = Daemon::start();
    registry.push("busybox", &[Image::busybox()]);
    let name = registry.name("busybox");
    pull(&daemon, &name, "nosuch").refuses(
        404,
        &format!(
            "manifest for {name}:nosuch not found: manifest unknown: \
             manifest unknown"
        ),
    );
    let name = registry.name("nosuch");
    pull(&daemon, &name, "1").refuses(
        404,
        &format!(
            "manifest for {name}:1 not found: manifest unknown: manifest \
             unknown"
        ),
    );
    let reply = pull(&daemon, "UPPER", "1");
    assert_eq!(reply.head.status, 400, "{reply:?}");
    assert!(reply.message().contains("must be lowercase"), "{reply:?}");
}

#[test]
fn an_absent_registry_is_told() {
    let daemon = Daemon::start();
    let port = crate::harness::registry::free_port();
    let name = format!("127.0.0.1:{port}/x");
    let text = fails(&daemon, &name, "latest");
    assert!(text.contains("connection refused"), "{text}");
}
