//! Parameters and bodies that mean something from a version on.

use serde_json::json;

use crate::harness::{Daemon, until};

#[test]
fn stop_takes_a_signal_since_1_42() {
    let daemon = Daemon::with_image();
    let line = "trap 'exit 5' INT; trap 'exit 6' TERM; echo up; \
                while :; do sleep 0.05; done";
    for (minor, way, code) in [
        (41, "stop", 6),
        (42, "stop", 5),
        (41, "restart", 6),
        (42, "restart", 5),
    ] {
        let name = format!("{way}-{minor}");
        daemon.run(&name, line);
        daemon.until_logged(&name, "up");
        let target = format!("/v1.{minor}/containers/{name}/{way}?signal=INT");
        daemon.post(&target).is(204);
        let died = format!(
            "filters=%7B%22event%22:%5B%22die%22%5D,\
             %22container%22:%5B%22{name}%22%5D%7D"
        );
        let seen = until("the end", || daemon.past_events(&died).pop());
        let attributes = &seen["Actor"]["Attributes"];
        assert_eq!(attributes["exitCode"], code.to_string(), "{name}");
    }
}

#[test]
fn wait_has_conditions_since_1_30() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["true"] }));
    let wait = |minor| {
        daemon.post(&format!("/v1.{minor}/containers/web/wait?condition=odd"))
    };
    wait(29).is(200);
    assert_eq!(wait(30).is(400).message(), "invalid condition: \"odd\"");
}

#[test]
fn wait_sends_its_head_at_once_since_1_30() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let (mut early, head) = daemon.open("POST", "/v1.30/containers/web/wait");
    assert_eq!(head.status, 200);
    let mut late = daemon.wire();
    late.send("POST", "/v1.29/containers/web/wait", &[], Some(b""));
    daemon.post("/containers/web/kill").is(204);
    assert!(!early.body(&head).is_empty());
    let head = late.head();
    assert!(head.header("Content-Length").is_some(), "{head:?}");
}

#[test]
fn kill_of_a_stopped_container_is_no_error_before_1_20() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["true"] }));
    daemon.post("/v1.19/containers/web/kill").is(204);
    daemon.post("/v1.20/containers/web/kill").is(409);
    daemon.post("/v1.19/containers/none/kill").is(404);
}

#[test]
fn image_lists_take_a_name_as_filter_until_1_40() {
    let daemon = Daemon::with_image();
    daemon.import("other");
    let count = |minor| {
        let target = format!("/v1.{minor}/images/json?filter=busybox");
        let list = daemon.get(&target).is(200).json();
        list.as_array().map(Vec::len)
    };
    assert_eq!((count(40), count(41)), (Some(1), Some(2)));
    // Both names stand for one image, which is listed once, with the names
    // that pass.
    let list = daemon.get("/v1.14/images/json?filter=busybox").json();
    assert_eq!(list[0]["RepoTags"], json!(["busybox:latest"]));
}

#[test]
fn create_takes_a_platform_since_1_41() {
    let daemon = Daemon::with_image();
    let body = json!({ "Image": "busybox", "Cmd": ["true"] });
    let create = |minor| {
        let target =
            format!("/v1.{minor}/containers/create?platform=linux/s390x");
        daemon.post_json(&target, &body)
    };
    create(40).is(201);
    create(41).is(404);
}

#[test]
fn pull_takes_a_platform_since_1_32() {
    let daemon = Daemon::start();
    let pull = |minor| {
        let target = format!(
            "/v1.{minor}/images/create?fromImage=127.0.0.1:1/a&tag=b\
             &platform=a/b/c/d/e"
        );
        daemon.post(&target).head.status
    };
    assert_ne!(pull(31), 400);
    assert_eq!(pull(32), 400);
}

#[test]
fn an_image_of_another_platform_is_not_inspected_since_1_49() {
    let daemon = Daemon::with_image();
    let inspect = |minor, platform: &str| {
        let target = format!(
            "/v1.{minor}/images/busybox/json?platform=%7B%22os%22:%22linux%22,\
             %22architecture%22:%22{platform}%22%7D"
        );
        daemon.get(&target).head.status
    };
    assert_eq!(inspect(48, "s390x"), 200);
    assert_eq!(inspect(49, "s390x"), 404);
    assert_eq!(inspect(49, "amd64"), 200);
}

#[test]
fn an_import_takes_the_architecture_of_its_platform() {
    let daemon = Daemon::start();
    let tar = crate::harness::image::tar(&[]);
    let kind = [("Content-Type", "application/x-tar")];
    for minor in [41, 42] {
        let target = format!(
            "/v1.{minor}/images/create?fromSrc=-&repo=i{minor}\
             &platform=linux/arm64"
        );
        daemon.wire().exchange("POST", &target, &kind, Some(&tar)).is(200);
        let seen = daemon.get(&format!("/images/i{minor}/json")).json();
        assert_eq!(seen["Architecture"], "arm64", "{minor}");
    }
}

