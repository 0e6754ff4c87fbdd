//! Devices requested by what they are: the Container Device Interface.

use std::fs;

use serde_json::json;

use crate::harness::{Daemon, has, skip};

const FILE: &str = r#"{
    "cdiVersion": "0.6.0",
    "kind": "vendor.com/class",
    "devices": [
        {"name": "one", "containerEdits": {
            "env": ["FROM=cdi"],
            "additionalGids": [77],
            "deviceNodes": [{"path": "/dev/zilch", "hostPath": "/dev/null"}],
            "mounts": [{"hostPath": "/etc/hostname",
                        "containerPath": "/bound", "options": ["ro"]}]
        }},
        {"name": "hooked", "containerEdits": {"hooks": [
            {"hookName": "createRuntime", "path": "/bin/sh",
             "args": ["sh", "-c", "echo ran >MARK"]}
        ]}}
    ]
}"#;

/// A daemon with a directory of its own for the files.
fn daemon(flags: &[&str]) -> Daemon {
    let mut daemon = Daemon::prepare(flags);
    let dir = daemon.directory.join("cdi");
    fs::create_dir_all(&dir).expect("a directory");
    let mark = daemon.directory.join("mark");
    let text = FILE.replace("MARK", &mark.display().to_string());
    fs::write(dir.join("vendor.json"), text).expect("a file");
    daemon.add_flag(&format!("--cdi-spec-dir={}", dir.display()));
    daemon.launch();
    daemon.import("busybox");
    daemon
}

#[test]
fn a_named_device_is_given_with_all_that_belongs_to_it() {
    let daemon = daemon(&[]);
    let line = "echo $FROM; id -G; echo x >/dev/zilch && ls -l /dev/zilch; \
                test -s /bound && echo bound";
    let run = daemon.skiff(&[
        "run",
        "--rm",
        "--network=none",
        "--device=vendor.com/class=one",
        "busybox",
        "sh",
        "-c",
        line,
    ]);
    let out = run.ok().out();
    for wanted in ["cdi\n", "77", "1,   3", "bound"] {
        assert!(out.contains(wanted), "{wanted}: {out}");
    }
    let info = daemon.get("/info").is(200).json();
    let dir = daemon.directory.join("cdi").display().to_string();
    assert_eq!(info["CDISpecDirs"], json!([dir]));
}

#[test]
fn what_nobody_has_is_refused() {
    let daemon = daemon(&[]);
    let run = |flag: &str| {
        let words = ["run", "--rm", "--network=none", flag, "busybox", "true"];
        daemon.skiff(&words).exits(125)
    };
    run("--device=vendor.com/class=two").complains(
        "CDI device injection failed: unresolvable CDI devices \
         vendor.com/class=two",
    );
    run("--gpus=all").complains(
        "could not select device driver \"\" with capabilities: [[gpu]]",
    );
    run("--device=vendor.com/class=hooked").complains("hooks");
}

#[test]
fn hooks_are_run_by_another_runtime() {
    if !has("runc") {
        return skip("runc is not installed");
    }
    let daemon = daemon(&["--add-runtime=runc=runc"]);
    let words = [
        "run",
        "--rm",
        "--network=none",
        "--runtime=runc",
        "--device=vendor.com/class=hooked",
        "--device=vendor.com/class=one",
        "busybox",
        "sh",
        "-c",
        "echo $FROM; echo x >/dev/zilch",
    ];
    assert_eq!(daemon.skiff(&words).ok().out(), "cdi");
    let mark = fs::read_to_string(daemon.directory.join("mark"));
    assert_eq!(mark.expect("the hook ran"), "ran\n");
}
