//! What single settings cannot tell: checks of the options as a whole, in
//! dockerd's words. Nothing is touched.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::DaemonOptions;
use crate::engine::{RUNTIMES, has_runtime};
use crate::network::Cidr;
use crate::server::listen::Host;

/// Levels that dockerd takes.
const LEVELS: &[&str] =
    &["panic", "fatal", "error", "warn", "info", "debug", "trace"];

/// Checks the options.
pub(super) fn options(options: &DaemonOptions) -> Result<(), String> {
    let one_of = |list: &[&str], word: &str| {
        word.is_empty() || list.contains(&word.to_ascii_lowercase().as_str())
    };
    if !one_of(LEVELS, &options.log_level) {
        return Err(format!("invalid logging level: {}", options.log_level));
    }
    if !matches!(options.log_format.as_str(), "" | "text" | "json") {
        return Err(format!("invalid log format: {}", options.log_format));
    }
    labels(&options.labels)?;
    numbers(options)?;
    for host in &options.hosts {
        Host::parse(host).map_err(|e| e.to_string())?;
    }
    exec_options(&options.exec_opts)?;
    modes(options)?;
    networks(options)?;
    limits(&options.default_ulimits)?;
    log_driver(options)?;
    runtimes(options)?;
    metrics(&options.metrics_addr)?;
    for dir in [&options.data_root, &options.exec_root] {
        if !dir.is_absolute() {
            return Err(format!(
                "{}: the daemon's directories must be absolute paths",
                dir.display()
            ));
        }
    }
    Ok(())
}

/// Says what is taken and has no effect in spite of being understood.
pub(super) fn remarks(options: &DaemonOptions) -> Vec<String> {
    let mut said = Vec::new();
    if options.exec_opts.iter().any(|opt| opt.trim().ends_with("systemd")) {
        said.push(
            "native.cgroupdriver=systemd has no effect: cgroups are made by \
             the daemon itself"
                .to_owned(),
        );
    }
    if !options.default_address_pools.is_null() {
        said.push(
            "default-address-pools has no effect: there are no networks but \
             the default ones"
                .to_owned(),
        );
    }
    let features = options.features.as_object().into_iter().flatten();
    let unknown = features.filter(|(name, _)| *name != "cdi");
    said.extend(unknown.map(|(name, _)| {
        format!("the feature {name} has no effect: it is not known")
    }));
    let proxies =
        [&options.http_proxy, &options.https_proxy, &options.no_proxy];
    if proxies.iter().any(|proxy| !proxy.is_empty()) {
        said.push(
            "proxies have no effect: registries are asked directly".into(),
        );
    }
    said
}

fn labels(labels: &[String]) -> Result<(), String> {
    let mut known = BTreeMap::new();
    for label in labels {
        let Some((key, value)) = label.split_once('=') else { continue };
        if let Some(other) = known.insert(key, value)
            && other != value
        {
            return Err(format!(
                "conflict labels for {key}={value} and {key}={other}"
            ));
        }
    }
    Ok(())
}

fn numbers(options: &DaemonOptions) -> Result<(), String> {
    if !(0..=i64::from(i32::MAX)).contains(&options.mtu) {
        return Err(format!("invalid default MTU: {}", options.mtu));
    }
    let table = [
        ("max concurrent downloads", options.max_concurrent_downloads),
        ("max concurrent uploads", options.max_concurrent_uploads),
        ("max download attempts", options.max_download_attempts),
    ];
    match table.iter().find(|(_, number)| *number < 0) {
        Some((what, number)) => Err(format!("invalid {what}: {number}")),
        None => Ok(()),
    }
}

fn exec_options(list: &[String]) -> Result<(), String> {
    for option in list {
        let bad =
            |why: &str| Err(format!("invalid exec-opt ({option}): {why}"));
        let (name, value) = option.split_once('=').unwrap_or_default();
        let name = name.trim().to_ascii_lowercase();
        match (name.as_str(), value.trim()) {
            ("", _) | (_, "") => {
                return bad("must be formatted 'opt=value'");
            }
            ("native.cgroupdriver", "cgroupfs" | "systemd") => {}
            ("native.cgroupdriver", value) => {
                return Err(format!(
                    "option native.cgroupdriver={value} not supported, use \
                     cgroupfs"
                ));
            }
            ("isolation", _) => {
                return bad("option 'isolation' is only supported on windows");
            }
            (name, _) => return bad(&format!("unknown option: '{name}'")),
        }
    }
    Ok(())
}

fn modes(options: &DaemonOptions) -> Result<(), String> {
    const HINT: &str = "use \"shareable\" or \"private\"";
    match options.default_ipc_mode.as_str() {
        "" | "private" | "shareable" => {}
        mode @ ("host" | "none") => {
            return Err(format!(
                "IPC mode \"{mode}\" is not supported as default value; {HINT}"
            ));
        }
        mode => {
            return Err(format!(
                "default IPC mode setting ({mode}) is invalid; {HINT}"
            ));
        }
    }
    match options.default_cgroupns_mode.as_str() {
        "" | "private" | "host" => Ok(()),
        mode => Err(format!(
            "invalid default cgroup namespace ({mode}): use \"host\" or \
             \"private\""
        )),
    }
}

