//! The daemon's flags, by dockerd's names.

use std::path::PathBuf;

use super::flag::{self, Flag, Table};
use super::value;
use super::{globals, help};

/// How the daemon is to run. Texts are as typed; the daemon checks what
/// needs more than their form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonOptions {
    /// Whether the daemon was asked for at all (`-d`).
    pub daemon: bool,
    /// Print the version and exit.
    pub version: bool,
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
    /// The bridge that containers are attached to; `none`: no bridge.
    pub bridge: String,
    /// The bridge's address with its prefix.
    pub bip: Option<String>,
    /// The bridge's largest packet; none: as the way out of the host.
    pub mtu: Option<u32>,
    /// Whether containers go on while the daemon does not run.
    pub live_restore: bool,
    /// Registries that may be asked without TLS.
    pub insecure_registries: Vec<String>,
    /// Mirrors of Docker Hub.
    pub registry_mirrors: Vec<String>,
    /// The group that owns the Unix socket; empty: left alone.
    pub group: String,
    /// Seconds that containers get to end when the daemon ends.
    pub shutdown_timeout: i64,
    /// The cgroup above those of the containers.
    pub cgroup_parent: String,
    /// The file of further options.
    pub config_file: Option<PathBuf>,
    /// The driver of containers' logs.
    pub log_driver: String,
    /// Its options, as `name=value`.
    pub log_opts: Vec<String>,
    /// Labels of the engine.
    pub labels: Vec<String>,
    /// DNS servers of containers.
    pub dns: Vec<String>,
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
            hosts: Vec::new(),
            data_root: "/var/lib/skiff".into(),
            exec_root: "/run/skiff".into(),
            pidfile: "/run/skiff.pid".into(),
            debug: false,
            log_level: "info".to_owned(),
            bridge: "skiff0".to_owned(),
            bip: None,
            mtu: None,
            live_restore: true,
            insecure_registries: Vec::new(),
            registry_mirrors: Vec::new(),
            group: "docker".to_owned(),
            shutdown_timeout: 15,
            cgroup_parent: "/skiff".to_owned(),
            config_file: None,
            log_driver: "json-file".to_owned(),
            log_opts: Vec::new(),
            labels: Vec::new(),
            dns: Vec::new(),
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

type Options = DaemonOptions;

/// The flags themselves. They contain every flag that may stand in front of
/// a client's command, so that `-d` is found behind any of them.
pub const FLAGS: Table<DaemonOptions> = &[&[
    Flag::switch("daemon", "Run the daemon", |t: &mut Options, on| {
        t.daemon = on;
    })
    .short('d'),
    Flag::list(
        "host",
        "list",
        "Daemon socket(s) to connect to",
        |t: &mut Options, word| push(&mut t.hosts, word),
    )
    .short('H'),
    Flag::value(
        "data-root",
        "string",
        "Root directory of persistent state",
        |t: &mut Options, word| path(&mut t.data_root, word),
    )
    .short('g')
    .default("\"/var/lib/skiff\""),
    Flag::value(
        "exec-root",
        "string",
        "Root directory for execution state files",
        |t: &mut Options, word| path(&mut t.exec_root, word),
    )
    .default("\"/run/skiff\""),
    Flag::value(
        "pidfile",
        "string",
        "Path to use for daemon PID file",
        |t: &mut Options, word| path(&mut t.pidfile, word),
    )
    .short('p')
    .default("\"/run/skiff.pid\""),
    Flag::switch("debug", "Enable debug mode", |t: &mut Options, on| {
        t.debug = on;
    })
    .short('D'),
    Flag::value(
        "log-level",
        "string",
        "Set the logging level (\"debug\"|\"info\"|\"warn\"|\"error\"|\
         \"fatal\")",
        |t: &mut Options, word| match globals::is_level(word) {
            true => text(&mut t.log_level, word),
            false => Err(format!("not a valid logrus Level: \"{word}\"")),
        },
    )
    .short('l')
    .default("\"info\"")
    .choices(globals::LEVELS),
    Flag::value(
        "bridge",
        "string",
        "Attach containers to a network bridge",
        |t: &mut Options, word| text(&mut t.bridge, word),
    )
    .short('b')
    .default("\"skiff0\""),
    Flag::value(
        "bip",
        "string",
        "Specify default-bridge IPv4 network",
        |t: &mut Options, word| {
            t.bip = Some(word.to_owned());
            Ok(())
        },
    ),
    Flag::value(
        "mtu",
        "int",
        "Set the containers' network MTU",
        |t: &mut Options, word| {
            let mtu = u32::try_from(value::unsigned(word)?);
            t.mtu = Some(mtu.map_err(|_| "value out of range".to_owned())?);
            Ok(())
        },
    ),
    Flag::switch(
        "live-restore",
        "Enable live restore of docker when containers are still running \
         (default true)",
        |t: &mut Options, on| t.live_restore = on,
    ),
    Flag::list(
        "insecure-registry",
        "list",
        "Enable insecure registry communication",
        |t: &mut Options, word| push(&mut t.insecure_registries, word),
    ),
    Flag::list(
        "registry-mirror",
        "list",
        "Preferred registry mirror",
        |t: &mut Options, word| push(&mut t.registry_mirrors, word),
    ),
    Flag::value(
        "group",
        "string",
        "Group for the unix socket",
        |t: &mut Options, word| text(&mut t.group, word),
    )
    .short('G')
    .default("\"docker\""),
    Flag::value(
        "shutdown-timeout",
        "int",
        "Set the default shutdown timeout",
        |t: &mut Options, word| {
            t.shutdown_timeout = value::integer(word)?;
            Ok(())
        },
    )
    .default("15"),
    Flag::value(
        "cgroup-parent",
        "string",
        "Set parent cgroup for all containers",
        |t: &mut Options, word| text(&mut t.cgroup_parent, word),
    )
    .default("\"/skiff\""),
    Flag::value(
        "config-file",
        "string",
        "Daemon configuration file",
        |t: &mut Options, word| optional(&mut t.config_file, word),
    ),
    Flag::value(
        "log-driver",
        "string",
        "Default driver for container logs",
        |t: &mut Options, word| text(&mut t.log_driver, word),
    )
    .default("\"json-file\""),
    Flag::list(
        "log-opt",
        "map",
        "Default log driver options for containers",
        |t: &mut Options, word| push(&mut t.log_opts, word),
    ),
    Flag::list(
        "label",
        "list",
        "Set key=value labels to the daemon",
        |t: &mut Options, word| push(&mut t.labels, word),
    ),
    Flag::list("dns", "list", "DNS server to use", |t: &mut Options, word| {
        push(&mut t.dns, word)
    }),
    Flag::switch(
        "api-enable-cors",
        "Enable CORS headers in the Engine API",
        |t: &mut Options, on| t.cors = on.then(|| "*".to_owned()),
    ),
    Flag::value(
        "api-cors-header",
        "string",
        "Set CORS headers in the Engine API",
        |t: &mut Options, word| {
            t.cors = (!word.is_empty()).then(|| word.to_owned());
            Ok(())
        },
    ),
    Flag::list(
        "allowed-host",
        "list",
        "Name that clients may call the daemon by over TCP",
        |t: &mut Options, word| push(&mut t.allowed_hosts, word),
    ),
    Flag::value(
        "metrics-addr",
        "string",
        "Set default address and port to serve the metrics api on",
        |t: &mut Options, word| text(&mut t.metrics_addr, word),
    ),
    Flag::switch("tls", "Use TLS; implied by --tlsverify", |t, on| {
        let t: &mut Options = t;
        t.tls = on;
    }),
    Flag::switch("tlsverify", "Use TLS and verify the remote", |t, on| {
        let t: &mut Options = t;
        t.tls_verify = on;
        t.tls |= on;
    }),
    Flag::value(
        "tlscacert",
        "string",
        "Trust certs signed only by this CA",
        |t: &mut Options, word| optional(&mut t.tls_ca, word),
    ),
    Flag::value(
        "tlscert",
        "string",
        "Path to TLS certificate file",
        |t: &mut Options, word| optional(&mut t.tls_cert, word),
    ),
    Flag::value(
        "tlskey",
        "string",
        "Path to TLS key file",
        |t: &mut Options, word| optional(&mut t.tls_key, word),
    ),
    Flag::switch("version", "Print version information and quit", |t, on| {
        let t: &mut Options = t;
        t.version = on;
    })
    .short('v'),
    // The client's own, passed over so that a `-d` after them is seen.
    Flag::value("config", "string", "", |_, _| Ok(())).hidden(),
    Flag::value("context", "string", "", |_, _| Ok(())).short('c').hidden(),
]];

