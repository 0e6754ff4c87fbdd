//! `POST /volumes/create`, and the volumes that containers make.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ANONYMOUS, Entry, LOCAL};
use crate::api::volume::{self as api, CreateVolume};
use crate::engine::{Engine, Error, Result};
use crate::id;
use crate::store::{Sync, Volume};
use crate::time::Timestamp;

/// Whether a volume was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// It was.
    Before,
    /// It is new.
    Now,
}

impl Engine {
    /// Makes a volume; one that is there already is told of as it is.
    pub fn create_volume(&self, wanted: CreateVolume) -> Result<api::Volume> {
        let (volume, _) = self.make_volume(wanted, None, Sync::Yes)?;
        Ok(self.show_volume(&volume))
    }

    /// Makes or finds a volume for a container, which uses it from now on.
    /// One without a name gets a random one.
    pub(in crate::engine) fn make_volume(
        &self,
        wanted: CreateVolume,
        user: Option<&str>,
        sync: Sync,
    ) -> Result<(Arc<Volume>, Made)> {
        let CreateVolume { driver, driver_opts, mut labels, mut name } = wanted;
        if name.is_empty() {
            name = id::random();
            let labels = labels.get_or_insert_default();
            labels.insert(ANONYMOUS.into(), String::new());
        }
        let _changes = self.volumes.changes();
        if let Some(volume) = self.volumes.find(&name) {
            if !matches!(driver.as_str(), "" | LOCAL) {
                return Err(Error::Conflict(format!(
                    "create {name}: volume name must be unique"
                )));
            }
            if let Some(user) = user {
                self.volumes.use_by(&name, user);
            }
            return Ok((volume, Made::Before));
        }
        check(&name, &driver, driver_opts.as_ref())?;
        let volume = Volume {
            name: name.clone(),
            // To the second, as clients are told of it.
            created: Timestamp { nanos: 0, ..Timestamp::now() },
            labels,
            options: driver_opts,
        };
        self.store
            .create_volume(&volume, sync)
            .map_err(|e| Error::Internal(format!("create {name}: {e}")))?;
        let mut entry = Entry::new(volume);
        entry.users.extend(user.map(str::to_string));
        let volume = Arc::clone(&entry.volume);
        self.volumes.table().insert(name.clone(), entry);
        self.volume_event_at(Timestamp::now(), "create", &name, &[]);
        Ok((volume, Made::Now))
    }
}

fn check(
    name: &str,
    driver: &str,
    options: Option<&BTreeMap<String, String>>,
) -> Result<()> {
    if !matches!(driver, "" | LOCAL) {
        return Err(Error::NotFound(format!(
            "create {name}: error looking up volume plugin {driver}: plugin \
             \"{driver}\" not found"
        )));
    }
    check_name(name)?;
    if let Some(key) = options.into_iter().flat_map(BTreeMap::keys).next() {
        return Err(match key.as_str() {
            "type" | "o" | "device" | "size" => Error::NotImplemented(format!(
                "create {name}: option \"{key}\" of the local driver is not \
                 supported by this engine"
            )),
            _ => Error::Invalid(format!(
                "create {name}: invalid option: \"{key}\""
            )),
        });
    }
    Ok(())
}

/// Refuses what cannot be a volume's name, in Docker's words.
fn check_name(name: &str) -> Result<()> {
    if name.len() == 1 {
        return Err(Error::Invalid(format!(
            "create {name}: volume name is too short, names should be at \
             least two alphanumeric characters"
        )));
    }
    let is_fine = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')
        });
    if is_fine && name.len() < 256 {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "create {name}: \"{name}\" includes invalid characters for a local \
         volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you \
         intended to pass a host directory, use absolute path"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_in_dockers_words() {
        for good in ["data", "a1", "9.x_-"] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        assert_eq!(
            check_name("a").unwrap_err().to_string(),
            "create a: volume name is too short, names should be at least \
             two alphanumeric characters"
        );
        for bad in [".x", "a/b", "../x", "a b", "-ab", "aé", "x\0"] {
            let text = check_name(bad).unwrap_err().to_string();
            assert!(text.contains("includes invalid characters"), "{text}");
        }
    }

    #[test]
    fn other_drivers_and_options_are_refused() {
        let options =
            |key: &str| BTreeMap::from([(key.to_string(), String::new())]);
        assert!(check("data", "local", Some(&BTreeMap::new())).is_ok());
        let refused = |driver, key: &str| {
            check("data", driver, Some(&options(key))).unwrap_err()
        };
        assert!(matches!(refused("nfs", "o"), Error::NotFound(_)));
        assert!(matches!(refused("", "device"), Error::NotImplemented(_)));
        assert_eq!(
            refused("local", "speed").to_string(),
            "create data: invalid option: \"speed\""
        );
    }
}