fn networks(options: &DaemonOptions) -> Result<(), String> {
    let invalid = |text: &str| format!("invalid CIDR address: {text}");
    if let Some(bip) = &options.bip {
        bip.parse::<Cidr>().map_err(|_| invalid(bip))?;
    }
    let pools = options.default_address_pools.as_array().into_iter().flatten();
    for pool in pools {
        let base = pool["base"].as_str().unwrap_or_default();
        let (_, prefix) = base.split_once('/').unwrap_or_default();
        let net = ipnet(base).ok_or_else(|| {
            format!("invalid base pool \"{base}\": {}", invalid(base))
        })?;
        let size = pool["size"].as_i64().unwrap_or_default();
        let most = if net.is_ipv4() { 32 } else { 128 };
        let least = prefix.parse().unwrap_or(0);
        if !(least..=most).contains(&size) {
            return Err(format!(
                "the provided size {size} of pool \"{base}\" is out of range \
                 ({least} to {most})"
            ));
        }
    }
    Ok(())
}

/// Reads the address of a network of either family.
fn ipnet(text: &str) -> Option<std::net::IpAddr> {
    let (address, prefix) = text.split_once('/')?;
    let address: std::net::IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    prefix.parse::<u8>().ok().filter(|bits| *bits <= most).map(|_| address)
}

fn limits(limits: &Value) -> Result<(), String> {
    for (name, limit) in limits.as_object().into_iter().flatten() {
        let number = |field: &str| limit[field].as_i64().unwrap_or_default();
        let (soft, hard) = (number("Soft"), number("Hard"));
        if hard != -1 && (soft == -1 || soft > hard) {
            return Err(format!(
                "ulimit soft limit must be less than or equal to hard limit: \
                 {soft} > {hard} ({name})"
            ));
        }
    }
    Ok(())
}

fn log_driver(options: &DaemonOptions) -> Result<(), String> {
    crate::engine::check_log_driver(&options.log_driver, &options.log_opts)
        .map_err(|e| format!("failed to set log opts: {e}"))
}

fn runtimes(options: &DaemonOptions) -> Result<(), String> {
    for (name, given) in options.runtimes.as_object().into_iter().flatten() {
        // "runc" is a second name that can be given to another.
        let is_own = RUNTIMES.contains(&name.as_str()) && name != "runc";
        if is_own || name.starts_with("io.containerd.") {
            return Err(format!("runtime name '{name}' is reserved"));
        }
        let word = |key: &str| given[key].as_str().unwrap_or_default();
        match (word("path"), word("runtimeType")) {
            ("", "") => {
                return Err(format!(
                    "runtime '{name}': either a runtimeType or a path must be \
                     configured"
                ));
            }
            (_, "" | "io.containerd.runc.v2") => {}
            (_, shim) => {
                return Err(format!(
                    "runtime '{name}': the containerd shim {shim} is not \
                     supported: give the path of an OCI runtime"
                ));
            }
        }
    }
    let name = options.default_runtime.as_str();
    match has_runtime(&super::settings::runtimes(&options.runtimes), name) {
        true => Ok(()),
        false => {
            Err(format!("specified default runtime '{name}' does not exist"))
        }
    }
}

fn metrics(address: &str) -> Result<(), String> {
    if address.is_empty() {
        return Ok(());
    }
    let port = address.rsplit_once(':').map(|(_, port)| port);
    match port.map(str::parse::<u16>) {
        Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err(format!(
            "invalid metrics-addr: address {address}: invalid port"
        )),
        None => Err(format!(
            "invalid metrics-addr: address {address}: missing port in address"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Given;

    #[test]
    fn bad_options_are_told_in_dockers_words() {
        let table = [
            ("--log-format=x", "invalid log format: x"),
            (
                "--max-concurrent-uploads=-2",
                "invalid max concurrent uploads: -2",
            ),
            (
                "--exec-opt=x",
                "invalid exec-opt (x): must be formatted 'opt=value'",
            ),
            ("--exec-opt=a=b", "invalid exec-opt (a=b): unknown option: 'a'"),
            (
                "--default-ipc-mode=host",
                "IPC mode \"host\" is not supported as default value; use \
                 \"shareable\" or \"private\"",
            ),
            (
                "--default-cgroupns-mode=x",
                "invalid default cgroup namespace (x): use \"host\" or \
                 \"private\"",
            ),
            ("--bip=x", "invalid CIDR address: x"),
            (
                "--default-address-pool=base=10.0.0.0/8,size=4",
                "the provided size 4 of pool \"10.0.0.0/8\" is out of range \
                 (8 to 32)",
            ),
            (
                "--default-runtime=x",
                "specified default runtime 'x' does not exist",
            ),
            ("--add-runtime=skiff=/x", "runtime name 'skiff' is reserved"),
            (
                "--add-runtime=io.containerd.kata.v2=/x",
                "runtime name 'io.containerd.kata.v2' is reserved",
            ),
            (
                "--metrics-addr=x",
                "invalid metrics-addr: address x: missing port in address",
            ),
            (
                "--log-opt=x=y",
                "failed to set log opts: unknown log opt 'x' for json-file \
                 log driver",
            ),
            (
                "--data-root=x",
                "x: the daemon's directories must be absolute paths",
            ),
        ];
        for (word, expected) in table {
            let mut given = Given::default();
            given.read(&[word.into()]).unwrap();
            assert_eq!(options(&given.options()).unwrap_err(), expected);
        }
        assert_eq!(options(&DaemonOptions::default()), Ok(()));
    }
}
