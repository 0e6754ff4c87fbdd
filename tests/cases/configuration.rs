//! The daemon's configuration: flags, daemon.json, `--validate`, reload.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::dockerd_names::{FLAGS, KEYS};
use crate::harness::certificates::Certificates;
use crate::harness::command::Run;
use crate::harness::{Daemon, daemon, host, until};

fn keys() -> Value {
    serde_json::from_str(KEYS).expect("JSON")
}

/// A directory for files that no daemon holds.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = std::env::temp_dir()
            .join(format!("skt-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("/tmp is there");
        Place(path)
    }

    fn write(&self, text: &str) -> PathBuf {
        let path = self.0.join("daemon.json");
        fs::write(&path, text).expect("/tmp can be written");
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn validate(file: &Path, flags: &[&str]) -> Run {
    let mut command = Command::new(daemon::program());
    command.args(["-d", "--validate", "--config-file"]).arg(file);
    Run::of(command.args(flags), b"")
}

/// The same with files for TLS, which is asked for by `tlsverify` of either
/// value.
fn validate_with(file: &Path, flags: &[&str], certificates: &Path) -> Run {
    let mut command = Command::new(daemon::program());
    command.env("DOCKER_CERT_PATH", certificates);
    command.args(["-d", "--validate", "--config-file"]).arg(file);
    Run::of(command.args(flags), b"")
}

#[test]
fn every_flag_of_dockerd_is_taken() {
    let place = Place::new("flags");
    let empty = place.write("");
    let Some(made) = Certificates::make(place.0.join("certs")) else { return };
    for flag in FLAGS {
        let run = validate_with(&empty, &[flag], &made.directory);
        assert_eq!(run.status, 0, "{flag}: {run:?}");
        assert_eq!(run.out(), "configuration OK", "{flag}");
    }
}

#[test]
fn every_key_of_daemon_json_is_taken() {
    let place = Place::new("keys");
    let Some(made) = Certificates::make(place.0.join("certs")) else { return };
    let file = place.write(&keys().to_string());
    let run = validate_with(&file, &[], &made.directory);
    assert_eq!(run.status, 0, "{run:?}");
    for (key, value) in keys().as_object().expect("an object") {
        let one = json!({key.as_str(): value});
        let file = place.write(&one.to_string());
        let run = validate_with(&file, &[], &made.directory);
        assert_eq!(run.status, 0, "{key}: {run:?}");
    }
}

#[test]
fn a_bad_configuration_is_told_and_touches_nothing() {
    let place = Place::new("bad");
    let root = place.0.join("root");
    let root = root.to_str().expect("UTF-8");
    let cases = [
        (
            r#"{"unknown-option": 1}"#,
            "the following directives don't match any configuration option: \
             unknown-option",
        ),
        (
            r#"{"data-root": "/x"}"#,
            "the following directives are specified both as a flag and in \
             the configuration file: data-root: (from flag: ROOT, from file: \
             /x)",
        ),
        (
            r#"{"mtu": "x"}"#,
            "json: cannot unmarshal string into Go struct field Config.mtu \
             of type int",
        ),
        (
            "{\"debug\": true,\n \"labels\": [}",
            "invalid JSON: expected value at line 2 column 13",
        ),
        (
            r#"{"hosts": ["x://y"]}"#,
            "merged configuration validation from file and command line \
             flags failed: invalid bind address",
        ),
    ];
    for (text, expected) in cases {
        let file = place.write(text);
        let run = validate(&file, &["--data-root", root]);
        assert_eq!(run.status, 1, "{run:?}");
        assert_eq!(run.out(), "");
        let expected = format!(
            "unable to configure the Docker daemon with file {}: {}",
            file.display(),
            expected.replace("ROOT", root)
        );
        assert!(run.err().starts_with(&expected), "{run:?}");
    }
    let run = validate(&place.0.join("nosuch"), &["--data-root", root]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.err().contains("no such file or directory"), "{run:?}");
    let run = validate(&place.write("{}"), &["--data-root", root]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(!Path::new(root).exists(), "the root was made");
}

#[test]
fn a_program_named_dockerd_is_the_daemon() {
    let place = Place::new("name");
    let link = place.0.join("dockerd");
    symlink(daemon::program(), &link).expect("/tmp takes links");
    let mut command = Command::new(&link);
    command.args(["--validate", "--config-file"]).arg(place.write("{}"));
    let run = Run::of(&mut command, b"");
    assert_eq!(run.status, 0, "{run:?}");
    assert_eq!(run.out(), "configuration OK");
}

fn configured(value: &Value) -> Daemon {
    let mut daemon = Daemon::prepare(&[]);
    let file = write(&daemon, value);
    daemon.add_flag("--config-file");
    daemon.add_flag(file.to_str().expect("UTF-8"));
    daemon.launch();
    daemon
}

fn write(daemon: &Daemon, value: &Value) -> PathBuf {
    let path = daemon.directory.join("daemon.json");
    fs::write(&path, value.to_string()).expect("/tmp can be written");
    path
}

fn until_logged(daemon: &Daemon, text: &str, times: usize) {
    until(text, || (daemon.log().matches(text).count() >= times).then_some(()));
}

#[test]
fn info_tells_of_the_file() {
    let daemon = configured(&json!({
        "labels": ["a=b"],
        "insecure-registries": ["foo.example:5000", "10.1.0.0/16"],
        "registry-mirrors": ["https://mirror.example"],
        "live-restore": false,
        "proxies": {"http-proxy": "http://user:secret@proxy.example:80"},
        "default-address-pools": [{"base": "172.30.0.0/16", "size": 24}],
        "node-generic-resources": ["gpu=one"],
        "iptables": false,
    }));
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["Labels"], json!(["a=b"]));
    assert_eq!(info["LiveRestoreEnabled"], false);
    assert_eq!(info["HttpProxy"], "http://xxxxx:xxxxx@proxy.example:80");
    let registries = &info["RegistryConfig"];
    assert_eq!(registries["Mirrors"], json!(["https://mirror.example/"]));
    let foo = &registries["IndexConfigs"]["foo.example:5000"];
    assert_eq!(foo["Secure"], false);
    let networks = registries["InsecureRegistryCIDRs"].to_string();
    assert!(networks.contains("10.1.0.0/16"), "{networks}");
    assert_eq!(
        info["DefaultAddressPools"],
        json!([{"Base": "172.30.0.0/16", "Size": 24}])
    );
    assert_eq!(info["GenericResources"][0]["NamedResourceSpec"]["Kind"], "gpu");
    let log = daemon.log();
    assert!(log.contains("iptables has no effect"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn containers_get_what_the_file_says() {
    let daemon = configured(&json!({
        "default-shm-size": "32m",
        "default-ulimits": {
            "nofile": {"Name": "nofile", "Hard": 512, "Soft": 256},
        },
        "log-opts": {"max-size": "1m"},
        "dns": ["10.0.0.53"],
        "dns-search": ["skiff.example"],
        "no-new-privileges": true,
    }));
    daemon.import("busybox");
    let line = "ulimit -n; df -k /dev/shm | tail -n 1 | awk '{print $2}'; \
                grep NoNewPrivs /proc/self/status; cat /etc/resolv.conf";
    daemon.run("web", line);
    assert_eq!(daemon.wait("web"), 0);
    let (out, _) = daemon.logs("web");
    for text in
        ["256\n", "32768\n", "NoNewPrivs:\t1", "10.0.0.53", "skiff.example"]
    {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let host = daemon.inspect("web")["HostConfig"].clone();
    assert_eq!(host["LogConfig"]["Config"]["max-size"], "1m");
    assert_eq!(host["ShmSize"], 32 << 20);
}

#[test]
fn a_signal_reloads_what_can_change() {
    let daemon = configured(&json!({"labels": ["a=b"]}));
    write(
        &daemon,
        &json!({
            "labels": ["c=d", "e=f"],
            "insecure-registries": ["foo.example:5000"],
            "max-concurrent-downloads": 7,
            "shutdown-timeout": 9,
            "live-restore": false,
            "features": {"x": true},
        }),
    );
    host::signal(daemon.pid(), Signal::HUP);
    until_logged(&daemon, "Reloaded configuration: {", 1);
    let told = "Got signal to reload configuration, reloading from: ";
    until_logged(&daemon, told, 1);
    let info = until("new labels", || {
        let info = daemon.get("/info").is(200).json();
        (info["Labels"] == json!(["c=d", "e=f"])).then_some(info)
    });
    assert_eq!(info["LiveRestoreEnabled"], false);
    let foo = &info["RegistryConfig"]["IndexConfigs"]["foo.example:5000"];
    assert_eq!(foo["Secure"], false);

    let events = daemon.past_events("");
    let event = events.last().expect("the event of the reload");
    assert_eq!(event["Action"], "reload");
    assert_eq!(event["Type"], "daemon");
    let attributes = &event["Actor"]["Attributes"];
    let expected = [
        ("debug", "true"),
        ("default-ipc-mode", "private"),
        ("default-shm-size", "67108864"),
        ("features", "map[x:true]"),
        ("insecure-registries", "[\"foo.example:5000\"]"),
        ("labels", "[\"c=d\",\"e=f\"]"),
        ("live-restore", "false"),
        ("max-concurrent-downloads", "7"),
        ("max-concurrent-uploads", "5"),
        ("max-download-attempts", "5"),
        ("registry-mirrors", "[]"),
        ("shutdown-timeout", "9"),
    ];
    for (name, value) in expected {
        assert_eq!(attributes[name], value, "{name}");
    }

    fs::write(daemon.directory.join("daemon.json"), "{").expect("a file");
    host::signal(daemon.pid(), Signal::HUP);
    until_logged(&daemon, "unable to configure the Docker daemon", 1);
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["Labels"], json!(["c=d", "e=f"]));

    write(&daemon, &json!({"data-root": "/x", "hosts": []}));
    host::signal(daemon.pid(), Signal::HUP);
    until_logged(&daemon, "specified both as a flag and in the", 1);
    daemon.get("/_ping").is(200);
}

#[test]
fn a_reload_changes_how_much_is_logged() {
    let mut daemon = Daemon::prepare(&[]);
    let file = write(&daemon, &json!({"log-level": "error"}));
    let mut command = daemon.command();
    // The harness asks for debug messages, which the file is to decide.
    let words: Vec<_> = command
        .get_args()
        .filter(|word| *word != "-D")
        .map(ToOwned::to_owned)
        .collect();
    command = Command::new(daemon::program());
    command.args(words).arg("--config-file").arg(&file);
    let log = daemon.directory.join("log");
    let out = fs::File::create(&log).expect("the log can be written");
    let mut child = command.stderr(out).spawn().expect("it starts");
    let socket = daemon.socket();
    until("the socket", || {
        std::os::unix::net::UnixStream::connect(&socket).ok()
    });
    daemon.get("/_ping").is(200);
    assert_eq!(daemon.log(), "");
    write(&daemon, &json!({"debug": true}));
    host::signal(child.id() as i32, Signal::HUP);
    until_logged(&daemon, "Reloaded configuration", 1);
    let debug = daemon.get("/info").is(200).json()["Debug"].clone();
    assert_eq!(debug, true);
    host::signal(child.id() as i32, Signal::TERM);
    child.wait().expect("own child");
    daemon.may_leave_something();
}

#[test]
fn the_log_can_be_json() {
    let daemon = Daemon::with(&["--log-format=json"]);
    until_logged(&daemon, "\"msg\":\"Daemon has completed", 1);
    for line in daemon.log().lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        for name in ["level", "msg", "time"] {
            assert!(line[name].is_string(), "{line}");
        }
    }
}