#[test]
fn a_mac_address_of_the_container_is_warned_of_since_1_44() {
    let daemon = Daemon::with_image();
    let address = "02:42:ac:11:00:09";
    let create = |minor, own: &str| {
        let target = format!("/v1.{minor}/containers/create");
        let endpoints = json!({ "none": { "MacAddress": own } });
        let body = json!({
            "Image": "busybox",
            "Cmd": ["true"],
            "MacAddress": address,
            "HostConfig": { "NetworkMode": "none" },
            "NetworkingConfig": { "EndpointsConfig": endpoints },
        });
        daemon.post_json(&target, &body)
    };
    let other = "02:42:ac:11:00:07";
    assert_eq!(create(43, other).is(201).json()["Warnings"], json!([]));
    assert_eq!(
        create(44, address).is(201).json()["Warnings"],
        json!(["The container-wide MacAddress field is now deprecated. It \
             should be specified in EndpointsConfig instead."])
    );
    create(44, other).refuses(
        400,
        "the container-wide MAC address must match the endpoint-specific MAC \
         address for the main network, or be left empty",
    );
}

#[test]
fn options_of_another_type_of_mount_are_refused_since_1_42() {
    let daemon = Daemon::with_image();
    let create = |minor| {
        let mount = json!({
            "Type": "tmpfs",
            "Target": "/x",
            "BindOptions": { "Propagation": "rslave" },
        });
        let body = json!({
            "Image": "busybox",
            "Cmd": ["true"],
            "HostConfig": { "Mounts": [mount] },
        });
        let target = format!("/v1.{minor}/containers/create");
        daemon.post_json(&target, &body)
    };
    create(41).is(201);
    create(42).refuses(
        400,
        "invalid mount config for type \"tmpfs\": field BindOptions must not \
         be specified",
    );
}

#[test]
fn stats_take_one_shot_since_1_41() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let status = |minor| {
        let target = format!(
            "/v1.{minor}/containers/web/stats?stream=true&one-shot=true"
        );
        daemon.open("GET", &target).1.status
    };
    assert_eq!((status(40), status(41)), (200, 400));
}

#[test]
fn logs_take_bounds_in_any_version() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo a");
    daemon.wait("web");
    for minor in [14, 18, 19, 22, 23, 34, 35, 51] {
        let logs = |bound: &str| {
            let target = format!(
                "/v1.{minor}/containers/web/logs?stdout=1&details=1&{bound}"
            );
            let (mut wire, head) = daemon.open("GET", &target);
            wire.body(&head).len()
        };
        // A frame's head, a blank behind no details, the line.
        assert_eq!((logs("since=1"), logs("until=1")), (11, 0), "{minor}");
    }
}

#[test]
fn events_take_every_filter_in_any_version() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["true"], "Labels": { "a": "b" } }));
    let count = |minor, filter: &str| {
        let target = format!(
            "/v1.{minor}/events?since=0&until=1&filters=%7B{filter}%7D"
        );
        daemon.get(&target).is(200).json_lines().len()
    };
    for minor in [14, 20, 21, 23, 24, 29, 30, 32, 33, 51] {
        for filter in [
            "%22label%22:%5B%22a=b%22%5D",
            "%22scope%22:%5B%22local%22%5D",
            "%22config%22:%5B%22x%22%5D",
            "%22node%22:%5B%22x%22%5D",
            "%22secret%22:%5B%22x%22%5D",
            "%22service%22:%5B%22x%22%5D",
            "%22daemon%22:%5B%22x%22%5D",
            "%22event%22:%5B%22reload%22%5D",
        ] {
            // All of them are older than the second of 1970.
            assert_eq!(count(minor, filter), 0, "{minor} {filter}");
        }
    }
}

#[test]
fn start_takes_a_host_config_before_1_24() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["sleep", "1000"] }));
    let body = json!({
        "ReadonlyRootfs": true,
        "Ulimits": [{ "Name": "nofile", "Soft": 64, "Hard": 64 }],
        "NetworkMode": "none",
    });
    daemon.post_json("/v1.24/containers/web/start", &body).refuses(
        400,
        "starting container with non-empty request body was deprecated since \
         API v1.22 and removed in v1.24",
    );
    daemon.post_json("/v1.23/containers/web/start", &body).is(204);
    let host = &daemon.inspect("web")["HostConfig"];
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["Ulimits"][0]["Soft"], 64);
}
