//! Docker 1.2.0's own client: every call that it was seen to make, made
//! again, and the fields that API 1.14 promises in the answers.
//!
//! The calls are those of `tests/recorded/docker-1.2.0.txt`; a section is
//! what the client does for one command.

use serde_json::Value;

use crate::harness::registry::Registry;
use crate::harness::wire::{Head, Reply};
use crate::harness::{Daemon, Wire, image, skip};

const CALLS: &str = include_str!("../recorded/docker-1.2.0.txt");

/// Calls that are answered with 501, and what is refused at a start; the
/// rest of their section is left out.
/// `{}` stands for a name. One that is built has to leave this list.
const UNBUILT: &[&str] = &[
    "GET /images/{}/history",
    "POST /images/{}/tag",
    "GET /images/{}/get",
    "POST /images/load",
    "POST /build",
    "POST /images/{}/push",
    "POST /auth",
];

/// Sections that need what another section would have left.
const NEEDS: &[(&str, &str)] =
    &[("rmi", "POST /images/{}/tag"), ("rmi-force", "POST /images/{}/tag")];

/// What v1.14 of the reference shows of an answer: the call, a path of
/// field names (`[]` is each item of a list), and the JSON type. `flag` is a
/// boolean that real engines of the time told as 0 or 1, `?` a type of which
/// `null` is as good.
const FIELDS: &[(&str, &str)] = &[
    ("GET /version", "ApiVersion string, Version string, GitCommit string"),
    ("GET /version", "GoVersion string"),
    ("GET /info", "Containers number, Images number, Driver string"),
    ("GET /info", "ExecutionDriver string, KernelVersion string"),
    ("GET /info", "Debug flag, NFd number, NGoroutines number"),
    ("GET /info", "NEventsListener number, InitPath string"),
    ("GET /info", "MemoryLimit flag, SwapLimit flag, IPv4Forwarding flag"),
    ("GET /info", "IndexServerAddress string"),
    ("GET /containers/json", "[].Id string, [].Image string"),
    ("GET /containers/json", "[].Command string, [].Created number"),
    ("GET /containers/json", "[].Status string, [].Ports array"),
    ("POST /containers/create", "Id string, Warnings array"),
    ("POST /containers/{}/wait", "StatusCode number"),
    ("GET /containers/{}/json", "Id string, Created string, Path string"),
    ("GET /containers/{}/json", "Args array, Image string, Config object"),
    ("GET /containers/{}/json", "Config.Hostname string, Config.User string"),
    ("GET /containers/{}/json", "Config.Memory number"),
    ("GET /containers/{}/json", "Config.MemorySwap number"),
    ("GET /containers/{}/json", "Config.AttachStdin boolean"),
    ("GET /containers/{}/json", "Config.AttachStdout boolean"),
    ("GET /containers/{}/json", "Config.AttachStderr boolean"),
    ("GET /containers/{}/json", "Config.Tty boolean"),
    ("GET /containers/{}/json", "Config.OpenStdin boolean"),
    ("GET /containers/{}/json", "Config.StdinOnce boolean"),
    ("GET /containers/{}/json", "Config.Env array?, Config.Cmd array?"),
    ("GET /containers/{}/json", "Config.Image string"),
    ("GET /containers/{}/json", "Config.Volumes object?"),
    ("GET /containers/{}/json", "Config.WorkingDir string"),
    ("GET /containers/{}/json", "Config.PortSpecs array?"),
    ("GET /containers/{}/json", "Config.Dns array?"),
    ("GET /containers/{}/json", "Config.VolumesFrom string"),
    ("GET /containers/{}/json", "State.Running boolean, State.Pid number"),
    ("GET /containers/{}/json", "State.ExitCode number"),
    ("GET /containers/{}/json", "State.StartedAt string"),
    ("GET /containers/{}/json", "State.Ghost boolean"),
    ("GET /containers/{}/json", "NetworkSettings.IpAddress string"),
    ("GET /containers/{}/json", "NetworkSettings.IpPrefixLen number"),
    ("GET /containers/{}/json", "NetworkSettings.PortMapping object?"),
    ("GET /containers/{}/json", "NetworkSettings.IPAddress string"),
    ("GET /containers/{}/json", "NetworkSettings.IPPrefixLen number"),
    ("GET /containers/{}/json", "NetworkSettings.Gateway string"),
    ("GET /containers/{}/json", "NetworkSettings.Bridge string"),
    ("GET /containers/{}/json", "ResolvConfPath string, Volumes object"),
    ("GET /containers/{}/json", "SysInitPath string"),
    ("GET /containers/{}/json", "HostConfig.Binds array?"),
    ("GET /containers/{}/json", "HostConfig.ContainerIDFile string"),
    ("GET /containers/{}/json", "HostConfig.LxcConf array"),
    ("GET /containers/{}/json", "HostConfig.Privileged boolean"),
    ("GET /containers/{}/json", "HostConfig.PortBindings object?"),
    ("GET /containers/{}/json", "HostConfig.Links array?"),
    ("GET /containers/{}/json", "HostConfig.PublishAllPorts boolean"),
    ("GET /containers/{}/json", "HostConfig.CapAdd array?"),
    ("GET /containers/{}/json", "HostConfig.CapDrop array?"),
    ("GET /images/json", "[].RepoTags array, [].Id string"),
    ("GET /images/json", "[].Created number, [].Size number"),
    ("GET /images/json", "[].VirtualSize number, [].ParentId string"),
    ("GET /images/{}/json", "Created string, Container string, Id string"),
    ("GET /images/{}/json", "ContainerConfig.Hostname string"),
    ("GET /images/{}/json", "ContainerConfig.User string"),
    ("GET /images/{}/json", "ContainerConfig.Memory number"),
    ("GET /images/{}/json", "ContainerConfig.MemorySwap number"),
    ("GET /images/{}/json", "ContainerConfig.Tty boolean"),
    ("GET /images/{}/json", "ContainerConfig.Cmd array?"),
    ("GET /images/{}/json", "Parent string, Size number"),
];

