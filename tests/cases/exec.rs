//! Programs executed beside a container's own.

use std::fs;

use serde_json::{Value, json};

use crate::harness::wire::Head;
use crate::harness::{Daemon, Wire, host, until};

impl Daemon {
    /// Prepares a program; its id.
    #[track_caller]
    fn exec_create(&self, name: &str, body: &Value) -> String {
        let target = format!("/containers/{name}/exec");
        let made = self.post_json(&target, body).is(201).json();
        made["Id"].as_str().expect("an id").to_string()
    }

    /// Starts it, attached by an upgrade.
    #[track_caller]
    fn exec_attach(&self, id: &str, body: &Value) -> (Wire, Head) {
        let mut wire = self.wire();
        let body = body.to_string();
        wire.write(format!(
            "POST /exec/{id}/start HTTP/1.1\r\nHost: d\r\nConnection: \
             Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let head = wire.head();
        (wire, head)
    }

    fn exec_inspect(&self, id: &str) -> Value {
        self.get(&format!("/exec/{id}/json")).is(200).json()
    }

    /// Executes a line of shell; its exit code and both outputs.
    #[track_caller]
    pub fn exec_shell(
        &self,
        name: &str,
        line: &str,
        mut body: Value,
    ) -> (i64, String, String) {
        body["Cmd"] = json!(["sh", "-c", line]);
        body["AttachStdout"] = json!(true);
        body["AttachStderr"] = json!(true);
        let id = self.exec_create(name, &body);
        let (mut wire, head) = self.exec_attach(&id, &json!({}));
        assert_eq!(head.status, 101, "{head:?}");
        let (out, err) = wire.frames();
        // Who has seen the end is told the exit code.
        let code = self.exec_inspect(&id)["ExitCode"].as_i64();
        (code.expect("it has ended"), out, err)
    }
}

#[test]
fn output_exit_code_and_both_streams_come_back() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let run = |line: &str| daemon.exec_shell("web", line, json!({}));
    let (code, out, err) = run("echo out; echo err >&2; exit 3");
    assert_eq!((code, out.as_str(), err.as_str()), (3, "out\n", "err\n"));
    // Beside the container's own program, in its namespaces and cgroup.
    let pid = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    let (_, out, _) = run("ls -l /proc/self/ns; cat /proc/1/comm");
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
        let number = host::namespace(pid as i32, kind).expect("it runs");
        assert!(out.contains(&format!("{kind}:[{number}]")), "{kind}: {out}");
    }
    assert!(out.ends_with("sleep\n"), "{out}");
    // No descriptor but its own three, and that of the listing.
    let (_, out, _) = run("ls /proc/self/fd | wc -l");
    assert_eq!(out, "4\n");
}

#[test]
fn it_stands_in_the_containers_cgroup() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let id = daemon.exec_create("web", &json!({"Cmd": ["sleep", "100"]}));
    daemon.post_json(&format!("/exec/{id}/start"), &json!({"Detach": true}));
    let seen = daemon.exec_inspect(&id);
    let pid = seen["Pid"].as_i64().expect("a pid");
    let init = daemon.inspect("web")["State"]["Pid"].as_i64().expect("a pid");
    let group = |pid| fs::read_to_string(format!("/proc/{pid}/cgroup"));
    assert_eq!(group(pid).expect("it runs"), group(init).expect("it runs"));
    assert_eq!(seen["Running"], json!(true));
    assert_eq!(daemon.inspect("web")["ExecIDs"], json!([id]));
}

