//! `config.json` of an OCI bundle, made from the [`Spec`]: what the plan of
//! the own init does, as data for another runtime.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::runtime::caps::Set;
use crate::runtime::devices;
use crate::runtime::error::{Result, StartError};
use crate::runtime::init::host_devices;
use crate::runtime::seccomp::oci;
use crate::runtime::spec::{
    Device, DeviceKind, DeviceRule, Mount, MountKind, Namespace, Propagation,
    Resources, Seccomp, Spec, ThrottleKind,
};
use crate::users::Lookup;

/// The version of the specification that is written.
const VERSION: &str = "1.0.2";

/// Makes the whole file; `user` was looked up in the root, which is mounted
/// at a place.
pub fn config(spec: &Spec, user: &Lookup, root: &Path) -> Result<Value> {
    let mut sysctls = spec.sysctls.clone();
    // The hosts of the specification before 1.1 know no other place.
    if !spec.domainname.is_empty() {
        let name = "kernel.domainname".to_string();
        sysctls.insert(name, spec.domainname.clone());
    }
    let mut nodes = spec.devices.clone();
    if spec.privileged {
        let own = |device: &Device| {
            let name = device.path.strip_prefix("/dev").unwrap_or(&device.path);
            devices::NODES.iter().any(|node| Path::new(node.name) == name)
        };
        let host = host_devices(Path::new("/dev"));
        nodes.extend(host.into_iter().filter(|device| !own(device)));
    }
    let mut value = json!({
        "ociVersion": VERSION,
        "process": process(spec, user),
        "root": {"path": root, "readonly": spec.readonly_root},
        "mounts": spec.mounts.iter().map(mount).collect::<Vec<_>>(),
        "annotations": spec.annotations,
        "linux": {
            "sysctl": sysctls,
            "resources": resources(spec),
            "cgroupsPath": Path::new("/").join(cgroup_path(spec)),
            "namespaces": namespaces(spec),
            "devices": nodes.iter().map(node).collect::<Vec<_>>(),
            "rootfsPropagation": propagation(spec),
            "maskedPaths": spec.masked_paths,
            "readonlyPaths": spec.readonly_paths,
        },
    });
    if spec.namespaces.uts == Namespace::New && !spec.hostname.is_empty() {
        value["hostname"] = json!(spec.hostname);
    }
    if !spec.hooks.is_empty() {
        value["hooks"] = json!(spec.hooks);
    }
    if let Some(filter) = seccomp(spec)? {
        value["linux"]["seccomp"] = filter;
    }
    Ok(value)
}

/// Makes the description of the container's process, or of a further one.
pub fn process(spec: &Spec, user: &Lookup) -> Value {
    let process = &spec.process;
    let mut env = process.env.clone();
    if !env.iter().any(|var| var.starts_with("HOME=")) {
        env.push(format!("HOME={}", user.home));
    }
    let cwd = match process.cwd.as_os_str().is_empty() {
        true => Path::new("/"),
        false => &process.cwd,
    };
    let caps = Set::parse(&process.capabilities).0.names();
    let limits = process.rlimits.iter().map(|limit| {
        let name = limit.name.trim_start_matches("RLIMIT_");
        // -1 is no limit, which is the highest number.
        json!({
            "type": format!("RLIMIT_{}", name.to_uppercase()),
            "soft": limit.soft as u64,
            "hard": limit.hard as u64,
        })
    });
    let mut value = json!({
        "terminal": spec.tty.is_some(),
        "user": {
            "uid": user.uid,
            "gid": user.gid,
            "umask": process.umask.unwrap_or(0o022),
            "additionalGids": user.groups,
        },
        "args": process.args,
        "env": env,
        "cwd": cwd,
        "capabilities": {
            "bounding": caps,
            "effective": caps,
            "permitted": caps,
        },
        "rlimits": limits.collect::<Vec<_>>(),
        "noNewPrivileges": process.no_new_privileges,
    });
    if let Some((rows, columns)) = spec.tty.filter(|size| *size != (0, 0)) {
        value["consoleSize"] = json!({"height": rows, "width": columns});
    }
    if !process.apparmor.is_empty() {
        value["apparmorProfile"] = json!(process.apparmor);
    }
    if let Some(score) = process.oom_score_adj {
        value["oomScoreAdj"] = json!(score);
    }
    value
}

fn cgroup_path(spec: &Spec) -> PathBuf {
    use crate::runtime::cgroup::{Group, Layout};
    Group::at(Layout::default(), &spec.cgroup.parent, &spec.id).path()
}

