//! From what was typed to the request that creates the container.

use super::network::{self, Wanted};
use super::{Settings, environment, gpus, mounts, ports, resources, security};
use crate::api::container::{CreateRequest, NetworkingConfig};
use crate::api::host_config::{HostConfig, RestartPolicy, Ulimit};
use crate::api::network::EndpointSettings;

/// Makes the request. The words are the image, then the command. Errors are
/// in Docker's words.
pub fn build(
    mut typed: Settings,
    words: &[String],
) -> Result<CreateRequest, String> {
    check_modes(&typed)?;
    let mut config = std::mem::take(&mut typed.config);
    let mut host = std::mem::take(&mut typed.host);
    if let Some((image, command)) = words.split_first() {
        config.image.clone_from(image);
        config.cmd = (!command.is_empty()).then(|| command.to_vec());
    }
    config.entrypoint = typed.entrypoint.map(|program| vec![program]);
    streams(&mut config, &typed.attach, typed.detach);
    config.env = environment::variables(&typed.env_files, &typed.env)?;
    config.labels =
        Some(environment::labels(&typed.label_files, &typed.labels)?);
    config.healthcheck = health(typed.health, typed.no_health)?;

    typed.volumes.iter().try_for_each(|word| mounts::check_volume(word))?;
    let (binds, volumes) = mounts::volumes(&typed.volumes);
    (host.binds, config.volumes) = (binds, Some(volumes));
    let (exposed, bindings) = ports::read(&typed.publish, &typed.expose)?;
    (config.exposed_ports, host.port_bindings) = (exposed, Some(bindings));

    let restarts = typed.restart.as_deref().unwrap_or("no");
    host.restart_policy = restart(restarts)?;
    let never = matches!(host.restart_policy.name.as_str(), "" | "no");
    if host.auto_remove && !never {
        return Err("conflicting options: cannot specify both --restart and \
                    --rm"
            .to_owned());
    }
    host.log_config.config = security::pairs(&typed.log_opts, "")
        .or_else(|_| loose(&typed.log_opts))?;
    if host.log_config.driver == "none" && !typed.log_opts.is_empty() {
        return Err("invalid logging opts for driver none".to_owned());
    }
    host.storage_opt =
        security::pairs(&typed.storage_opts, "invalid storage option")?;
    let security = security::read(&typed.security_opts)?;
    host.security_opt = security.options;
    if security.open_paths {
        host.masked_paths = Some(Vec::new());
        host.readonly_paths = Some(Vec::new());
    }

    (host.cap_add, host.cap_drop) = security::capabilities(
        host.cap_add.unwrap_or_default(),
        host.cap_drop.unwrap_or_default(),
    );
    let (named, devices): (Vec<_>, Vec<_>) =
        typed.devices.into_iter().partition(|word| gpus::is_qualified(word));
    let devices = devices.iter().map(|word| resources::device(word));
    host.devices = Some(devices.collect::<Result<_, _>>()?);
    host.device_requests = gpus::requests(&typed.gpus, named)?;
    if let Some(n) = typed.swappiness
        && n != -1
        && !(0..=100).contains(&n)
    {
        return Err(format!(
            "invalid value: {n}. Valid memory swappiness range is 0-100"
        ));
    }
    host.memory_swappiness = Some(typed.swappiness.unwrap_or(-1));
    host.oom_kill_disable = Some(typed.oom_kill_disable);
    host.pids_limit = Some(typed.pids_limit.unwrap_or(0));
    let limit = |(name, (soft, hard))| Ulimit { name, hard, soft };
    host.ulimits = Some(typed.ulimits.into_iter().map(limit).collect());
    // Lists that Docker's client sends empty, not as null.
    host.dns.get_or_insert_default();
    host.dns_options.get_or_insert_default();
    host.dns_search.get_or_insert_default();
    host.blkio_weight_device.get_or_insert_default();
    host.blkio_device_read_bps.get_or_insert_default();
    host.blkio_device_write_bps.get_or_insert_default();
    host.blkio_device_read_iops.get_or_insert_default();
    host.blkio_device_write_iops.get_or_insert_default();

    let is_only_one = typed.networks.len() == 1;
    let networks = networks(typed.networks, typed.own_endpoint)?;
    config.mac_address.clone_from(&networks[0].mac);
    host.network_mode.clone_from(&networks[0].name);
    let mut networking_config = NetworkingConfig::default();
    for (i, wanted) in networks.iter().enumerate() {
        let links = match i == 0 && network::is_user_defined(&wanted.name) {
            true => host.links.clone(),
            false => None,
        };
        let endpoint = wanted.endpoint(links);
        // One network about which nothing is said needs no words.
        if is_only_one && endpoint == EndpointSettings::default() {
            continue;
        }
        let endpoints = &mut networking_config.endpoints_config;
        endpoints.insert(wanted.name.clone(), endpoint);
    }
    Ok(CreateRequest { config, host_config: host, networking_config })
}

