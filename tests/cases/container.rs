//! Create, list, inspect and lookups of containers.

use serde_json::{Value, json};

use crate::harness::Daemon;

/// Percent-encodes a filter object for a query.
fn filters(value: Value) -> String {
    value.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Names of the containers that a query lists, sorted.
#[track_caller]
fn listed(daemon: &Daemon, query: &str) -> Vec<String> {
    let target = format!("/containers/json?{query}");
    let list = daemon.get(&target).is(200).json();
    let list = list.as_array().expect("a list");
    let names = list.iter().map(|container| {
        let name = container["Names"][0].as_str().expect("a name");
        name.trim_start_matches('/').to_string()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn create_answers_an_id_and_warnings() {
    let daemon = Daemon::with_image();
    let body = json!({"Image": "busybox", "Cmd": ["true"]});
    let reply = daemon.post_json("/containers/create", &body).is(201);
    let json = reply.json();
    assert_eq!(json["Id"].as_str().map(str::len), Some(64));
    assert_eq!(json["Warnings"], json!([]));
    let seen = daemon.inspect(json["Id"].as_str().expect("an id"));
    assert_eq!(seen["State"]["Status"], "created");
    let name = seen["Name"].as_str().expect("a name");
    assert!(name.starts_with('/') && name.contains('_'), "{name}");
}

#[test]
fn create_refuses_in_dockers_words() {
    let daemon = Daemon::with_image();
    let id = daemon.create("web", json!({"Cmd": ["true"]}));
    let good = json!({"Image": "busybox", "Cmd": ["true"]});
    daemon.post_json("/containers/create?name=web", &good).refuses(
        409,
        &format!(
            "Conflict. The container name \"/web\" is already in use by \
             container \"{id}\". You have to remove (or rename) that \
             container to be able to reuse that name."
        ),
    );
    daemon.post_json("/containers/create?name=a%20b", &good).refuses(
        400,
        "Invalid container name (a b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are \
         allowed",
    );
    let missing = json!({"Image": "nosuch", "Cmd": ["true"]});
    daemon
        .post_json("/containers/create", &missing)
        .refuses(404, "No such image: nosuch:latest");
    let no_command = json!({"Image": "busybox"});
    let reply = daemon.post_json("/containers/create", &no_command).is(400);
    assert_eq!(reply.message().to_lowercase(), "no command specified");
    for bad in [
        json!({"Memory": 1024}),
        json!({"NanoCpus": -1}),
        json!({"RestartPolicy": {"Name": "sometimes"}}),
        json!({"NetworkMode": "nosuchnetwork"}),
        json!({"CapAdd": ["NOSUCH"]}),
        json!({"Binds": ["relative/../x:/y:nosuchmode"]}),
    ] {
        let mut body = good.clone();
        body["HostConfig"] = bad.clone();
        let reply = daemon.post_json("/containers/create", &body);
        let status = reply.head.status;
        // Docker itself finds an unknown network at start.
        if status == 201 && bad["NetworkMode"].is_string() {
            let id = reply.json()["Id"].as_str().expect("an id").to_string();
            let start = format!("/containers/{id}/start");
            daemon.post(&start).refuses(
                404,
                "failed to set up container networking: network \
                 nosuchnetwork not found",
            );
            continue;
        }
        assert!(status >= 400, "{bad}: {reply:?}");
    }
}

#[test]
fn a_container_is_found_by_name_id_and_unique_prefix() {
    let daemon = Daemon::with_image();
    let id = daemon.create("web", json!({"Cmd": ["true"]}));
    for name in ["web", id.as_str(), &id[..12], &id[..3]] {
        let seen = daemon.inspect(name);
        assert_eq!(seen["Id"], id.as_str(), "{name}");
    }
    let absent = if id.starts_with("ff") { "0000" } else { "ffffffff" };
    daemon
        .get(&format!("/containers/{absent}/json"))
        .refuses(404, &format!("No such container: {absent}"));
}

#[test]
fn an_ambiguous_prefix_is_an_error() {
    let daemon = Daemon::with_image();
    let mut ids: Vec<String> = Vec::new();
    // Seventeen ids cannot all differ in their first digit.
    for number in 0..17 {
        let name = format!("c{number}");
        ids.push(daemon.create(&name, json!({"Cmd": ["true"]})));
    }
    ids.sort();
    let pair = ids.windows(2).find(|two| two[0][..1] == two[1][..1]);
    let prefix = &pair.expect("seventeen ids")[0][..1];
    let reply = daemon.get(&format!("/containers/{prefix}/json"));
    assert!([400, 500].contains(&reply.head.status), "{reply:?}");
    let message = reply.message().to_lowercase();
    assert!(
        message.contains("multiple ids found with provided prefix"),
        "{message}"
    );
}

#[test]
fn names_win_over_prefixes() {
    let daemon = Daemon::with_image();
    let one = daemon.create("one", json!({"Cmd": ["true"]}));
    let two = daemon.create(&one[..12], json!({"Cmd": ["true"]}));
    assert_eq!(daemon.inspect(&one[..12])["Id"], two.as_str());
    assert_eq!(daemon.inspect(&one)["Id"], one.as_str());
}

#[test]
fn list_shows_what_ps_needs() {
    let daemon = Daemon::with_image();
    let id = daemon.run_with(
        "web",
        "sleep 1000",
        json!({"Labels": {"role": "web"}}),
    );
    let list = daemon.get("/containers/json").is(200).json();
    let row = &list[0];
    assert_eq!(row["Id"], id.as_str());
    assert_eq!(row["Names"], json!(["/web"]));
    assert_eq!(row["Image"], "busybox");
    assert_eq!(row["Command"], "sh -c 'sleep 1000'");
    assert_eq!(row["State"], "running");
    assert_eq!(row["Labels"], json!({"role": "web"}));
    assert_eq!(row["Ports"], json!([]));
    assert_eq!(row["Mounts"], json!([]));
    assert_eq!(row["HostConfig"]["NetworkMode"], "none");
    let status = row["Status"].as_str().expect("a status");
    assert!(status.starts_with("Up "), "{status}");
    assert!(row["Created"].as_i64().unwrap_or(0) > 1_600_000_000);
    assert!(row["NetworkSettings"]["Networks"]["none"].is_object(), "{row}");
}

#[test]
fn list_takes_all_limit_size_and_filters() {
    let daemon = Daemon::with_image();
    let first = daemon.run("first", "exit 3");
    daemon.wait("first");
    daemon.create("second", json!({"Cmd": ["true"], "Labels": {"a": "b"}}));
    daemon.run("third", "echo x > /new; sleep 1000");
    assert_eq!(listed(&daemon, ""), ["third"]);
    assert_eq!(listed(&daemon, "all=1"), ["first", "second", "third"]);
    assert_eq!(listed(&daemon, "limit=2"), ["second", "third"]);
    let with = |value: Value| {
        listed(&daemon, &format!("all=1&filters={}", filters(value)))
    };
    assert_eq!(with(json!({"status": ["exited"]})), ["first"]);
    assert_eq!(with(json!({"status": {"created": true}})), ["second"]);
    assert_eq!(with(json!({"exited": ["3"]})), ["first"]);
    assert_eq!(with(json!({"label": ["a"]})), ["second"]);
    assert_eq!(with(json!({"label": ["a=b"]})), ["second"]);
    assert_eq!(with(json!({"label": ["a=c"]})), Vec::<String>::new());
    assert_eq!(with(json!({"name": ["ir"]})), ["first", "third"]);
    assert_eq!(with(json!({"name": ["^third$"]})), ["third"]);
    assert_eq!(with(json!({"id": [first[..12]]})), ["first"]);
    assert_eq!(with(json!({"ancestor": ["busybox"]})).len(), 3);
    assert_eq!(with(json!({"ancestor": ["other"]})), Vec::<String>::new());
    assert_eq!(with(json!({"before": ["second"]})), ["first"]);
    assert_eq!(with(json!({"since": ["second"]})), ["third"]);
    assert_eq!(with(json!({"network": ["none"]})).len(), 3);
    let bad = filters(json!({"nosuch": ["x"]}));
    daemon
        .get(&format!("/containers/json?filters={bad}"))
        .refuses(400, "invalid filter 'nosuch'");
    let bad = filters(json!({"status": ["nosuch"]}));
    daemon.get(&format!("/containers/json?filters={bad}")).is(400);
    daemon.get("/containers/json?filters=%7Bbroken").is(400);
    daemon.until_logged("third", "");
    let list = daemon.get("/containers/json?size=1").is(200).json();
    assert!(list[0]["SizeRootFs"].as_u64().unwrap_or(0) > 1_000_000, "{list}");
}

#[test]
fn a_filter_without_all_still_shows_its_state() {
    let daemon = Daemon::with_image();
    daemon.run("gone", "true");
    daemon.wait("gone");
    let query = format!("filters={}", filters(json!({"status": ["exited"]})));
    assert_eq!(listed(&daemon, &query), ["gone"]);
}

#[test]
fn inspect_shows_what_was_asked_for() {
    let daemon = Daemon::with_image();
    let body = json!({
        "Cmd": ["-c", "sleep 1000"],
        "Entrypoint": ["sh"],
        "Hostname": "named",
        "Env": ["A=1"],
        "WorkingDir": "/tmp",
        "User": "app",
        "Labels": {"k": "v"},
        "HostConfig": {
            "NetworkMode": "none",
            "Memory": 67108864,
            "NanoCpus": 500000000,
            "PidsLimit": 50,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3},
            "ReadonlyRootfs": true,
        },
    });
    let id = daemon.create("web", body);
    daemon.post("/containers/web/start").is(204);
    let seen = daemon.inspect("web");
    assert_eq!(seen["Id"], id.as_str());
    assert_eq!(seen["Name"], "/web");
    assert_eq!(seen["Path"], "sh");
    assert_eq!(seen["Args"], json!(["-c", "sleep 1000"]));
    assert_eq!(seen["Driver"], "overlay2");
    assert_eq!(seen["Platform"], "linux");
    assert_eq!(seen["RestartCount"], 0);
    let state = &seen["State"];
    assert_eq!(state["Status"], "running");
    assert_eq!(state["Running"], true);
    assert_eq!(state["Paused"], false);
    assert_eq!(state["ExitCode"], 0);
    assert_eq!(state["Error"], "");
    assert_eq!(state["FinishedAt"], "0001-01-01T00:00:00Z");
    assert!(state["Pid"].as_i64().unwrap_or(0) > 1, "{state}");
    let config = &seen["Config"];
    assert_eq!(config["Hostname"], "named");
    assert_eq!(config["Image"], "busybox");
    assert_eq!(config["WorkingDir"], "/tmp");
    assert_eq!(config["User"], "app");
    assert_eq!(config["Labels"], json!({"k": "v"}));
    let environment = config["Env"].as_array().expect("a list");
    assert!(environment.contains(&json!("A=1")), "{config}");
    let host = &seen["HostConfig"];
    assert_eq!(host["Memory"], 67108864);
    assert_eq!(host["MemorySwap"], 134217728);
    assert_eq!(host["NanoCpus"], 500000000);
    assert_eq!(host["PidsLimit"], 50);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["RestartPolicy"]["Name"], "on-failure");
    assert_eq!(host["NetworkMode"], "none");
    assert_eq!(host["LogConfig"]["Type"], "json-file");
    assert_eq!(host["ShmSize"], 67108864);
    assert!(seen["GraphDriver"]["Data"].is_object(), "{seen}");
    for key in ["ResolvConfPath", "HostnamePath", "HostsPath", "LogPath"] {
        let path = seen[key].as_str().expect(key);
        assert!(path.starts_with('/') || path.is_empty(), "{key}: {path}");
    }
    let log = seen["LogPath"].as_str().expect("a path");
    assert!(log.ends_with(&format!("{id}-json.log")), "{log}");
    assert!(std::path::Path::new(log).exists(), "{log}");
}
