//! Our client against a real dockerd, where one is installed.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::harness::certificates::Certificates;
use crate::harness::command::{Beside, Run};
use crate::harness::image::Image;
use crate::harness::registry::{Registry, free_port};
use crate::harness::{daemon, has, host, image, skip, until, within};

struct Dockerd {
    directory: PathBuf,
    child: Child,
}

impl Dockerd {
    fn start(name: &str) -> Option<Dockerd> {
        Dockerd::with(name, &[])
    }

    /// Starts one with more flags.
    fn with(name: &str, flags: &[String]) -> Option<Dockerd> {
        if !has("dockerd") {
            skip("dockerd is not installed");
            return None;
        }
        let own = std::process::id();
        let directory = PathBuf::from(format!("/tmp/skt-dockerd-{name}-{own}"));
        fs::create_dir_all(directory.join("config")).expect("/tmp is there");
        let log = File::create(directory.join("log")).expect("a log");
        let child = Command::new("dockerd")
            .arg("--data-root")
            .arg(directory.join("data"))
            .arg("--exec-root")
            .arg(directory.join("exec"))
            .arg("-p")
            .arg(directory.join("pid"))
            .arg("-H")
            .arg(format!("unix://{}", directory.join("sock").display()))
            .args(["--bridge=none", "--iptables=false"])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second descriptor"))
            .stderr(log)
            .spawn()
            .expect("dockerd starts");
        let mut dockerd = Dockerd { directory, child };
        let up = within(std::time::Duration::from_secs(30), || {
            if dockerd.child.try_wait().expect("own child").is_some() {
                return Some(false);
            }
            let run = dockerd.skiff(&["version"], b"");
            (run.status == 0).then_some(true)
        });
        if up != Some(true) {
            let log = fs::read_to_string(dockerd.directory.join("log"));
            let log = log.unwrap_or_default();
            let last = log.lines().last().unwrap_or("no log");
            skip(&format!("dockerd does not run here: {last}"));
            return None;
        }
        Some(dockerd)
    }

    fn client(&self, words: &[&str]) -> Command {
        let mut command = Command::new(daemon::program());
        let socket = self.directory.join("sock");
        command.args(words);
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        command.env("DOCKER_CONFIG", self.directory.join("config"));
        command
    }