#[test]
fn user_environment_directory_and_privileges_are_its_own() {
    let daemon = Daemon::with_image();
    let body = json!({"Env": ["A=container", "B=kept"], "User": "7"});
    daemon.run_with("web", "sleep 1000", body);
    let body = json!({
        "Env": ["A=exec"], "User": "12:34", "WorkingDir": "/tmp",
    });
    let line = "echo $A $B $HOSTNAME; id -u; id -g; pwd";
    let (_, out, _) = daemon.exec_shell("web", line, body);
    let short = &daemon.inspect("web")["Config"]["Hostname"];
    let host = short.as_str().expect("a name");
    assert_eq!(out, format!("exec kept {host}\n12\n34\n/tmp\n"));
    let (_, out, _) = daemon.exec_shell("web", "id -u", json!({}));
    assert_eq!(out, "7\n");
    let caps = "grep CapEff /proc/self/status | cut -f2";
    let as_root = |more: Value| {
        let mut body = json!({"User": "0"});
        body["Privileged"] = more;
        daemon.exec_shell("web", caps, body).1
    };
    assert_eq!(as_root(json!(false)), "00000000a80425fb\n");
    let all = fs::read_to_string("/proc/self/status").expect("it is there");
    let all = all.lines().find(|line| line.starts_with("CapEff"));
    let all = all.and_then(|line| line.split('\t').nth(1)).expect("a set");
    assert_eq!(as_root(json!(true)), format!("{all}\n"));
    // Filter and limits are those of the container.
    let (_, out, _) = daemon.exec_shell(
        "web",
        "grep -E 'Seccomp:|NoNewPrivs' /proc/self/status | cut -f2",
        json!({}),
    );
    assert_eq!(out, "0\n2\n");
}

#[test]
fn what_cannot_be_executed_is_told_on_its_output() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let words = "OCI runtime exec failed: exec failed: unable to start \
                 container process: ";
    for (body, code, text) in [
        (
            json!({"Cmd": ["nosuch"]}),
            127,
            format!(
                "{words}exec: \"nosuch\": executable file not found in $PATH: \
                 unknown"
            ),
        ),
        (
            json!({"Cmd": ["/etc"]}),
            126,
            format!("{words}exec: \"/etc\": permission denied: unknown"),
        ),
        (
            json!({"Cmd": ["true"], "WorkingDir": "/no/such"}),
            127,
            format!(
                "{words}chdir to cwd (\"/no/such\") set in config.json \
                 failed: no such file or directory: unknown"
            ),
        ),
    ] {
        let id = daemon.exec_create("web", &body);
        let (mut wire, head) = daemon.exec_attach(&id, &json!({}));
        assert_eq!(head.status, 101);
        assert_eq!(wire.frames().0, format!("{text}\r\n"));
        let seen = daemon.exec_inspect(&id);
        assert_eq!(seen["ExitCode"], json!(code), "{seen}");
        assert_eq!(seen["Pid"], json!(0));
        let id = daemon.exec_create("web", &body);
        let start = format!("/exec/{id}/start");
        daemon.post_json(&start, &json!({"Detach": true})).refuses(400, &text);
    }
    let id = daemon.exec_create("web", &json!({"Cmd": ["a"], "User": "no"}));
    daemon
        .post_json(&format!("/exec/{id}/start"), &json!({"Detach": true}))
        .refuses(
            500,
            "unable to find user no: no matching entries in passwd file",
        );
}

#[test]
fn input_is_passed_on_and_its_end_too() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let body = json!({
        "Cmd": ["sh", "-c", "cat; echo end"],
        "AttachStdin": true, "AttachStdout": true,
    });
    let id = daemon.exec_create("web", &body);
    let (mut wire, _) = daemon.exec_attach(&id, &json!({}));
    wire.write("typed\n");
    assert_eq!(wire.frame(), Some((1, b"typed\n".to_vec())));
    wire.half_close();
    assert_eq!(wire.frames().0, "end\n");
    assert_eq!(daemon.exec_inspect(&id)["ExitCode"], json!(0));
}

