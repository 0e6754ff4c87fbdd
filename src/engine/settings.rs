//! How this engine was started, and what it was told since.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde_json::Value;

use super::Engine;
use super::host::Host;
use crate::api::host_config::Ulimit;
use crate::registry;
use crate::runtime::spec::Runtime;

/// The names of the built-in runtime; the first is its own.
pub const RUNTIMES: [&str; 3] = ["skiff", "runc", "io.containerd.runc.v2"];

/// Runtimes that were added, by their names; a second name of the built-in
/// one can be given to another.
pub type Runtimes = BTreeMap<String, Runtime>;

/// Tells whether there is a runtime of that name.
pub fn has_runtime(added: &Runtimes, name: &str) -> bool {
    added.contains_key(name) || RUNTIMES.contains(&name)
}

/// Whether containers go on when the daemon is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveRestore {
    /// They go on, and the next daemon takes them over.
    Yes,
    /// They are stopped first.
    No,
}

/// What the engine is told. A snapshot: what changes later comes as a whole
/// new one, with [`Engine::reload`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that is run again as a container's monitor.
    pub program: PathBuf,
    /// Where state is kept.
    pub data_root: PathBuf,
    /// Where the state of what runs is kept (lost at power off).
    pub exec_root: PathBuf,
    /// The bridge's name; `None`: no bridge network.
    pub bridge: Option<String>,
    /// The bridge's address with its prefix, `10.1.0.1/24`.
    pub bip: Option<String>,
    /// Bytes of the largest packet on the bridge; 0: the kernel's default.
    pub mtu: u32,
    /// Servers for containers' name look-ups, before the host's.
    pub dns: Vec<IpAddr>,
    /// Options of containers' resolvers.
    pub dns_options: Vec<String>,
    /// Domains that containers look names up in.
    pub dns_search: Vec<String>,
    /// What `host-gateway` stands for; none: the bridge's address.
    pub host_gateway: Option<IpAddr>,
    /// Registries without TLS or without a trusted certificate.
    pub insecure_registries: Vec<String>,
    /// Mirrors of docker.io.
    pub registry_mirrors: Vec<String>,
    /// Where registries' certificates lie.
    pub certs_dirs: Vec<PathBuf>,
    /// The cgroup below which containers run.
    pub cgroup_parent: String,
    /// Whether containers outlive the daemon.
    pub live_restore: LiveRestore,
    /// How long stopping all containers may take.
    pub shutdown_timeout: Duration,
    /// What is to be said of how the API can be reached.
    pub api_warnings: Vec<String>,
    /// Labels of the engine, `key=value`.
    pub labels: Vec<String>,
    /// Whether the log is at debug level.
    pub debug: bool,
    /// How many layers a pull brings at a time.
    pub concurrent_downloads: usize,
    /// How often in a row a layer may fail without getting on.
    pub download_attempts: u32,
    /// Proxies, as they are told: HTTP, HTTPS, and where none is used.
    pub proxies: [String; 3],
    /// Where networks would get their addresses, as it is told.
    pub address_pools: Value,
    /// Where files say what CDI's devices are; the last wins.
    pub cdi_dirs: Vec<PathBuf>,
    /// Resources that are told of, `name=value`.
    pub resources: Vec<String>,
    /// The runtimes beside the built-in one.
    pub runtimes: Runtimes,
    /// What containers get that ask for nothing else.
    pub containers: Defaults,
}

/// What containers get that ask for nothing else.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The name of the runtime.
    pub runtime: String,
    /// The log's driver.
    pub log_driver: String,
    /// Options of the log, for containers with that driver.
    pub log_options: BTreeMap<String, String>,
    /// Limits of processes.
    pub ulimits: Vec<Ulimit>,
    /// Bytes of `/dev/shm`; 0: Docker's default.
    pub shm_size: i64,
    /// The IPC namespace.
    pub ipc_mode: String,
    /// The cgroup namespace; empty: as the host's cgroups ask.
    pub cgroupns_mode: String,
    /// Whether our own init goes before the program.
    pub init: bool,
    /// Whether processes can gain no privileges.
    pub no_new_privileges: bool,
    /// The seccomp profile, as it is told: `builtin`, `unconfined`, a file.
    pub seccomp_profile: String,
    /// The text of that file.
    pub seccomp_text: String,
}

/// The settings as they are now, read by anybody at any time.
#[derive(Debug)]
pub struct Current(RwLock<Arc<Settings>>);

impl Current {
    /// Starts with these.
    pub fn new(settings: Settings) -> Current {
        Current(RwLock::new(Arc::new(settings)))
    }

    fn replace(&self, settings: Settings) {
        let settings = Arc::new(settings);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }
}

impl Settings {
    /// What of it is the registry client's.
    pub(super) fn registries(&self) -> registry::Settings {
        let mut settings = registry::Settings {
            insecure: self.insecure_registries.clone(),
            mirrors: self.registry_mirrors.clone(),
            certs_dirs: self.certs_dirs.clone(),
            ..registry::Settings::default()
        };
        settings.pace.blob_attempts = self.download_attempts;
        settings
    }
}

impl Engine {
    /// Returns the settings as they are now.
    pub(super) fn settings(&self) -> Arc<Settings> {
        let held = self.settings.0.read();
        Arc::clone(&held.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes new settings, of which only those matter that can change while
    /// containers run, and publishes the event with `attributes`.
    pub fn reload(
        &self,
        mut settings: Settings,
        mut attributes: BTreeMap<String, String>,
    ) {
        self.pulls.reload(settings.registries());
        let cgroupns = settings.containers.cgroupns(&self.host);
        attributes.insert("default-cgroupns-mode".into(), cgroupns.into());
        attributes.insert("name".into(), self.host.name());
        // Listeners stay as they are.
        let old = self.settings();
        settings.api_warnings = old.api_warnings.clone();
        // A file that has changed means nothing to a daemon that runs.
        settings.containers.seccomp_text = old.containers.seccomp_text.clone();
        self.settings.replace(settings);
        self.events.publish("daemon", "reload", &self.identity.id, attributes);
    }
}

impl Defaults {
    /// Returns the cgroup namespace of containers that name none.
    pub fn cgroupns<'a>(&'a self, host: &Host) -> &'a str {
        match self.cgroupns_mode.as_str() {
            "" => host.default_cgroupns(),
            mode => mode,
        }
    }
}
