//! How this engine was started.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Whether containers go on when the daemon is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveRestore {
    /// They go on, and the next daemon takes them over.
    Yes,
    /// They are stopped first.
    No,
}

/// What the engine is told at its start; nothing of it changes later.
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
}
