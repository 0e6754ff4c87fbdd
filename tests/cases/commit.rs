//! Images made of containers.

use serde_json::json;

use crate::harness::{Daemon, until};

#[test]
fn what_a_container_changed_is_in_the_image() {
    let daemon = Daemon::with_image();
    let body = json!({ "Env": ["KEPT=1", "OLD=1"], "Labels": { "a": "b" } });
    let line = "echo new >/tmp/f; rm /bin/ls; mkdir /root/d; echo made; \
                sleep 1000";
    daemon.run_with("web", line, body);
    daemon.until_logged("web", "made");
    let query = "container=web&repo=made&tag=one&comment=note&author=me\
                 &changes=CMD+%5B%22cat%22%2C%22/tmp/f%22%5D\
                 &changes=ENV+OLD%3D2";
    let made = daemon.post(&format!("/commit?{query}")).is(201).json();
    let id = made["Id"].as_str().expect("an id").to_string();
    let image = daemon.get("/images/made:one/json").is(200).json();
    assert_eq!(image["Id"], json!(id));
    assert_eq!(image["Author"], json!("me"));
    assert_eq!(image["Comment"], json!("note"));
    let config = &image["Config"];
    assert_eq!(config["Cmd"], json!(["cat", "/tmp/f"]));
    assert_eq!(config["Env"], json!(["OLD=2", "KEPT=1"]));
    assert_eq!(config["Labels"], json!({ "a": "b" }));
    let layers = image["RootFS"]["Layers"].as_array().expect("a list");
    assert_eq!(layers.len(), 2);
    let run = ["run", "--rm", "made:one"];
    daemon.skiff(&run).ok().says("new");
    let look = "test -d /root/d && ! test -e /bin/ls && echo $KEPT $OLD";
    let words = ["run", "--rm", "made:one", "sh", "-c", look];
    daemon.skiff(&words).ok().says("1 2");
    // The container goes on, and says what happened.
    assert_eq!(daemon.inspect("web")["State"]["Status"], json!("running"));
    let event = until("the event", || {
        let events = daemon.past_events("");
        events.into_iter().find(|event| event["Action"] == "commit")
    });
    let attributes = &event["Actor"]["Attributes"];
    assert_eq!(attributes["imageID"], json!(id));
    assert_eq!(attributes["imageRef"], json!("made:one"));
    assert_eq!(attributes["comment"], json!("note"));
}

#[test]
fn a_container_that_changed_nothing_adds_no_layer() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    daemon.post("/commit?container=web&repo=same").is(201);
    let image = daemon.get("/images/same/json").is(200).json();
    assert_eq!(image["RootFS"]["Layers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_invalid_is_refused_and_makes_nothing() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["true"] }));
    let before = daemon.get("/images/json?all=1").is(200).json();
    for (query, status, words) in [
        (
            "container=web&changes=FOO+bar",
            400,
            "foo is not a valid change command",
        ),
        ("container=nosuch", 404, "No such container: nosuch"),
        ("", 400, "invalid name or ID supplied: \"\""),
    ] {
        daemon.post(&format!("/commit?{query}")).refuses(status, words);
    }
    daemon.post("/commit?container=web&repo=BAD").is(400);
    assert_eq!(daemon.get("/images/json?all=1").is(200).json(), before);
}

#[test]
fn a_stopped_container_is_committed_and_a_deep_chain_runs() {
    let mut daemon = Daemon::with_image();
    for number in 0..4 {
        let from = match number {
            0 => "busybox".to_string(),
            n => format!("chain{}", n - 1),
        };
        let name = format!("c{number}");
        let line = format!("echo {number} >/tmp/{number}");
        let body = json!({ "Image": from, "Cmd": ["sh", "-c", line] });
        daemon.create(&name, body);
        daemon.post(&format!("/containers/{name}/start")).is(204);
        assert_eq!(daemon.wait(&name), 0);
        let target = format!("/commit?container={name}&repo=chain{number}");
        daemon.post(&target).is(201);
    }
    // All is there for the next daemon, too.
    daemon.kill();
    daemon.launch();
    let words = ["run", "--rm", "chain3", "sh", "-c", "cat /tmp/[0-9]"];
    daemon.skiff(&words).ok().says("0\n1\n2\n3");
}

#[test]
fn the_oldest_clients_commit() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({ "Cmd": ["true"] }));
    let kind = [("Content-Type", "application/json")];
    let target = "/v1.14/commit?container=web&repo=old&tag=&comment=&author=";
    let reply =
        daemon.wire().exchange("POST", target, &kind, Some(b"null")).is(201);
    assert!(reply.json()["Id"].as_str().is_some());
    daemon.get("/images/old/json").is(200);
}
