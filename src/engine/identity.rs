//! What makes this engine another one than all others: ids that stay the
//! same for a data root.

use std::path::Path;

use serde::Serialize;

use super::network::Ids;
use super::{Error, Result};
use crate::id;
use crate::json::FromJson;
use crate::store::{Sync, record};

/// The format of the record.
const FORMAT: u32 = 1;

/// The ids of a data root.
#[derive(Clone, Debug, Serialize, FromJson)]
pub struct Identity {
    /// The engine's, in the form of a UUID.
    pub id: String,
    /// Those of the networks that every engine has.
    pub networks: Ids,
}

impl Identity {
    /// Reads the ids of a data root, or makes them.
    pub fn load(root: &Path) -> Result<Identity> {
        let failed = |e| Error::internal("the engine's identity", e);
        let path = root.join("engine.json");
        if let Some(known) = record::load(&path, FORMAT).map_err(failed)? {
            return Ok(known);
        }
        let identity =
            Identity { id: uuid(&id::random()), networks: Ids::random() };
        record::save(&path, FORMAT, &identity, Sync::Yes).map_err(failed)?;
        Ok(identity)
    }
}

/// Writes 32 of the digits in the groups of a UUID.
fn uuid(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_groups_of_a_uuid() {
        assert_eq!(
            uuid("0123456789abcdef0123456789abcdef00"),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
    }
}
