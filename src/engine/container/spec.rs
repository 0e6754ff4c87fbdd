//! What the runtime is told: from Docker's configuration to
//! [`runtime::Spec`](crate::runtime::Spec).

use std::path::{Path, PathBuf};

use super::life::Record;
use super::mounts::Place;
use super::security_opt;
use super::{cdi, devices};
use crate::api::exec::ExecConfig;
use crate::api::host_config::{self as api, HostConfig};
use crate::engine::{Engine, Error, RUNTIMES, Result};
use crate::runtime::caps;
use crate::runtime::defaults;
use crate::runtime::spec::{
    Mount, MountKind, Namespace, Propagation, Resources, Rlimit, Root, Runtime,
    Spec,
};

impl Engine {
    /// Builds the runtime's view of a container. `files` is the directory
    /// with its hosts, hostname and resolv.conf.
    pub(super) fn spec(&self, record: &Record, files: &Path) -> Result<Spec> {
        let rootfs = self
            .store
            .rootfs(&record.id)
            .map_err(|e| Error::internal("find the layers", e))?;
        let host = &record.host_config;
        let root = Root {
            lower: rootfs.lower,
            upper: rootfs.upper,
            work: rootfs.work,
            volatile: host.auto_remove,
            sealed: false,
        };
        let mut spec = Spec::docker(&record.id, root);
        spec.cgroup.parent = self.cgroup_parent(record);
        spec.runtime = self.other_runtime(record)?;
        spec.annotations.clone_from(&host.annotations);
        spec.cgroup.resources = resources(host);
        spec.readonly_root = host.readonly_rootfs;
        let init = self.settings().containers.init;
        spec.init = host.pid_mode.is_empty() && host.init.unwrap_or(init);
        spec.sysctls.clone_from(&host.sysctls);
        namespaces(&mut spec, record);
        self.join_donors(&mut spec, record)?;
        let linked = self.link_variables(record);
        process(&mut spec, record, linked);
        security(&mut spec, host);
        let given = &self.settings().containers;
        security_opt::apply(&mut spec, host, &self.host, given)?;
        spec.set_shm_size(u64::try_from(host.shm_size).unwrap_or_default());
        add_mounts(&mut spec, record, files, self.places(record));
        devices::add(&mut spec, host)?;
        cdi::add(&mut spec, host, &self.settings().cdi_dirs)?;
        Ok(spec)
    }

    /// Builds the runtime's view of a program beside the container's own.
    pub(in crate::engine) fn exec_spec(
        &self,
        record: &Record,
        config: &ExecConfig,
    ) -> Result<Spec> {
        let mut spec = Spec::docker(&record.id, Root::default());
        let linked = self.link_variables(record);
        process(&mut spec, record, linked.clone());
        security(&mut spec, &record.host_config);
        let (host, given) = (&record.host_config, self.settings());
        security_opt::apply(&mut spec, host, &self.host, &given.containers)?;
        let Spec { mut process, seccomp, .. } = spec;
        let filter_for = Some(process.capabilities.clone());
        process.args = config.cmd.clone().unwrap_or_default();
        process.env = environment(record, config.tty, linked);
        for var in config.env.iter().flatten() {
            set_variable(&mut process.env, var);
        }
        if !config.user.is_empty() {
            process.user.clone_from(&config.user);
        }
        if !config.working_dir.is_empty() {
            process.cwd = PathBuf::from(&config.working_dir);
        }
        if config.privileged {
            process.capabilities = caps::all().map(str::to_string).collect();
            process.apparmor = String::new();
        }
        let number = |n: u32| u16::try_from(n).unwrap_or_default();
        let [rows, columns] = config.console_size.unwrap_or_default();
        Ok(Spec {
            process,
            seccomp,
            filter_for,
            tty: config.tty.then(|| (number(rows), number(columns))),
            die_with_parent: true,
            ..Spec::default()
        })
    }

    /// Returns the runtime that makes a container, if it is not the built-in
    /// one.
    pub(super) fn other_runtime(
        &self,
        record: &Record,
    ) -> Result<Option<Runtime>> {
        let name = &record.host_config.runtime;
        let settings = self.settings();
        match settings.runtimes.get(name) {
            Some(runtime) if !runtime.path.as_os_str().is_empty() => {
                let dir = self.run_dir(&record.id).join("oci");
                Ok(Some(Runtime { dir, ..runtime.clone() }))
            }
            Some(_) => Ok(None),
            None if RUNTIMES.contains(&name.as_str()) => Ok(None),
            // It was there when the container was made.
            None => Err(Error::Invalid(format!(
                "unknown or invalid runtime name: {name}"
            ))),
        }
    }

    /// Returns the cgroup below which a container's own is.
    pub(super) fn cgroup_parent(&self, record: &Record) -> String {
        match record.host_config.cgroup_parent.as_str() {
            "" => self.settings().cgroup_parent.clone(),
            parent => parent.to_string(),
        }
    }
}

