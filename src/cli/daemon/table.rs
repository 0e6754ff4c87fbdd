//! The settings that change something, by dockerd's names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::{Kind, Reload, Setting, checks};
use crate::cli::globals;

/// The settings themselves. Their flags contain every flag that may stand in
/// front of a client's command, so that `-d` is found behind any of them.
pub const SETTINGS: &[Setting] = &[
    Setting::new("daemon", Kind::Switch, "Run the daemon")
        .key("")
        .short('d')
        .sets(|o, v| o.daemon = on(v)),
    Setting::new("version", Kind::Switch, "Print version information and quit")
        .key("")
        .short('v')
        .sets(|o, v| o.version = on(v)),
    Setting::new(
        "validate",
        Kind::Switch,
        "Validate daemon configuration and exit",
    )
    .key("")
    .sets(|o, v| o.validate = on(v)),
    Setting::new("config-file", Kind::Text, "Daemon configuration file")
        .key("")
        .default("\"/etc/skiff/daemon.json\"")
        .sets(|o, v| o.config_file = file(v)),
    Setting::new("host", Kind::List, "Daemon socket(s) to connect to")
        .key("hosts")
        .short('H')
        .sets(|o, v| o.hosts = list(v)),
    Setting::new("graph", Kind::Text, "Root of the Docker runtime")
        .short('g')
        .hidden()
        .sets(|o, v| o.data_root = path(v)),
    Setting::new("data-root", Kind::Text, "Root directory of persistent state")
        .default("\"/var/lib/skiff\"")
        .sets(|o, v| o.data_root = path(v)),
    Setting::new(
        "exec-root",
        Kind::Text,
        "Root directory for execution state files",
    )
    .default("\"/run/skiff\"")
    .sets(|o, v| o.exec_root = path(v)),
    Setting::new("pidfile", Kind::Text, "Path to use for daemon PID file")
        .short('p')
        .default("\"/run/skiff.pid\"")
        .sets(|o, v| o.pidfile = path(v)),
    Setting::new("group", Kind::Text, "Group for the unix socket")
        .short('G')
        .default("\"docker\"")
        .sets(|o, v| o.group = text(v)),
    Setting::new("debug", Kind::Switch, "Enable debug mode")
        .short('D')
        .reloads(Reload::IfSet)
        .sets(|o, v| o.debug = on(v)),
    Setting::new(
        "log-level",
        Kind::Text,
        "Set the logging level (debug, info, warn, error, fatal)",
    )
    .short('l')
    .default("\"info\"")
    .choices(globals::LEVELS)
    .reloads(Reload::IfSet)
    .sets(|o, v| o.log_level = text(v)),
    Setting::new(
        "log-format",
        Kind::Text,
        "Set the logging format (text, json)",
    )
    .default("\"text\"")
    .choices(&["text", "json"])
    .sets(|o, v| o.log_format = text(v)),
    Setting::new("bridge", Kind::Text, "Attach containers to a network bridge")
        .short('b')
        .default("\"skiff0\"")
        .sets(|o, v| o.bridge = text(v)),
    Setting::new("bip", Kind::Text, "IPv4 address for the default bridge")
        .sets(|o, v| o.bip = Some(text(v)).filter(|bip| !bip.is_empty())),
    Setting::new("mtu", Kind::Integer, "Set the containers' network MTU")
        .sets(|o, v| o.mtu = number(v)),
    Setting::new(
        "live-restore",
        Kind::Switch,
        "Keep containers running while the daemon is not",
    )
    .default("true")
    .reloads(Reload::IfSet)
    .sets(|o, v| o.live_restore = on(v)),
    Setting::new(
        "shutdown-timeout",
        Kind::Integer,
        "Set the default shutdown timeout",
    )
    .default("15")
    .reloads(Reload::IfSet)
    .sets(|o, v| o.shutdown_timeout = number(v)),
    Setting::new(
        "cgroup-parent",
        Kind::Text,
        "Set parent cgroup for all containers",
    )
    .default("\"/skiff\"")
    .sets(|o, v| match text(v) {
        // Docker's own word for its default.
        parent if parent.is_empty() => {}
        parent => o.cgroup_parent = parent,
    }),
    Setting::new(
        "insecure-registry",
        Kind::List,
        "Enable insecure registry communication",
    )
    .key("insecure-registries")
    .check(checks::registry)
    .reloads(Reload::IfSet)
    .sets(|o, v| o.insecure_registries = list(v)),
    Setting::new("registry-mirror", Kind::List, "Preferred registry mirror")
        .key("registry-mirrors")
        .check(checks::mirror)
        .reloads(Reload::IfSet)
        .sets(|o, v| o.registry_mirrors = list(v)),
    Setting::new(
        "max-concurrent-downloads",
        Kind::Integer,
        "Set the max concurrent downloads",
    )
    .default("3")
    .reloads(Reload::Always)
    .sets(|o, v| positive(&mut o.max_concurrent_downloads, v)),
    Setting::new(
        "max-concurrent-uploads",
        Kind::Integer,
        "Set the max concurrent uploads",
    )
    .default("5")
    .reloads(Reload::Always)
    .sets(|o, v| positive(&mut o.max_concurrent_uploads, v)),
    Setting::new(
        "max-download-attempts",
        Kind::Integer,
        "Set the max download attempts for each pull",
    )
    .default("5")
    .reloads(Reload::Always)
    .sets(|o, v| positive(&mut o.max_download_attempts, v)),
    Setting::new("log-driver", Kind::Text, "Default driver for container logs")
        .default("\"json-file\"")
        .sets(|o, v| o.log_driver = text(v)),
    Setting::new(
        "log-opt",
        Kind::Map,
        "Default log driver options for containers",
    )
    .key("log-opts")
    .sets(|o, v| o.log_opts = map(v)),
    Setting::new("label", Kind::List, "Set key=value labels to the daemon")
        .key("labels")
        .check(checks::label)
        .reloads(Reload::IfSet)
        .sets(|o, v| o.labels = list(v)),
    Setting::new("dns", Kind::List, "DNS server to use")
        .check(checks::address)
        .sets(|o, v| o.dns = list(v)),
    Setting::new("dns-opt", Kind::List, "DNS options to use")
        .key("dns-opts")
        .sets(|o, v| o.dns_opts = list(v)),
    Setting::new("dns-search", Kind::List, "DNS search domains to use")
        .check(checks::domain)
        .sets(|o, v| o.dns_search = list(v)),
    Setting::new(
        "host-gateway-ip",
        Kind::List,
        "IP addresses that the special 'host-gateway' string in --add-host \
         resolves to. Defaults to the IP address of the default bridge",
    )
    .key("host-gateway-ips")
    .check(checks::address)
    .sets(|o, v| o.host_gateway_ips = list(v)),
    Setting::new("", Kind::Text, "")
        .key("host-gateway-ip")
        .check(checks::address_or_none)
        .sets(|o, v| {
            o.host_gateway_ips = match text(v) {
                one if one.is_empty() => Vec::new(),
                one => vec![one],
            };
        }),
    Setting::new(
        "default-ulimit",
        Kind::Ulimits,
        "Default ulimits for containers",
    )
    .key("default-ulimits")
    .sets(|o, v| o.default_ulimits = v.clone()),
    Setting::new(
        "default-shm-size",
        Kind::Text,
        "Default shm size for containers",
    )
    .default("64MiB")
    .check(checks::size)
    .reloads(Reload::IfSet)
    .sets(|o, v| o.default_shm_size = text(v)),
    Setting::new(
        "default-ipc-mode",
        Kind::Text,
        "Default mode for containers ipc (\"shareable\" | \"private\")",
    )
    .default("\"private\"")
    .choices(&["private", "shareable"])
    .reloads(Reload::IfSet)
    .sets(|o, v| o.default_ipc_mode = text(v)),
    Setting::new(
        "default-cgroupns-mode",
        Kind::Text,
        "Default mode for containers cgroup namespace (\"host\" | \
         \"private\")",
    )
    .choices(&["host", "private"])
    .reloads(Reload::IfSet)
    .sets(|o, v| o.default_cgroupns_mode = text(v)),
    Setting::new(
        "default-runtime",
        Kind::Text,
        "Default OCI runtime for containers",
    )
    .default("\"skiff\"")
    .reloads(Reload::IfSet)
    .sets(|o, v| match text(v) {
        name if name.is_empty() => {}
        name => o.default_runtime = name,
    }),
    Setting::new(
        "add-runtime",
        Kind::Runtimes,
        "Register an additional OCI compatible runtime",
    )
    .key("runtimes")
    .reloads(Reload::IfSet)
    .sets(|o, v| o.runtimes = v.clone()),
    Setting::new(
        "init",
        Kind::Switch,
        "Run an init in the container to forward signals and reap processes",
    )
    .sets(|o, v| o.init = on(v)),
    Setting::new(
        "no-new-privileges",
        Kind::Switch,
        "Set no-new-privileges by default for new containers",
    )
    .sets(|o, v| o.no_new_privileges = on(v)),
    Setting::new("seccomp-profile", Kind::Text, "Path to seccomp profile")
        .default("\"builtin\"")
        .sets(|o, v| match text(v) {
            name if name.is_empty() => {}
            name => o.seccomp_profile = name,
        }),
    Setting::new(
        "default-address-pool",
        Kind::Pools,
        "Default address pools for node specific local networks",
    )
    .key("default-address-pools")
    .sets(|o, v| o.default_address_pools = v.clone()),
    Setting::new("cdi-spec-dir", Kind::List, "CDI specification directories")
        .key("cdi-spec-dirs")
        .default("/etc/cdi,/var/run/cdi")
        .sets(|o, v| o.cdi_spec_dirs = list(v)),
    Setting::new("exec-opt", Kind::List, "Runtime execution options")
        .key("exec-opts")
        .sets(|o, v| o.exec_opts = list(v)),
    Setting::new("feature", Kind::Switches, "Enable feature in the daemon")
        .key("features")
        .reloads(Reload::Always)
        .sets(|o, v| o.features = v.clone()),
    Setting::new(
        "node-generic-resource",
        Kind::List,
        "Advertise user-defined resource",
    )
    .key("node-generic-resources")
    .check(checks::resource)
    .sets(|o, v| o.node_generic_resources = list(v)),
    Setting::new(
        "http-proxy",
        Kind::Text,
        "HTTP proxy URL to use for outgoing traffic",
    )
    .sets(|o, v| o.http_proxy = text(v)),
    Setting::new(
        "https-proxy",
        Kind::Text,
        "HTTPS proxy URL to use for outgoing traffic",
    )
    .sets(|o, v| o.https_proxy = text(v)),
    Setting::new(
        "no-proxy",
        Kind::Text,
        "Comma-separated list of hosts or IP addresses for which the proxy \
         is skipped",
    )
    .sets(|o, v| o.no_proxy = text(v)),
    Setting::new(
        "metrics-addr",
        Kind::Text,
        "Set default address and port to serve the metrics api on",
    )
    .sets(|o, v| o.metrics_addr = text(v)),
    Setting::new(
        "api-enable-cors",
        Kind::Switch,
        "Enable CORS headers in the Engine API",
    )
    .sets(|o, v| o.cors = on(v).then(|| "*".to_owned())),
    Setting::new(
        "api-cors-header",
        Kind::Text,
        "Set CORS headers in the Engine API",
    )
    .sets(|o, v| match text(v) {
        header if header.is_empty() => {}
        header => o.cors = Some(header),
    }),
    Setting::new(
        "allowed-host",
        Kind::List,
        "Name that clients may call the daemon by over TCP",
    )
    .key("allowed-hosts")
    .sets(|o, v| o.allowed_hosts = list(v)),
    Setting::new("tls", Kind::Switch, "Use TLS; implied by --tlsverify")
        .sets(|o, v| o.tls = on(v)),
    Setting::new("tlsverify", Kind::Switch, "Use TLS and verify the remote")
        .sets(|o, v| {
            o.tls_verify = on(v);
            // As for dockerd, whatever is said of verifying.
            o.tls = true;
        }),
    Setting::new("tlscacert", Kind::Text, "Trust certs signed only by this CA")
        .sets(|o, v| o.tls_ca = file(v)),
    Setting::new("tlscert", Kind::Text, "Path to TLS certificate file")
        .sets(|o, v| o.tls_cert = file(v)),
    Setting::new("tlskey", Kind::Text, "Path to TLS key file")
        .sets(|o, v| o.tls_key = file(v)),
];

fn on(value: &Value) -> bool {
    value == &Value::Bool(true)
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Sets a number of which 0 means the default.
fn positive(field: &mut i64, value: &Value) {
    match number(value) {
        0 => {}
        number => *field = number,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn path(value: &Value) -> PathBuf {
    text(value).into()
}

fn file(value: &Value) -> Option<PathBuf> {
    value.as_str().filter(|text| !text.is_empty()).map(PathBuf::from)
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| (name.clone(), text(value))).collect()
}
