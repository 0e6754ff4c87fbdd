//! `GET /containers/{id}/changes`.

use std::fs::File;
use std::os::fd::AsFd;
use std::thread;

use super::filesystem::is_place;
use crate::api::files::Change;
use crate::archive;
use crate::engine::{Engine, Error, Result};

/// Trees may be deep: only what is used of it costs.
const STACK: usize = 16 << 20;

impl Engine {
    /// Tells what a container has changed in the files of its image.
    pub fn changes(&self, name: &str) -> Result<Vec<Change>> {
        let container = self.container(name)?;
        let shown = |(path, kind): archive::changes::Change| Change {
            path: String::from_utf8_lossy(&path).into_owned(),
            kind: kind as u8,
        };
        let found = self.changes_of(&container.id)?;
        Ok(found.into_iter().map(shown).collect())
    }

    /// As [`Engine::changes`], by the bytes of the paths.
    pub(super) fn changes_of(
        &self,
        id: &str,
    ) -> Result<Vec<archive::changes::Change>> {
        let failed =
            |e: &dyn std::fmt::Display| Error::internal("look for changes", e);
        let rootfs = self.store.rootfs_paths(id);
        let rootfs = rootfs.map_err(|e| failed(&e))?;
        let open = |path| File::open(path).map_err(|e| failed(&e));
        let upper = open(&rootfs.upper)?;
        let lower: Result<Vec<File>> = rootfs.lower.iter().map(open).collect();
        let lower = lower?;
        let lower: Vec<_> = lower.iter().map(AsFd::as_fd).collect();
        let compare = || {
            let skip = |path: &[u8], _: &_| is_place(path);
            archive::changes::changes(upper.as_fd(), &lower, &skip)
        };
        let found = thread::scope(|scope| {
            let builder = thread::Builder::new().stack_size(STACK);
            let thread = builder.name("changes".into());
            let thread = thread.spawn_scoped(scope, compare);
            let thread = thread.map_err(|e| failed(&e))?;
            let done = thread.join();
            done.map_err(|_| failed(&"it has panicked"))
        })?;
        found.map_err(|e| failed(&e))
    }
}