fn namespaces(spec: &mut Spec, record: &Record) {
    let host = &record.host_config;
    let mode = |mode: &str| match mode {
        "host" => Namespace::Host,
        _ => Namespace::New,
    };
    spec.namespaces.network = mode(&host.network_mode);
    spec.namespaces.pid = mode(&host.pid_mode);
    spec.namespaces.ipc = mode(&host.ipc_mode);
    spec.namespaces.uts = mode(&host.uts_mode);
    spec.namespaces.cgroup = mode(&host.cgroupns_mode);
    if spec.namespaces.uts == Namespace::New {
        spec.hostname.clone_from(&record.config.hostname);
        spec.domainname.clone_from(&record.config.domainname);
    }
}

fn process(spec: &mut Spec, record: &Record, linked: Vec<String>) {
    let (config, host) = (&record.config, &record.host_config);
    if config.tty {
        let [rows, columns] = host.console_size;
        let size = |n: u32| u16::try_from(n).unwrap_or_default();
        spec.tty = Some((size(rows), size(columns)));
    }
    let process = &mut spec.process;
    process.env = environment(record, config.tty, linked);
    process.args = Vec::with_capacity(1 + record.args.len());
    process.args.push(record.path.clone());
    process.args.extend(record.args.iter().cloned());
    process.cwd = PathBuf::from(&config.working_dir);
    process.user.clone_from(&config.user);
    process.group_add = host.group_add.clone().unwrap_or_default();
    process.rlimits = host
        .ulimits
        .iter()
        .flatten()
        .map(|limit| Rlimit {
            name: limit.name.clone(),
            soft: limit.soft,
            hard: limit.hard,
        })
        .collect();
    process.oom_score_adj = match host.oom_score_adj {
        0 => None,
        score => i32::try_from(score).ok(),
    };
}

/// The environment of a container's programs, with that of its links.
fn environment(record: &Record, tty: bool, linked: Vec<String>) -> Vec<String> {
    let mut env = vec![
        defaults::PATH.to_string(),
        format!("HOSTNAME={}", record.config.hostname),
    ];
    if tty {
        env.push("TERM=xterm".into());
    }
    env.extend(linked);
    for var in record.config.env.iter().flatten() {
        set_variable(&mut env, var);
    }
    env
}

/// Sets a variable as Docker does: `A=1` sets or replaces it, `A` alone
/// removes it.
fn set_variable(env: &mut Vec<String>, var: &str) {
    let key = var.split('=').next().unwrap_or_default();
    let same = |other: &String| other.split('=').next() == Some(key);
    match (env.iter().position(same), var.contains('=')) {
        (Some(place), true) => env[place] = var.into(),
        (Some(place), false) => drop(env.remove(place)),
        (None, true) => env.push(var.into()),
        (None, false) => {}
    }
}

fn security(spec: &mut Spec, host: &HostConfig) {
    if host.privileged {
        spec.make_privileged();
    } else {
        spec.process.capabilities = capabilities(host);
    }
}

/// The default capabilities, without the dropped, with the added ones;
/// `ALL` stands for all that there are.
fn capabilities(host: &HostConfig) -> Vec<String> {
    let is_all = |name: &String| name.eq_ignore_ascii_case("ALL");
    let numbers = |list: &Option<Vec<String>>| -> Vec<u32> {
        list.iter().flatten().filter_map(|name| caps::number(name)).collect()
    };
    let (add, drop) = (numbers(&host.cap_add), numbers(&host.cap_drop));
    let add_all = host.cap_add.iter().flatten().any(is_all);
    let drop_all = host.cap_drop.iter().flatten().any(is_all);
    caps::all()
        .filter(|name| {
            let Some(number) = caps::number(name) else {
                return false;
            };
            if add.contains(&number) {
                return true;
            }
            if drop.contains(&number) {
                return false;
            }
            add_all || (!drop_all && defaults::CAPABILITIES.contains(name))
        })
        .map(str::to_string)
        .collect()
}

/// Returns the limits that are asked for.
pub(super) fn resources(host: &HostConfig) -> Resources {
    let positive = |n: i64| u64::try_from(n).unwrap_or_default();
    let mut period = positive(host.cpu_period);
    let mut quota = host.cpu_quota;
    if host.nano_cpus > 0 {
        period = 100_000;
        quota = host.nano_cpus / 10_000;
    }
    Resources {
        memory: host.memory,
        memory_reservation: host.memory_reservation,
        memory_swap: host.memory_swap,
        memory_swappiness: host
            .memory_swappiness
            .and_then(|n| u64::try_from(n).ok()),
        oom_kill_disable: host.oom_kill_disable == Some(true),
        cpu_shares: positive(host.cpu_shares),
        cpu_period: period,
        cpu_quota: quota,
        cpu_realtime_period: positive(host.cpu_realtime_period),
        cpu_realtime_runtime: positive(host.cpu_realtime_runtime),
        cpuset_cpus: host.cpuset_cpus.clone(),
        cpuset_mems: host.cpuset_mems.clone(),
        pids_limit: host.pids_limit.unwrap_or_default(),
        blkio_weight: host.blkio_weight,
        ..Resources::default()
    }
}

