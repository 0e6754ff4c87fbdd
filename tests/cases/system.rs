//! `/_ping`, `/version` and `/info`.

use crate::harness::{Daemon, command::Run};

#[test]
fn ping_says_what_the_engine_is() {
    let daemon = Daemon::start();
    for method in ["GET", "HEAD"] {
        let mut wire = daemon.wire();
        let reply = wire.exchange(method, "/_ping", &[], None).is(200);
        assert_eq!(reply.text(), if method == "GET" { "OK" } else { "" });
        let wanted = [
            ("Api-Version", "1.51"),
            ("Builder-Version", "1"),
            ("Cache-Control", "no-cache, no-store, must-revalidate"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Docker-Experimental", "false"),
            ("Ostype", "linux"),
            ("Pragma", "no-cache"),
            ("Server", "Docker/28.5.2 (linux)"),
            ("Swarm", "inactive"),
        ];
        for (name, value) in wanted {
            assert_eq!(reply.header(name), Some(value), "{reply:?}");
        }
    }
}

#[test]
fn version_is_that_of_the_reference() {
    let daemon = Daemon::start();
    let version = daemon.get("/v1.51/version").is(200).json();
    assert_eq!(version["Version"], "28.5.2");
    assert_eq!(version["ApiVersion"], "1.51");
    assert_eq!(version["MinAPIVersion"], "1.14");
    assert_eq!(version["Os"], "linux");
    assert_eq!(version["Arch"], "amd64");
    let platform = version["Platform"]["Name"].as_str().expect("a name");
    assert!(platform.starts_with("skiff "), "{platform}");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease");
    let kernel = kernel.expect("/proc is mounted");
    assert_eq!(version["KernelVersion"], kernel.trim());
    let engine = &version["Components"][0];
    assert_eq!(engine["Name"], "Engine", "{version}");
    assert_eq!(engine["Version"], "28.5.2");
    assert_eq!(engine["Details"]["ApiVersion"], "1.51");
}

#[test]
fn info_counts_containers_and_images() {
    let daemon = Daemon::with_image();
    daemon.run("up", "sleep 1000");
    daemon.run("gone", "exit 0");
    daemon.wait("gone");
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["Containers"], 2, "{info}");
    assert_eq!(info["ContainersRunning"], 1, "{info}");
    assert_eq!(info["ContainersStopped"], 1, "{info}");
    assert_eq!(info["ContainersPaused"], 0, "{info}");
    assert_eq!(info["Images"], 1, "{info}");
}

#[test]
fn info_describes_this_machine() {
    let daemon = Daemon::start();
    let info = daemon.get("/info").is(200).json();
    assert_eq!(info["OSType"], "linux");
    assert_eq!(info["Architecture"], "x86_64");
    assert_eq!(info["ServerVersion"], "28.5.2");
    assert_eq!(info["Driver"], "overlay2");
    assert_eq!(info["LoggingDriver"], "json-file");
    assert_eq!(info["CgroupDriver"], "cgroupfs");
    assert_eq!(info["DefaultRuntime"], "skiff");
    assert!(info["Runtimes"]["skiff"].is_object(), "{info}");
    assert!(info["Runtimes"]["runc"].is_object(), "{info}");
    assert_eq!(info["DockerRootDir"], daemon.data().to_str().expect("UTF-8"));
    assert_eq!(info["Swarm"]["LocalNodeState"], "inactive");
    let processors = std::thread::available_parallelism().expect("a count");
    assert_eq!(info["NCPU"], processors.get());
    assert!(info["MemTotal"].as_u64().unwrap_or(0) > 1 << 20, "{info}");
    assert!(!info["ID"].as_str().unwrap_or_default().is_empty());
    let mut command = std::process::Command::new("uname");
    let name = Run::of(command.arg("-n"), b"").ok();
    assert_eq!(info["Name"], name.out());
    // Docker says null, not an empty list, where nothing is to be warned of.
    assert!(info["Warnings"].is_null() || info["Warnings"].is_array());
}

#[test]
fn info_keeps_its_id_over_a_restart() {
    let mut daemon = Daemon::start();
    let before = daemon.get("/info").is(200).json()["ID"].clone();
    daemon.terminate();
    daemon.launch();
    assert_eq!(daemon.get("/info").is(200).json()["ID"], before);
}

#[test]
fn debug_flag_is_shown() {
    let daemon = Daemon::start();
    assert_eq!(daemon.get("/info").is(200).json()["Debug"], true);
}
