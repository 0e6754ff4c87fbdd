//! What the init of a container has to do, as a list: made from the spec
//! alone, without looking at the host.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use super::error::{Result, StartError};
use super::options::{Options, parse};
use super::spec::{Device, MountKind, Namespace, Rlimit, Spec};
use crate::sys::process::Namespaces;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Ask for the AppArmor profile of what is executed.
    AppArmor(String),
    /// Join the namespace at a path.
    Enter(Namespaces, PathBuf),
    /// Take hold of the host's end of a bind.
    OpenSource(Planned),
    /// Keep the mounts of this namespace from travelling to the host.
    CutPropagation,
    /// Mount the overlay.
    MountRoot,
    /// Set the host name.
    Hostname(String),
    /// Set the domain name.
    Domainname(String),
    /// Set `lo` up.
    Loopback,
    /// Wait for the cgroup, join it; then, maybe, a new cgroup namespace.
    JoinCgroup {
        /// Whether the group becomes the root of its own view.
        namespace: bool,
    },
    /// Mount something in the root.
    Mount(Planned),
    /// Make a device node.
    Node(Device),
    /// Make all device nodes of the host.
    HostNodes,
    /// Make the terminal and `/dev/console`.
    Console {
        /// Height.
        rows: u16,
        /// Width.
        cols: u16,
    },
    /// Make a terminal in the devpts of the container that was joined.
    Terminal {
        /// Height.
        rows: u16,
        /// Width.
        cols: u16,
    },
    /// Join the cgroup and the namespaces of a running container.
    Join,
    /// Make the working directory.
    MakeCwd(PathBuf),
    /// Set a kernel parameter (its path below `/proc/sys`).
    Sysctl(PathBuf, String),
    /// Make a path read-only.
    ReadOnly(PathBuf),
    /// Hide a path.
    Mask(PathBuf),
    /// Make the root itself read-only.
    ReadOnlyRoot,
    /// Make the root the root; the host is out of reach.
    Pivot,
    /// Set a resource limit.
    Limit(Rlimit),
    /// Set how soon the kernel kills it for memory.
    OomScore(i32),
    /// Leave the caller's keyring.
    Keyring,
    /// Become the user, with capabilities, filter and working directory.
    Become,
}

/// A mount, with its options read.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What is mounted.
    pub kind: MountKind,
    /// For a bind: the place among the sources.
    pub slot: usize,
    /// For a bind: the host's path.
    pub source: PathBuf,
    /// For a bind: what is bound beneath that path.
    pub beneath: PathBuf,
    /// For a bind: the mount namespace that it is in; empty: the host's.
    pub namespace: PathBuf,
    /// The path in the container.
    pub target: PathBuf,
    /// Flags and the file system's own parameters.
    pub options: Options,
}

impl Planned {
    /// The host's path of what is bound, as far as words tell.
    pub fn whole_source(&self) -> PathBuf {
        match self.beneath.as_os_str().is_empty() {
            true => self.source.clone(),
            false => self.source.join(&self.beneath),
        }
    }
}

/// The whole plan.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The namespaces that the init is cloned into. The cgroup namespace
    /// is not among them: it must be made by the init once it stands in
    /// its group, as its root is the maker's group.
    pub clone: Namespaces,
    /// The pid namespace that the init is born into.
    pub pid_namespace: Option<PathBuf>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The program's arguments.
    pub args: Vec<CString>,
    /// The program's environment, without HOME if that is not given.
    pub env: Vec<CString>,
}

/// Makes the plan.
pub fn plan(spec: &Spec) -> Result<Plan> {
    if spec.process.args.is_empty() {
        return Err(StartError::create("no command specified"));
    }
    for name in spec.sysctls.keys() {
        check_sysctl(spec, name)?;
    }
    Ok(Plan {
        clone: clone_namespaces(spec),
        pid_namespace: match &spec.namespaces.pid {
            Namespace::Path(path) => Some(path.clone()),
            _ => None,
        },
        steps: steps(spec),
        args: c_strings(&spec.process.args, "args")?,
        env: c_strings(&spec.process.env, "env")?,
    })
}

