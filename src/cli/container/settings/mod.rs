//! What `run` and `create` share: the flags that describe a container, and
//! the request that is made of them.

pub(super) mod environment;
mod gpus;
mod limit_flags;
mod mounts;
mod network;
mod network_flags;
mod ports;
mod process_flags;
mod request;
mod resource_flags;
mod resources;
mod security;
mod storage_flags;

use std::collections::BTreeMap;

use crate::api::container::{Config, Healthcheck};
use crate::api::host_config::HostConfig;
use crate::cli::flag::Flag;

pub use request::{build, change};

/// What was typed. Flags that need no second look go straight into the
/// parts of the request.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The part of the request that does not depend on the host.
    pub config: Config,
    /// The part that does.
    pub host: HostConfig,
    /// The container's name.
    pub name: String,
    /// `--platform`.
    pub platform: String,
    /// When to pull: `always`, `missing`, `never`; empty: `missing`.
    pub pull: String,
    /// Whether pulling shows nothing.
    pub quiet: bool,
    /// Streams to attach to, in lower case.
    pub attach: Vec<String>,
    /// Run in the background.
    pub detach: bool,
    /// Whether signals are not passed on.
    pub no_sig_proxy: bool,
    /// The keys that detach.
    pub detach_keys: String,
    env: Vec<String>,
    env_files: Vec<String>,
    labels: Vec<String>,
    label_files: Vec<String>,
    entrypoint: Option<String>,
    volumes: Vec<String>,
    publish: Vec<String>,
    expose: Vec<String>,
    networks: Vec<network::Wanted>,
    own_endpoint: network::Wanted,
    devices: Vec<String>,
    gpus: Vec<String>,
    security_opts: Vec<String>,
    storage_opts: Vec<String>,
    log_opts: Vec<String>,
    /// `--restart`.
    pub restart: Option<String>,
    health: Healthcheck,
    no_health: bool,
    swappiness: Option<i64>,
    oom_kill_disable: bool,
    pids_limit: Option<i64>,
    ulimits: BTreeMap<String, (i64, i64)>,
}

impl Settings {
    /// Lists the flags in use that older daemons would pass over in
    /// silence, and the API version that knows them.
    pub fn needs(&self) -> Vec<(&'static str, &'static str)> {
        let mut needs = Vec::new();
        let mut add = |is_used: bool, flag, version| {
            if is_used {
                needs.push((flag, version));
            }
        };
        add(!self.host.annotations.is_empty(), "--annotation", "1.43");
        add(!self.host.cgroupns_mode.is_empty(), "--cgroupns", "1.41");
        let interval = self.health.start_interval != 0;
        add(interval, "--health-start-interval", "1.44");
        needs
    }
}

/// The flags that `run` and `create` share.
pub const SHARED: [&[Flag<Settings>]; 5] = [
    process_flags::FLAGS,
    network_flags::FLAGS,
    resource_flags::FLAGS,
    storage_flags::FLAGS,
    limit_flags::FLAGS,
];

/// Those of them that `update` has too.
pub const LIMITS: &[Flag<Settings>] = limit_flags::FLAGS;

/// Sets a text.
fn text(field: &mut String, word: &str) -> Result<(), String> {
    word.clone_into(field);
    Ok(())
}

/// Adds to a list.
fn push(field: &mut Vec<String>, word: &str) -> Result<(), String> {
    field.push(word.to_owned());
    Ok(())
}

/// Adds to a list that the request leaves out when it is empty.
fn append(field: &mut Option<Vec<String>>, word: &str) -> Result<(), String> {
    field.get_or_insert_default().push(word.to_owned());
    Ok(())
}

/// Sets a number that a parser has read.
fn number<T>(field: &mut T, read: Result<T, String>) -> Result<(), String> {
    *field = read?;
    Ok(())
}