/// The daemon's help.
pub fn help(program: &str) -> String {
    format!(
        "Usage:  {program} -d [OPTIONS]\n\nThe container engine as a \
         daemon\n\nOptions:\n{}",
        help::options(&flag::sorted(FLAGS))
    )
}

fn text(field: &mut String, word: &str) -> Result<(), String> {
    word.clone_into(field);
    Ok(())
}

fn path(field: &mut PathBuf, word: &str) -> Result<(), String> {
    *field = word.into();
    Ok(())
}

fn optional(field: &mut Option<PathBuf>, word: &str) -> Result<(), String> {
    *field = Some(word.into());
    Ok(())
}

fn push(field: &mut Vec<String>, word: &str) -> Result<(), String> {
    field.push(word.to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::flag::Order;

    fn parse(words: &[&str]) -> Result<DaemonOptions, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut options = DaemonOptions::default();
        flag::parse(FLAGS, Order::FlagsFirst, &words, &mut options)
            .map(|_| options)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn dockerds_words_are_understood() {
        let options = parse(&[
            "-d",
            "-H",
            "unix:///x",
            "-H=tcp://127.0.0.1:1",
            "--data-root",
            "/r",
            "-p",
            "/pid",
            "--live-restore=false",
            "--insecure-registry=a:1",
            "--bip=10.0.0.1/24",
            "-b",
            "br",
            "-G=",
            "--mtu=1400",
        ])
        .unwrap();
        let expected = DaemonOptions {
            daemon: true,
            hosts: vec!["unix:///x".into(), "tcp://127.0.0.1:1".into()],
            data_root: "/r".into(),
            pidfile: "/pid".into(),
            live_restore: false,
            insecure_registries: vec!["a:1".into()],
            bip: Some("10.0.0.1/24".into()),
            bridge: "br".into(),
            group: String::new(),
            mtu: Some(1400),
            ..DaemonOptions::default()
        };
        assert_eq!(options, expected);
        assert_eq!(
            parse(&["-d", "-l", "loud"]).unwrap_err(),
            "invalid argument \"loud\" for \"-l, --log-level\" flag: not a \
             valid logrus Level: \"loud\""
        );
        assert!(!parse(&["ps", "-d"]).unwrap().daemon);
    }

    #[test]
    fn every_flag_before_a_command_is_known_to_the_daemon_too() {
        for spec in flag::sorted(globals::FLAGS) {
            let known = flag::sorted(FLAGS).into_iter().find(|other| {
                other.long == spec.long && other.short() == spec.short()
            });
            assert!(known.is_some(), "--{}", spec.long);
        }
    }
}
