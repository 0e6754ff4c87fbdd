//! Pull: from a real registry, and from one that misbehaves.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::hostile::{Fault, Hostile};
use crate::harness::image::{self, Image, Layer, OCI_INDEX, busybox_root};
use crate::harness::registry::Registry;
use crate::harness::{Daemon, Reply, host, until, within};

#[track_caller]
fn pull(daemon: &Daemon, name: &str, tag: &str) -> Reply {
    daemon.post(&format!("/images/create?fromImage={name}&tag={tag}"))
}

/// Pulls and asserts success; the messages.
#[track_caller]
fn pulled(daemon: &Daemon, name: &str, tag: &str) -> Vec<Value> {
    let reply = pull(daemon, name, tag).is(200);
    let lines = reply.json_lines();
    let failed = lines.iter().any(|line| !line["error"].is_null());
    assert!(!failed, "{reply:?}");
    lines
}

/// Pulls and asserts a failure, before or in the stream; its text.
#[track_caller]
fn fails(daemon: &Daemon, name: &str, tag: &str) -> String {
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
fn several_layers() -> Image {
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
    assert!(
        reply.message().contains("repository name must be lowercase"),
        "{reply:?}"
    );
}

#[test]
fn an_absent_registry_is_told() {
    let daemon = Daemon::start();
    let port = crate::harness::registry::free_port();
    let name = format!("127.0.0.1:{port}/x");
    let text = fails(&daemon, &name, "latest");
    assert!(text.contains("connection refused"), "{text}");
}

#[test]
fn a_cut_download_is_resumed() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    registry.offer("x", &made);
    let blob = image::sha256(&made.layers[0].blob);
    registry.spoil(&blob, 2, Fault::Cut { after: 300_000 });
    let name = registry.name("x");
    pulled(&daemon, &name, "latest");
    let seen = registry.seen(&blob);
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen[1].range.is_some(), "it began anew: {seen:?}");
    assert_eq!(daemon.shell("exit 0", json!({"Image": name})).0, 0);
}

#[test]
fn a_registry_that_always_cuts_ends_the_pull() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    registry.offer("x", &made);
    let blob = image::sha256(&made.layers[0].blob);
    registry.spoil(&blob, 1000, Fault::Cut { after: 0 });
    fails(&daemon, &registry.name("x"), "latest");
    assert!(registry.seen(&blob).len() < 30, "{}", registry.seen(&blob).len());
    nothing_is_kept(&daemon);
    registry.heal();
    pulled(&daemon, &registry.name("x"), "latest");
}

/// Asserts that neither image nor layer can be seen.
#[track_caller]
fn nothing_is_kept(daemon: &Daemon) {
    assert_eq!(daemon.get("/images/json?all=1").is(200).json(), json!([]));
}

#[test]
fn lies_are_found_out() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    let name = registry.name("x");
    let layer = image::sha256(&made.layers[0].blob);
    let mut longer = made.layers[0].blob.clone();
    longer.extend_from_slice(&[0; 5000]);
    let shorter = made.layers[0].blob[..500_000].to_vec();
    let other = image::gzip(&image::tar(&[image::file("evil", "x")]));
    let lies: [(&str, Fault); 7] = [
        (&layer, Fault::Swap),
        (&layer, Fault::Replace(longer)),
        (&layer, Fault::Replace(shorter)),
        (&layer, Fault::Replace(other)),
        (&made.id(), Fault::Swap),
        (&made.id(), Fault::Replace(b"{}".to_vec())),
        ("manifests/latest", Fault::Replace(b"{\"schemaVersion\":2".to_vec())),
    ];
    for (end, lie) in lies {
        registry.offer("x", &made);
        registry.spoil(end, 1000, lie.clone());
        let text = fails(&daemon, &name, "latest");
        assert!(!text.is_empty(), "{lie:?}");
        nothing_is_kept(&daemon);
        registry.heal();
    }
    // A manifest that is not the one of its digest.
    let digest = made.digest();
    registry.spoil(&digest, 1000, Fault::Swap);
    fails(&daemon, &name, &digest);
    nothing_is_kept(&daemon);
    registry.heal();
    pulled(&daemon, &name, "latest");
    assert_eq!(daemon.shell("exit 0", json!({"Image": name})).0, 0);
}

