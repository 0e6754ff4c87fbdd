//! What the integration cases stand on: a daemon of their own, a raw HTTP
//! client that shares nothing with the product's, images and registries.
//!
//! A case that cannot run here calls [`skip`] and returns; the skip is
//! printed, and counted by `scripts/test` through `SKIFF_SKIPS`.

pub mod certificates;
pub mod command;
pub mod daemon;
pub mod host;
pub mod hostile;
pub mod image;
pub mod passed;
pub mod probe;
pub mod recorded;
pub mod registry;
pub mod secure;
pub mod talk;
pub mod wire;

use std::fs::OpenOptions;
use std::io::Write;
use std::time::{Duration, Instant};

pub use daemon::Daemon;
pub use wire::{Reply, Wire};

/// How long a case waits for what must happen soon.
pub const SOON: Duration = Duration::from_secs(20);

/// Polls until `look` finds something; panics with `what` after [`SOON`].
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(SOON, look).unwrap_or_else(|| panic!("waited {SOON:?} for {what}"))
}

/// Polls until `look` finds something, for `limit` at most.
pub fn within<T>(
    limit: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Tells that the running case cannot be held here, and why.
pub fn skip(reason: &str) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or("a case");
    eprintln!("skipped: {name}: {reason}");
    if let Some(path) = std::env::var_os("SKIFF_SKIPS") {
        let mut list = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("the list of skips can be written");
        writeln!(list, "{name}: {reason}").expect("the list takes a line");
    }
}

/// Whether a program is on the path.
pub fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|at| std::path::Path::new(at).join(program).is_file())
}
