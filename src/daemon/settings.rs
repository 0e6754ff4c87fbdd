//! What engine and server are told, from the daemon's options.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Error, file};
use crate::api::host_config::Ulimit;
use crate::cli::DaemonOptions;
use crate::cli::daemon::go_text;
use crate::engine::{Defaults, LiveRestore, Runtimes, Settings};
use crate::runtime::defaults::SHM_SIZE;
use crate::runtime::spec::Runtime;
use crate::{server, sys, units};

/// Makes the directories that the options name.
pub(super) fn make_dirs(options: &DaemonOptions) -> Result<(), Error> {
    [&options.data_root, &options.exec_root]
        .into_iter()
        .try_for_each(|dir| make_dir(dir))
}

/// Turns options that were checked into what the engine is told, of which
/// `program` is the file of containers' monitors.
pub(super) fn engine(options: &DaemonOptions, program: &Path) -> Settings {
    let addresses = |list: &[String]| {
        list.iter().filter_map(|text| text.trim().parse().ok()).collect()
    };
    let bridge = match options.bridge.as_str() {
        "none" => None,
        "" => Some("skiff0".to_string()),
        name => Some(name.to_string()),
    };
    Settings {
        program: program.to_owned(),
        data_root: options.data_root.clone(),
        exec_root: options.exec_root.clone(),
        bridge,
        bip: options.bip.clone(),
        mtu: u32::try_from(options.mtu).unwrap_or_default(),
        dns: addresses(&options.dns),
        dns_options: options.dns_opts.clone(),
        // A lone dot stands for no domain at all.
        dns_search: options.dns_search.clone(),
        host_gateway: options
            .host_gateway_ips
            .iter()
            .find_map(|text| text.trim().parse().ok()),
        insecure_registries: options
            .insecure_registries
            .iter()
            .map(|name| bare_registry(name).to_owned())
            .collect(),
        registry_mirrors: options
            .registry_mirrors
            .iter()
            .map(|url| format!("{}/", url.trim_end_matches('/')))
            .collect(),
        certs_dirs: ["/etc/skiff/certs.d", "/etc/docker/certs.d"]
            .map(PathBuf::from)
            .to_vec(),
        cgroup_parent: options.cgroup_parent.clone(),
        live_restore: match options.live_restore {
            true => LiveRestore::Yes,
            false => LiveRestore::No,
        },
        shutdown_timeout: Duration::from_secs(
            u64::try_from(options.shutdown_timeout).unwrap_or(u64::MAX >> 1),
        ),
        api_warnings: Vec::new(),
        labels: options.labels.clone(),
        debug: options.debug,
        concurrent_downloads: usize::try_from(options.max_concurrent_downloads)
            .unwrap_or(1),
        download_attempts: u32::try_from(options.max_download_attempts)
            .unwrap_or(u32::MAX),
        proxies: [
            file::mask(&options.http_proxy),
            file::mask(&options.https_proxy),
            options.no_proxy.clone(),
        ],
        address_pools: options.default_address_pools.clone(),
        cdi_dirs: match options.features["cdi"] == Value::Bool(false) {
            true => Vec::new(),
            false => options.cdi_spec_dirs.iter().map(PathBuf::from).collect(),
        },
        resources: options.node_generic_resources.clone(),
        runtimes: runtimes(&options.runtimes),
        containers: Defaults {
            runtime: options.default_runtime.clone(),
            log_driver: options.log_driver.clone(),
            log_options: options.log_opts.clone(),
            ulimits: ulimits(&options.default_ulimits),
            shm_size: units::parse_size(&options.default_shm_size)
                .unwrap_or_default(),
            ipc_mode: options.default_ipc_mode.clone(),
            cgroupns_mode: options.default_cgroupns_mode.clone(),
            init: options.init,
            no_new_privileges: options.no_new_privileges,
            seccomp_profile: options.seccomp_profile.clone(),
            seccomp_text: String::new(),
        },
    }
}

/// Reads the seccomp profile if it is a file; else it is empty.
pub(super) fn seccomp(options: &DaemonOptions) -> Result<String, Error> {
    let file = match options.seccomp_profile.as_str() {
        "builtin" | "unconfined" => return Ok(String::new()),
        file => file,
    };
    fs::read_to_string(file).map_err(|error| {
        let code = error.raw_os_error().unwrap_or_default();
        let reason = sys::Error::new("", code);
        Error::Option(format!(
            "opening seccomp profile ({file}) failed: open {file}: {}",
            reason.reason()
        ))
    })
}

/// A registry's name without the scheme that does not belong there.
fn bare_registry(name: &str) -> &str {
    name.strip_prefix("http://")
        .or_else(|| name.strip_prefix("https://"))
        .unwrap_or(name)
}

/// Reads the runtimes that were added.
pub(super) fn runtimes(given: &Value) -> Runtimes {
    let given = given.as_object().into_iter().flatten();
    let runtime = |value: &Value| Runtime {
        path: value["path"].as_str().unwrap_or_default().into(),
        args: value["runtimeArgs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|arg| arg.as_str().map(str::to_owned))
            .collect(),
        ..Runtime::default()
    };
    // One of a type alone is the built-in one under another name.
    given.map(|(name, value)| (name.clone(), runtime(value))).collect()
}

fn ulimits(limits: &Value) -> Vec<Ulimit> {
    let limits = limits.as_object().into_iter().flatten();
    limits
        .map(|(name, limit)| {
            let number = |field: &str| limit[field].as_i64().unwrap_or(0);
            Ulimit {
                name: name.clone(),
                hard: number("Hard"),
                soft: number("Soft"),
            }
        })
        .collect()
}

/// What the event of a reload tells, as dockerd's.
pub(super) fn attributes(options: &DaemonOptions) -> BTreeMap<String, String> {
    let list = |items: &[String]| Value::from(items.to_vec()).to_string();
    let shm_size = match units::parse_size(&options.default_shm_size) {
        Some(size) => size,
        None => SHM_SIZE as i64,
    };
    let features = match &options.features {
        Value::Null => "map[]".to_owned(),
        features => go_text(features),
    };
    let mut runtimes: Vec<String> = options
        .runtimes
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, it)| format!("{name}:{}", go_text(&it["path"])))
        .collect();
    runtimes.push("skiff:skiff".into());
    [
        ("debug", options.debug.to_string()),
        ("default-ipc-mode", options.default_ipc_mode.clone()),
        ("default-runtime", options.default_runtime.clone()),
        ("default-shm-size", shm_size.to_string()),
        ("features", features),
        ("insecure-registries", list(&options.insecure_registries)),
        ("labels", list(&options.labels)),
        ("live-restore", options.live_restore.to_string()),
        (
            "max-concurrent-downloads",
            options.max_concurrent_downloads.to_string(),
        ),
        ("max-concurrent-uploads", options.max_concurrent_uploads.to_string()),
        ("max-download-attempts", options.max_download_attempts.to_string()),
        ("registry-mirrors", list(&options.registry_mirrors)),
        ("runtimes", runtimes.join(" ")),
        ("shutdown-timeout", options.shutdown_timeout.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What the server is told.
pub(super) fn server(options: &DaemonOptions) -> server::Settings {
    server::Settings {
        allowed_hosts: options.allowed_hosts.clone(),
        cors: options.cors.clone(),
        debug: options.debug,
        ..server::Settings::default()
    }
}

/// Makes a directory of the daemon's own, with those above it.
pub(super) fn make_dir(dir: &Path) -> Result<(), Error> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)
        .map_err(|e| Error::Path(dir.to_owned(), e))
}
