//! The engine itself: `/version` and `/info`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use super::container::LOG_DRIVERS;
use super::container::security_opt::lacks_apparmor_profile;
use super::{Engine, LiveRestore, RUNTIMES, Result, Settings, host};
use crate::api::system::{
    Commit, Component, Index, Info, Platform, Plugins, RegistryConfig, Runtime,
    Version,
};
use crate::api::{ENGINE_VERSION, MIN_VERSION, VERSION};
use crate::runtime::cgroup::layout::Kind;
use crate::time::Timestamp;

/// The product's own version.
const SKIFF: &str = env!("CARGO_PKG_VERSION");

impl Engine {
    /// Answers `/version`.
    pub fn version(&self) -> Version {
        let details = [
            ("ApiVersion", VERSION),
            ("Arch", "amd64"),
            ("BuildTime", ""),
            ("Experimental", "false"),
            ("GitCommit", SKIFF),
            ("GoVersion", ""),
            ("KernelVersion", &self.host.kernel),
            ("MinAPIVersion", MIN_VERSION),
            ("Os", "linux"),
        ];
        let component = |name: &str, version: &str, details| Component {
            name: name.into(),
            version: version.into(),
            details,
        };
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
        };
        Version {
            platform: Platform { name: format!("skiff {SKIFF}") },
            components: vec![component(
                "Engine",
                ENGINE_VERSION,
                text(&details),
            )],
            version: ENGINE_VERSION.into(),
            api_version: VERSION.into(),
            min_api_version: MIN_VERSION.into(),
            git_commit: SKIFF.into(),
            go_version: String::new(),
            os: "linux".into(),
            arch: "amd64".into(),
            kernel_version: self.host.kernel.clone(),
            experimental: false,
            build_time: String::new(),
        }
    }

    /// Answers `/info`.
    pub fn info(&self) -> Result<Info> {
        let settings = self.settings();
        let [http_proxy, https_proxy, no_proxy] = settings.proxies.clone();
        let containers = self.containers.count();
        let has = |name: &str| self.host.cgroups.has(name);
        let ipv4_forwarding = ipv4_forwarding();
        let commit = || Commit { id: SKIFF.into() };
        let strings = |list: &[&str]| -> Vec<String> {
            list.iter().map(|s| s.to_string()).collect()
        };
        Ok(Info {
            id: self.identity.id.clone(),
            containers: containers.all,
            containers_running: containers.running,
            containers_paused: containers.paused,
            containers_stopped: containers.stopped(),
            images: self.store.images().len() as i64,
            driver: "overlay2".into(),
            driver_status: self.driver_status(),
            plugins: Plugins {
                volume: strings(&["local"]),
                network: strings(&["bridge", "host", "null"]),
                authorization: None,
                log: strings(LOG_DRIVERS),
            },
            memory_limit: has("memory"),
            swap_limit: self.host.has_swap_limit,
            kernel_memory_tcp: false,
            cpu_cfs_period: has("cpu"),
            cpu_cfs_quota: has("cpu"),
            cpu_shares: has("cpu"),
            cpu_set: has("cpuset"),
            pids_limit: has("pids"),
            ipv4_forwarding,
            debug: settings.debug,
            n_fd: open_files(),
            oom_kill_disable: !self.host.is_v2()
                && self.host.can("memory", "memory.oom_control"),
            n_goroutines: threads(),
            system_time: Timestamp::now().to_string(),
            logging_driver: settings.containers.log_driver.clone(),
            cgroup_driver: match self.host.cgroups.kind() == Kind::None {
                true => "none".into(),
                false => "cgroupfs".into(),
            },
            cgroup_version: match self.host.is_v2() {
                true => "2".into(),
                false => "1".into(),
            },
            n_events_listener: self.events.listeners() as i64,
            kernel_version: self.host.kernel.clone(),
            operating_system: self.host.os.0.clone(),
            os_version: self.host.os.1.clone(),
            os_type: "linux".into(),
            architecture: "x86_64".into(),
            index_server_address: "https://index.docker.io/v1/".into(),
            registry_config: registry_config(&settings),
            n_cpu: self.host.cpus as i64,
            mem_total: self.host.memory,
            generic_resources: resources(&settings.resources),
            docker_root_dir: settings.data_root.display().to_string(),
            http_proxy,
            https_proxy,
            no_proxy,
            name: self.host.name(),
            labels: settings.labels.clone(),
            server_version: ENGINE_VERSION.into(),
            runtimes: RUNTIMES
                .into_iter()
                .map(|name| (name.into(), Runtime { path: "skiff".into() }))
                .chain(settings.runtimes.iter().map(|(name, runtime)| {
                    let path = runtime.path.display().to_string();
                    (name.clone(), Runtime { path })
                }))
                .collect(),
            default_runtime: settings.containers.runtime.clone(),
            swarm: json!({
                "NodeID": "",
                "NodeAddr": "",
                "LocalNodeState": "inactive",
                "ControlAvailable": false,
                "Error": "",
                "RemoteManagers": null,
            }),
            live_restore_enabled: settings.live_restore == LiveRestore::Yes,
            init_binary: "skiff".into(),
            containerd_commit: commit(),
            runc_commit: commit(),
            init_commit: commit(),
            security_options: self.security_options(&settings),
            cdi_spec_dirs: settings
                .cdi_dirs
                .iter()
                .map(|dir| dir.display().to_string())
                .collect(),
            default_address_pools: pools(&settings.address_pools),
            warnings: self.warnings(ipv4_forwarding),
            ..Info::default()
        })
    }

    /// Tells what confines containers, as Docker does.
    fn security_options(&self, settings: &Settings) -> Vec<String> {
        let given = &settings.containers;
        let facts = [
            (self.host.has_apparmor, "name=apparmor".to_string()),
            (
                self.host.has_seccomp,
                format!("name=seccomp,profile={}", given.seccomp_profile),
            ),
            (self.host.is_v2(), "name=cgroupns".to_string()),
            (given.no_new_privileges, "name=no-new-privileges".to_string()),
        ];
        let here = facts.into_iter().filter(|(is, _)| *is);
        here.map(|(_, text)| text).collect()
    }

    fn driver_status(&self) -> Vec<[String; 2]> {
        let backing = match self.host.filesystem.as_str() {
            "ext4" | "ext3" | "ext2" => "extfs",
            other => other,
        };
        [
            ("Backing Filesystem", backing),
            ("Supports d_type", "true"),
            ("Using metacopy", "false"),
            ("Native Overlay Diff", "true"),
            ("userxattr", "false"),
        ]
        .map(|(key, value)| [key.into(), value.into()])
        .to_vec()
    }

    /// Says how open the API is, and what this host lacks, in Docker's words.
    fn warnings(&self, ipv4_forwarding: bool) -> Option<Vec<String>> {
        let has = |name: &str| self.host.cgroups.has(name);
        let facts = [
            (has("memory"), "No memory limit support"),
            (self.host.has_swap_limit, "No swap limit support"),
            (has("cpu"), "No cpu cfs quota support"),
            (has("cpu"), "No cpu cfs period support"),
            (has("cpu"), "No cpu shares support"),
            (has("cpuset"), "No cpuset support"),
            (has("pids"), "No pids limit support"),
            (ipv4_forwarding, "IPv4 forwarding is disabled"),
            (self.host.has_seccomp, "No seccomp support"),
            (
                !lacks_apparmor_profile(&self.host),
                "The AppArmor profile docker-default is not loaded: \
                 containers run without one",
            ),
        ];
        let missing = facts
            .into_iter()
            .filter(|(fine, _)| !fine)
            .map(|(_, text)| format!("WARNING: {text}"));
        let mut list = self.settings().api_warnings.clone();
        list.extend(missing);
        match list.is_empty() {
            true => None,
            false => Some(list),
        }
    }
}