#[test]
fn a_terminal_has_its_size_and_can_be_left() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let body = json!({
        "Cmd": ["sh", "-c", "stty size; tty; read x; stty size; read y"],
        "Tty": true, "AttachStdin": true,
        "AttachStdout": true, "ConsoleSize": [30, 100],
    });
    let id = daemon.exec_create("web", &body);
    let (mut wire, head) = daemon.exec_attach(&id, &json!({"Tty": true}));
    let kind = "application/vnd.docker.raw-stream";
    assert_eq!(head.header("Content-Type"), Some(kind));
    // Both lines may come at once.
    let seen = wire.until("/dev/pts/");
    assert!(seen.contains("30 100"), "{seen}");
    daemon.post(&format!("/exec/{id}/resize?h=20&w=50")).is(200);
    wire.write("\n");
    wire.until("20 50");
    // The detach keys leave it running.
    wire.write([16, 17]);
    wire.rest();
    assert_eq!(daemon.exec_inspect(&id)["Running"], json!(true));
    let left = until("the event of the detach", || {
        let events = daemon.past_events("");
        events.into_iter().find(|e| e["Action"] == "exec_detach")
    });
    assert_eq!(left["Actor"]["Attributes"]["execID"], json!(id));
}

#[test]
fn exec_tells_by_its_type_that_it_is_framed_since_1_42() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    for (minor, kind) in [(41, "raw"), (42, "multiplexed")] {
        let body = json!({"Cmd": ["echo", "x"], "AttachStdout": true});
        let id = daemon.exec_create("web", &body);
        let mut wire = daemon.wire();
        wire.write(format!(
            "POST /v1.{minor}/exec/{id}/start HTTP/1.1\r\nHost: d\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: \
             application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        ));
        let head = wire.head();
        let wanted = format!("application/vnd.docker.{kind}-stream");
        assert_eq!(head.header("Content-Type"), Some(wanted.as_str()));
        assert_eq!(wire.frames().0, "x\n");
    }
}

#[test]
fn exec_takes_the_size_of_its_terminal_since_1_42() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    for (minor, wanted) in [(41, "stty: standard input"), (42, "30 100")] {
        let body = json!({
            "Cmd": ["stty", "size"], "Tty": true, "AttachStdout": true,
            "ConsoleSize": [30, 100],
        });
        let target = format!("/v1.{minor}/containers/web/exec");
        let made = daemon.post_json(&target, &body).is(201).json();
        let id = made["Id"].as_str().expect("an id");
        let (mut wire, _) = daemon.exec_attach(id, &json!({"Tty": true}));
        wire.until(wanted);
    }
}

#[test]
fn events_tell_of_create_start_and_end() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    daemon.exec_shell("web", "exit 5", json!({}));
    let events = until("the events", || {
        let events = daemon.past_events("");
        let has_end = events.iter().any(|e| e["Action"] == "exec_die");
        has_end.then_some(events)
    });
    let seen: Vec<String> = events
        .iter()
        .filter_map(|e| e["Action"].as_str())
        .filter(|action| action.starts_with("exec"))
        .map(str::to_string)
        .collect();
    let (create, start) =
        ("exec_create: sh -c exit 5", "exec_start: sh -c exit 5");
    assert_eq!(seen, [create, start, "exec_die"]);
    let end = events.last().expect("there are some");
    let attributes = &end["Actor"]["Attributes"];
    assert_eq!(attributes["exitCode"], json!("5"));
    assert_eq!(attributes["name"], json!("web"));
    assert!(attributes["execID"].as_str().is_some_and(|id| id.len() == 64));
}

#[test]
fn it_is_started_once_and_in_a_running_container_only() {
    let daemon = Daemon::with_image();
    let web = daemon.run("web", "sleep 1000");
    let body = json!({"Cmd": ["sleep", "100"]});
    let id = daemon.exec_create("web", &body);
    let start = format!("/exec/{id}/start");
    let detached = json!({"Detach": true});
    daemon.post_json(&start, &detached).is(200);
    daemon
        .post_json(&start, &detached)
        .refuses(409, &format!("Error: Exec command {id} is already running"));
    let short = daemon.exec_create("web", &json!({"Cmd": ["true"]}));
    let target = format!("/exec/{short}/start");
    daemon.post_json(&target, &detached).is(200);
    until("its end", || {
        (daemon.exec_inspect(&short)["Running"] == json!(false)).then_some(())
    });
    daemon
        .post_json(&target, &detached)
        .refuses(409, &format!("Error: Exec command {short} has already run"));
    daemon
        .post_json("/containers/web/exec", &json!({}))
        .refuses(400, "No exec command specified");
    daemon
        .post_json("/exec/nosuch/start", &detached)
        .refuses(404, "No such exec instance: nosuch");
    // It ends with its container.
    let waiting = daemon.exec_create("web", &body);
    daemon.post("/containers/web/kill").is(204);
    let seen = daemon.exec_inspect(&id);
    assert_eq!(seen["ExitCode"], json!(137), "{seen}");
    let target = format!("/exec/{waiting}/start");
    let refusal = format!("container {web} is not running");
    daemon.post_json(&target, &detached).refuses(409, &refusal);
    daemon.post_json("/containers/web/exec", &body).refuses(409, &refusal);
}

