//! Log drivers: what each keeps, sends, and refuses.

use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::talk::split_frames;
use crate::harness::{Daemon, host, until};

fn config(driver: &str, options: Value) -> Value {
    json!({"HostConfig": {"LogConfig": {"Type": driver, "Config": options}}})
}

#[track_caller]
fn read(daemon: &Daemon, query: &str) -> String {
    let target = format!("/containers/web/logs?stdout=1&{query}");
    split_frames(&daemon.get(&target).is(200).body).0
}

#[track_caller]
fn refused(daemon: &Daemon, driver: &str, options: Value, message: &str) {
    let mut body = config(driver, options);
    body["Image"] = json!("busybox");
    body["Cmd"] = json!(["true"]);
    daemon.post_json("/containers/create", &body).refuses(400, message);
}

#[test]
fn options_are_checked_in_dockers_words() {
    let daemon = Daemon::with_image();
    let cases = [
        ("json-file", "x", "1", "unknown log opt 'x' for json-file log driver"),
        ("local", "tag", "1", "unknown log opt 'tag' for log driver local"),
        ("syslog", "x", "1", "unknown log opt 'x' for syslog log driver"),
        ("journald", "x", "1", "unknown log opt 'x' for journald log driver"),
        (
            "nosuch",
            "x",
            "1",
            "logger: no log driver named 'nosuch' is registered",
        ),
        ("json-file", "max-size", "x", "invalid size: 'x'"),
        ("json-file", "max-file", "0", "max-file cannot be less than 1"),
        ("json-file", "mode", "x", "logger: logging mode not supported: x"),
        ("syslog", "syslog-facility", "x", "invalid syslog facility"),
        ("syslog", "syslog-format", "x", "Invalid syslog format"),
        (
            "syslog",
            "syslog-address",
            "x",
            "syslog-address should be in form proto://address, got x",
        ),
        (
            "json-file",
            "compress",
            "true",
            "compress cannot be true when max-file is less than 2 or max-size \
          is not set",
        ),
        (
            "json-file",
            "max-buffer-size",
            "1m",
            "logger: max-buffer-size option is only supported with \
          'mode=non-blocking'",
        ),
    ];
    for (driver, key, value, message) in cases {
        refused(&daemon, driver, json!({key: value}), message);
    }
    let drivers = daemon.get("/info").json()["Plugins"]["Log"].clone();
    assert_eq!(drivers, json!(["journald", "json-file", "local", "syslog"]));
}

#[test]
fn labels_variables_and_tag_are_details() {
    let daemon = Daemon::with_image();
    let mut body = config(
        "json-file",
        json!({
            "labels": "one,none",
            "labels-regex": "^app\\.",
            "env": "A",
            "tag": "{{.Name}}/x",
        }),
    );
    body["Labels"] = json!({"one": "1", "two": "2", "app.x": "a b"});
    body["Env"] = json!(["A=&", "B=2"]);
    daemon.run_with("web", "echo line", body);
    daemon.wait("web");
    let details = "A=%26,app.x=a+b,one=1,tag=web%2Fx line\n";
    assert_eq!(read(&daemon, "details=1"), details);
    assert_eq!(read(&daemon, ""), "line\n");
    let run = daemon.skiff(&["logs", "--details", "web"]).ok();
    assert_eq!(run.out(), details.trim_end());
}

#[test]
fn rotated_files_are_compressed_and_read_again() {
    let daemon = Daemon::with_image();
    let options = json!({
        "max-size": "20k", "max-file": "5", "compress": "true",
    });
    let line = "seq 1 400; sleep 0.5; seq 401 800; sleep 0.5; seq 801 900";
    daemon.run_with("web", line, config("json-file", options));
    let path = daemon.inspect("web")["LogPath"].clone();
    let directory = Path::new(path.as_str().expect("a path")).parent();
    let directory = directory.expect("a parent").to_owned();
    let (mut follower, head) =
        daemon.open("GET", "/containers/web/logs?stdout=1&follow=1");
    let followed = split_frames(&follower.body(&head)).0;
    daemon.wait("web");
    until("files to be compressed", || {
        let names = host::names_in(&directory);
        let packed = names.iter().filter(|n| n.ends_with(".gz")).count();
        (packed > 0 && !names.iter().any(|n| n.ends_with(".tmp"))).then_some(())
    });
    let all: String = (1..=900).map(|n| format!("{n}\n")).collect();
    assert_eq!(followed, all, "the follower lost or doubled a line");
    assert_eq!(read(&daemon, ""), all);
    let last: String = (301..=900).map(|n| format!("{n}\n")).collect();
    assert_eq!(read(&daemon, "tail=600"), last);
    daemon.delete("/containers/web").is(204);
}

