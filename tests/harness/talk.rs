//! Ways to talk to a case's daemon: requests, and what cases do often.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::command::{Beside, Run, text};
use super::daemon::{Daemon, IMAGE, program};
use super::wire::{Head, Reply, Wire};
use super::{image, until};

impl Daemon {
    /// A new connection.
    #[track_caller]
    pub fn wire(&self) -> Wire {
        Wire::unix(&self.socket())
    }

    #[track_caller]
    pub fn get(&self, target: &str) -> Reply {
        self.wire().exchange("GET", target, &[], None)
    }

    #[track_caller]
    pub fn delete(&self, target: &str) -> Reply {
        self.wire().exchange("DELETE", target, &[], None)
    }

    /// POST without a body.
    #[track_caller]
    pub fn post(&self, target: &str) -> Reply {
        self.wire().exchange("POST", target, &[], Some(b""))
    }

    /// POST with a JSON body.
    #[track_caller]
    pub fn post_json(&self, target: &str, body: &Value) -> Reply {
        let bytes = body.to_string();
        let kind = [("Content-Type", "application/json")];
        self.wire().exchange("POST", target, &kind, Some(bytes.as_bytes()))
    }

    /// Sends a request and reads the head alone: a stream follows.
    #[track_caller]
    pub fn open(&self, method: &str, target: &str) -> (Wire, Head) {
        let mut wire = self.wire();
        wire.send(method, target, &[], None);
        let head = wire.head();
        (wire, head)
    }

    /// Opens an attach stream the way a current client does.
    #[track_caller]
    pub fn attach(&self, name: &str, query: &str) -> (Wire, Head) {
        let mut wire = self.wire();
        wire.send(
            "POST",
            &format!("/containers/{name}/attach?{query}"),
            &[("Connection", "Upgrade"), ("Upgrade", "tcp")],
            Some(b""),
        );
        let head = wire.head();
        (wire, head)
    }

    /// Imports the busybox root file system under a name.
    #[track_caller]
    pub fn import(&self, name: &str) -> String {
        let target = format!("/images/create?fromSrc=-&repo={name}&tag=latest");
        let tar = image::busybox_root();
        let kind = [("Content-Type", "application/x-tar")];
        let reply = self.wire().exchange("POST", &target, &kind, Some(tar));
        let reply = reply.is(200);
        let last = reply.json_lines().pop().expect("a status line");
        let id = last["status"].as_str().unwrap_or_default().to_string();
        assert!(id.starts_with("sha256:"), "{reply:?}");
        id
    }

    /// Creates a container from a body that is completed with the image.
    #[track_caller]
    pub fn create(&self, name: &str, mut body: Value) -> String {
        if body["Image"].is_null() {
            body["Image"] = IMAGE.into();
        }
        if body["HostConfig"]["NetworkMode"].is_null() {
            body["HostConfig"]["NetworkMode"] = "none".into();
        }
        let target = format!("/containers/create?name={name}");
        let reply = self.post_json(&target, &body).is(201);
        let id = reply.json()["Id"].as_str().expect("an id").to_string();
        assert_eq!(id.len(), 64, "{reply:?}");
        id
    }

    /// Creates and starts a container that runs a shell line.
    #[track_caller]
    pub fn run(&self, name: &str, line: &str) -> String {
        self.run_with(name, line, json!({}))
    }

    /// As [`Daemon::run`], with more fields of the create body.
    #[track_caller]
    pub fn run_with(&self, name: &str, line: &str, mut body: Value) -> String {
        body["Cmd"] = json!(["sh", "-c", line]);
        let id = self.create(name, body);
        self.post(&format!("/containers/{id}/start")).is(204);
        id
    }

    /// Waits for a container's end; its exit code.
    #[track_caller]
    pub fn wait(&self, name: &str) -> i64 {
        let reply = self.post(&format!("/containers/{name}/wait")).is(200);
        let code = reply.json()["StatusCode"].as_i64();
        code.unwrap_or_else(|| panic!("no code\n{reply:?}"))
    }

    #[track_caller]
    pub fn inspect(&self, name: &str) -> Value {
        self.get(&format!("/containers/{name}/json")).is(200).json()
    }

    /// Runs a shell line to its end; its exit code, stdout and stderr.
    #[track_caller]
    pub fn shell(&self, line: &str, body: Value) -> (i64, String, String) {
        let id = self.run_with("", line, body);
        let code = self.wait(&id);
        let (out, err) = self.logs(&id);
        self.delete(&format!("/containers/{id}")).is(204);
        (code, out, err)
    }

    /// The whole log of a container without a terminal.
    #[track_caller]
    pub fn logs(&self, name: &str) -> (String, String) {
        let target = format!("/containers/{name}/logs?stdout=1&stderr=1");
        let (mut wire, head) = self.open("GET", &target);
        assert_eq!(head.status, 200, "{head:?}");
        let body = wire.body(&head);
        split_frames(&body)
    }

    /// The events so far, oldest first.
    #[track_caller]
    pub fn past_events(&self, query: &str) -> Vec<Value> {
        let now = std::time::SystemTime::now();
        let now = now.duration_since(std::time::UNIX_EPOCH);
        let now = now.expect("after 1970");
        let target = format!(
            "/events?since=0&until={}.{:09}&{query}",
            now.as_secs(),
            now.subsec_nanos()
        );
        self.get(&target).is(200).json_lines()
    }

    /// Waits until the log of a container holds a text.
    #[track_caller]
    pub fn until_logged(&self, name: &str, wanted: &str) -> String {
        until(&format!("{wanted:?} in the log of {name}"), || {
            let (out, err) = self.logs(name);
            let all = out + &err;
            all.contains(wanted).then_some(all)
        })
    }

    /// Waits until a container's state is `status`.
    #[track_caller]
    pub fn until_state(&self, name: &str, status: &str) -> Value {
        until(&format!("{name} being {status}"), || {
            let seen = self.inspect(name);
            (seen["State"]["Status"] == status).then_some(seen)
        })
    }

    /// The product's client, talking to this daemon.
    pub fn client(&self, words: &[&str]) -> Command {
        self.client_of(&program(), words)
    }

    /// Runs the product's client to its end.
    #[track_caller]
    pub fn skiff(&self, words: &[&str]) -> Run {
        Run::of(&mut self.client(words), b"")
    }

    /// Starts the product's client beside the case.
    #[track_caller]
    pub fn beside(&self, words: &[&str]) -> Beside {
        Beside::start(&mut self.client(words))
    }

    /// Another client program, talking to this daemon.
    pub fn client_of(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words);
        command
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()));
        command.env("DOCKER_CONFIG", self.directory.join("config"));
        command.env_remove("DOCKER_API_VERSION");
        command
    }
}

/// Parts the body of a log request into stdout and stderr.
pub fn split_frames(mut body: &[u8]) -> (String, String) {
    let mut streams = [Vec::new(), Vec::new(), Vec::new()];
    while body.len() >= 8 {
        let length = u32::from_be_bytes([body[4], body[5], body[6], body[7]]);
        let end = 8 + length as usize;
        streams[usize::from(body[0])].extend_from_slice(&body[8..end]);
        body = &body[end..];
    }
    assert!(body.is_empty(), "half a frame at the end: {body:?}");
    let [_, out, err] = streams;
    (text(&out), text(&err))
}
