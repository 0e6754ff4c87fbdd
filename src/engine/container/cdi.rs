//! Devices that are asked for by what they are (`DeviceRequests`): by names
//! of the Container Device Interface, whose files say what a container gets.
//!
//! Files are JSON; one in YAML is passed over. Those of a later directory
//! win over those of an earlier one; two in one directory that name the
//! same device make it nobody's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::devices;
use crate::api::host_config::{DeviceMapping, HostConfig};
use crate::engine::{Error, Result};
use crate::json::{self, FromJson};
use crate::runtime::spec::{Hook, Mount, Spec};

/// The driver of devices with such names.
const DRIVER: &str = "cdi";

/// The longest file that is read, bytes.
const LONGEST: u64 = 8 << 20;

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct File {
    kind: String,
    devices: Vec<Named>,
    container_edits: Edits,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Named {
    name: String,
    container_edits: Edits,
}

/// What a container gets.
#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Edits {
    env: Vec<String>,
    device_nodes: Vec<Node>,
    mounts: Vec<Bound>,
    hooks: Vec<Point>,
    additional_gids: Vec<u32>,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Node {
    path: String,
    host_path: String,
    permissions: String,
    file_mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Bound {
    host_path: PathBuf,
    container_path: PathBuf,
    options: Vec<String>,
}

#[derive(Default, FromJson)]
#[serde(default, rename_all = "camelCase")]
struct Point {
    hook_name: String,
    path: PathBuf,
    args: Vec<String>,
    env: Vec<String>,
    timeout: Option<i64>,
}

/// One request of a client.
#[derive(Default, FromJson)]
#[serde(default, rename_all = "PascalCase")]
struct Request {
    driver: String,
    #[serde(rename = "DeviceIDs")]
    device_ids: Option<Vec<String>>,
    capabilities: Option<Vec<Vec<String>>>,
}

/// Gives a container the devices that it requests.
pub fn add(spec: &mut Spec, host: &HostConfig, dirs: &[PathBuf]) -> Result<()> {
    for value in host.device_requests.iter().flatten() {
        let request: Request = json::from_value(value.clone())
            .map_err(|e| Error::Invalid(e.to_string()))?;
        if request.driver != DRIVER || dirs.is_empty() {
            return Err(Error::Invalid(format!(
                "could not select device driver {:?} with capabilities: {}",
                request.driver,
                sets(request.capabilities.as_deref().unwrap_or_default())
            )));
        }
        inject(spec, &request.device_ids.unwrap_or_default(), dirs).map_err(
            |e| Error::Internal(format!("CDI device injection failed: {e}")),
        )?;
    }
    Ok(())
}

/// Lists of lists as Go prints them.
fn sets(lists: &[Vec<String>]) -> String {
    let inner = lists.iter().map(|list| format!("[{}]", list.join(" ")));
    format!("[{}]", inner.collect::<Vec<_>>().join(" "))
}

fn inject(
    spec: &mut Spec,
    names: &[String],
    dirs: &[PathBuf],
) -> std::result::Result<(), String> {
    let files = load(dirs);
    let known = index(&files);
    let found: Vec<_> =
        names.iter().map(|name| known.get(name).copied().flatten()).collect();
    let missing: Vec<&str> = names
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.is_none())
        .map(|(name, _)| name.as_str())
        .collect();
    if !missing.is_empty() {
        return Err(format!("unresolvable CDI devices {}", missing.join(", ")));
    }
    let mut edited = Vec::new();
    for (file, device) in found.into_iter().flatten() {
        // What is for all devices of a file is for each container once.
        if !edited.contains(&file) {
            edited.push(file);
            apply(spec, &files[file].1.container_edits)?;
        }
        apply(spec, &files[file].1.devices[device].container_edits)?;
    }
    Ok(())
}

/// Reads all files, with the number of the directory of each.
fn load(dirs: &[PathBuf]) -> Vec<(usize, File)> {
    let mut files = Vec::new();
    for (number, dir) in dirs.iter().enumerate() {
        let entries = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| has_end(p, "json")) {
            match read(path) {
                Ok(file) => files.push((number, file)),
                Err(error) => {
                    log::warn!("CDI file {}: {error}", path.display());
                }
            }
        }
    }
    files
}

fn has_end(path: &Path, end: &str) -> bool {
    path.extension().is_some_and(|extension| extension == end)
}

fn read(path: &Path) -> std::result::Result<File, String> {
    let data = fs::metadata(path).map_err(|e| e.to_string())?;
    if !data.is_file() || data.len() > LONGEST {
        return Err("it is no file of a fair length".into());
    }
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    json::from_slice(&bytes).map_err(|e| e.to_string())
}

/// Finds each device: its file and its place there; none where two files of
/// one directory name it.
fn index(files: &[(usize, File)]) -> BTreeMap<String, Option<(usize, usize)>> {
    let mut known: BTreeMap<String, (usize, Option<(usize, usize)>)> =
        BTreeMap::new();
    for (at, (dir, file)) in files.iter().enumerate() {
        for (place, device) in file.devices.iter().enumerate() {
            let name = format!("{}={}", file.kind, device.name);
            let found = match known.get(&name) {
                Some((other, _)) if other == dir => None,
                _ => Some((at, place)),
            };
            known.insert(name, (*dir, found));
        }
    }
    known.into_iter().map(|(name, (_, found))| (name, found)).collect()
}

