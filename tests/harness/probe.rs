//! The program with which cases try things from inside a container,
//! compiled once for a run of the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::Daemon;

/// Where containers find it.
pub const PROBE: &str = "/probe";

/// Its file, which depends on no library.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/probe.rs");
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let new = format!("probe-{}", std::process::id());
        let (new, target) = (directory.join(new), directory.join("probe"));
        let compiled = Command::new("rustc")
            .args(["--edition=2024", "-O", "-C", "target-feature=+crt-static"])
            .arg("-o")
            .arg(&new)
            .arg(source)
            .output()
            .expect("the compiler runs");
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{said}");
        // What another run has mounted goes on to exist.
        std::fs::rename(&new, &target).expect("one directory");
        target
    })
}

/// Adds the program to what a container is created from.
pub fn with_probe(mut body: Value) -> Value {
    let bind = format!("{}:{PROBE}:ro", program().display());
    let binds = &mut body["HostConfig"]["Binds"];
    match binds.as_array_mut() {
        Some(list) => list.push(bind.into()),
        None => *binds = json!([bind]),
    }
    body
}

impl Daemon {
    /// Runs a shell line in a container that has the program.
    #[track_caller]
    pub fn attack(&self, line: &str, body: Value) -> (i64, String, String) {
        self.shell(line, with_probe(body))
    }
}
