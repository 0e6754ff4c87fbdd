//! Links of the default bridge: names, variables, and what is refused.

use serde_json::{Value, json};

use crate::harness::Daemon;

fn linked(links: Value) -> Value {
    json!({"HostConfig": {"NetworkMode": "bridge", "Links": links}})
}

#[test]
fn a_linked_container_is_found_by_name_and_by_variables() {
    let daemon = Daemon::with_image();
    let body = json!({
        "Hostname": "box", "Env": ["WORD=a=b", "HOME=/x"],
        "ExposedPorts": {"5432/tcp": {}, "80/tcp": {}, "81/tcp": {},
            "82/tcp": {}, "53/udp": {}},
        "HostConfig": {"NetworkMode": "bridge"},
    });
    let id = daemon.run_with("my-db", "sleep 1000", body);
    let ip = format!("{}.2", daemon.subnet);
    let line = "grep box /etc/hosts; env | grep ^THE_ | sort; \
                ping -c1 -W5 the-store >/dev/null && echo reached; sleep 1000";
    daemon.run_with("web", line, linked(json!(["my-db:the-store"])));
    let out = daemon.until_logged("web", "reached");
    let mut wanted = vec![
        format!("PORT=tcp://{ip}:80"),
        "NAME=/web/the-store".into(),
        "ENV_WORD=a=b".into(),
        format!("PORT_80_TCP_START=tcp://{ip}:80"),
        "PORT_80_TCP_PORT_START=80".into(),
        format!("PORT_82_TCP_END=tcp://{ip}:82"),
        "PORT_80_TCP_PORT_END=82".into(),
    ];
    for (port, kind) in
        [(80, "tcp"), (81, "tcp"), (82, "tcp"), (5432, "tcp"), (53, "udp")]
    {
        let name = format!("PORT_{port}_{}", kind.to_uppercase());
        wanted.extend([
            format!("{name}={kind}://{ip}:{port}"),
            format!("{name}_ADDR={ip}"),
            format!("{name}_PORT={port}"),
            format!("{name}_PROTO={kind}"),
        ]);
    }
    let mut wanted: Vec<String> =
        wanted.iter().map(|text| format!("THE_STORE_{text}")).collect();
    wanted.sort();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], format!("{ip}\tthe-store box my-db"));
    let mut seen = lines[1..lines.len() - 1].to_vec();
    seen.sort_unstable();
    assert_eq!(seen, wanted);
    let shown = &daemon.inspect("web")["HostConfig"]["Links"];
    assert_eq!(*shown, json!(["/my-db:/web/the-store"]));
    // Programs that are executed later have them too.
    let echo = "echo $THE_STORE_NAME";
    daemon
        .skiff(&["exec", "web", "sh", "-c", echo])
        .ok()
        .says("/web/the-store");
    daemon.delete(&format!("/containers/{id}?force=1")).is(204);
    let shown = &daemon.inspect("web")["HostConfig"]["Links"];
    assert_eq!(*shown, Value::Null);
}

#[test]
fn links_that_cannot_be_are_refused_in_dockers_words() {
    let daemon = Daemon::with_image();
    daemon.create("still", json!({"Cmd": ["true"]}));
    daemon.run("alone", "sleep 1000");
    let host = json!({"HostConfig": {"NetworkMode": "host"}});
    daemon.run_with("hosts", "sleep 1000", host);
    let create = |link: &str| {
        let mut body = linked(json!([link]));
        body["Image"] = "busybox".into();
        body["Cmd"] = json!(["true"]);
        daemon.post_json("/containers/create?name=web", &body)
    };
    create("nosuch:x").refuses(
        400,
        "could not get container for nosuch: No such container: nosuch",
    );
    create("a:b:c").refuses(400, "bad format for links: a:b:c");
    create("hosts:x").refuses(
        400,
        "conflicting options: host type networking can't be used with links. \
         This would result in undefined behavior",
    );
    for (link, text) in [
        (
            "still:db",
            "Cannot link to a non running container: /still AS /web/db",
        ),
        (
            "alone:db",
            "Cannot link to /alone, as it does not belong to the default \
             network",
        ),
    ] {
        create(link).is(201);
        daemon.post("/containers/web/start").refuses(500, text);
        daemon.delete("/containers/web").is(204);
    }
}

#[test]
fn the_daemons_own_init_is_for_all_who_do_not_refuse_it() {
    let daemon = Daemon::with(&["--init"]);
    daemon.import("busybox");
    let line = "cat /proc/1/comm";
    let (_, out, _) = daemon.shell(line, json!({}));
    assert_eq!(out, "docker-init\n");
    let (_, out, _) =
        daemon.shell(line, json!({"HostConfig": {"Init": false}}));
    assert_eq!(out, "cat\n");
}

#[test]
fn links_are_names_of_their_containers_and_can_be_taken_away() {
    let daemon = Daemon::with_image();
    let bridge = json!({"HostConfig": {"NetworkMode": "bridge"}});
    daemon.run_with("db", "sleep 1000", bridge);
    daemon.run_with("web", "sleep 1000", linked(json!(["db:store", "db"])));
    let names = || {
        let list = daemon.get("/containers/json").is(200).json();
        let rows = list.as_array().expect("a list");
        let row = rows.iter().find(|row| row["Names"][0] == "/db");
        row.expect("db")["Names"].clone()
    };
    assert_eq!(names(), json!(["/db", "/web/store", "/web/db"]));
    daemon.delete("/containers/web/store?link=1").is(204);
    assert_eq!(names(), json!(["/db", "/web/db"]));
    daemon
        .delete("/containers/web/store?link=1")
        .refuses(404, "No such container: web/store");
    daemon.delete("/containers/web?link=1").refuses(
        409,
        "Conflict, cannot remove the default link name of the container",
    );
    let shown = &daemon.inspect("web")["HostConfig"]["Links"];
    assert_eq!(*shown, json!(["/db:/web/db"]));
}

#[test]
fn a_linked_container_that_comes_back_elsewhere_is_found_again() {
    let daemon = Daemon::with_image();
    let bridge = || json!({"HostConfig": {"NetworkMode": "bridge"}});
    daemon.run_with("db", "sleep 1000", bridge());
    let line = "while :; do cat /etc/hosts; sleep 0.2; done";
    daemon.run_with("web", line, linked(json!(["db:store"])));
    daemon.until_logged("web", &format!("{}.2\tstore", daemon.subnet));
    daemon.post("/containers/db/stop?t=0").is(204);
    // Somebody else takes its address.
    let mut taken = 0;
    let address = |name: &str| {
        let seen = daemon.inspect(name);
        seen["NetworkSettings"]["IPAddress"].as_str().unwrap_or("").to_owned()
    };
    let first = format!("{}.2", daemon.subnet);
    while taken < 3 {
        taken += 1;
        let name = format!("other{taken}");
        daemon.run_with(&name, "sleep 1000", bridge());
        if address(&name) == first {
            break;
        }
    }
    daemon.post("/containers/db/start").is(204);
    let now = address("db");
    assert!(!now.is_empty());
    daemon.until_logged("web", &format!("{now}\tstore"));
}