fn namespaces(spec: &Spec) -> Vec<Value> {
    let spaces = &spec.namespaces;
    let kinds = [
        ("pid", &spaces.pid),
        ("ipc", &spaces.ipc),
        ("uts", &spaces.uts),
        ("network", &spaces.network),
        ("cgroup", &spaces.cgroup),
    ];
    let mut list = vec![json!({"type": "mount"})];
    for (kind, space) in kinds {
        match space {
            Namespace::New => list.push(json!({"type": kind})),
            Namespace::Host => {}
            Namespace::Path(path) => {
                list.push(json!({"type": kind, "path": path}));
            }
        }
    }
    list
}

fn mount(mount: &Mount) -> Value {
    let mut options = mount.options.clone();
    let (kind, source) = match mount.kind {
        MountKind::Bind => {
            let recursive = !options.iter().any(|option| option == "bind");
            options.retain(|option| option != "ro-nonrecursive");
            if recursive && !options.iter().any(|option| option == "rbind") {
                options.push("rbind".into());
            }
            let word = match mount.propagation {
                Propagation::Private => "private",
                Propagation::Slave => "slave",
                Propagation::Shared => "shared",
            };
            let prefix = if recursive { "r" } else { "" };
            options.push(format!("{prefix}{word}"));
            ("bind", mount.source.as_path())
        }
        MountKind::Tmpfs => ("tmpfs", Path::new("tmpfs")),
        MountKind::Dev => {
            options.push("strictatime".into());
            ("tmpfs", Path::new("tmpfs"))
        }
        MountKind::Proc => ("proc", Path::new("proc")),
        MountKind::Sysfs => ("sysfs", Path::new("sysfs")),
        MountKind::Devpts => ("devpts", Path::new("devpts")),
        MountKind::Mqueue => ("mqueue", Path::new("mqueue")),
        MountKind::Cgroup => ("cgroup", Path::new("cgroup")),
    };
    if mount.readonly {
        options.push("ro".into());
    }
    json!({
        "destination": mount.target,
        "type": kind,
        "source": source,
        "options": options,
    })
}

fn propagation(spec: &Spec) -> &'static str {
    let of = |wanted| spec.mounts.iter().any(|m| m.propagation == wanted);
    if of(Propagation::Shared) {
        "rshared"
    } else if of(Propagation::Slave) {
        "rslave"
    } else {
        "rprivate"
    }
}

fn node(device: &Device) -> Value {
    json!({
        "path": device.path,
        "type": kind(device.kind),
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.mode,
        "uid": device.uid,
        "gid": device.gid,
    })
}

fn kind(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Char => "c",
        DeviceKind::Block => "b",
        DeviceKind::Any => "a",
    }
}

fn rule(rule: &DeviceRule) -> Value {
    let mut value = json!({
        "allow": rule.allow,
        "type": kind(rule.kind),
        "access": rule.access,
    });
    for (name, number) in [("major", rule.major), ("minor", rule.minor)] {
        if let Some(number) = number {
            value[name] = json!(number);
        }
    }
    value
}

fn resources(spec: &Spec) -> Value {
    let mut rules = vec![json!({"allow": false, "access": "rwm"})];
    match devices::rules(spec) {
        Some(list) => rules.extend(list.iter().map(rule)),
        None => rules[0]["allow"] = json!(true),
    }
    let limits = &spec.cgroup.resources;
    let mut value = json!({"devices": rules});
    let mut put = |name: &str, group: Value| {
        if group.as_object().is_some_and(|group| !group.is_empty()) {
            value[name] = group;
        }
    };
    put("memory", memory(limits));
    put(
        "cpu",
        some(&[
            ("shares", json!(limits.cpu_shares)),
            ("period", json!(limits.cpu_period)),
            ("quota", json!(limits.cpu_quota)),
            ("cpus", json!(limits.cpuset_cpus)),
            ("mems", json!(limits.cpuset_mems)),
        ]),
    );
    put("pids", some(&[("limit", json!(limits.pids_limit))]));
    let throttle = |wanted: ThrottleKind| {
        let list = limits.throttle.iter().filter(|t| t.kind == wanted);
        let list = list.map(
            |t| json!({"major": t.major, "minor": t.minor, "rate": t.rate}),
        );
        Value::from(list.collect::<Vec<_>>())
    };
    put(
        "blockIO",
        some(&[
            ("weight", json!(limits.blkio_weight)),
            ("throttleReadBpsDevice", throttle(ThrottleKind::ReadBps)),
            ("throttleWriteBpsDevice", throttle(ThrottleKind::WriteBps)),
            ("throttleReadIOPSDevice", throttle(ThrottleKind::ReadIops)),
            ("throttleWriteIOPSDevice", throttle(ThrottleKind::WriteIops)),
        ]),
    );
    value
}

fn memory(limits: &Resources) -> Value {
    let mut value = some(&[
        ("limit", json!(limits.memory)),
        ("reservation", json!(limits.memory_reservation)),
        ("swap", json!(limits.memory_swap)),
    ]);
    if let Some(swappiness) = limits.memory_swappiness {
        value["swappiness"] = json!(swappiness);
    }
    if limits.oom_kill_disable {
        value["disableOOMKiller"] = json!(true);
    }
    value
}