#[test]
fn a_background_child_holds_the_client_for_two_seconds_only() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let (code, out, _) =
        daemon.exec_shell("web", "echo a; sleep 1000 &", json!({}));
    assert_eq!((code, out.as_str()), (0, "a\n"));
}

#[test]
fn a_slow_reader_loses_nothing_though_the_program_has_ended() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let body = json!({"Cmd": ["seq", "1", "400000"], "AttachStdout": true});
    let id = daemon.exec_create("web", &body);
    let (mut wire, _) = daemon.exec_attach(&id, &json!({}));
    std::thread::sleep(std::time::Duration::from_millis(2500));
    let (out, _) = wire.frames();
    assert_eq!(out.lines().count(), 400_000);
    assert!(out.ends_with("400000\n"));
}

#[test]
fn a_hundred_at_once_all_come_back() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100)
            .map(|n| {
                let daemon = &daemon;
                scope.spawn(move || {
                    let line = format!("echo {n}; exit {}", n % 7);
                    daemon.exec_shell("web", &line, json!({}))
                })
            })
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            let (code, out, _) = thread.join().expect("no panic");
            assert_eq!((code, out), (n as i64 % 7, format!("{n}\n")));
        }
    });
    assert_eq!(daemon.inspect("web")["ExecIDs"], Value::Null);
}

#[test]
fn it_outlives_the_daemon_and_the_next_one_knows_it() {
    let mut daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    let body = json!({
        "Cmd": ["sh", "-c", "read line; echo got $line; exit 6"],
        "AttachStdin": true, "AttachStdout": true,
    });
    let id = daemon.exec_create("web", &body);
    let (mut wire, _) = daemon.exec_attach(&id, &json!({}));
    daemon.kill();
    wire.write("while nobody serves\n");
    assert_eq!(wire.frames().0, "got while nobody serves\n");
    daemon.launch();
    let seen = daemon.exec_inspect(&id);
    assert_eq!(seen["ExitCode"], json!(6), "{seen}");
    assert_eq!(seen["ProcessConfig"]["entrypoint"], json!("sh"));
}

#[test]
fn our_own_client_executes() {
    let daemon = Daemon::with_image();
    daemon.run("web", "sleep 1000");
    daemon.skiff(&["exec", "web", "echo", "hello"]).ok().says("hello");
    daemon.skiff(&["exec", "web", "sh", "-c", "exit 9"]).exits(9);
    let words = ["exec", "-e", "A=b", "-u", "5", "-w", "/tmp", "web"];
    let line = ["sh", "-c", "echo $A $(id -u) $(pwd)"];
    daemon.skiff(&[&words[..], &line].concat()).ok().says("b 5 /tmp");
    daemon.skiff(&["exec", "web", "nosuch"]).exits(127);
    daemon.skiff(&["exec", "-d", "web", "touch", "/tmp/mark"]).ok().says("");
    until("the file", || {
        let found = daemon.skiff(&["exec", "web", "ls", "/tmp/mark"]);
        (found.status == 0).then_some(())
    });
    daemon
        .skiff(&["exec", "nosuch", "true"])
        .exits(1)
        .complains("No such container: nosuch");
}
