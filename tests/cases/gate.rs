//! The activation gate: sockets are open while the engine still loads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, Wire, until};

const CONTAINERS: usize = 3000;
const CLIENTS: usize = 300;

/// Writes the records of many containers that are like the one called
/// `model`; the ids by name.
fn multiply(
    daemon: &Daemon,
    id: &str,
    model: &str,
) -> BTreeMap<String, String> {
    let records = daemon.data().join("containers");
    let text = fs::read_to_string(records.join(format!("{id}.json")));
    let text = text.expect("the model's record");
    let quoted = |name: &str| format!("\"{name}\"");
    (0..CONTAINERS)
        .map(|number| {
            let copy = format!("{number:064x}");
            let name = format!("copy-{number}");
            let text = text.replace(id, &copy);
            let text = text.replace(&quoted(model), &quoted(&name));
            let file = records.join(format!("{copy}.json"));
            fs::write(file, text).expect("a record");
            (name, copy)
        })
        .collect()
}

/// Puts a pipe in place of a file: who opens it waits.
fn hold(path: &Path) -> Vec<u8> {
    let text = fs::read(path).expect("the file");
    fs::remove_file(path).expect("it goes");
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo runs").success());
    text
}

/// Gives those who wait at a pipe what the file held.
fn let_go(path: &Path, text: &[u8]) -> bool {
    // O_NONBLOCK: without a reader there is nobody to give it to.
    let pipe = File::options().write(true).custom_flags(0o4000).open(path);
    pipe.is_ok_and(|mut pipe| pipe.write_all(text).is_ok())
}

#[test]
fn clients_that_come_while_thousands_are_loaded_wait_and_are_served() {
    let mut daemon = Daemon::with_image();
    let id = daemon.create("model", json!({"Cmd": ["true"]}));
    assert!(daemon.terminate().success());
    let copies = multiply(&daemon, &id, "model");
    // The engine cannot finish before this record can be read.
    let held = daemon.data().join("containers").join(format!("{id}.json"));
    let text = hold(&held);
    let before = daemon.log().len();
    let log = |daemon: &Daemon| daemon.log().split_off(before);
    daemon.launch_only();
    let socket = daemon.socket();
    until("the socket", || {
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    let mut clients: Vec<Wire> = (0..CLIENTS)
        .map(|number| {
            let mut wire = daemon.wire();
            let target = match number % 3 {
                0 => "/_ping".to_string(),
                1 => format!("/containers/copy-{number}/json"),
                _ => "/containers/model/json".to_string(),
            };
            wire.send("GET", &target, &[], None);
            wire
        })
        .collect();
    for wire in clients.iter_mut().take(3) {
        assert!(wire.is_quiet_for(Duration::from_millis(50)));
    }
    let early = log(&daemon);
    assert!(early.contains("API listen on"), "{early}");
    assert!(!early.contains("completed initialization"), "{early}");
    assert!(!early.contains("Calling"), "somebody was served: {early}");
    until("the gate", || {
        let_go(&held, &text);
        log(&daemon).contains("completed initialization").then_some(())
    });
    for (number, wire) in clients.iter_mut().enumerate() {
        let reply = wire.reply(false).is(200);
        let wanted = match number % 3 {
            0 => continue,
            1 => copies[&format!("copy-{number}")].as_str(),
            _ => id.as_str(),
        };
        assert_eq!(reply.json()["Id"], wanted);
    }
    let all = daemon.get("/containers/json?all=1").is(200).json();
    let ids = all.as_array().map(Vec::len);
    assert_eq!(ids, Some(CONTAINERS + 1));
    assert!(all[0]["Names"].is_array(), "{}", Value::from(ids));
    // Removing them one by one is not what this case is about.
    assert!(daemon.terminate().success());
}