fn add_mounts(
    spec: &mut Spec,
    record: &Record,
    files: &Path,
    places: Vec<Place>,
) {
    for name in ["resolv.conf", "hostname", "hosts"] {
        let target = Path::new("/etc").join(name);
        if record.mounts.iter().any(|m| Path::new(&m.destination) == target) {
            continue;
        }
        spec.add_mount(Mount {
            source: files.join(name),
            target,
            readonly: record.host_config.readonly_rootfs,
            ..Mount::default()
        });
    }
    for (target, options) in &record.host_config.tmpfs {
        spec.add_mount(tmpfs(target, options));
    }
    for place in places {
        let target = place.destination.to_string_lossy();
        let long = record.long_mounts.get(&*target);
        let options = long.and_then(|mount| mount.bind_options.as_ref());
        let options = options.cloned().unwrap_or_default();
        let list = [
            ("bind", options.non_recursive || place.alone),
            ("ro-nonrecursive", options.read_only_non_recursive),
            ("rro", options.read_only_force_recursive),
        ];
        let list = list.iter().filter(|(_, is_set)| *is_set);
        let list = list.map(|(word, _)| word.to_string()).collect();
        let point = record.mounts.iter().find(|p| p.destination == *target);
        let propagation = point.map_or("", |point| &point.propagation);
        spec.add_mount(Mount {
            source: place.source,
            beneath: place.beneath,
            target: place.destination,
            readonly: !place.rw,
            options: list,
            propagation: match propagation.trim_start_matches('r') {
                "shared" => Propagation::Shared,
                "slave" => Propagation::Slave,
                _ => Propagation::Private,
            },
            ..Mount::default()
        });
    }
    for point in record.mounts.iter().filter(|p| p.kind == "tmpfs") {
        let long = record.long_mounts.get(&point.destination);
        let mut mount = tmpfs(&point.destination, &tmpfs_options(long));
        mount.readonly = !point.rw;
        spec.add_mount(mount);
    }
}

fn tmpfs(target: &str, options: &str) -> Mount {
    let mut list: Vec<String> =
        ["nosuid", "nodev", "noexec"].map(String::from).to_vec();
    list.extend(options.split(',').filter(|o| !o.is_empty()).map(String::from));
    Mount {
        kind: MountKind::Tmpfs,
        target: PathBuf::from(target),
        options: list,
        ..Mount::default()
    }
}

/// Turns the long form's options into those of tmpfs(5).
fn tmpfs_options(asked: Option<&api::Mount>) -> String {
    let options =
        asked.and_then(|m| m.tmpfs_options.clone()).unwrap_or_default();
    let mut text = String::new();
    if options.size_bytes > 0 {
        text.push_str(&format!("size={},", options.size_bytes));
    }
    if options.mode != 0 {
        text.push_str(&format!("mode={:o},", options.mode));
    }
    for option in &options.options {
        text.push_str(&option.join("="));
        text.push(',');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_set_replaced_and_removed() {
        let mut env = vec!["PATH=/bin".to_string(), "A=1".into()];
        set_variable(&mut env, "A=2");
        set_variable(&mut env, "B=x=y");
        set_variable(&mut env, "PATH");
        set_variable(&mut env, "C");
        assert_eq!(env, ["A=2", "B=x=y"]);
    }

    #[test]
    fn capabilities_are_added_and_dropped() {
        let host = |add: &[&str], drop: &[&str]| HostConfig {
            cap_add: Some(add.iter().map(|s| s.to_string()).collect()),
            cap_drop: Some(drop.iter().map(|s| s.to_string()).collect()),
            ..Default::default()
        };
        assert_eq!(capabilities(&host(&[], &[])).len(), 14);
        assert_eq!(capabilities(&host(&[], &["all"])).len(), 0);
        let one = capabilities(&host(&["NET_ADMIN"], &["ALL"]));
        assert_eq!(one, ["CAP_NET_ADMIN"]);
        let most = capabilities(&host(&["ALL"], &["CAP_CHOWN"]));
        assert!(most.len() > 30 && !most.contains(&"CAP_CHOWN".into()));
    }

    #[test]
    fn cpus_become_a_quota() {
        let host = HostConfig { nano_cpus: 500_000_000, ..Default::default() };
        let resources = resources(&host);
        assert_eq!(resources.cpu_period, 100_000);
        assert_eq!(resources.cpu_quota, 50_000);
    }
}
