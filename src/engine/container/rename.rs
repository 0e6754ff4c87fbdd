//! `POST /containers/{id}/rename`.

use super::Record;
use super::create::sync_of;
use crate::engine::{Engine, Error, Result};
use crate::names;

impl Engine {
    /// Gives a container another name. Both are taken until the new one is
    /// on the disk, so that no other container can get in between.
    pub fn rename(&self, name: &str, new: &str) -> Result<()> {
        if name.is_empty() || new.is_empty() {
            return Err(Error::Invalid(
                "Neither old nor new names may be empty".into(),
            ));
        }
        let container = self.container(name)?;
        let _operation = container.operate();
        let snapshot = container.snapshot();
        let old = snapshot.record.name.as_str();
        let new = new.strip_prefix('/').unwrap_or(new);
        if new == old {
            return Err(Error::Invalid(
                "Renaming a container with the same name as its current name"
                    .into(),
            ));
        }
        const STEP: &str = "Error when allocating new name";
        if !names::is_valid(new) {
            return Err(Error::Invalid(format!(
                "{STEP}: Invalid container name ({new}), only [a-zA-Z0-9]\
                 [a-zA-Z0-9_.-] are allowed"
            )));
        }
        self.containers
            .reserve(new, &container.id)
            .map_err(|error| Error::Conflict(format!("{STEP}: {error}")))?;
        let record = Record { name: new.into(), ..(*snapshot.record).clone() };
        let sync = sync_of(&record.host_config);
        if let Err(error) =
            self.store.save_container(&container.id, &record, sync)
        {
            self.containers.release(new);
            return Err(Error::internal("rename a container", error));
        }
        container.set_record(record);
        self.containers.release(old);
        let old = ("oldName", format!("/{old}"));
        self.container_event(&container.snapshot().record, "rename", &[old]);
        Ok(())
    }
}
