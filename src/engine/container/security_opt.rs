//! `HostConfig.SecurityOpt`: what it may say, and what the runtime is told
//! of it.
//!
//! A seccomp profile is only read when the container starts, as by Docker:
//! what it says depends on the capabilities and the kernel of that moment.

use std::path::{Path, PathBuf};

use crate::api::host_config::HostConfig;
use crate::engine::host::Host;
use crate::engine::{Defaults, Error, Result};
use crate::runtime::caps::Set;
use crate::runtime::defaults;
use crate::runtime::seccomp::profile;
use crate::runtime::spec::{MountKind, Seccomp, Spec};

/// The AppArmor profile of containers that name none.
const DOCKER_DEFAULT: &str = "docker-default";

/// No confinement at all.
const UNCONFINED: &str = "unconfined";

/// The profile that is built in.
pub const BUILTIN: &str = "builtin";

/// What the options of one container come to.
#[derive(Debug, Default, PartialEq)]
struct Options<'a> {
    no_new_privileges: Option<bool>,
    /// `unconfined`, `builtin`, or the text of a profile.
    seccomp: &'a str,
    apparmor: &'a str,
    /// Whether no path of the system is hidden or read-only.
    open_paths: bool,
    writable_cgroups: Option<bool>,
}

/// Reads the options; the error is Docker's.
fn parse(config: &HostConfig) -> Result<Options<'_>> {
    let mut options = Options::default();
    for option in config.security_opt.iter().flatten() {
        let bad = |number: u32| {
            Error::Invalid(format!(
                "invalid --security-opt {number}: {option:?}"
            ))
        };
        let switch = |value: &str| boolean(value).ok_or_else(|| bad(2));
        match option.as_str() {
            "no-new-privileges" => {
                options.no_new_privileges = Some(true);
                continue;
            }
            // A label's, from before there were names.
            "disable" => continue,
            _ => {}
        }
        let pair = option.split_once('=').or_else(|| option.split_once(':'));
        let (name, value) = pair.ok_or_else(|| bad(1))?;
        match name {
            // Means something with SELinux only.
            "label" => {}
            "apparmor" => options.apparmor = value,
            "seccomp" => options.seccomp = value,
            "no-new-privileges" => {
                options.no_new_privileges = Some(switch(value)?);
            }
            "writable-cgroups" => {
                options.writable_cgroups = Some(switch(value)?);
            }
            "systempaths" if value == UNCONFINED => options.open_paths = true,
            _ => return Err(bad(2)),
        }
    }
    Ok(options)
}

/// Reads a truth value as Go does.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Fills in which paths are hidden and read-only.
pub fn complete(config: &mut HostConfig) {
    if config.privileged {
        return;
    }
    let open = parse(config).is_ok_and(|options| options.open_paths);
    let list = |paths: &[&str]| -> Option<Vec<String>> {
        let paths = if open { &[] } else { paths };
        Some(paths.iter().map(|path| path.to_string()).collect())
    };
    if config.masked_paths.is_none() {
        config.masked_paths = list(&defaults::MASKED_PATHS);
        if let Some(paths) = config.masked_paths.as_mut().filter(|_| !open) {
            paths.extend(throttles(Path::new(CPUS)));
        }
    }
    if config.readonly_paths.is_none() {
        config.readonly_paths = list(&defaults::READONLY_PATHS);
    }
}

/// Where each CPU has a directory.
const CPUS: &str = "/sys/devices/system/cpu";

/// How often each CPU was too hot: told of those that count it, by number.
fn throttles(cpus: &Path) -> Vec<String> {
    let path = |number: u32| {
        let path = cpus.join(format!("cpu{number}/thermal_throttle"));
        path.exists().then(|| path.display().to_string())
    };
    let entries = std::fs::read_dir(cpus).into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix("cpu")?.parse().ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(path).collect()
}

/// Refuses what is no option.
pub fn check(config: &HostConfig) -> Result<()> {
    parse(config).map(drop)
}

/// Says what of the options this kernel lacks.
pub fn warnings(config: &HostConfig, host: &Host) -> Option<String> {
    let filtered = !config.privileged
        && parse(config).is_ok_and(|o| o.seccomp != UNCONFINED);
    (filtered && !host.has_seccomp).then(|| {
        "Your kernel does not support seccomp. The container runs without a \
         filter of system calls."
            .into()
    })
}

/// Tells the runtime, whose capabilities are settled.
pub fn apply(
    spec: &mut Spec,
    config: &HostConfig,
    host: &Host,
    given: &Defaults,
) -> Result<()> {
    let options = parse(config)?;
    let list = |paths: &Option<Vec<String>>| {
        paths.iter().flatten().map(PathBuf::from).collect()
    };
    spec.masked_paths = list(&config.masked_paths);
    spec.readonly_paths = list(&config.readonly_paths);
    spec.process.no_new_privileges =
        options.no_new_privileges.unwrap_or(given.no_new_privileges);
    if let Some(writable) = options.writable_cgroups {
        let cgroups =
            spec.mounts.iter_mut().filter(|m| m.kind == MountKind::Cgroup);
        cgroups.for_each(|mount| mount.readonly = !writable);
    }
    spec.process.apparmor = apparmor(&options, config, host);
    spec.seccomp = seccomp(&options, spec, config, host, given)?;
    Ok(())
}

