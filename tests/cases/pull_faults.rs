//! Pull from a registry that misbehaves, and a daemon killed while it pulls.

use std::time::{Duration, Instant};

use serde_json::json;

use super::pull::{fails, pull, pulled, several_layers};
use crate::harness::hostile::{Fault, Hostile};
use crate::harness::image::{self, Image, Layer, OCI_INDEX};
use crate::harness::{Daemon, host, until, within};

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
fn a_registry_in_trouble_is_asked_again() {
    let daemon = Daemon::start();
    let registry = Hostile::start();
    let made = Image::busybox();
    registry.offer("x", &made);
    let blob = image::sha256(&made.layers[0].blob);
    let trouble = Fault::Status(503, "{}");
    registry.spoil(&blob, 2, trouble.clone());
    pulled(&daemon, &registry.name("x"), "latest");
    daemon.delete(&format!("/images/{}", registry.name("x"))).is(200);
    // But not for ever.
    registry.spoil(&blob, 1000, trouble);
    let before = registry.seen(&blob).len();
    fails(&daemon, &registry.name("x"), "latest");
    let asked = registry.seen(&blob).len() - before;
    assert!((2..30).contains(&asked), "{asked}");
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
    let peak = host::status(daemon.pid(), "VmHWM");
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
    let idle = host::threads(daemon.pid()).len();
    let mut wire = daemon.wire();
    let target =
        format!("/images/create?fromImage={}&tag=latest", registry.name("x"));
    wire.send("POST", &target, &[], Some(b""));
    until("the download", || (!registry.seen(&blob).is_empty()).then_some(()));
    drop(wire);
    until("the threads to go", || {
        (host::threads(daemon.pid()).len() <= idle + 2).then_some(())
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