/// One call, as recorded.
struct Call {
    method: String,
    target: String,
    headers: String,
    body: Option<String>,
    status: u16,
    media: String,
}

/// Takes the recording apart: sections with their calls.
fn sections() -> Vec<(String, Vec<Call>)> {
    let mut sections: Vec<(String, Vec<Call>)> = Vec::new();
    for line in CALLS.lines() {
        if let Some(name) = line.strip_prefix("## ") {
            sections.push((name.into(), Vec::new()));
        }
        let Some((_, calls)) = sections.last_mut() else { continue };
        if let Some(text) = line.strip_prefix("> ") {
            let (method, target) = text.split_once(' ').expect("two words");
            calls.push(Call {
                method: method.into(),
                target: target.into(),
                headers: String::new(),
                body: None,
                status: 0,
                media: String::new(),
            });
        }
        let Some(call) = calls.last_mut() else { continue };
        if let Some(text) = line.strip_prefix("H ") {
            call.headers.push_str(&format!("{text}\r\n"));
        } else if let Some(text) = line.strip_prefix("B ") {
            call.body = Some(text.into());
        } else if let Some(text) = line.strip_prefix("< ") {
            let (status, media) = text.split_once(' ').expect("two words");
            call.status = status.parse().expect("a status");
            call.media = media.into();
        }
    }
    sections
}

impl Call {
    /// The call without its version and names: what lists name it by.
    fn kind(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        let path = path.strip_prefix("/v1.14").unwrap_or(path);
        let words: Vec<&str> = path.split('/').collect();
        let path = match words.as_slice() {
            ["", group @ ("containers" | "images"), _, .., last] => {
                format!("/{group}/{{}}/{last}")
            }
            _ => path.to_string(),
        };
        format!("{} {path}", self.method)
    }

    /// Whether what follows the head goes on until somebody leaves.
    fn is_endless(&self) -> bool {
        self.media.ends_with("raw-stream")
            || self.target.contains("follow=1")
            || self.target == "/events?"
    }

    /// Sends it on a connection of its own; the head of the answer.
    #[track_caller]
    fn send(&self, wire: &mut Wire, known: &Known) -> Head {
        let target = known.put_into(&self.target);
        let mut text =
            format!("{} {target} HTTP/1.1\r\n{}", self.method, self.headers);
        let body = match self.body.as_deref() {
            None => Vec::new(),
            Some("<image>") => image::busybox_root().to_vec(),
            Some("<context>") => image::tar(&[image::file("a", "b")]),
            Some(body) => known.put_into(body).into_bytes(),
        };
        if text.contains("chunked") {
            text.push_str(&format!("\r\n{:x}\r\n", body.len()));
        } else if self.method == "POST" {
            text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        } else {
            text.push_str("\r\n");
        }
        let mut bytes = text.into_bytes();
        bytes.extend(body);
        if self.headers.contains("chunked") {
            bytes.extend(b"\r\n0\r\n\r\n");
        }
        // One that is refused may be answered before it is read.
        let _ = wire.try_write(&bytes);
        wire.head()
    }
}

