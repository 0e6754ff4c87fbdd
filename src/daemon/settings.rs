//! What the engine is told, from the daemon's options.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use crate::cli::DaemonOptions;
use crate::engine::{LiveRestore, Settings};
use crate::server;

/// Checks the options and makes the directories they name.
pub(super) fn engine(options: &DaemonOptions) -> Result<Settings, Error> {
    let bad = |text: String| Err(Error::Option(text));
    if options.log_driver != "json-file" || !options.log_opts.is_empty() {
        return bad(
            "only the log driver json-file without options is supported as \
             the default"
                .into(),
        );
    }
    let mut dns = Vec::new();
    for text in &options.dns {
        match text.parse() {
            Ok(address) => dns.push(address),
            Err(_) => return bad(format!("invalid DNS server: {text}")),
        }
    }
    for dir in [&options.data_root, &options.exec_root] {
        if !dir.is_absolute() {
            return bad(format!(
                "{}: the daemon's directories must be absolute paths",
                dir.display()
            ));
        }
        make_dir(dir)?;
    }
    let bridge = match options.bridge.as_str() {
        "none" => None,
        "" => Some("skiff0".to_string()),
        name => Some(name.to_string()),
    };
    Ok(Settings {
        program: PathBuf::new(),
        data_root: options.data_root.clone(),
        exec_root: options.exec_root.clone(),
        bridge,
        bip: options.bip.clone(),
        mtu: options.mtu.unwrap_or(0),
        dns,
        insecure_registries: options.insecure_registries.clone(),
        registry_mirrors: options.registry_mirrors.clone(),
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
    })
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