fn registry_config(settings: &Settings) -> RegistryConfig {
    let mirrors = settings.registry_mirrors.clone();
    let mut cidrs: Vec<String> = vec!["::1/128".into()];
    let mut index_configs = BTreeMap::from([(
        "docker.io".to_string(),
        Index {
            mirrors: mirrors.clone(),
            name: "docker.io".into(),
            official: true,
            secure: true,
        },
    )]);
    for registry in &settings.insecure_registries {
        if registry.contains('/') {
            cidrs.push(registry.clone());
            continue;
        }
        let index = Index { name: registry.clone(), ..Index::default() };
        index_configs.insert(registry.clone(), index);
    }
    cidrs.push("127.0.0.0/8".into());
    RegistryConfig {
        index_configs,
        insecure_registry_cidrs: cidrs,
        mirrors: match mirrors.is_empty() {
            true => None,
            false => Some(mirrors),
        },
    }
}

/// Tells of resources as swarm mode does.
fn resources(list: &[String]) -> Option<Vec<Value>> {
    let told = list.iter().filter_map(|text| text.split_once('=')).map(
        |(kind, value)| match value.parse::<i64>() {
            Ok(number) => json!({
                "DiscreteResourceSpec": {"Kind": kind, "Value": number}
            }),
            Err(_) => json!({
                "NamedResourceSpec": {"Kind": kind, "Value": value}
            }),
        },
    );
    Some(told.collect::<Vec<_>>()).filter(|told| !told.is_empty())
}

/// Tells of address pools by the API's names.
fn pools(list: &Value) -> Option<Vec<Value>> {
    let told = list
        .as_array()?
        .iter()
        .map(|pool| json!({"Base": pool["base"], "Size": pool["size"]}));
    Some(told.collect::<Vec<_>>()).filter(|told| !told.is_empty())
}

fn ipv4_forwarding() -> bool {
    host::line("/proc/sys/net/ipv4/ip_forward") == "1"
}

/// Counts the open descriptors: as a size since Linux 6.2, by hand before.
fn open_files() -> i64 {
    let path = "/proc/self/fd";
    match fs::metadata(path).map_or(0, |found| found.size()) {
        0 => fs::read_dir(path).map_or(0, |dir| dir.count() as i64),
        count => count as i64,
    }
}

/// Counts the threads: each is a link more than the two of any directory.
fn threads() -> i64 {
    let found = fs::metadata("/proc/self/task");
    found.map_or(0, |found| found.nlink().saturating_sub(2) as i64)
}