/// Makes the request that changes a container; none if nothing was typed.
pub fn change(typed: Settings) -> Result<Option<HostConfig>, String> {
    let mut host = typed.host;
    host.pids_limit = typed.pids_limit;
    if let Some(word) = &typed.restart {
        host.restart_policy = restart(word)?;
    }
    Ok((host != HostConfig::default()).then_some(host))
}

fn check_modes(typed: &Settings) -> Result<(), String> {
    let host = &typed.host;
    let container = |mode: &str| {
        mode.strip_prefix("container:").is_some_and(|name| !name.is_empty())
    };
    let checks = [
        (
            matches!(host.pid_mode.as_str(), "" | "host")
                || container(&host.pid_mode),
            "--pid: invalid PID mode",
        ),
        (
            matches!(host.uts_mode.as_str(), "" | "host"),
            "--uts: invalid UTS mode",
        ),
        (
            matches!(host.userns_mode.as_str(), "" | "host"),
            "--userns: invalid USER mode",
        ),
        (
            matches!(host.cgroupns_mode.as_str(), "" | "host" | "private"),
            "--cgroupns: invalid CGROUP mode",
        ),
        (
            typed.own_endpoint.mac.is_empty()
                || network::is_mac(&typed.own_endpoint.mac),
            "",
        ),
    ];
    for (holds, text) in checks {
        if !holds {
            return Err(match text {
                "" => format!(
                    "{} is not a valid mac address",
                    typed.own_endpoint.mac
                ),
                text => text.to_owned(),
            });
        }
    }
    Ok(())
}

/// Settles which streams are attached: those that were named, else output
/// (and input, if it is open), unless the container runs in the background.
fn streams(
    config: &mut crate::api::container::Config,
    attach: &[String],
    detach: bool,
) {
    if detach {
        return;
    }
    let named = |stream: &str| attach.iter().any(|name| name == stream);
    let all = attach.is_empty();
    config.attach_stdin = named("stdin") || (all && config.open_stdin);
    config.attach_stdout = all || named("stdout");
    config.attach_stderr = all || named("stderr");
    config.stdin_once = config.open_stdin && config.attach_stdin;
}

fn health(
    mut health: crate::api::container::Healthcheck,
    none: bool,
) -> Result<Option<crate::api::container::Healthcheck>, String> {
    let is_set = health != crate::api::container::Healthcheck::default();
    if none && is_set {
        return Err("--no-healthcheck conflicts with --health-* options".into());
    }
    for (name, value) in [
        ("interval", health.interval),
        ("timeout", health.timeout),
        ("retries", health.retries),
        ("start-period", health.start_period),
        ("start-interval", health.start_interval),
    ] {
        if value < 0 {
            return Err(format!("--health-{name} cannot be negative"));
        }
    }
    if none {
        health.test = vec!["NONE".to_owned()];
    }
    Ok((none || is_set).then_some(health))
}

/// Reads `name[:maximum]`.
fn restart(word: &str) -> Result<RestartPolicy, String> {
    let bad = |text: &str| Err(format!("invalid restart policy format{text}"));
    let policy = |name: &str, maximum_retry_count| RestartPolicy {
        name: name.to_owned(),
        maximum_retry_count,
    };
    match word.split_once(':') {
        None => Ok(policy(word, 0)),
        Some(("", _)) => bad(": no policy provided before colon"),
        Some((_, count)) if count.contains(':') => bad(""),
        Some((name, count)) => match count.parse() {
            Ok(count) => Ok(policy(name, count)),
            Err(_) => bad(": maximum retry count must be an integer"),
        },
    }
}

