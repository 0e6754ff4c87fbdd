//! The settings of dockerd that change nothing here, and why. They are taken
//! and checked all the same, so that a configuration made for dockerd works.

use super::{Kind, Setting, checks};

const CONTAINERD: &str = "containers run without containerd";
const RULES: &str = "no rules of a packet filter are made";
const SWARM: &str = "there is no swarm mode";
const STORAGE: &str = "layers are kept with overlayfs in one way only";
const IPV6: &str = "networks have IPv4 addresses only";
const PROXY: &str = "ports are not published";
const REALTIME: &str = "the real-time scheduler is not limited";
/// The help of all of them.
const HELP: &str = "Taken for dockerd's sake; has no effect";

const GONE: &str = "and will be ignored";

const fn switch(name: &'static str, why: &'static str) -> Setting {
    Setting::new(name, Kind::Switch, HELP).idle(why)
}

const fn text(name: &'static str, why: &'static str) -> Setting {
    Setting::new(name, Kind::Text, HELP).idle(why)
}

const fn number(name: &'static str, why: &'static str) -> Setting {
    Setting::new(name, Kind::Integer, HELP).idle(why)
}

const fn list(
    name: &'static str,
    key: &'static str,
    why: &'static str,
) -> Setting {
    Setting::new(name, Kind::List, HELP).key(key).idle(why)
}

/// The settings themselves.
pub const SETTINGS: &[Setting] = &[
    // The client's own, passed over so that a `-d` after them is seen.
    text("config", "it is the client's").key("").hidden(),
    text("context", "it is the client's").key("").short('c').hidden(),
    switch("allow-direct-routing", RULES),
    text("apparmor-profile", "containers name their profile themselves"),
    list(
        "authorization-plugin",
        "authorization-plugins",
        "there are no plugins; narrow a socket with ?access=read",
    ),
    text("bip6", IPV6),
    text("bridge-accept-fwmark", RULES),
    text("containerd", CONTAINERD),
    text("containerd-namespace", CONTAINERD).default("\"moby\""),
    text("containerd-plugins-namespace", CONTAINERD)
        .default("\"plugins.moby\""),
    Setting::new("", Kind::Text, "")
        .key("containerd-plugin-namespace")
        .idle(CONTAINERD),
    number("cpu-rt-period", REALTIME).default("0"),
    number("cpu-rt-runtime", REALTIME).default("0"),
    switch("cri-containerd", CONTAINERD),
    text("default-gateway", "the bridge itself is the gateway")
        .check(checks::address_or_none),
    text("default-gateway-v6", IPV6).check(checks::address_or_none),
    Setting::new("default-network-opt", Kind::Maps, HELP)
        .key("default-network-opts")
        .idle("there are no networks but the default ones"),
    switch("experimental", "nothing is experimental"),
    text("firewall-backend", RULES),
    text("fixed-cidr", "addresses come from the whole of --bip"),
    text("fixed-cidr-v6", IPV6),
    switch("icc", RULES).default("true"),
    text("init-path", "the init is our own"),
    text("ip", PROXY).default("0.0.0.0").check(checks::address),
    switch("ip-forward", "the host's setting is left alone").default("true"),
    switch("ip-forward-no-drop", RULES),
    switch("ip-masq", RULES).default("true"),
    switch("iptables", RULES).default("true"),
    switch("ip6tables", RULES).default("true"),
    switch("ipv6", IPV6),
    number("network-control-plane-mtu", SWARM).default("1500"),
    number("network-diagnostic-port", "networks have no diagnostics")
        .default("0")
        .hidden(),
    switch("raw-logs", "messages are never coloured").default("true"),
    switch("rootless", "the daemon runs as root"),
    switch("selinux-enabled", "SELinux labels are not set"),
    text("storage-driver", STORAGE).short('s').default("\"overlay2\""),
    list("storage-opt", "storage-opts", STORAGE),
    text("swarm-default-advertise-addr", SWARM),
    switch("userland-proxy", PROXY).default("true"),
    text("userland-proxy-path", PROXY),
    text("userns-remap", "user namespaces are not made"),
    Setting::new("", Kind::Object, "")
        .key("builder")
        .idle("images are not built"),
    list(
        "allow-nondistributable-artifacts",
        "allow-nondistributable-artifacts",
        "",
    )
    .check(checks::registry)
    .deprecated(GONE),
    text("cluster-store", "").deprecated("Swarm classic is gone"),
    text("cluster-advertise", "").deprecated("Swarm classic is gone"),
    Setting::new("cluster-store-opt", Kind::Map, "")
        .key("cluster-store-opts")
        .deprecated("Swarm classic is gone"),
    text("deprecated-key-path", "").deprecated(GONE),
    switch("disable-legacy-registry", "")
        .deprecated("legacy registries are never asked"),
    text("exec-driver", "").short('e').deprecated(GONE),
    number("oom-score-adjust", "").deprecated("set it in the service manager"),
    switch("restart", "")
        .short('r')
        .deprecated("Please use a restart policy on docker run"),
];
