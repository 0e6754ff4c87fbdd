//! How the daemon is to run, typed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

/// How the daemon is to run: defaults, flags and daemon.json in one. Texts
/// are as given; the daemon checks what needs more than their form.
#[derive(Clone, Debug, PartialEq)]
pub struct DaemonOptions {
    /// Whether the daemon was asked for at all (`-d`).
    pub daemon: bool,
    /// Print the version and exit.
    pub version: bool,
    /// Check the configuration and exit.
    pub validate: bool,
    /// Where to listen; none: the usual Unix socket.
    pub hosts: Vec<String>,
    /// The directory of lasting state.
    pub data_root: PathBuf,
    /// The directory of state that a reboot clears.
    pub exec_root: PathBuf,
    /// The file with the daemon's process id.
    pub pidfile: PathBuf,
    /// Messages at the level `debug`, and the profiler's routes.
    pub debug: bool,
    /// How many messages.
    pub log_level: String,
    /// The form of messages: `text` or `json`.
    pub log_format: String,
    /// The bridge that containers are attached to; `none`: no bridge.
    pub bridge: String,
    /// The bridge's address with its prefix.
    pub bip: Option<String>,
    /// The bridge's largest packet; 0: as the way out of the host.
    pub mtu: i64,
    /// Whether containers go on while the daemon does not run.
    pub live_restore: bool,
    /// Registries that may be asked without TLS.
    pub insecure_registries: Vec<String>,
    /// Mirrors of Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// How many layers one pull brings at a time.
    pub max_concurrent_downloads: i64,
    /// How many layers one push sends at a time.
    pub max_concurrent_uploads: i64,
    /// How often in a row a layer may fail without getting on.
    pub max_download_attempts: i64,
    /// The group that owns the Unix socket; empty: left alone.
    pub group: String,
    /// Seconds that containers get to end when the daemon ends.
    pub shutdown_timeout: i64,
    /// The cgroup above those of the containers.
    pub cgroup_parent: String,
    /// The file of further options; none: the usual ones are looked for.
    pub config_file: Option<PathBuf>,
    /// The driver of containers' logs.
    pub log_driver: String,
    /// Its options.
    pub log_opts: BTreeMap<String, String>,
    /// Labels of the engine, as `key=value`.
    pub labels: Vec<String>,
    /// DNS servers of containers.
    pub dns: Vec<String>,
    /// Options of containers' resolvers.
    pub dns_opts: Vec<String>,
    /// Domains that containers look names up in.
    pub dns_search: Vec<String>,
    /// What `host-gateway` stands for; none: the bridge's address.
    pub host_gateway_ips: Vec<String>,
    /// Limits of processes in containers: name, then `Soft` and `Hard`.
    pub default_ulimits: Value,
    /// Bytes of a container's `/dev/shm`, with a unit.
    pub default_shm_size: String,
    /// The IPC namespace of containers: `private` or `shareable`.
    pub default_ipc_mode: String,
    /// The cgroup namespace of containers; empty: as the host's cgroups ask.
    pub default_cgroupns_mode: String,
    /// The runtime of containers that name none.
    pub default_runtime: String,
    /// Further runtimes, by name.
    pub runtimes: Value,
    /// Whether our own init goes before containers' programs.
    pub init: bool,
    /// Whether containers' processes can gain no privileges.
    pub no_new_privileges: bool,
    /// The seccomp profile: `builtin`, `unconfined`, or a file.
    pub seccomp_profile: String,
    /// Where networks get their addresses: `base` and `size` each.
    pub default_address_pools: Value,
    /// Where files say what CDI's devices are.
    pub cdi_spec_dirs: Vec<String>,
    /// Options of the runtime, as `name=value`.
    pub exec_opts: Vec<String>,
    /// What is turned on or off, by name.
    pub features: Value,
    /// Resources that are told of, as `name=value`.
    pub node_generic_resources: Vec<String>,
    /// Proxies of the daemon's own requests.
    pub http_proxy: String,
    /// The proxy of requests over TLS.
    pub https_proxy: String,
    /// Where no proxy is used.
    pub no_proxy: String,
    /// Settings that are only checked, by their names.
    pub checked: BTreeMap<&'static str, String>,
    /// What `Access-Control-Allow-Origin` says; none: no such header, and no
    /// browser may call.
    pub cors: Option<String>,
    /// Names that clients may call the daemon by over TCP, besides its
    /// addresses.
    pub allowed_hosts: Vec<String>,
    /// Where the metrics are served, `127.0.0.1:9323`; empty: nowhere.
    pub metrics_addr: String,
    /// Use TLS.
    pub tls: bool,
    /// Use TLS and demand certificates of clients.
    pub tls_verify: bool,
    /// The roots of clients' certificates.
    pub tls_ca: Option<PathBuf>,
    /// The server's certificate.
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate.
    pub tls_key: Option<PathBuf>,
}

impl Default for DaemonOptions {
    fn default() -> DaemonOptions {
        DaemonOptions {
            daemon: false,
            version: false,
            validate: false,
            hosts: Vec::new(),
            data_root: "/var/lib/skiff".into(),
            exec_root: "/run/skiff".into(),
            pidfile: "/run/skiff.pid".into(),
            debug: false,
            log_level: "info".to_owned(),
            log_format: "text".to_owned(),
            bridge: "skiff0".to_owned(),
            bip: None,
            mtu: 0,
            live_restore: true,
            insecure_registries: Vec::new(),
            registry_mirrors: Vec::new(),
            max_concurrent_downloads: 3,
            max_concurrent_uploads: 5,
            max_download_attempts: 5,
            group: "docker".to_owned(),
            shutdown_timeout: 15,
            cgroup_parent: "/skiff".to_owned(),
            config_file: None,
            log_driver: "json-file".to_owned(),
            log_opts: BTreeMap::new(),
            labels: Vec::new(),
            dns: Vec::new(),
            dns_opts: Vec::new(),
            dns_search: Vec::new(),
            host_gateway_ips: Vec::new(),
            default_ulimits: Value::Null,
            default_shm_size: String::new(),
            default_ipc_mode: "private".to_owned(),
            default_cgroupns_mode: String::new(),
            default_runtime: "skiff".to_owned(),
            runtimes: Value::Null,
            init: false,
            no_new_privileges: false,
            seccomp_profile: "builtin".to_owned(),
            default_address_pools: Value::Null,
            cdi_spec_dirs: ["/etc/cdi", "/var/run/cdi"]
                .map(str::to_owned)
                .to_vec(),
            exec_opts: Vec::new(),
            features: Value::Null,
            node_generic_resources: Vec::new(),
            http_proxy: String::new(),
            https_proxy: String::new(),
            no_proxy: String::new(),
            checked: BTreeMap::new(),
            cors: None,
            allowed_hosts: Vec::new(),
            metrics_addr: String::new(),
            tls: false,
            tls_verify: false,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
        }
    }
}
