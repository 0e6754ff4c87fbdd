//! Each field of Config and HostConfig is proven inside of a container.

mod table;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use serde_json::{Value, json};

use self::table::{EXEMPT, PROOFS};
use crate::harness::command::text;
use crate::harness::talk::split_frames;
use crate::harness::{Daemon, skip};

const FIELDS: &str = include_str!("v1.51.txt");

#[test]
fn no_field_is_forgotten() {
    let fields: BTreeSet<&str> =
        FIELDS.lines().filter(|line| !line.starts_with('#')).collect();
    let proven = PROOFS.iter().map(|(field, ..)| *field);
    let exempt = EXEMPT.iter().map(|(field, _)| *field);
    let mut seen = BTreeSet::new();
    for field in proven.chain(exempt) {
        assert!(fields.contains(field), "there is no {field}");
        assert!(seen.insert(field), "{field} is told of twice");
    }
    let missing: Vec<_> = fields.difference(&seen).collect();
    assert!(missing.is_empty(), "neither proven nor exempt: {missing:?}");
}

/// What stands for the words in the table.
struct Words(Vec<(&'static str, String)>);

impl Words {
    #[track_caller]
    fn of(daemon: &Daemon) -> Words {
        let dir = daemon.directory.join("devices");
        fs::create_dir(&dir).expect("a directory");
        let node = |name: &str, kind, (major, minor)| {
            let (path, mode) = (dir.join(name), Mode::from_raw_mode(0o600));
            mknodat(CWD, &path, kind, mode, makedev(major, minor))
                .expect("a device node");
            path.display().to_string()
        };
        let odd = node("odd", FileType::CharacterDevice, (42, 5));
        let mut words = vec![
            ("<odd>", odd),
            ("<dir>", dir.display().to_string()),
            ("<gateway>", format!("{}.1", daemon.subnet)),
        ];
        if let Some(numbers) = disk() {
            let (major, minor) = numbers.split_once(':').expect("a colon");
            let number = |text: &str| text.parse().expect("a number");
            let numbers_of = (number(major), number(minor));
            let below = daemon.directory.join("disk").display().to_string();
            let mode = Mode::from_raw_mode(0o600);
            let kind = FileType::BlockDevice;
            let device = makedev(numbers_of.0, numbers_of.1);
            mknodat(CWD, below.as_str(), kind, mode, device).expect("a node");
            words.extend([("<disk>", below), ("<numbers>", numbers)]);
        }
        for (word, kind) in [
            ("<pid>", "pid"),
            ("<ipc>", "ipc"),
            ("<uts>", "uts"),
            ("<user>", "user"),
        ] {
            let path = format!("/proc/self/ns/{kind}");
            let link = fs::metadata(path).expect("a namespace").ino();
            words.push((word, format!("{kind}:[{link}]")));
        }
        let status = fs::read_to_string("/proc/self/status").expect("ours");
        let caps = status.lines().find_map(|l| l.strip_prefix("CapEff:\t"));
        words.push(("<caps>", caps.expect("capabilities").to_string()));
        Words(words)
    }

    fn put(&self, text: &str) -> String {
        let mut text = text.to_string();
        for (word, meaning) in &self.0 {
            text = text.replace(word, meaning);
        }
        text
    }
}

/// The number of a whole disk of the host.
fn disk() -> Option<String> {
    let disks = fs::read_dir("/sys/block").ok()?;
    let numbers = disks
        .flatten()
        .filter_map(|disk| fs::read_to_string(disk.path().join("dev")).ok());
    numbers.map(|text| text.trim().to_string()).min()
}

/// Runs a line in a container of this body; what it prints. None if the
/// kernel cannot hold what is asked for, which is told.
#[track_caller]
fn printed(daemon: &Daemon, mut body: Value, line: &str) -> Option<String> {
    body["Cmd"] = json!(["sh", "-c", line]);
    if body["Image"].is_null() {
        body["Image"] = "busybox".into();
    }
    if body["HostConfig"]["NetworkMode"].is_null() {
        body["HostConfig"]["NetworkMode"] = "none".into();
    }
    let reply = daemon.post_json("/containers/create", &body).is(201).json();
    let id = reply["Id"].as_str().expect("an id");
    let warnings = reply["Warnings"].to_string();
    if warnings.contains("iscarded") {
        skip(&warnings);
        daemon.delete(&format!("/containers/{id}")).is(204);
        return None;
    }
    let started = daemon.post(&format!("/containers/{id}/start"));
    if started.head.status != 204 && started.message().contains("bfq") {
        skip("weights need the BFQ scheduler");
        daemon.delete(&format!("/containers/{id}")).is(204);
        return None;
    }
    started.is(204);
    daemon.wait(id);
    let target = format!("/containers/{id}/logs?stdout=1&stderr=0");
    let (mut wire, head) = daemon.open("GET", &target);
    let bytes = wire.body(&head);
    let out = match body["Tty"].as_bool() {
        Some(true) => text(&bytes).replace("\r\n", "\n"),
        _ => split_frames(&bytes).0,
    };
    daemon.delete(&format!("/containers/{id}")).is(204);
    Some(out.trim_end_matches('\n').to_string())
}

#[test]
fn fields_mean_something_inside_of_containers() {
    let daemon = Daemon::with_image();
    let words = Words::of(&daemon);
    let has_disk = words.0.iter().any(|(word, _)| *word == "<disk>");
    let mut wrong = Vec::new();
    for (field, body, line, wanted) in PROOFS {
        if body.contains("<disk>") && !has_disk {
            skip(&format!("{field}: there is no disk"));
            continue;
        }
        let body = serde_json::from_str(&words.put(body)).expect(field);
        let Some(out) = printed(&daemon, body, &words.put(line)) else {
            continue;
        };
        let wanted = words.put(wanted);
        if !wanted.split('|').any(|one| one == out) {
            wrong.push(format!("{field}: {out:?} instead of {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_a_field_nothing_of_it_is_seen() {
    // The table's lines tell something only if they tell something else
    // where nothing is asked for.
    let daemon = Daemon::with_image();
    let words = Words::of(&daemon);
    let same = ["Config Cmd", "Config Image", "HostConfig CpusetMems"];
    for (field, body, line, wanted) in PROOFS {
        let is_weak = body.contains("<disk>") || same.contains(field);
        if is_weak || body.contains("UsernsMode") || field.contains("Cpuset") {
            continue;
        }
        let mut bare = json!({});
        if body.contains("bridge") && *field != "HostConfig NetworkMode" {
            bare["HostConfig"]["NetworkMode"] = "bridge".into();
        }
        bare["Tty"] = json!(*field == "HostConfig ConsoleSize");
        let out = printed(&daemon, bare, &words.put(line)).expect("no limits");
        let wanted = words.put(wanted);
        // On a host with its own groups this is the default.
        if *field == "HostConfig CgroupnsMode" {
            continue;
        }
        assert!(!wanted.split('|').any(|one| one == out), "{field}: {out}");
    }
}

#[test]
fn stop_signal_and_time_are_the_containers_own() {
    let daemon = Daemon::with_image();
    let line = "trap 'exit 7' USR1; trap '' TERM; echo up; \
                while :; do sleep 0.1; done";
    let body = json!({"StopSignal": "SIGUSR1"});
    daemon.run_with("obeys", line, body);
    daemon.until_logged("obeys", "up");
    daemon.post("/containers/obeys/stop").is(204);
    assert_eq!(daemon.wait("obeys"), 7);
    daemon.run_with("stays", line, json!({"StopTimeout": 1}));
    daemon.until_logged("stays", "up");
    let began = Instant::now();
    daemon.post("/containers/stays/stop").is(204);
    assert_eq!(daemon.wait("stays"), 137);
    let took = began.elapsed().as_secs_f32();
    assert!((1.0..5.0).contains(&took), "{took}");
}

/// Bodies that are refused, with what is said.
const REFUSED: &[(&str, u16, &str)] = &[
    (r#"{"Memory":1048576}"#, 400, "Minimum memory limit allowed is 6MB"),
    (
        r#"{"MemorySwappiness":101}"#,
        400,
        "Invalid value: 101, valid memory swappiness range is 0-100",
    ),
    (
        r#"{"OomScoreAdj":1001}"#,
        400,
        "Invalid value 1001, range for oom score adj is [-1000, 1000]",
    ),
    (
        r#"{"NanoCpus":1,"CpuPeriod":5000}"#,
        400,
        "Conflicting options: Nano CPUs and CPU Period cannot both be set",
    ),
    (
        r#"{"CpuPeriod":10}"#,
        400,
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than \
         1s (i.e. 1000000)",
    ),
    (
        r#"{"CpusetCpus":"x"}"#,
        400,
        "Invalid value x for cpuset cpus: invalid format: x",
    ),
    (r#"{"BlkioWeight":5}"#, 400, "Range of blkio weight is from 10 to 1000"),
    (
        r#"{"IOMaximumIOps":5}"#,
        400,
        "Invalid QoS settings: linux does not support Maximum IO Bandwidth \
         or Maximum IO IOps",
    ),
    (r#"{"Isolation":"hyperv"}"#, 400, "invalid isolation 'hyperv' on linux"),
    (r#"{"ExtraHosts":["x"]}"#, 400, "bad format for add-host: \"x\""),
    (r#"{"ExtraHosts":["x:y"]}"#, 400, "invalid IP address in add-host: \"y\""),
    (
        r#"{"DeviceCgroupRules":["c 1 rwm"]}"#,
        400,
        "invalid device cgroup rule format: 'c 1 rwm'",
    ),
    (r#"{"ShmSize":-1}"#, 400, "SHM size can not be less than 0"),
    (
        r#"{"Annotations":{"":"x"}}"#,
        400,
        "invalid Annotations: the empty string is not permitted as an \
         annotation key",
    ),
    (
        r#"{"StorageOpt":{"size":"1G"}}"#,
        500,
        "--storage-opt is supported only for overlay over xfs with 'pquota' \
         mount option",
    ),
    (r#"{"StorageOpt":{"odd":"1"}}"#, 500, "unknown option odd"),
];

#[track_caller]
fn refuses(daemon: &Daemon, host: Value, status: u16, text: &str) {
    let body = json!({"Image": "busybox", "Cmd": ["true"],
        "HostConfig": host});
    daemon.post_json("/containers/create", &body).refuses(status, text);
}

#[test]
fn what_makes_no_sense_is_refused_in_dockers_words_and_nothing_is_left() {
    let daemon = Daemon::with_image();
    for (host, status, text) in REFUSED {
        let host = serde_json::from_str(host).expect(text);
        refuses(&daemon, host, *status, text);
    }
    assert_eq!(daemon.get("/containers/json?all=1").json(), json!([]));
    let dir = daemon.data().join("containers");
    let names = crate::harness::host::names_in(dir);
    assert!(names.iter().all(|name| name.len() != 64), "{names:?}");
}

#[test]
fn real_time_is_for_kernels_that_have_it() {
    let daemon = Daemon::with_image();
    let file = "/sys/fs/cgroup/cpu/cpu.rt_runtime_us";
    let host = json!({"CpuRealtimeRuntime": 1000});
    if fs::exists(file).unwrap_or(false) {
        return skip("this kernel has real-time groups");
    }
    let text = "kernel does not support CPU real-time scheduler";
    refuses(&daemon, host, 400, text);
    let host = json!({"CpuRealtimeRuntime": 9, "CpuRealtimePeriod": 8});
    let text = "cpu real-time runtime cannot be higher than cpu real-time \
                period";
    refuses(&daemon, host, 400, text);
}

#[test]
fn kernel_parameters_of_the_host_are_refused_at_start() {
    let daemon = Daemon::with_image();
    for (host, text) in [
        (
            json!({"Sysctls": {"kernel.panic": "1"}}),
            "sysctl \"kernel.panic\" is not in a separate kernel namespace",
        ),
        (
            json!({"Sysctls": {"net.ipv4.ip_forward": "1"},
                "NetworkMode": "host"}),
            "sysctl \"net.ipv4.ip_forward\" not allowed in host network \
             namespace",
        ),
        (
            json!({"Sysctls": {"kernel.shmmax": "1"}, "IpcMode": "host"}),
            "sysctl \"kernel.shmmax\" is not allowed in the hosts ipc \
             namespace",
        ),
    ] {
        let body = json!({"Cmd": ["true"], "HostConfig": host});
        let id = daemon.create("", body);
        let reply = daemon.post(&format!("/containers/{id}/start"));
        assert!(reply.head.status >= 400, "{reply:?}");
        assert!(reply.message().contains(text), "{}", reply.message());
    }
}

/// What the daemon is told for all containers, the line that shows it, and
/// what that prints.
const GIVEN: &[(&str, &str, &str)] = &[
    ("--default-ulimit=nofile=123:234", "ulimit -Sn; ulimit -Hn", "123\n234"),
    (
        "--default-shm-size=2m",
        "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2",
        "2048",
    ),
    ("--init", "cat /proc/1/comm", "docker-init"),
    (
        "--cgroup-parent=/skiff/given",
        "cut -d: -f3 /proc/self/cgroup | grep -c /skiff/given/",
        "some",
    ),
    ("--no-new-privileges", "grep NoNewPrivs /proc/self/status | cut -f2", "1"),
    (
        "--dns=10.8.8.8",
        "grep nameserver /etc/resolv.conf",
        "nameserver 10.8.8.8",
    ),
    ("--dns-opt=ndots:5", "grep options /etc/resolv.conf", "options ndots:5"),
    (
        "--dns-search=example.net",
        "grep search /etc/resolv.conf",
        "search example.net",
    ),
    ("--host-gateway-ip=10.7.7.7", "grep gate /etc/hosts", "10.7.7.7\tgate"),
];

#[test]
fn what_the_daemon_is_told_is_for_all_containers() {
    let mut flags: Vec<&str> = GIVEN.iter().map(|(flag, ..)| *flag).collect();
    // For the paths of the groups to be seen.
    flags.extend([
        "--default-cgroupns-mode=host",
        "--default-ipc-mode=shareable",
    ]);
    let daemon = Daemon::with(&flags);
    daemon.import("busybox");
    for (flag, line, wanted) in GIVEN {
        let body = json!({"HostConfig": {"NetworkMode": "bridge",
            "ExtraHosts": ["gate:host-gateway"]}});
        let out = printed(&daemon, body, line).expect("no limits");
        match *wanted {
            "some" => assert!(out != "0" && !out.is_empty(), "{flag}: {out}"),
            wanted => assert_eq!(out, wanted, "{flag}"),
        }
    }
    daemon.run("web", "sleep 1000");
    let host = &daemon.inspect("web")["HostConfig"];
    assert_eq!(host["IpcMode"], "shareable");
    assert_eq!(host["CgroupnsMode"], "host");
    daemon.run_with(
        "side",
        "sleep 1000",
        json!({"HostConfig": {"IpcMode": "container:web"}}),
    );
}