/// Makes the plan of a look at a container that does not run.
pub fn view_plan(spec: &Spec) -> Plan {
    let mounts = planned_mounts(spec);
    let mut steps: Vec<Step> =
        mounts.iter().cloned().map(Step::OpenSource).collect();
    steps.push(Step::CutPropagation);
    steps.push(Step::MountRoot);
    steps.extend(mounts.into_iter().map(Step::Mount));
    Plan {
        clone: Namespaces::default(),
        pid_namespace: None,
        steps,
        args: Vec::new(),
        env: Vec::new(),
    }
}

/// Makes the plan of a further program in a running container: limits and
/// profile are set while the host's `/proc` is still there.
pub fn exec_plan(spec: &Spec) -> Result<Plan> {
    let process = &spec.process;
    if process.args.is_empty() {
        return Err(StartError::create("no command specified"));
    }
    let mut steps = Vec::new();
    if !process.apparmor.is_empty() {
        steps.push(Step::AppArmor(process.apparmor.clone()));
    }
    steps.extend(process.rlimits.iter().cloned().map(Step::Limit));
    steps.extend(process.oom_score_adj.map(Step::OomScore));
    steps.push(Step::Join);
    if let Some((rows, cols)) = spec.tty {
        steps.push(Step::Terminal { rows, cols });
    }
    steps.push(Step::Keyring);
    steps.push(Step::Become);
    Ok(Plan {
        clone: Namespaces::default(),
        pid_namespace: None,
        steps,
        args: c_strings(&process.args, "args")?,
        env: c_strings(&process.env, "env")?,
    })
}

fn clone_namespaces(spec: &Spec) -> Namespaces {
    let spaces = &spec.namespaces;
    let kinds = [
        (&spaces.pid, Namespaces::PID),
        (&spaces.ipc, Namespaces::IPC),
        (&spaces.uts, Namespaces::UTS),
        (&spaces.network, Namespaces::NETWORK),
    ];
    let mut all = Namespaces::MOUNT;
    for (space, kind) in kinds {
        if *space == Namespace::New {
            all = all | kind;
        }
    }
    all
}

fn steps(spec: &Spec) -> Vec<Step> {
    let mut steps = Vec::new();
    let spaces = &spec.namespaces;
    // These two through the host's /proc, before there is another one.
    let profile = &spec.process.apparmor;
    if !profile.is_empty() {
        steps.push(Step::AppArmor(profile.clone()));
    }
    steps.extend(spec.process.oom_score_adj.map(Step::OomScore));
    let entered = [
        (&spaces.ipc, Namespaces::IPC),
        (&spaces.uts, Namespaces::UTS),
        (&spaces.network, Namespaces::NETWORK),
        (&spaces.cgroup, Namespaces::CGROUP),
    ];
    for (space, kind) in entered {
        if let Namespace::Path(path) = space {
            steps.push(Step::Enter(kind, path.clone()));
        }
    }
    let mounts = planned_mounts(spec);
    for mount in mounts.iter().filter(|m| m.kind == MountKind::Bind) {
        steps.push(Step::OpenSource(mount.clone()));
    }
    steps.push(Step::CutPropagation);
    steps.push(Step::MountRoot);
    if spaces.uts == Namespace::New {
        if !spec.hostname.is_empty() {
            steps.push(Step::Hostname(spec.hostname.clone()));
        }
        if !spec.domainname.is_empty() {
            steps.push(Step::Domainname(spec.domainname.clone()));
        }
    }
    if spaces.network == Namespace::New {
        steps.push(Step::Loopback);
    }
    let join = Step::JoinCgroup { namespace: spaces.cgroup == Namespace::New };
    let mut join = Some(join);
    for mount in mounts {
        // As late as possible: the caller makes the group meanwhile.
        if mount.kind == MountKind::Cgroup {
            steps.extend(join.take());
        }
        steps.push(Step::Mount(mount));
    }
    steps.extend(join);
    if spec.privileged {
        steps.push(Step::HostNodes);
    }
    steps.extend(spec.devices.iter().cloned().map(Step::Node));
    if let Some((rows, cols)) = spec.tty {
        steps.push(Step::Console { rows, cols });
    }
    let cwd = &spec.process.cwd;
    if !cwd.as_os_str().is_empty() && cwd != Path::new("/") {
        steps.push(Step::MakeCwd(cwd.clone()));
    }
    for (name, value) in &spec.sysctls {
        steps.push(Step::Sysctl(sysctl_path(name), value.clone()));
    }
    steps.extend(spec.readonly_paths.iter().cloned().map(Step::ReadOnly));
    steps.extend(spec.masked_paths.iter().cloned().map(Step::Mask));
    if spec.readonly_root {
        steps.push(Step::ReadOnlyRoot);
    }
    steps.push(Step::Pivot);
    steps.extend(spec.process.rlimits.iter().cloned().map(Step::Limit));
    steps.push(Step::Keyring);
    steps.push(Step::Become);
    steps
}

