//! Our own client: output, exit codes, errors, signals, terminal.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;

use crate::harness::command::{Beside, Run};
use crate::harness::image::{Image, busybox_root};
use crate::harness::recorded::same_as;
use crate::harness::registry::Registry;
use crate::harness::{Daemon, daemon, until};

#[test]
fn its_outputs_are_those_of_the_reference() {
    let daemon = Daemon::with_image();
    for (file, words) in [
        ("run-rm", &["run", "--rm", "busybox", "echo", "hello"] as &[&str]),
        ("run-exit-code", &["run", "--rm", "busybox", "sh", "-c", "exit 7"]),
        (
            "run-stderr",
            &["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2"],
        ),
        ("images", &["images"]),
        ("inspect-missing", &["inspect", "nosuch"]),
        ("rm-missing", &["rm", "nosuch"]),
    ] {
        same_as(file, &daemon.skiff(words), &[]);
    }
    let line = "echo started; while true; do sleep 1; done";
    let words = [
        "run",
        "-d",
        "--name",
        "web",
        "-e",
        "A=1",
        "-l",
        "role=web",
        "--memory",
        "64m",
        "--cpus",
        "0.5",
        "--restart",
        "on-failure:3",
        "busybox",
        "sh",
        "-c",
        line,
    ];
    same_as("run-detached", &daemon.skiff(&words), &[]);
    daemon.until_logged("web", "started");
    for (file, words) in [
        ("ps", "ps"),
        ("ps-all", "ps -a --no-trunc"),
        ("inspect", "inspect web"),
        ("logs", "logs web"),
        ("logs-tail", "logs --tail 1 -t web"),
        ("rm-running", "rm web"),
        ("restart", "restart -t 0 web"),
        ("kill", "kill -s USR1 web"),
        ("stop", "stop -t 0 web"),
        ("stop-again", "stop web"),
        ("start", "start web"),
        ("rm-force", "rm -f web"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        same_as(file, &daemon.skiff(&words), &[]);
    }
}

#[test]
fn failures_to_run_have_dockers_codes() {
    let daemon = Daemon::with_image();
    let run = |words: &[&str]| {
        let mut all = vec!["run", "--rm"];
        all.extend(words);
        daemon.skiff(&all)
    };
    run(&["busybox", "nosuchcommand"])
        .exits(127)
        .complains("executable file not found in $PATH");
    run(&["busybox", "/etc"]).exits(126).complains("permission denied");
    run(&["--nosuchflag", "busybox"])
        .exits(125)
        .complains("unknown flag: --nosuchflag");
    run(&["busybox", "sh", "-c", "kill -9 $$; exit 3"]).exits(3);
    daemon.skiff(&["nosuchcommand"]).exits(1);
    daemon.skiff(&["rm", "nosuch", "other"]).exits(1).complains("other");
}

#[test]
fn a_missing_daemon_is_told() {
    let mut command = Command::new(daemon::program());
    command.args(["-H", "unix:///no/such.sock", "ps"]);
    let run = Run::of(&mut command, b"").exits(1);
    assert!(
        run.err().contains(
            "Cannot connect to the Docker daemon at unix:///no/such.sock. \
             Is the docker daemon running?"
        ),
        "{run:?}"
    );
    let mut command = Command::new(daemon::program());
    command.args(["-H", "unix:///a", "-H", "unix:///b", "ps"]);
    Run::of(&mut command, b"").exits(1).complains("Please specify only one -H");
}

#[test]
fn help_and_version_need_no_daemon() {
    for words in [
        &["--help"] as &[&str],
        &["--version"],
        &["-v"],
        &["run", "--help"],
        &["ps", "--help"],
        &["help", "run"],
    ] {
        let mut command = Command::new(daemon::program());
        command.args(words).env("DOCKER_HOST", "unix:///no/such.sock");
        let run = Run::of(&mut command, b"").ok();
        assert!(!run.out().is_empty(), "{run:?}");
    }
}

#[test]
fn flags_of_run_take_effect() {
    let daemon = Daemon::with_image();
    let file = daemon.directory.join("env");
    fs::write(&file, "# a comment\nFROM_FILE=yes\n").expect("a file");
    let shared = daemon.directory.join("shared");
    fs::create_dir(&shared).expect("a directory");
    let bind = format!("{}:/shared:ro", shared.display());
    fs::write(shared.join("file"), "shared").expect("a file");
    let line = "hostname; pwd; id -u; echo $A $FROM_FILE; cat /shared/file; \
                echo; ls /sys/class/net | tr '\\n' ' '";
    let words = [
        "run",
        "--rm",
        "-h",
        "named",
        "-w",
        "/tmp",
        "-u",
        "app",
        "-e",
        "A=1",
        "--env-file",
        file.to_str().expect("UTF-8"),
        "-v",
        &bind,
        "--network",
        "none",
        "--entrypoint",
        "sh",
        "busybox",
        "-c",
        line,
    ];
    let out = daemon.skiff(&words).ok().out();
    assert_eq!(out, "named\n/tmp\n1000\n1 yes\nshared\nlo ");
    let words = [
        "run",
        "--rm",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CHOWN",
        "--pids-limit",
        "30",
        "--init",
        "busybox",
        "sh",
        "-c",
        "grep CapEff /proc/self/status; echo x > /x || echo read-only; \
         [ $$ != 1 ] && echo init",
    ];
    let out = daemon.skiff(&words).ok().out();
    assert_eq!(out, "CapEff:\t0000000000000001\nread-only\ninit");
}

#[test]
fn stdin_goes_in_and_eof_ends_it() {
    let daemon = Daemon::with_image();
    let words = ["run", "-i", "--rm", "busybox", "sh", "-c", "cat; echo end"];
    let mut command = daemon.client(&words);
    Run::of(&mut command, b"one\ntwo\n").ok().says("one\ntwo\nend");
    let megabyte = vec![b'x'; 3 << 20];
    let mut command =
        daemon.client(&["run", "-i", "--rm", "busybox", "wc", "-c"]);
    Run::of(&mut command, &megabyte).ok().says("3145728");
}

#[test]
fn much_output_is_complete() {
    let daemon = Daemon::with_image();
    let run = daemon.skiff(&["run", "--rm", "busybox", "seq", "1", "300000"]);
    let run = run.ok();
    let out = run.out();
    assert_eq!(out.lines().count(), 300_000);
    assert!(out.ends_with("\n300000"));
}

#[test]
fn signals_are_passed_on() {
    let daemon = Daemon::with_image();
    let line = "trap 'echo got it; exit 9' TERM; echo ready; \
                while :; do sleep 0.05; done";
    let words = ["run", "--rm", "--name", "web", "busybox", "sh", "-c", line];
    let mut run = daemon.beside(&words);
    run.line_with("ready");
    run.signal(Signal::TERM);
    run.line_with("got it");
    assert_eq!(run.end().0, 9);
}

#[test]
fn a_terminal_works_and_is_restored() {
    let daemon = Daemon::with_image();
    let program = daemon::program();
    let line = format!(
        "stty -a | head -1 > {0}/before; {1} run -it --rm busybox sh; \
         echo code $?; stty -a | head -1 > {0}/after",
        daemon.directory.display(),
        program.display()
    );
    let words = ["-qec", &line, "/dev/null"];
    let mut terminal =
        Beside::start(&mut daemon.client_of(Path::new("script"), &words));
    let type_in = |terminal: &mut Beside, text: &str| {
        let stdin = terminal.stdin.as_mut().expect("it is open");
        stdin.write_all(text.as_bytes()).expect("it listens");
    };
    type_in(&mut terminal, "tty; echo a$((40+2))z\n");
    terminal.line_with("/dev/pts/0");
    terminal.line_with("a42z");
    type_in(&mut terminal, "exit 5\n");
    terminal.line_with("code 5");
    let (status, _, errors) = terminal.end();
    assert_eq!(status, 0, "{errors}");
    let read = |name: &str| fs::read(daemon.directory.join(name));
    let before = read("before").expect("it was written");
    assert_eq!(before, read("after").expect("it was written"));
}

#[test]
fn detach_keys_leave_the_container() {
    let daemon = Daemon::with_image();
    let line = format!(
        "{} run -it --name tty busybox sh",
        daemon::program().display()
    );
    let words = ["-qec", &line, "/dev/null"];
    let mut terminal =
        Beside::start(&mut daemon.client_of(Path::new("script"), &words));
    let stdin = terminal.stdin.as_mut().expect("it is open");
    stdin.write_all(b"echo a$((40+2))z\n").expect("it listens");
    terminal.line_with("a42z");
    let stdin = terminal.stdin.as_mut().expect("it is open");
    stdin.write_all(&[16, 17]).expect("it listens");
    let (status, _, _) = terminal.end();
    assert_eq!(status, 0);
    assert_eq!(daemon.inspect("tty")["State"]["Running"], true);
}

#[test]
fn attach_start_and_wait() {
    let daemon = Daemon::with_image();
    let id = daemon
        .skiff(&[
            "create",
            "--name",
            "cc",
            "busybox",
            "sh",
            "-c",
            "echo x; exit 4",
        ])
        .ok()
        .out();
    assert_eq!(id.len(), 64);
    daemon.skiff(&["start", "-a", "cc"]).exits(4).says("x");
    daemon.skiff(&["wait", "cc"]).ok().says("4");
    let line = "echo up; until [ -e /go ]; do sleep 0.05; done; exit 6";
    daemon.run("web", line);
    let attach = daemon.beside(&["attach", "--no-stdin", "web"]);
    until("the attachment", || {
        let events = daemon.past_events("");
        let is_attached = events.iter().any(|event| {
            event["Action"] == "attach"
                && event["Actor"]["Attributes"]["name"] == "web"
        });
        is_attached.then_some(())
    });
    daemon.skiff(&["kill", "web"]).ok();
    let (status, lines, errors) = attach.end();
    assert_eq!(status, 137, "{lines:?} {errors}");
    daemon
        .skiff(&["attach", "web"])
        .exits(1)
        .complains("You cannot attach to a stopped container, start it first");
}

#[test]
fn several_ids_go_on_after_a_failure() {
    let daemon = Daemon::with_image();
    daemon.run("one", "sleep 1000");
    daemon.run("two", "sleep 1000");
    let run = daemon.skiff(&["stop", "-t", "0", "one", "nosuch", "two"]);
    let run = run.exits(1).complains("No such container: nosuch");
    assert_eq!(run.out(), "one\ntwo");
    daemon.skiff(&["rm", "one", "two"]).ok().says("one\ntwo");
}

#[test]
fn import_from_a_file_and_from_stdin() {
    let daemon = Daemon::start();
    let file = daemon.directory.join("root.tar");
    fs::write(&file, busybox_root()).expect("a file");
    let path = file.to_str().expect("UTF-8");
    let words = ["import", "-c", "CMD [\"echo\",\"hi\"]", path, "one:v1"];
    let out = daemon.skiff(&words).ok().out();
    assert!(out.starts_with("sha256:"), "{out}");
    daemon.skiff(&["run", "--rm", "one:v1"]).ok().says("hi");
    let mut command = daemon.client(&["import", "-", "two"]);
    Run::of(&mut command, busybox_root()).ok();
    let images = daemon.skiff(&["images", "-q"]).ok().out();
    assert_eq!(images.lines().count(), 2, "{images}");
    daemon.skiff(&["rmi", "one:v1", "two"]).ok();
    daemon
        .skiff(&["rmi", "two"])
        .exits(1)
        .complains("No such image: two:latest");
}

#[test]
fn pull_prints_what_docker_prints() {
    let Some(registry) = Registry::start() else { return };
    registry.push("busybox", &[Image::busybox()]);
    let daemon = Daemon::start();
    let address = format!("127.0.0.1:{}", registry.port);
    let known = [("registry", address.as_str())];
    let name = registry.name("busybox");
    let tagged = format!("{name}:latest");
    let missing = format!("{name}:nosuchtag");
    for (file, words) in [
        ("pull", vec!["pull", name.as_str()]),
        ("pull-again", vec!["pull", tagged.as_str()]),
        ("pull-missing", vec!["pull", missing.as_str()]),
        ("pull-quiet", vec!["pull", "-q", name.as_str()]),
    ] {
        same_as(file, &daemon.skiff(&words), &known);
    }
    // A run pulls what is missing.
    daemon.skiff(&["rmi", &tagged]).ok();
    let run = daemon.skiff(&["run", "--rm", &name, "echo", "hello"]);
    let run = run.ok().complains("Unable to find image");
    assert_eq!(run.out(), "hello");
}

#[test]
fn events_and_logs_follow() {
    let daemon = Daemon::with_image();
    let mut events = daemon.beside(&["events"]);
    until("the subscription", || {
        let info = daemon.get("/info").is(200).json();
        (info["NEventsListener"].as_i64() > Some(0)).then_some(())
    });
    daemon.run("web", "echo one; sleep 0.3; echo two");
    events.line_with("container create");
    events.line_with("container start");
    let mut logs = daemon.beside(&["logs", "-f", "web"]);
    assert_eq!(logs.line().as_deref(), Some("one"));
    assert_eq!(logs.line().as_deref(), Some("two"));
    assert_eq!(logs.end().0, 0);
    let die = events.line_with("container die");
    assert!(die.contains("exitCode=0"), "{die}");
}

#[test]
fn called_as_docker_it_is_the_client() {
    let daemon = Daemon::start();
    let link = daemon.directory.join("docker");
    std::os::unix::fs::symlink(daemon::program(), &link).expect("a link");
    Run::of(&mut daemon.client_of(&link, &["version"]), b"").ok();
}

#[test]
fn a_broken_pipe_is_no_failure_worth_a_word() {
    let daemon = Daemon::with_image();
    daemon.run("web", "seq 1 100000");
    daemon.wait("web");
    let line = format!("{} logs web | head -1", daemon::program().display());
    let words = ["-c", &line];
    let run = Run::of(&mut daemon.client_of(Path::new("sh"), &words), b"");
    let run = run.ok().says("1");
    assert_eq!(run.err(), "");
}