/// What the placeholders stand for.
struct Known {
    id: String,
    registry: String,
    directory: String,
}

impl Known {
    fn put_into(&self, text: &str) -> String {
        text.replace("<id>", &self.id)
            .replace("<registry>", &self.registry)
            .replace("<directory>", &self.directory)
    }
}

#[test]
fn every_call_of_the_client_is_answered() {
    let registry = Registry::start();
    if let Some(registry) = &registry {
        registry.push("bb", &[image::Image::busybox()]);
    }
    let daemon = Daemon::start();
    std::fs::create_dir_all(daemon.directory.join("home")).expect("a folder");
    std::fs::write(daemon.directory.join("home/f"), "f").expect("a file");
    let mut known = Known {
        id: String::new(),
        registry: registry
            .as_ref()
            .map_or(String::new(), |r| format!("127.0.0.1:{}", r.port)),
        directory: daemon.directory.join("home").display().to_string(),
    };
    let mut unseen: Vec<&str> = UNBUILT.to_vec();
    for (section, calls) in sections() {
        let of_registry =
            calls.iter().any(|call| call.target.contains("<registry>"));
        if of_registry && registry.is_none() {
            skip(&format!("{section} needs a registry"));
            continue;
        }
        let needed = NEEDS.iter().find(|(name, _)| *name == section);
        if needed.is_some_and(|(_, what)| UNBUILT.contains(what)) {
            continue;
        }
        // Connections that stay open until the section is over.
        let mut held: Vec<Wire> = Vec::new();
        // After the first call that is not built, only others of its kind.
        let mut is_cut = false;
        for call in &calls {
            if is_cut && !UNBUILT.contains(&call.kind().as_str()) {
                continue;
            }
            let what = format!("{section}: {} {}", call.method, call.target);
            let mut wire = daemon.wire();
            let head = call.send(&mut wire, &known);
            let kind = call.kind();
            let unbuilt = UNBUILT.iter().find(|one| **one == kind);
            if let Some(unbuilt) = unbuilt {
                assert_eq!(head.status, 501, "{what} is built: {head:?}");
                unseen.retain(|one| one != unbuilt);
                is_cut = true;
                continue;
            }
            if call.is_endless() {
                assert_eq!(head.status, call.status, "{what}: {head:?}");
                held.push(wire);
            } else {
                let body = wire.body(&head);
                let reply = Reply { request: what.clone(), head, body };
                check(call, &kind, &reply);
                if kind == "POST /containers/create" && call.status == 201 {
                    let id = reply.json()["Id"].clone();
                    known.id = id.as_str().expect("an id").into();
                }
            }
            if kind.ends_with("/start") {
                // The user types, and leaves.
                for wire in &mut held {
                    let _ = wire.try_write(b"exit\n");
                    wire.half_close();
                }
            }
        }
    }
    assert!(unseen.is_empty(), "no call meets these: {unseen:?}");
    for row in daemon.get("/containers/json?all=1").json().as_array().unwrap() {
        let id = row["Id"].as_str().expect("an id");
        daemon.delete(&format!("/containers/{id}?force=1")).is(204);
    }
}

/// Checks status, media type and fields of an answer.
#[track_caller]
fn check(call: &Call, kind: &str, reply: &Reply) {
    assert_eq!(reply.head.status, call.status, "{reply:?}");
    if call.media != "-" {
        let media = reply.header("Content-Type").unwrap_or_default();
        assert_eq!(media, call.media, "{reply:?}");
    }
    if call.status >= 300 || !call.target.starts_with("/v1.14") {
        return;
    }
    for (_, fields) in FIELDS.iter().filter(|(of, _)| *of == kind) {
        for field in fields.split(", ") {
            let (path, wanted) = field.split_once(' ').expect("two words");
            let value = reply.json();
            assert!(has(&value, path, wanted), "no {field}\n{reply:?}");
        }
    }
}

fn has(value: &Value, path: &str, wanted: &str) -> bool {
    if let Some(rest) = path.strip_prefix("[].") {
        let items = value.as_array().expect("a list");
        return items.iter().all(|item| has(item, rest, wanted));
    }
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some(found) = value.pointer(&pointer) else { return false };
    let name = match found {
        Value::Null => return wanted.ends_with('?'),
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match wanted {
        "flag" => matches!(name, "boolean" | "number"),
        _ => wanted.trim_end_matches('?') == name,
    }
}