fn planned_mounts(spec: &Spec) -> Vec<Planned> {
    let mut slot = 0;
    let mut list = Vec::new();
    for mount in &spec.mounts {
        list.push(Planned {
            kind: mount.kind,
            slot,
            source: mount.source.clone(),
            beneath: mount.beneath.clone(),
            namespace: mount.namespace.clone(),
            target: mount.target.clone(),
            options: parse(mount),
        });
        if mount.kind == MountKind::Bind {
            slot += 1;
        }
    }
    list
}

/// The path of a kernel parameter: dots separate, unless slashes do.
fn sysctl_path(name: &str) -> PathBuf {
    let first = name.find(['.', '/']).map(|at| name.as_bytes()[at]);
    let text = match first {
        Some(b'/') => name.to_string(),
        // In `net.ipv4.conf.eth0/1.x` a slash stands for a dot.
        _ => name
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
    };
    let normal = |c: &std::path::Component<'_>| {
        matches!(c, std::path::Component::Normal(_))
    };
    Path::new(&text).components().filter(normal).collect()
}

/// Refuses kernel parameters that do not belong to a namespace of the
/// container's own: they would change the host.
fn check_sysctl(spec: &Spec, name: &str) -> Result<()> {
    const IPC: [&str; 9] = [
        "fs/mqueue",
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
    ];
    let path = sysctl_path(name);
    let is_any = |of: &[&str]| of.iter().any(|of| path.starts_with(of));
    let spaces = &spec.namespaces;
    let reason = if is_any(&IPC) {
        (spaces.ipc == Namespace::Host)
            .then_some("is not allowed in the hosts ipc namespace")
    } else if is_any(&["net"]) {
        (spaces.network == Namespace::Host)
            .then_some("not allowed in host network namespace")
    } else if is_any(&["kernel/hostname", "kernel/domainname"]) {
        (spaces.uts == Namespace::Host)
            .then_some("is not allowed in the hosts uts namespace")
    } else {
        Some("is not in a separate kernel namespace")
    };
    match reason {
        Some(reason) => {
            Err(StartError::create(&format!("sysctl {name:?} {reason}")))
        }
        None => Ok(()),
    }
}

