//! Mounts that are to travel between the host and a container: the source
//! must lie on a mount that lets them (mount_namespaces(7)).

use std::fs;
use std::path::Path;

use crate::engine::{Error, Result};

/// Refuses a shared or slave bind of a path that lies on a private mount,
/// in Docker's words.
pub fn check(source: &str, propagation: &str) -> Result<()> {
    let word = propagation.trim_start_matches('r');
    if !matches!(word, "shared" | "slave") {
        return Ok(());
    }
    let failed = |e| Error::internal(source, e);
    let path = fs::canonicalize(source).map_err(failed)?;
    let text = fs::read_to_string("/proc/self/mountinfo").map_err(failed)?;
    match refusal(&text, &path, word) {
        Some((point, words)) => Err(Error::Internal(format!(
            "path {source} is mounted on {point} but it is not a {words} mount"
        ))),
        None => Ok(()),
    }
}

/// Finds the mount that a path lies on; tells its mount point, and what it
/// is not.
fn refusal(
    mountinfo: &str,
    path: &Path,
    word: &str,
) -> Option<(String, &'static str)> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (front, _) = line.split_once(" - ")?;
        let mut fields = front.split(' ');
        let point = fields.nth(4)?.replace("\\040", " ");
        // What follows the options.
        let travels: Vec<&str> = fields.skip(1).collect();
        Some((point, travels))
    });
    // The longest; of two in one place the later one, which hides the other.
    let (point, travels) = mounts
        .filter(|(point, _)| path.starts_with(point))
        .max_by_key(|(point, _)| point.len())?;
    let has = |kind: &str| travels.iter().any(|t| t.starts_with(kind));
    if has("shared:") || (word == "slave" && has("master:")) {
        return None;
    }
    let words = match word {
        "shared" => "shared",
        _ => "shared or slave",
    };
    Some((point, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_a_path_decides() {
        let text = "\
            20 1 0:20 / / rw shared:1 - ext4 / rw\n\
            21 20 0:21 / /data rw,nosuid master:3 - ext4 x rw\n\
            22 21 0:22 / /data/a\\040b rw - tmpfs x rw\n\
            23 20 0:23 / /twice rw - tmpfs x rw\n\
            24 23 0:24 / /twice rw shared:9 master:2 - tmpfs x rw\n";
        let ask = |path: &str, word| refusal(text, Path::new(path), word);
        assert_eq!(ask("/srv", "shared"), None);
        assert_eq!(ask("/database", "shared"), None);
        assert_eq!(ask("/data/x", "slave"), None);
        let not = |point: &str, words| Some((point.to_string(), words));
        assert_eq!(ask("/data", "shared"), not("/data", "shared"));
        let point = "/data/a b";
        assert_eq!(ask(point, "slave"), not(point, "shared or slave"));
        assert_eq!(ask("/twice/x", "shared"), None);
    }
}
