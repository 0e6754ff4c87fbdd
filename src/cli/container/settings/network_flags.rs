//! Flags about the network, names, logging and namespaces.

use super::{Settings, append, network, push, text};
use crate::cli::flag::Flag;

type S = Settings;

/// The flags.
pub const FLAGS: &[Flag<Settings>] = &[
    Flag::list(
        "add-host",
        "list",
        "Add a custom host-to-IP mapping (host:ip)",
        |t: &mut S, word| {
            let host = network::extra_host(word)?;
            append(&mut t.host.extra_hosts, &host)
        },
    ),
    Flag::value(
        "cgroup-parent",
        "string",
        "Optional parent cgroup for the container",
        |t: &mut S, word| text(&mut t.host.cgroup_parent, word),
    ),
    Flag::value(
        "cgroupns",
        "string",
        "Cgroup namespace to use (host|private)\n\
         'host':    Run the container in the Docker host's cgroup namespace\n\
         'private': Run the container in its own private cgroup namespace\n\
         '':        Use the cgroup namespace as configured by the\n\
         \x20          default-cgroupns-mode option on the daemon (default)",
        |t: &mut S, word| text(&mut t.host.cgroupns_mode, word),
    )
    .choices(&["host", "private"]),
    Flag::list("dns", "list", "Set custom DNS servers", |t: &mut S, word| {
        if word.trim().parse::<std::net::IpAddr>().is_err() {
            let text = "IP address is not correctly formatted";
            return Err(format!("{text}: {word}"));
        }
        append(&mut t.host.dns, word.trim())
    }),
    Flag::list("dns-option", "list", "Set DNS options", |t: &mut S, word| {
        append(&mut t.host.dns_options, word)
    }),
    Flag::list("dns-opt", "list", "Set DNS options", |t: &mut S, word| {
        append(&mut t.host.dns_options, word)
    })
    .hidden(),
    Flag::list(
        "dns-search",
        "list",
        "Set custom DNS search domains",
        |t: &mut S, word| append(&mut t.host.dns_search, word),
    ),
    Flag::list(
        "expose",
        "list",
        "Expose a port or a range of ports",
        |t: &mut S, word| push(&mut t.expose, word),
    ),
    Flag::value("hostname", "string", "Container host name", |t, word| {
        let t: &mut S = t;
        text(&mut t.config.hostname, word)
    })
    .short('h'),
    Flag::value(
        "ip",
        "string",
        "IPv4 address (e.g., 172.30.100.104)",
        |t: &mut S, word| text(&mut t.own_endpoint.ip, word),
    ),
    Flag::value(
        "ip6",
        "string",
        "IPv6 address (e.g., 2001:db8::33)",
        |t: &mut S, word| text(&mut t.own_endpoint.ip6, word),
    ),
    Flag::value("ipc", "string", "IPC mode to use", |t: &mut S, word| {
        text(&mut t.host.ipc_mode, word)
    }),
    Flag::list(
        "link",
        "list",
        "Add link to another container",
        |t: &mut S, word| append(&mut t.host.links, &network::link(word)?),
    ),
    Flag::list(
        "link-local-ip",
        "list",
        "Container IPv4/IPv6 link-local addresses",
        |t: &mut S, word| push(&mut t.own_endpoint.link_local, word),
    ),
    Flag::value(
        "log-driver",
        "string",
        "Logging driver for the container",
        |t: &mut S, word| text(&mut t.host.log_config.driver, word),
    ),
    Flag::list("log-opt", "list", "Log driver options", |t: &mut S, word| {
        push(&mut t.log_opts, word)
    }),
    Flag::value(
        "mac-address",
        "string",
        "Container MAC address (e.g., 92:d0:c6:0a:29:33)",
        |t: &mut S, word| text(&mut t.own_endpoint.mac, word),
    ),
    Flag::list(
        "network",
        "network",
        "Connect a container to a network",
        |t: &mut S, word| {
            t.networks.push(network::parse(word)?);
            Ok(())
        },
    ),
    Flag::list("net", "network", "", |t: &mut S, word| {
        t.networks.push(network::parse(word)?);
        Ok(())
    })
    .hidden(),
    Flag::list(
        "network-alias",
        "list",
        "Add network-scoped alias for the container",
        |t: &mut S, word| push(&mut t.own_endpoint.aliases, word),
    ),
    Flag::list("net-alias", "list", "", |t: &mut S, word| {
        push(&mut t.own_endpoint.aliases, word)
    })
    .hidden(),
    Flag::value("pid", "string", "PID namespace to use", |t, word| {
        let t: &mut S = t;
        text(&mut t.host.pid_mode, word)
    }),
    Flag::list(
        "publish",
        "list",
        "Publish a container's port(s) to the host",
        |t: &mut S, word| push(&mut t.publish, word),
    )
    .short('p'),
    Flag::switch(
        "publish-all",
        "Publish all exposed ports to random ports",
        |t: &mut S, on| t.host.publish_all_ports = on,
    )
    .short('P'),
    Flag::value("userns", "string", "User namespace to use", |t, word| {
        let t: &mut S = t;
        text(&mut t.host.userns_mode, word)
    }),
    Flag::value("uts", "string", "UTS namespace to use", |t: &mut S, word| {
        text(&mut t.host.uts_mode, word)
    }),
];