fn apply(spec: &mut Spec, edits: &Edits) -> std::result::Result<(), String> {
    for var in &edits.env {
        let name = var.split('=').next();
        spec.process.env.retain(|old| old.split('=').next() != name);
        spec.process.env.push(var.clone());
    }
    for node in &edits.device_nodes {
        let source = match node.host_path.as_str() {
            "" => &node.path,
            path => path,
        };
        let wanted = DeviceMapping {
            path_on_host: source.to_owned(),
            path_in_container: node.path.clone(),
            cgroup_permissions: node.permissions.clone(),
        };
        let first = spec.devices.len();
        devices::add_one(spec, &wanted).map_err(|e| e.to_string())?;
        for device in &mut spec.devices[first..] {
            device.mode = node.file_mode.unwrap_or(device.mode) & 0o7777;
            device.uid = node.uid.unwrap_or(device.uid);
            device.gid = node.gid.unwrap_or(device.gid);
        }
    }
    for bound in &edits.mounts {
        let mut options = bound.options.clone();
        options.retain(|option| option != "ro");
        spec.add_mount(Mount {
            source: bound.host_path.clone(),
            target: bound.container_path.clone(),
            readonly: options.len() < bound.options.len(),
            options,
            ..Mount::default()
        });
    }
    let gids = edits.additional_gids.iter().map(u32::to_string);
    spec.process.group_add.extend(gids);
    if !edits.hooks.is_empty() && spec.runtime.is_none() {
        return Err("its hooks need another OCI runtime: the built-in one \
                    runs none"
            .into());
    }
    for hook in &edits.hooks {
        let Point { hook_name, path, args, env, timeout } = hook;
        let hook = Hook {
            path: path.clone(),
            args: args.clone(),
            env: env.clone(),
            timeout: *timeout,
        };
        spec.hooks.entry(hook_name.clone()).or_default().push(hook);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A directory that goes with the value.
    struct TempDir(PathBuf);

    impl TempDir {
        fn new(name: &str) -> TempDir {
            let name = format!("skiff-{name}-{}", std::process::id());
            TempDir(std::env::temp_dir().join(name))
        }

        fn path(&self) -> &Path {
            &self.0
        }

        fn file(&self, name: &str, text: &str) {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const FILE: &str = r#"{
        "cdiVersion": "0.6.0",
        "kind": "vendor.com/class",
        "containerEdits": {"env": ["ALL=1"]},
        "devices": [
            {"name": "a", "containerEdits": {
                "env": ["A=1"],
                "additionalGids": [7],
                "deviceNodes": [{"path": "/dev/zilch", "hostPath": "/dev/null",
                                 "permissions": "rw", "uid": 5}],
                "mounts": [{"hostPath": "/etc", "containerPath": "/x",
                            "options": ["ro", "nosuid", "bind"]}]
            }},
            {"name": "b", "containerEdits": {"hooks": [
                {"hookName": "prestart", "path": "/bin/true"}]}}
        ]
    }"#;

    fn asked(request: Value) -> HostConfig {
        HostConfig {
            device_requests: Some(vec![request]),
            ..Default::default()
        }
    }

    fn names(names: &[&str]) -> HostConfig {
        asked(json!({"Driver": "cdi", "DeviceIDs": names}))
    }

    #[test]
    fn a_device_is_what_its_file_says() {
        let dir = TempDir::new("cdi");
        dir.file("v.json", FILE);
        dir.file("broken.json", "{");
        dir.file("v.yaml", "kind: other");
        let dirs = [dir.path().to_owned()];
        let mut spec = Spec::default();
        add(&mut spec, &names(&["vendor.com/class=a"]), &dirs).unwrap();
        assert_eq!(spec.process.env, ["ALL=1", "A=1"]);
        assert_eq!(spec.process.group_add, ["7"]);
        let device = &spec.devices[0];
        assert_eq!((device.major, device.minor, device.uid), (1, 3, 5));
        assert_eq!(device.path, Path::new("/dev/zilch"));
        assert_eq!(spec.device_rules[0].access, "rw");
        let mount = &spec.mounts[0];
        assert!(mount.readonly && mount.target == Path::new("/x"));
        // Hooks are another runtime's.
        let both = names(&["vendor.com/class=b"]);
        let error = add(&mut spec, &both, &dirs).unwrap_err().to_string();
        assert!(error.contains("hooks"), "{error}");
        spec.runtime = Some(Default::default());
        add(&mut spec, &both, &dirs).unwrap();
        assert_eq!(spec.hooks["prestart"][0].path, Path::new("/bin/true"));
    }

    #[test]
    fn what_nobody_has_is_refused_in_dockers_words() {
        let dir = TempDir::new("cdi-none");
        dir.file("one.json", FILE);
        dir.file("two.json", FILE);
        let dirs = [dir.path().to_owned()];
        let error = |host: &HostConfig, dirs: &[PathBuf]| {
            add(&mut Spec::default(), host, dirs).unwrap_err().to_string()
        };
        assert_eq!(
            error(&names(&["vendor.com/class=a", "x.y/z=1"]), &dirs),
            "CDI device injection failed: unresolvable CDI devices \
             vendor.com/class=a, x.y/z=1"
        );
        let gpu = asked(json!({"Count": -1, "Capabilities": [["gpu"]]}));
        let words =
            "could not select device driver \"\" with capabilities: [[gpu]]";
        assert_eq!(error(&gpu, &dirs), words);
    }

    #[test]
    fn a_later_directory_wins() {
        let dir = TempDir::new("cdi-dirs");
        dir.file("a/v.json", FILE);
        dir.file("b/v.json", &FILE.replace("A=1", "A=2"));
        let dirs = ["a", "b"].map(|name| dir.path().join(name));
        let mut spec = Spec::default();
        add(&mut spec, &names(&["vendor.com/class=a"]), &dirs).unwrap();
        assert_eq!(spec.process.env, ["ALL=1", "A=2"]);
    }
}
