//! Logs: what was written is read back, whole, in order, as asked.

use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::command::Run;
use crate::harness::talk::split_frames;
use crate::harness::{Daemon, until};

#[track_caller]
fn read(daemon: &Daemon, query: &str) -> (String, String) {
    let target = format!("/containers/web/logs?{query}");
    split_frames(&daemon.get(&target).is(200).body)
}

#[test]
fn streams_are_told_apart() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo out; echo err >&2; echo more");
    daemon.wait("web");
    let both = daemon.get("/containers/web/logs?stdout=1&stderr=1").is(200);
    let kind = "application/vnd.docker.multiplexed-stream";
    assert_eq!(both.header("Content-Type"), Some(kind));
    let (out, err) = split_frames(&both.body);
    assert_eq!((out.as_str(), err.as_str()), ("out\nmore\n", "err\n"));
    assert_eq!(read(&daemon, "stdout=1").0, "out\nmore\n");
    assert_eq!(read(&daemon, "stderr=1").1, "err\n");
    daemon
        .get("/containers/web/logs")
        .refuses(400, "Bad parameters: you must choose at least one stream");
    daemon
        .get("/containers/nosuch/logs?stdout=1")
        .refuses(404, "No such container: nosuch");
}

#[test]
fn tail_counts_lines_from_the_end() {
    let daemon = Daemon::with_image();
    daemon.run("web", "seq 1 2000");
    daemon.wait("web");
    assert_eq!(read(&daemon, "stdout=1&tail=3").0, "1998\n1999\n2000\n");
    assert_eq!(read(&daemon, "stdout=1&tail=0").0, "");
    assert_eq!(read(&daemon, "stdout=1&tail=all").0.lines().count(), 2000);
    assert_eq!(read(&daemon, "stdout=1&tail=5000").0.lines().count(), 2000);
    assert_eq!(read(&daemon, "stdout=1").0.lines().count(), 2000);
}

#[test]
fn timestamps_since_and_until() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo one; sleep 0.3; echo two; sleep 0.3; echo three");
    daemon.wait("web");
    let stamped = read(&daemon, "stdout=1&timestamps=1").0;
    let lines: Vec<&str> = stamped.lines().collect();
    let stamps: Vec<&str> = lines
        .iter()
        .map(|line| &line[..line.find(' ').expect("two")])
        .collect();
    assert_eq!(lines.len(), 3);
    for stamp in &stamps {
        // 2026-11-21T20:08:41.131730231Z
        assert_eq!(stamp.len(), 30, "{stamp}");
        assert!(stamp.ends_with('Z'), "{stamp}");
    }
    assert!(stamps.is_sorted());
    let second = unix_time(stamps[1]);
    let from = format!("stdout=1&since={second}");
    assert_eq!(read(&daemon, &from).0, "two\nthree\n");
    let to = format!("stdout=1&until={second}");
    let until_second = read(&daemon, &to).0;
    assert!(until_second.starts_with("one\n"), "{until_second}");
    assert!(!until_second.contains("three"), "{until_second}");
    assert_eq!(read(&daemon, "stdout=1&since=1").0, "one\ntwo\nthree\n");
    let early = read(&daemon, "stdout=1&since=1000.5&until=2000").0;
    assert_eq!(early, "");
    let bad = daemon.get("/containers/web/logs?stdout=1&since=nosuch");
    assert!(bad.head.status >= 400, "{bad:?}");
}

/// Seconds and nanoseconds since 1970 of a stamp, as the API takes them.
fn unix_time(stamp: &str) -> String {
    let mut date = Command::new("date");
    date.args(["-u", "-d", stamp, "+%s.%N"]);
    Run::of(&mut date, b"").ok().out()
}

#[test]
fn follow_goes_on_to_the_end() {
    let daemon = Daemon::with_image();
    let line = "echo first; until [ -e /go ]; do sleep 0.05; done; echo last";
    let go = daemon.directory.join("go");
    std::fs::create_dir(&go).expect("a directory");
    let bind = format!("{}:/shared", go.display());
    let line = line.replace("/go", "/shared/go");
    daemon.run_with("web", &line, json!({"HostConfig": {"Binds": [bind]}}));
    let (mut wire, head) =
        daemon.open("GET", "/containers/web/logs?stdout=1&stderr=1&follow=1");
    assert_eq!(head.status, 200);
    let chunk = wire.chunk().expect("the first line");
    assert_eq!(split_frames(&chunk).0, "first\n");
    assert!(wire.is_quiet_for(Duration::from_millis(200)));
    std::fs::write(go.join("go"), "").expect("a file");
    let rest = wire.body(&head);
    assert_eq!(split_frames(&rest).0, "last\n");
}