#[test]
fn a_config_that_does_not_fit_its_layers_is_refused() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let mut made = Image::busybox();
    // The config names another diff id than the layer has.
    let tar = image::tar(&[image::file("other", "x")]);
    made.layers[0] =
        Layer { diff_id: made.layers[0].diff_id.clone(), ..Layer::gzip(&tar) };
    let mut wrong = Image::new(made.layers.clone(), json!({"Cmd": ["sh"]}));
    wrong.layers = made.layers.clone();
    registry.offer("x", &wrong);
    fails(&daemon, &registry.name("x"), "latest");
    nothing_is_kept(&daemon);
}

#[test]
fn a_layer_from_a_registry_cannot_climb_out() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let outside = daemon.directory.join("outside");
    std::fs::write(&outside, "untouched").expect("/tmp takes a file");
    let shown = outside.to_str().expect("UTF-8");
    let up = format!("../../../../../../../../../..{shown}");
    let attempts = [
        image::tar(&[image::file(&up, "changed")]),
        image::tar(&[
            image::symlink("esc", daemon.directory.to_str().expect("UTF-8")),
            image::file("esc/outside", "changed"),
            image::file("esc/.wh.outside", ""),
        ]),
        image::tar(&[
            image::hardlink("copy", shown),
            image::file("copy", "changed"),
        ]),
        image::tar(&[image::file("../../../.wh.outside", "")]),
    ];
    for (number, tar) in attempts.iter().enumerate() {
        let made = Image::new(vec![Layer::gzip(tar)], json!({}));
        let repository = format!("climb{number}");
        registry.offer(&repository, &made);
        pull(&daemon, &registry.name(&repository), "latest");
        let text = std::fs::read_to_string(&outside).expect("still there");
        assert_eq!(text, "untouched", "attempt {number}");
    }
    daemon.get("/_ping").is(200);
}

#[test]
fn an_image_for_another_platform_is_refused() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let tar = image::tar(&[image::file("x", "x")]);
    let arm = Image::of("arm64", vec![Layer::gzip(&tar)], json!({}));
    let index = image::index(std::slice::from_ref(&arm));
    registry.offer("x", &arm);
    registry.offer_manifest("x", "latest", OCI_INDEX, &index);
    registry.offer_manifest("x", &image::sha256(&index), OCI_INDEX, &index);
    let text = fails(&daemon, &registry.name("x"), "latest");
    assert!(text.contains("no matching manifest for linux/amd64"), "{text}");
    nothing_is_kept(&daemon);
}

#[test]
fn a_manifest_without_bounds_is_refused() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let mut huge = b"{\"schemaVersion\":2,\"x\":\"".to_vec();
    huge.resize(8 << 20, b'a');
    huge.extend_from_slice(b"\"}");
    registry.offer_manifest("x", "latest", image::OCI_MANIFEST, &huge);
    fails(&daemon, &registry.name("x"), "latest");
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", daemon.pid()));
    let status = status.expect("it runs");
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    let peak = peak.and_then(|line| line.split_whitespace().nth(1));
    let peak: u64 = peak.and_then(|text| text.parse().ok()).expect("a peak");
    assert!(peak < 64 * 1024, "{peak} kB");
}

#[test]
fn a_stalled_pull_ends_with_its_client() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    registry.offer("x", &made);
    let blob = image::sha256(&made.layers[0].blob);
    registry.spoil(&blob, 1000, Fault::Stall { after: 100_000 });
    let tasks = format!("/proc/{}/task", daemon.pid());
    let idle = host::names_in(&tasks).len();
    let mut wire = daemon.wire();
    let target =
        format!("/images/create?fromImage={}&tag=latest", registry.name("x"));
    wire.send("POST", &target, &[], Some(b""));
    until("the download", || (!registry.seen(&blob).is_empty()).then_some(()));
    drop(wire);
    until("the threads to go", || {
        (host::names_in(&tasks).len() <= idle + 2).then_some(())
    });
    nothing_is_kept(&daemon);
    registry.heal();
    pulled(&daemon, &registry.name("x"), "latest");
}