/// Logging options without a value are the daemon's to refuse.
fn loose(
    words: &[String],
) -> Result<std::collections::BTreeMap<String, String>, String> {
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        (name.to_owned(), value.to_owned())
    };
    Ok(words.iter().map(pair).collect())
}

fn networks(
    mut networks: Vec<Wanted>,
    own: Wanted,
) -> Result<Vec<Wanted>, String> {
    if networks.is_empty() {
        networks.push(Wanted { name: "default".to_owned(), ..own });
        return Ok(networks);
    }
    networks[0].merge(own)?;
    let mut names = std::collections::BTreeSet::new();
    for wanted in &networks {
        let name = wanted.name.as_str();
        if name.is_empty() {
            return Err("no name set for network".to_owned());
        }
        if !names.insert(name) {
            return Err(format!(
                "network \"{name}\" is specified multiple times"
            ));
        }
        let is_user_defined = network::is_user_defined(name);
        if networks.len() > 1 && !is_user_defined {
            return Err("conflicting options: cannot attach both \
                        user-defined and non-user-defined network-modes"
                .to_owned());
        }
        if !wanted.aliases.is_empty() && !is_user_defined {
            return Err("network-scoped aliases are only supported for \
                        user-defined networks"
                .to_owned());
        }
    }
    Ok(networks)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use serde_json::Value;

    use super::super::SHARED;
    use super::*;
    use crate::cli::flag::{self, Flag, Order};

    const TABLE: flag::Table<Settings> = &[
        SHARED[0],
        SHARED[1],
        SHARED[2],
        SHARED[3],
        SHARED[4],
        &[Flag::switch("detach", "", |t: &mut Settings, on| {
            t.detach = on;
        })
        .short('d')],
    ];

    fn request(words: &[&str]) -> Result<Value, String> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let mut typed = Settings::default();
        let order = Order::FlagsFirst;
        let rest = flag::parse(TABLE, order, &words, &mut typed)
            .map_err(|error| error.to_string())?;
        build(typed, &rest).map(|body| serde_json::to_value(body).unwrap())
    }

    #[test]
    fn the_plain_request_is_the_recorded_one() {
        let typed = Settings {
            host: crate::api::host_config::HostConfig {
                auto_remove: true,
                ..Default::default()
            },
            ..Settings::default()
        };
        let words = ["busybox", "echo", "hello"].map(str::to_owned);
        let body = build(typed, &words).unwrap();
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\
             \"AttachStdin\":false,\"AttachStdout\":true,\"AttachStderr\":\
             true,\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\
             \"Env\":null,\"Cmd\":[\"echo\",\"hello\"],\"Image\":\"busybox\",\
             \"Volumes\":{},\"WorkingDir\":\"\",\"Entrypoint\":null,\
             \"OnBuild\":null,\"Labels\":{},\"HostConfig\":{\"Binds\":null,\
             \"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":\
             {}},\"NetworkMode\":\"default\",\"PortBindings\":{},\
             \"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},\
             \"AutoRemove\":true,\"VolumeDriver\":\"\",\"VolumesFrom\":null,\
             \"ConsoleSize\":[0,0],\"CapAdd\":null,\"CapDrop\":null,\
             \"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":\
             [],\"ExtraHosts\":null,\"GroupAdd\":null,\"IpcMode\":\"\",\
             \"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\
             \"\",\"Privileged\":false,\"PublishAllPorts\":false,\
             \"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\",\
             \"UsernsMode\":\"\",\"ShmSize\":0,\"Isolation\":\"\",\
             \"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,\"CgroupParent\":\
             \"\",\"BlkioWeight\":0,\"BlkioWeightDevice\":[],\
             \"BlkioDeviceReadBps\":[],\"BlkioDeviceWriteBps\":[],\
             \"BlkioDeviceReadIOps\":[],\"BlkioDeviceWriteIOps\":[],\
             \"CpuPeriod\":0,\"CpuQuota\":0,\"CpuRealtimePeriod\":0,\
             \"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\",\"CpusetMems\":\
             \"\",\"Devices\":[],\"DeviceCgroupRules\":null,\
             \"DeviceRequests\":null,\"MemoryReservation\":0,\"MemorySwap\":\
             0,\"MemorySwappiness\":-1,\"OomKillDisable\":false,\
             \"PidsLimit\":0,\"Ulimits\":[],\"CpuCount\":0,\"CpuPercent\":0,\
             \"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,\"MaskedPaths\":\
             null,\"ReadonlyPaths\":null},\"NetworkingConfig\":\
             {\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null,\
             \"Links\":null,\"Aliases\":null,\"MacAddress\":\"\",\
             \"DriverOpts\":null,\"GwPriority\":0,\"NetworkID\":\"\",\
             \"EndpointID\":\"\",\"Gateway\":\"\",\"IPAddress\":\"\",\
             \"IPPrefixLen\":0,\"IPv6Gateway\":\"\",\"GlobalIPv6Address\":\
             \"\",\"GlobalIPv6PrefixLen\":0,\"DNSNames\":null}}}}"
        );
    }

    #[test]
    fn flags_reach_the_request() {
        let body = request(&[
            "-dit",
            "-p",
            "18080:80",
            "-e",
            "A=1",
            "-l",
            "role=web",
            "-m",
            "64m",
            "--cpus",
            "0.5",
            "--restart",
            "on-failure:3",
            "-v",
            "data:/data",
            "-v",
            "/own",
            "-h",
            "box",
            "--network",
            "host",
            "--entrypoint",
            "",
            "--ulimit",
            "nofile=1:2",
            "--init",
            "busybox",
            "-x",
        ])
        .unwrap();
        let cases = [
            ("/ExposedPorts", r#"{"80/tcp":{}}"#),
            ("/Env", r#"["A=1"]"#),
            ("/Cmd", r#"["-x"]"#),
            ("/Entrypoint", r#"[""]"#),
            ("/Labels", r#"{"role":"web"}"#),
            ("/Volumes", r#"{"/own":{}}"#),
            ("/Hostname", r#""box""#),
            ("/AttachStdout", "false"),
            ("/AttachStdin", "false"),
            ("/OpenStdin", "true"),
            ("/StdinOnce", "false"),
            ("/HostConfig/Binds", r#"["data:/data"]"#),
            ("/HostConfig/Memory", "67108864"),
            ("/HostConfig/NanoCpus", "500000000"),
            ("/HostConfig/NetworkMode", r#""host""#),
            ("/HostConfig/Init", "true"),
            ("/HostConfig/RestartPolicy/MaximumRetryCount", "3"),
            ("/HostConfig/PortBindings/80~1tcp/0/HostPort", r#""18080""#),
            ("/HostConfig/Ulimits/0/Hard", "2"),
        ];
        for (path, expected) in cases {
            let found = body.pointer(path).unwrap_or(&Value::Null);
            assert_eq!(found.to_string(), expected, "{path}");
        }
    }

    #[test]
    fn attached_streams_follow_the_flags() {
        let streams = |words: &[&str]| {
            let body = request(words).unwrap();
            ["AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"]
                .map(|name| body[name] == true)
        };
        assert_eq!(streams(&["x"]), [false, true, true, false]);
        assert_eq!(streams(&["-i", "x"]), [true, true, true, true]);
        assert_eq!(
            streams(&["-a", "STDERR", "x"]),
            [false, false, true, false]
        );
        assert_eq!(streams(&["-d", "-i", "x"]), [false; 4]);
    }

    #[test]
    fn contradictions_are_refused_in_dockers_words() {
        let cases: [(&[&str], &str); 9] = [
            (&["--pid", "foo"], "--pid: invalid PID mode"),
            (&["--uts", "x"], "--uts: invalid UTS mode"),
            (
                &["--rm", "--restart", "always"],
                "conflicting options: cannot specify both --restart and --rm",
            ),
            (
                &["--restart", "on-failure:x"],
                "invalid restart policy format: maximum retry count must be \
                 an integer",
            ),
            (
                &["--no-healthcheck", "--health-cmd", "x"],
                "--no-healthcheck conflicts with --health-* options",
            ),
            (
                &["--log-driver", "none", "--log-opt", "a=b"],
                "invalid logging opts for driver none",
            ),
            (&["--storage-opt", "foo"], "invalid storage option"),
            (&["--mac-address", "foo"], "foo is not a valid mac address"),
            (
                &["--memory-swappiness", "200"],
                "invalid value: 200. Valid memory swappiness range is 0-100",
            ),
        ];
        for (words, error) in cases {
            let words = [words, &["x"]].concat();
            assert_eq!(request(&words).unwrap_err(), error);
        }
    }
}