/// An object of those values that say something.
fn some(list: &[(&str, Value)]) -> Value {
    let says = |value: &Value| {
        !(*value == json!(0) || *value == json!("") || *value == json!([]))
    };
    let said = list.iter().filter(|(_, value)| says(value));
    let said = said.map(|(name, value)| (name.to_string(), value.clone()));
    Value::Object(said.collect::<Map<_, _>>())
}

fn seccomp(spec: &Spec) -> Result<Option<Value>> {
    match &spec.seccomp {
        Seccomp::Unconfined => Ok(None),
        Seccomp::Default => {
            let (set, _) = Set::parse(&spec.process.capabilities);
            Ok(Some(oci::default_profile(set)))
        }
        Seccomp::Filter(_) => Err(StartError::runtime(
            "a seccomp profile of one's own is known to the built-in runtime \
             only",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::Root;

    fn root() -> Lookup {
        Lookup { uid: 0, gid: 0, groups: vec![0], home: "/root".into() }
    }

    fn made(change: impl FnOnce(&mut Spec)) -> Value {
        let root = Root {
            lower: vec!["/l".into()],
            upper: "/c/1/upper".into(),
            ..Root::default()
        };
        let mut spec = Spec::docker("id", root);
        spec.process.args = vec!["sh".into()];
        change(&mut spec);
        config(&spec, &super::tests::root(), Path::new("/c/1")).unwrap()
    }

    #[test]
    fn a_plain_container_has_what_docker_gives() {
        let config = made(|_| {});
        assert_eq!(config["root"]["path"], "/c/1");
        assert_eq!(config["linux"]["cgroupsPath"], "/skiff/id");
        assert_eq!(config["process"]["terminal"], false);
        assert!(config.get("hostname").is_none());
        let caps = &config["process"]["capabilities"];
        assert_eq!(caps["bounding"].as_array().unwrap().len(), 14);
        assert!(caps.get("ambient").is_none());
        let env = config["process"]["env"].as_array().unwrap();
        assert!(env.contains(&json!("HOME=/root")));
        let spaces = config["linux"]["namespaces"].as_array().unwrap();
        assert_eq!(spaces.len(), 6);
        let rules = &config["linux"]["resources"]["devices"];
        assert_eq!(rules[0], json!({"allow": false, "access": "rwm"}));
        // No limit that nobody asked for.
        assert!(config["linux"]["resources"].get("memory").is_none());
        assert!(config["linux"]["seccomp"].is_object());
    }

    #[test]
    fn what_is_asked_for_is_said() {
        let config = made(|spec| {
            spec.tty = Some((24, 80));
            spec.hostname = "web".into();
            spec.domainname = "example".into();
            spec.namespaces.network = Namespace::Host;
            spec.namespaces.pid = Namespace::Path("/proc/7/ns/pid".into());
            spec.cgroup.resources.memory = 4096;
            spec.cgroup.resources.cpu_quota = -1;
            spec.process.oom_score_adj = Some(5);
            spec.process.rlimits.push(crate::runtime::spec::Rlimit {
                name: "nofile".into(),
                soft: 5,
                hard: -1,
            });
            spec.add_mount(Mount {
                source: "/data".into(),
                target: "/data".into(),
                readonly: true,
                ..Mount::default()
            });
        });
        let process = &config["process"];
        assert_eq!(process["consoleSize"]["width"], 80);
        assert_eq!(process["oomScoreAdj"], 5);
        assert_eq!(process["rlimits"][0]["type"], "RLIMIT_NOFILE");
        assert_eq!(process["rlimits"][0]["hard"], json!(u64::MAX));
        assert_eq!(config["hostname"], "web");
        assert_eq!(config["linux"]["sysctl"]["kernel.domainname"], "example");
        let spaces = config["linux"]["namespaces"].as_array().unwrap();
        let pid = json!({"type": "pid", "path": "/proc/7/ns/pid"});
        assert!(spaces.contains(&pid));
        assert!(!spaces.contains(&json!({"type": "network"})));
        let resources = &config["linux"]["resources"];
        assert_eq!(resources["memory"], json!({"limit": 4096}));
        assert_eq!(resources["cpu"], json!({"quota": -1}));
        let mounts = config["mounts"].as_array().unwrap();
        let data = mounts.iter().find(|m| m["destination"] == "/data");
        let options = json!(["rbind", "rprivate", "ro"]);
        assert_eq!(data.unwrap()["options"], options);
    }

    #[test]
    fn privileged_means_all_devices_and_no_filter() {
        let config = made(Spec::make_privileged);
        assert!(config["linux"].get("seccomp").is_none());
        let rules = &config["linux"]["resources"]["devices"];
        assert_eq!(*rules, json!([{"allow": true, "access": "rwm"}]));
    }
}