#[test]
fn two_pulls_share_a_download() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    registry.offer("x", &made);
    let blob = image::sha256(&made.layers[0].blob);
    let pause = Duration::from_millis(20);
    registry.spoil(&blob, 1000, Fault::Slow { piece: 50_000, pause });
    let name = registry.name("x");
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| pulled(&daemon, &name, "latest"));
        }
    });
    assert_eq!(registry.seen(&blob).len(), 1, "{:?}", registry.seen(&blob));
}

#[test]
fn other_requests_go_on_during_a_pull() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    registry.offer("x", &Image::busybox());
    let blob = image::sha256(&Image::busybox().layers[0].blob);
    registry.spoil(&blob, 1000, Fault::Stall { after: 1000 });
    let mut wire = daemon.wire();
    let target =
        format!("/images/create?fromImage={}&tag=latest", registry.name("x"));
    wire.send("POST", &target, &[], Some(b""));
    until("the download", || (!registry.seen(&blob).is_empty()).then_some(()));
    let began = Instant::now();
    daemon.import("other");
    daemon.get("/images/json").is(200);
    daemon.delete("/images/other").is(200);
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_daemon_killed_during_a_pull_goes_on_where_it_was() {
    let registry = Hostile::start();
    let made = several_layers();
    registry.offer("x", &made);
    let blob = image::sha256(&made.layers[0].blob);
    let name = registry.name("x");
    let target = format!("/images/create?fromImage={name}&tag=latest");
    let mut daemon = Daemon::start();
    // Killed at several points of the download.
    for after in [0, 1000, 200_000, 700_000] {
        registry.spoil(&blob, 1000, Fault::Stall { after });
        let before = registry.seen(&blob).len();
        let mut wire = daemon.wire();
        wire.send("POST", &target, &[], Some(b""));
        until("the download", || {
            (registry.seen(&blob).len() > before).then_some(())
        });
        // The bytes that were sent shall have arrived.
        within(Duration::from_millis(300), || None::<()>);
        daemon.kill();
        daemon.launch();
        assert_eq!(daemon.get("/images/json").is(200).json(), json!([]));
    }
    registry.heal();
    pulled(&daemon, &name, "latest");
    let seen = registry.seen(&blob);
    let last = seen.last().expect("a download");
    assert!(last.range.is_some(), "what was there is not used: {seen:?}");
    let (code, out, err) =
        daemon.shell("cat /layered/third", json!({"Image": name}));
    assert_eq!((code, out.as_str()), (0, "3"), "{err}");
}

#[test]
fn a_daemon_killed_at_any_moment_of_a_pull_starts_again() {
    let registry = Hostile::start();
    let made = several_layers();
    registry.offer("x", &made);
    let name = registry.name("x");
    let target = format!("/images/create?fromImage={name}&tag=latest");
    let mut daemon = Daemon::start();
    for moment in 0..12u64 {
        let mut wire = daemon.wire();
        wire.send("POST", &target, &[], Some(b""));
        within(Duration::from_millis(moment * 7), || None::<()>);
        daemon.kill();
        daemon.launch();
        let list = daemon.get("/images/json").is(200).json();
        if list != json!([]) {
            // Complete, or not there.
            let code = daemon.shell("exit 7", json!({"Image": name})).0;
            assert_eq!(code, 7);
            daemon.delete(&format!("/images/{name}?force=1")).is(200);
        }
    }
    pulled(&daemon, &name, "latest");
    assert_eq!(daemon.shell("exit 7", json!({"Image": name})).0, 7);
}