fn c_strings(list: &[String], what: &str) -> Result<Vec<CString>> {
    list.iter()
        .map(|text| {
            CString::new(text.as_str()).map_err(|_| {
                StartError::create(&format!("invalid {what}: NUL byte"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::{self, Mount, Root};

    fn spec() -> Spec {
        let mut spec = Spec::docker("id", Root::default());
        spec.process.args = vec!["true".to_string()];
        spec
    }

    #[test]
    fn parameters_of_the_host_are_refused() {
        let planned = |name: &str, spaces| {
            let mut spec = spec();
            spec.namespaces = spaces;
            spec.sysctls.insert(name.into(), "1".into());
            plan(&spec).map(|_| ()).map_err(|e| e.to_string())
        };
        let own = || spec().namespaces;
        let refused = |name: &str, spaces| {
            let error = planned(name, spaces).unwrap_err();
            assert!(error.contains("sysctl"), "{error}");
        };
        for name in ["net.core.somaxconn", "kernel.sem", "fs/mqueue/msg_max"] {
            planned(name, own()).unwrap();
        }
        for name in
            ["vm.swappiness", "kernel.core_pattern", "", "fs.../net.x", "netx"]
        {
            refused(name, own());
        }
        let network = Namespace::Host;
        refused("net.core.somaxconn", spec::Namespaces { network, ..own() });
        let ipc = Namespace::Host;
        refused("kernel.sem", spec::Namespaces { ipc, ..own() });
    }

    fn at(steps: &[Step], wanted: impl Fn(&Step) -> bool) -> usize {
        steps.iter().position(wanted).expect("the step is there")
    }

    #[test]
    fn sources_are_taken_before_mounts_stop_travelling() {
        let mut spec = spec();
        spec.add_mount(Mount {
            source: "/a".into(),
            target: "/b".into(),
            ..Mount::default()
        });
        let steps = plan(&spec).unwrap().steps;
        let open = at(&steps, |s| matches!(s, Step::OpenSource(_)));
        let cut = at(&steps, |s| *s == Step::CutPropagation);
        let root = at(&steps, |s| *s == Step::MountRoot);
        let pivot = at(&steps, |s| *s == Step::Pivot);
        assert!(open < cut && cut < root && root < pivot);
        assert_eq!(steps.last(), Some(&Step::Become));
    }

    #[test]
    fn the_cgroup_is_joined_before_it_is_mounted() {
        let steps = plan(&spec()).unwrap().steps;
        let join = at(&steps, |s| matches!(s, Step::JoinCgroup { .. }));
        let Step::Mount(next) = &steps[join + 1] else { panic!("no mount") };
        assert_eq!(next.kind, MountKind::Cgroup);
        let mut bare = spec();
        bare.mounts.clear();
        let steps = plan(&bare).unwrap().steps;
        at(&steps, |s| matches!(s, Step::JoinCgroup { .. }));
    }

    #[test]
    fn everything_is_written_before_it_is_read_only() {
        let mut spec = spec();
        spec.readonly_root = true;
        spec.process.cwd = "/work".into();
        spec.sysctls.insert("net.ipv4.ip_forward".into(), "1".into());
        let steps = plan(&spec).unwrap().steps;
        let sysctl = at(&steps, |s| matches!(s, Step::Sysctl(..)));
        let paths = at(&steps, |s| matches!(s, Step::ReadOnly(_)));
        let cwd = at(&steps, |s| matches!(s, Step::MakeCwd(_)));
        let root = at(&steps, |s| *s == Step::ReadOnlyRoot);
        assert!(sysctl < paths && cwd < root);
    }

    #[test]
    fn the_hosts_namespaces_are_neither_cloned_nor_changed() {
        let mut spec = spec();
        spec.hostname = "name".to_string();
        spec.namespaces.network = Namespace::Host;
        spec.namespaces.uts = Namespace::Host;
        spec.namespaces.pid = Namespace::Path("/proc/1/ns/pid".into());
        let plan = plan(&spec).unwrap();
        assert!(!plan.clone.has(Namespaces::NETWORK));
        assert!(!plan.clone.has(Namespaces::UTS));
        assert!(!plan.clone.has(Namespaces::PID));
        assert!(plan.clone.has(Namespaces::IPC));
        assert!(plan.pid_namespace.is_some());
        let touched =
            |s: &Step| matches!(s, Step::Loopback | Step::Hostname(_));
        assert!(!plan.steps.iter().any(touched));
    }

    #[test]
    fn kernel_parameters_have_dots_or_slashes() {
        let text = |name| sysctl_path(name).display().to_string();
        assert_eq!(text("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(text("net/ipv4/conf/eth0.1/x"), "net/ipv4/conf/eth0.1/x");
        assert_eq!(text("net.ipv4.conf.eth0/1.x"), "net/ipv4/conf/eth0.1/x");
        assert_eq!(text("/../../etc/passwd"), "etc/passwd");
    }

    #[test]
    fn a_nul_in_an_argument_is_an_error() {
        let mut spec = spec();
        spec.process.args.push("a\0b".to_string());
        assert!(plan(&spec).is_err());
        spec.process.args.clear();
        assert!(plan(&spec).is_err());
    }
}
