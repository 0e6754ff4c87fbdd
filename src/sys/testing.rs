//! A temporary directory for tests, removed in `Drop`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A directory of its own for one test.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// Makes it in the default temporary directory.
    pub fn new(name: &str) -> TempDir {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir()
            .join(format!("skiff-{name}-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temp dir is writable");
        TempDir(path)
    }

    /// Makes a file in it, and the directories above.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        let parent = path.parent().expect("it is beneath the directory");
        std::fs::create_dir_all(parent).expect("the temp dir is writable");
        std::fs::write(path, text).expect("the temp dir is writable");
    }

    /// Reads a file in it.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).expect("it can be read")
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