    #[track_caller]
    fn skiff(&self, words: &[&str], input: &[u8]) -> Run {
        Run::of(&mut self.client(words), input)
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        let run = self.skiff(&["ps", "-aq"], b"");
        for id in run.out().lines() {
            self.skiff(&["rm", "-f", id], b"");
        }
        host::signal(self.child.id() as i32, Signal::TERM);
        let ended = within(std::time::Duration::from_secs(15), || {
            self.child.try_wait().ok().flatten()
        });
        if ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        for holder in host::holders(&self.directory) {
            host::signal(holder.pid, Signal::KILL);
        }
        for mount in host::mounts(&self.directory) {
            let _ = Command::new("umount").args(["-l", &mount]).output();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn our_client_pulls_through_a_real_dockerd() {
    let Some(dockerd) = Dockerd::start("pull") else { return };
    let Some(registry) = Registry::start() else { return };
    registry.push_as_docker("busybox", &Image::busybox());
    let name = registry.name("busybox");
    let out = dockerd.skiff(&["pull", &name], b"").ok().out();
    let tagged = format!("{name}:latest");
    assert!(out.starts_with("Using default tag: latest\n"), "{out}");
    assert!(out.ends_with(&tagged), "{out}");
    let words = ["run", "--rm", "--network", "none", &name, "echo", "hi"];
    dockerd.skiff(&words, b"").ok().says("hi");
    let missing = format!("{name}:nosuch");
    dockerd
        .skiff(&["pull", &missing], b"")
        .exits(1)
        .complains(&format!("manifest for {missing} not found"));
    dockerd.skiff(&["rmi", &tagged], b"").ok();
}

#[test]
fn our_client_works_with_a_real_dockerd() {
    let Some(dockerd) = Dockerd::start("client") else { return };
    let version = dockerd.skiff(&["version"], b"").ok().out();
    assert!(version.contains("Server:"), "{version}");
    assert!(version.contains("20.10") || version.contains("API version"));
    dockerd.skiff(&["info"], b"").ok();
    dockerd.skiff(&["import", "-", "busybox"], image::busybox_root()).ok();
    let images = dockerd.skiff(&["images"], b"").ok().out();
    assert!(images.contains("busybox"), "{images}");
    let run = ["run", "--rm", "--network", "none", "busybox"];
    let with = |words: &[&'static str]| {
        let mut all = run.to_vec();
        all.extend(words);
        all
    };
    dockerd.skiff(&with(&["echo", "hello"]), b"").ok().says("hello");
    dockerd.skiff(&with(&["sh", "-c", "exit 7"]), b"").exits(7);
    dockerd.skiff(&with(&["nosuchcommand"]), b"").exits(127);
    let mut words = vec!["run", "-i"];
    words.extend(&run[1..]);
    words.push("cat");
    dockerd.skiff(&words, b"through it\n").ok().says("through it");
    let line = "echo up; while :; do sleep 0.1; done";
    let detached = [
        "run",
        "-d",
        "--network",
        "none",
        "--name",
        "web",
        "busybox",
        "sh",
        "-c",
        line,
    ];
    let id = dockerd.skiff(&detached, b"").ok().out();
    assert_eq!(id.len(), 64, "{id}");
    until("the log", || {
        (dockerd.skiff(&["logs", "web"], b"").out() == "up").then_some(())
    });
    let list = dockerd.skiff(&["ps"], b"").ok().out();
    assert!(list.contains("web"), "{list}");
    let words = ["inspect", "-f", "{{.State.Status}}", "web"];
    dockerd.skiff(&words, b"").ok().says("running");
    let words = ["logs", "-f", "web"];
    let mut follow = Beside::start(&mut dockerd.client(&words));
    assert_eq!(follow.line().as_deref(), Some("up"));
    dockerd.skiff(&["stop", "-t", "0", "web"], b"").ok().says("web");
    assert_eq!(follow.end().0, 0);
    dockerd.skiff(&["wait", "web"], b"").ok().says("137");
    dockerd.skiff(&["start", "web"], b"").ok().says("web");
    dockerd.skiff(&["kill", "web"], b"").ok().says("web");
    dockerd.skiff(&["restart", "web"], b"").ok().says("web");
    dockerd.skiff(&["rm", "web"], b"").exits(1);
    dockerd.skiff(&["rm", "-f", "web"], b"").ok().says("web");
    let events = ["events", "--since", "10m", "--until", "0s"];
    let events = dockerd.skiff(&events, b"").ok().out();
    assert!(events.contains("container destroy"), "{events}");
    dockerd.skiff(&["rmi", "busybox"], b"").ok();
}

#[test]
fn our_client_works_with_a_real_dockerd_through_tls() {
    let directory = format!("/tmp/skt-certs-{}", std::process::id());
    let Some(made) = Certificates::make(directory.into()) else { return };
    let port = free_port();
    let address = format!("tcp://127.0.0.1:{port}");
    let mut flags = made.flags("server", "ca");
    flags.extend(["--tlsverify".into(), format!("-H={address}")]);
    let Some(dockerd) = Dockerd::with("tls", &flags) else { return };
    let command = |words: &[&str]| {
        let mut command = dockerd.client(words);
        command
            .env("DOCKER_HOST", &address)
            .env("DOCKER_TLS_VERIFY", "1")
            .env("DOCKER_CERT_PATH", &made.directory);
        command
    };
    let skiff =
        |words: &[&str], input: &[u8]| Run::of(&mut command(words), input);
    let version = skiff(&["version"], b"").ok().out();
    assert!(version.contains("Server:"), "{version}");
    skiff(&["info"], b"").ok();
    skiff(&["import", "-", "busybox"], image::busybox_root()).ok();
    let run = |words: &[&str], input: &[u8]| {
        let mut all = vec!["run", "--rm", "--network", "none"];
        all.extend(words);
        skiff(&all, input)
    };
    run(&["busybox", "echo", "hello"], b"").ok().says("hello");
    run(&["busybox", "sh", "-c", "exit 7"], b"").exits(7);
    run(&["-i", "busybox", "cat"], b"through it\n").ok().says("through it");
    let many: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
    let back = run(&["-i", "busybox", "cat"], &many).ok();
    assert!(back.stdout == many, "{} bytes came back", back.stdout.len());
    let line = "echo up; while :; do sleep 0.1; done";
    let words = ["run", "-d", "--network", "none", "--name", "web"];
    let mut words = words.to_vec();
    words.extend(["busybox", "sh", "-c", line]);
    skiff(&words, b"").ok();
    let mut logs = Beside::start(&mut command(&["logs", "-f", "web"]));
    assert_eq!(logs.line().as_deref(), Some("up"));
    let attach = ["attach", "--no-stdin", "web"];
    let attached = Beside::start(&mut command(&attach));
    let mut wait = Beside::start(&mut command(&["wait", "web"]));
    until("the attachment", || {
        let words = ["events", "--since", "1h", "--until", "0s"];
        let events = skiff(&words, b"").ok().out();
        events.contains("container attach").then_some(())
    });
    skiff(&["kill", "web"], b"").ok();
    assert_eq!(attached.end().0, 137);
    assert_eq!(logs.end().0, 0);
    assert_eq!(wait.line().as_deref(), Some("137"));
    // Without a certificate.
    let missing = made.file("missing").display().to_string();
    let mut bare = dockerd.client(&[
        "-H",
        &address,
        "--tls",
        "--tlscert",
        &missing,
        "version",
    ]);
    bare.env_remove("DOCKER_HOST");
    Run::of(&mut bare, b"").exits(1).complains("no certificate was sent");
}
