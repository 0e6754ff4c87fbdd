//! `/info` in the shapes of older versions.

use serde_json::{Value, json};

use super::answers::{add, at};

/// Docker tells the two switches as false where it does not read them.
pub fn bridge_nf(info: &mut Value) {
    let fields = json!({
        "BridgeNfIptables": false,
        "BridgeNfIp6tables": false,
    });
    at(info, &[], |map| add(map, fields));
}

/// The commits that were found are also those that were wanted.
pub fn expected_commits(info: &mut Value) {
    for commit in ["ContainerdCommit", "RuncCommit", "InitCommit"] {
        at(info, &[commit], |map| {
            let id = map.get("ID").cloned();
            add(map, json!({ "Expected": id }));
        });
    }
}

/// No artifact is kept from being pushed.
pub fn nondistributable(info: &mut Value) {
    let fields = json!({
        "AllowNondistributableArtifactsCIDRs": null,
        "AllowNondistributableArtifactsHostnames": null,
    });
    at(info, &["RegistryConfig"], |map| add(map, fields));
}

/// Kernels that still have these limits are not told of: nothing uses them.
pub fn kernel_memory(info: &mut Value) {
    let fields = json!({ "KernelMemory": false, "KernelMemoryTCP": false });
    at(info, &[], |map| add(map, fields));
}

/// What could not be found out has a word.
pub fn unknown(info: &mut Value) {
    at(info, &[], |map| {
        for name in ["KernelVersion", "OperatingSystem"] {
            if map.get(name).is_none_or(|text| text == "") {
                map.insert(name.into(), "<unknown>".into());
            }
        }
    });
}

/// `name=seccomp,profile=builtin` is just `seccomp`.
pub fn security_names(info: &mut Value) {
    let list = info.get_mut("SecurityOptions").and_then(Value::as_array_mut);
    for option in list.into_iter().flatten() {
        let fields = option.as_str().unwrap_or_default().split(',');
        let name = fields.filter_map(|f| f.strip_prefix("name=")).next();
        if let Some(name) = name.map(String::from) {
            *option = name.into();
        }
    }
}

/// There is one way to run programs, and it has no name of its own.
pub fn execution_driver(info: &mut Value) {
    let field = json!({ "ExecutionDriver": "<not supported>" });
    at(info, &[], |map| add(map, field));
}

/// The program that is a container's first process before the user's is:
/// this one.
pub fn init_path(info: &mut Value) {
    let field = json!({ "InitPath": own_path(), "InitSha1": "" });
    at(info, &[], |map| add(map, field));
}

/// The path of this program, as far as it is known.
pub fn own_path() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.display().to_string()
}

/// Yes is 1 and no is 0.
pub fn numbers(info: &mut Value) {
    at(info, &[], |map| {
        for name in ["Debug", "IPv4Forwarding", "MemoryLimit", "SwapLimit"] {
            if let Some(value) = map.get_mut(name)
                && let Some(is) = value.as_bool()
            {
                *value = u8::from(is).into();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_info_has_numbers_and_names() {
        let mut info = json!({
            "Debug": true,
            "SwapLimit": false,
            "KernelVersion": "",
            "SecurityOptions": ["name=seccomp,profile=builtin", "odd"],
            "RuncCommit": { "ID": "a" },
        });
        numbers(&mut info);
        security_names(&mut info);
        unknown(&mut info);
        expected_commits(&mut info);
        assert_eq!(
            info,
            json!({
                "Debug": 1,
                "SwapLimit": 0,
                "KernelVersion": "<unknown>",
                "OperatingSystem": "<unknown>",
                "SecurityOptions": ["seccomp", "odd"],
                "RuncCommit": { "ID": "a", "Expected": "a" },
            })
        );
    }
}