#[test]
fn follow_ends_with_its_client() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo x; sleep 1000");
    let count = || crate::harness::host::threads(daemon.pid()).len();
    let idle = count();
    let target = "/containers/web/logs?stdout=1&follow=1";
    let open: Vec<_> = (0..10).map(|_| daemon.open("GET", target)).collect();
    drop(open);
    until("the threads to go", || (count() <= idle + 2).then_some(()));
}

#[test]
fn long_and_unfinished_lines_are_kept() {
    let daemon = Daemon::with_image();
    daemon.run(
        "web",
        "head -c 100000 /dev/zero | tr '\\0' a; echo; printf unfinished",
    );
    daemon.wait("web");
    let out = read(&daemon, "stdout=1").0;
    let mut lines = out.lines();
    assert_eq!(lines.next().map(str::len), Some(100_000));
    assert_eq!(lines.next(), Some("unfinished"));
    let last = read(&daemon, "stdout=1&tail=1").0;
    assert_eq!(last, "unfinished");
}

#[test]
fn a_terminals_log_is_raw() {
    let daemon = Daemon::with_image();
    daemon.run_with("web", "echo one; echo two >&2", json!({"Tty": true}));
    daemon.wait("web");
    let reply = daemon.get("/containers/web/logs?stdout=1").is(200);
    let kind = "application/vnd.docker.raw-stream";
    assert_eq!(reply.header("Content-Type"), Some(kind));
    assert_eq!(reply.text(), "one\r\ntwo\r\n");
}

#[test]
fn the_file_is_dockers() {
    let daemon = Daemon::with_image();
    daemon.run("web", "echo 'a \"b\" \\ é'; echo e >&2");
    daemon.wait("web");
    let path = daemon.inspect("web")["LogPath"].clone();
    let text = std::fs::read_to_string(path.as_str().expect("a path"));
    let text = text.expect("the log is there");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    // Which of two pipes is read first is nobody's promise.
    let of = |stream: &str| {
        let mut lines = lines.iter();
        let line = lines.find(|line| line["stream"] == stream);
        line.unwrap_or_else(|| panic!("no {stream} in {text}"))["log"].clone()
    };
    assert_eq!(of("stdout"), "a \"b\" \\ é\n");
    assert_eq!(of("stderr"), "e\n");
    let shape = r#"{"log":"a \"b\" \\ é\n","stream":"stdout","time":""#;
    assert!(text.contains(shape), "{text}");
}

#[test]
fn no_log_driver_means_no_logs() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"LogConfig": {"Type": "none"}}});
    daemon.run_with("web", "echo x", body);
    daemon.wait("web");
    let reply = daemon.get("/containers/web/logs?stdout=1");
    assert!(
        reply.head.status >= 400 || {
            let text = reply.text();
            text.contains("configured logging driver does not support reading")
        }
    );
    let body = json!({
        "Image": "busybox",
        "Cmd": ["true"],
        "HostConfig": {"LogConfig": {"Type": "nosuch"}},
    });
    let reply = daemon.post_json("/containers/create", &body);
    assert!(reply.head.status >= 400, "{reply:?}");
}

#[test]
fn logs_rotate_within_their_bounds() {
    let daemon = Daemon::with_image();
    let body = json!({"HostConfig": {"LogConfig": {
        "Type": "json-file",
        "Config": {"max-size": "10k", "max-file": "2"},
    }}});
    daemon.run_with("web", "seq 1 3000", body);
    daemon.wait("web");
    let path = daemon.inspect("web")["LogPath"].clone();
    let path = path.as_str().expect("a path").to_string();
    let size = |path: &str| {
        std::fs::metadata(path).map(|data| data.len()).unwrap_or(0)
    };
    assert!(size(&path) <= 10_500, "{}", size(&path));
    assert!(size(&format!("{path}.1")) > 0);
    assert_eq!(size(&format!("{path}.2")), 0);
    let out = read(&daemon, "stdout=1").0;
    let numbers: Vec<u32> =
        out.lines().map(|line| line.parse().expect("a number")).collect();
    assert_eq!(numbers.last(), Some(&3000));
    let whole = numbers.windows(2).all(|two| two[1] == two[0] + 1);
    assert!(whole, "a line is missing: {numbers:?}");
}
