//! What cgroup hierarchies the host has, seen from its directories.

use std::path::{Path, PathBuf};

/// Where cgroups are mounted.
pub const ROOT: &str = "/sys/fs/cgroup";

/// The kind of the host's cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None is mounted.
    None,
    /// One hierarchy for each controller.
    V1,
    /// One tree for all.
    V2,
    /// Limits by v1, and a v2 tree beside it.
    Hybrid,
}

/// One hierarchy of v1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    dir: PathBuf,
    controllers: Vec<String>,
}

impl Hierarchy {
    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The controllers, or the name of a named hierarchy (`systemd`).
    pub fn controllers(&self) -> &[String] {
        &self.controllers
    }

    /// Whether a controller is in it.
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|c| c == controller)
    }
}

/// All hierarchies of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    v1: Vec<Hierarchy>,
    v2: Option<PathBuf>,
}

impl Layout {
    /// Looks at the directory where cgroups are mounted ([`ROOT`]).
    pub fn detect(root: &Path) -> Layout {
        if root.join("cgroup.controllers").exists() {
            return Layout { v1: Vec::new(), v2: Some(root.to_path_buf()) };
        }
        let mut layout = Layout::default();
        let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
        for entry in entries {
            // Links (cpu → cpu,cpuacct) are second names.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let dir = entry.path();
            if dir.join("tasks").exists() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let controllers = name.split(',').map(str::to_string).collect();
                layout.v1.push(Hierarchy { dir, controllers });
            } else if dir.join("cgroup.controllers").exists() {
                layout.v2 = Some(dir);
            }
        }
        layout.v1.sort_by(|a, b| a.dir.cmp(&b.dir));
        layout
    }

    /// Looks at the host's own.
    pub fn host() -> Layout {
        Layout::detect(Path::new(ROOT))
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        match (self.v1.is_empty(), self.v2.is_some()) {
            (true, false) => Kind::None,
            (true, true) => Kind::V2,
            (false, false) => Kind::V1,
            (false, true) => Kind::Hybrid,
        }
    }

    /// The hierarchies of v1.
    pub fn v1(&self) -> &[Hierarchy] {
        &self.v1
    }

    /// The root of the v2 tree.
    pub fn v2(&self) -> Option<&Path> {
        self.v2.as_deref()
    }

    /// Whether limits of a controller can be set.
    pub fn has(&self, controller: &str) -> bool {
        if self.kind() == Kind::V2 {
            let path = self.v2.as_ref().map(|d| d.join("cgroup.controllers"));
            let text = path.and_then(|p| std::fs::read_to_string(p).ok());
            return text.is_some_and(|text| {
                text.split_whitespace().any(|c| c == controller)
            });
        }
        self.v1.iter().any(|h| h.has(controller))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn a_host_without_cgroups_is_none() {
        let dir = TempDir::new("layout-none");
        assert_eq!(Layout::detect(dir.path()).kind(), Kind::None);
        let layout = Layout::detect(&dir.path().join("missing"));
        assert_eq!(layout.kind(), Kind::None);
    }

    #[test]
    fn a_tree_with_controllers_at_its_root_is_v2() {
        let dir = TempDir::new("layout-v2");
        dir.file("cgroup.controllers", "cpu memory\n");
        let layout = Layout::detect(dir.path());
        assert_eq!(layout.kind(), Kind::V2);
        assert!(layout.has("memory") && !layout.has("pids"));
    }

    #[test]
    fn controllers_mounted_together_are_one_hierarchy() {
        let dir = TempDir::new("layout-v1");
        dir.file("cpu,cpuacct/tasks", "");
        dir.file("memory/tasks", "");
        dir.file("systemd/tasks", "");
        std::os::unix::fs::symlink("cpu,cpuacct", dir.path().join("cpu"))
            .unwrap();
        let layout = Layout::detect(dir.path());
        assert_eq!(layout.kind(), Kind::V1);
        assert_eq!(layout.v1().len(), 3);
        assert!(layout.has("cpuacct") && layout.has("memory"));
        dir.file("unified/cgroup.controllers", "");
        assert_eq!(Layout::detect(dir.path()).kind(), Kind::Hybrid);
    }
}