#[test]
fn a_local_log_is_read_and_has_no_path() {
    let daemon = Daemon::with_image();
    daemon.run_with("web", "seq 1 100", config("local", json!({})));
    daemon.wait("web");
    assert_eq!(read(&daemon, "tail=2"), "99\n100\n");
    assert_eq!(daemon.inspect("web")["LogPath"], "");
}

#[test]
fn a_log_without_a_bound_asked_for_is_shown_so() {
    let daemon = Daemon::with_image();
    daemon.create("web", json!({"Cmd": ["true"]}));
    let log = daemon.inspect("web")["HostConfig"]["LogConfig"].clone();
    assert_eq!(log, json!({"Type": "json-file", "Config": {}}));
}

#[test]
fn syslog_gets_the_lines_and_logs_reads_them() {
    let daemon = Daemon::with_image();
    let far = UdpSocket::bind("127.0.0.1:0").expect("a port");
    far.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let port = far.local_addr().expect("an address").port();
    let options = json!({
        "syslog-address": format!("udp://127.0.0.1:{port}"),
        "syslog-facility": "local0",
        "syslog-format": "rfc3164",
        "tag": "{{.Name}}",
    });
    let line = "echo one; sleep 0.2; echo two >&2";
    daemon.run_with("web", line, config("syslog", options));
    let mut block = [0; 4096];
    let mut message = || {
        let n = far.recv(&mut block).expect("a message");
        String::from_utf8_lossy(&block[..n]).into_owned()
    };
    let (one, two) = (message(), message());
    assert!(one.starts_with("<134>"), "{one}");
    assert!(one.contains(" web[") && one.ends_with("]: one\n"), "{one}");
    assert!(two.starts_with("<131>"), "{two}");
    daemon.wait("web");
    assert_eq!(read(&daemon, ""), "one\n");
}

#[test]
fn a_dead_syslog_holds_nothing_up_and_is_found_again() {
    let daemon = Daemon::with_image();
    let port = crate::harness::registry::free_port();
    let address = format!("127.0.0.1:{port}");
    let options = json!({
        "syslog-address": format!("tcp://{address}"),
        "cache-disabled": "true",
        "mode": "non-blocking",
        "max-buffer-size": "64k",
    });
    let line = "head -c 300000 /dev/zero | tr '\\0' '\\n' | sed s/^/x/; \
                echo end; touch /tmp/written; sleep 1000";
    daemon.run_with("web", line, config("syslog", options));
    let asked = daemon.get("/containers/web/logs?stdout=1");
    let text = "configured logging driver does not support reading";
    asked.refuses(501, text);
    // The service comes late, and gets what was kept for it.
    let listener = TcpListener::bind(&address).expect("the port");
    let (mut peer, _) = listener.accept().expect("the monitor");
    let mut byte = [0; 64];
    peer.read_exact(&mut byte).expect("a message");
    assert!(byte.starts_with(b"<30>"), "{byte:?}");
    // Stops reading, and closes: the container goes on.
    drop((peer, listener));
    daemon.post("/containers/web/stop?t=0").is(204);
}

#[test]
fn no_driver_keeps_nothing() {
    let daemon = Daemon::with_image();
    daemon.run_with("web", "echo x", config("none", json!({})));
    daemon.wait("web");
    daemon
        .get("/containers/web/logs?stdout=1")
        .refuses(501, "configured logging driver does not support reading");
}