/// The AppArmor profile; empty: none is set. Docker's own is used where it
/// is loaded: it cannot be made here.
fn apparmor(options: &Options<'_>, config: &HostConfig, host: &Host) -> String {
    let profile = match options.apparmor {
        _ if !host.has_apparmor => "",
        "" if config.privileged => "",
        "" if is_loaded(Path::new(APPARMOR_PROFILES), DOCKER_DEFAULT) => {
            DOCKER_DEFAULT
        }
        UNCONFINED => "",
        named => named,
    };
    profile.into()
}

/// Which profiles the kernel has: `name (mode)` each.
const APPARMOR_PROFILES: &str = "/sys/kernel/security/apparmor/profiles";

fn is_loaded(profiles: &Path, name: &str) -> bool {
    let text = std::fs::read_to_string(profiles).unwrap_or_default();
    text.lines().any(|line| {
        line.rsplit_once(" (").is_some_and(|(loaded, _)| loaded == name)
    })
}

/// Tells whether [`DOCKER_DEFAULT`] would be missed.
pub fn lacks_apparmor_profile(host: &Host) -> bool {
    host.has_apparmor
        && !is_loaded(Path::new(APPARMOR_PROFILES), DOCKER_DEFAULT)
}

fn seccomp(
    options: &Options<'_>,
    spec: &Spec,
    config: &HostConfig,
    host: &Host,
    given: &Defaults,
) -> Result<Seccomp> {
    let own = match options.seccomp {
        "" if config.privileged => UNCONFINED,
        own => own,
    };
    let profile = match own {
        "" if given.seccomp_text.is_empty() => &given.seccomp_profile,
        "" => &given.seccomp_text,
        own => own,
    };
    match profile {
        UNCONFINED => Ok(Seccomp::Unconfined),
        "" | BUILTIN if host.has_seccomp => Ok(Seccomp::Default),
        // Told when it was made.
        "" | BUILTIN => Ok(Seccomp::Unconfined),
        _ if !host.has_seccomp => Err(Error::Internal(
            "seccomp is not enabled in your kernel, cannot run a custom \
             seccomp profile"
                .into(),
        )),
        text => {
            let (set, _) = Set::parse(&spec.process.capabilities);
            let filter = profile::compile_text(text, set, &host.kernel);
            match filter.map_err(|e| Error::Internal(e.message))? {
                Some(filter) => Ok(Seccomp::Filter(filter)),
                None => Ok(Seccomp::Unconfined),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::spec::Root;

    fn config(options: &[&str]) -> HostConfig {
        let list = options.iter().map(|o| o.to_string()).collect();
        HostConfig { security_opt: Some(list), ..HostConfig::default() }
    }

    fn host() -> Host {
        let mut host = Host::detect(Path::new("/"));
        host.has_seccomp = true;
        host
    }

    fn applied(config: &HostConfig, given: &Defaults) -> Result<Spec> {
        let mut spec = Spec::docker("x", Root::default());
        if config.privileged {
            spec.make_privileged();
        }
        apply(&mut spec, config, &host(), given).map(|()| spec)
    }

    #[test]
    fn options_are_refused_in_dockers_words() {
        let refused =
            |option: &str| check(&config(&[option])).unwrap_err().to_string();
        assert_eq!(refused("foo"), "invalid --security-opt 1: \"foo\"");
        assert_eq!(refused("foo=x"), "invalid --security-opt 2: \"foo=x\"");
        assert_eq!(
            refused("no-new-privileges=maybe"),
            "invalid --security-opt 2: \"no-new-privileges=maybe\""
        );
        assert_eq!(
            refused("writable-cgroups=2"),
            "invalid --security-opt 2: \"writable-cgroups=2\""
        );
        let fine = [
            "disable",
            "label=disable",
            "label:user:USER",
            "apparmor=unconfined",
            "apparmor:docker-default",
            "seccomp=unconfined",
            "seccomp:builtin",
            "seccomp={}",
            "no-new-privileges:false",
            "systempaths=unconfined",
        ];
        assert_eq!(check(&config(&fine)), Ok(()));
    }

    #[test]
    fn privileges_are_gained_unless_one_of_both_forbids_it() {
        let forbids = |options: &[&str], given: bool| {
            let given =
                Defaults { no_new_privileges: given, ..Defaults::default() };
            let spec = applied(&config(options), &given).unwrap();
            spec.process.no_new_privileges
        };
        assert!(!forbids(&[], false));
        assert!(forbids(&[], true));
        assert!(forbids(&["no-new-privileges"], false));
        assert!(forbids(&["no-new-privileges:true"], false));
        assert!(!forbids(&["no-new-privileges=0"], true));
    }

    #[test]
    fn paths_are_open_where_that_is_asked_for() {
        let mut open = config(&["systempaths=unconfined"]);
        complete(&mut open);
        assert_eq!(open.masked_paths, Some(Vec::new()));
        assert_eq!(open.readonly_paths, Some(Vec::new()));
        let mut usual = config(&[]);
        complete(&mut usual);
        assert!(usual.masked_paths.unwrap().contains(&"/proc/kcore".into()));
        let mut own =
            HostConfig { masked_paths: Some(vec!["/x".into()]), ..config(&[]) };
        complete(&mut own);
        assert_eq!(own.masked_paths, Some(vec!["/x".into()]));
    }

    #[test]
    fn what_tells_of_hot_cpus_is_hidden() {
        let dir = std::env::temp_dir()
            .join(format!("skiff-cpus-{}", std::process::id()));
        for cpu in ["cpu10", "cpu2", "cpuidle"] {
            let path = dir.join(cpu).join("thermal_throttle");
            std::fs::create_dir_all(path).unwrap();
        }
        std::fs::create_dir(dir.join("cpu1")).unwrap();
        let found = throttles(&dir);
        std::fs::remove_dir_all(&dir).unwrap();
        let wanted = ["cpu2", "cpu10"].map(|cpu| {
            dir.join(cpu).join("thermal_throttle").display().to_string()
        });
        assert_eq!(found, wanted);
        assert!(throttles(&dir).is_empty());
    }

    #[test]
    fn profiles_are_the_containers_or_the_daemons() {
        let text = r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#;
        let daemon = |profile: &str, text: &str| Defaults {
            seccomp_profile: profile.into(),
            seccomp_text: text.into(),
            ..Defaults::default()
        };
        let of = |options: &[&str], privileged, given: &Defaults| {
            let config = HostConfig { privileged, ..config(options) };
            applied(&config, given).unwrap().seccomp
        };
        let is_custom = |seccomp| matches!(seccomp, Seccomp::Filter(_));
        let own = format!("seccomp={text}");
        let usual = daemon("builtin", "");
        assert_eq!(of(&[], false, &usual), Seccomp::Default);
        assert_eq!(of(&[], true, &usual), Seccomp::Unconfined);
        assert!(is_custom(of(&[&own], true, &usual)));
        assert!(is_custom(of(&[&own], false, &daemon(UNCONFINED, ""))));
        assert_eq!(
            of(&["seccomp=unconfined"], false, &usual),
            Seccomp::Unconfined
        );
        assert_eq!(of(&["seccomp={}"], false, &usual), Seccomp::Unconfined);
        let none = daemon(UNCONFINED, "");
        assert_eq!(of(&[], false, &none), Seccomp::Unconfined);
        assert_eq!(of(&["seccomp=builtin"], false, &none), Seccomp::Default);
        let file = daemon("/etc/profile.json", text);
        assert!(is_custom(of(&[], false, &file)));
        assert_eq!(of(&["seccomp=builtin"], false, &file), Seccomp::Default);
        let bad = applied(&config(&["seccomp=/a.json"]), &usual).unwrap_err();
        assert_eq!(
            bad.to_string(),
            "Decoding seccomp profile failed: invalid character '/' looking \
             for beginning of value"
        );
    }

    #[test]
    fn cgroups_are_writable_where_that_is_asked_for() {
        let writable = |options: &[&str]| {
            let given = Defaults::default();
            let spec = applied(&config(options), &given).unwrap();
            let mut mounts = spec.mounts.iter();
            !mounts.find(|m| m.kind == MountKind::Cgroup).unwrap().readonly
        };
        assert!(!writable(&[]));
        assert!(writable(&["writable-cgroups=true"]));
        assert!(!writable(&["writable-cgroups=false"]));
    }

    #[test]
    fn apparmor_profiles_are_those_that_are_loaded() {
        let dir = std::env::temp_dir()
            .join(format!("skiff-apparmor-{}", std::process::id()));
        std::fs::write(&dir, "docker-default (enforce)\na b (complain)\n")
            .unwrap();
        assert!(is_loaded(&dir, DOCKER_DEFAULT));
        assert!(is_loaded(&dir, "a b"));
        assert!(!is_loaded(&dir, "docker"));
        std::fs::remove_file(&dir).unwrap();
        let named = parse_apparmor("apparmor=mine", true, false);
        assert_eq!(named, "mine");
        assert_eq!(parse_apparmor("apparmor=mine", false, false), "");
        assert_eq!(parse_apparmor("apparmor=unconfined", true, false), "");
        assert_eq!(parse_apparmor("apparmor=mine", true, true), "mine");
        assert_eq!(parse_apparmor("disable", true, true), "");
    }

    fn parse_apparmor(option: &str, has: bool, privileged: bool) -> String {
        let config = HostConfig { privileged, ..config(&[option]) };
        let mut host = host();
        host.has_apparmor = has;
        apparmor(&parse(&config).unwrap(), &config, &host)
    }
}
