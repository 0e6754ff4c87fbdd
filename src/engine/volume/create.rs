//! `POST /volumes/create`, and the volumes that containers make.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ANONYMOUS, Device, Entry, LOCAL};
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
    match options {
        Some(options) if !options.is_empty() => check_options(name, options),
        _ => Ok(()),
    }
}

/// Of what Docker's driver mounts, binds are there.
fn check_options(name: &str, options: &BTreeMap<String, String>) -> Result<()> {
    let bad =
        |text: String| Err(Error::Invalid(format!("create {name}: {text}")));
    const KNOWN: [&str; 4] = ["device", "o", "size", "type"];
    if let Some(key) = options.keys().find(|k| !KNOWN.contains(&k.as_str())) {
        return bad(format!("invalid option: \"{key}\""));
    }
    for key in ["device", "type"] {
        if options.get(key).is_none_or(String::is_empty) {
            return bad(format!("missing required option: \"{key}\""));
        }
    }
    if options.contains_key("size") {
        return bad("quota size requested but no quota support".into());
    }
    match Device::of(options) {
        Some(_) => Ok(()),
        None => Err(Error::NotImplemented(format!(
            "create {name}: the local driver of this engine mounts \
             directories of the host only: o=bind"
        ))),
    }
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
        let options = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
            let pairs = pairs.iter();
            pairs.map(|(k, v)| (k.to_string(), v.to_string())).collect()
        };
        let ask = |pairs: &[(&str, &str)]| {
            check("data", "local", Some(&options(pairs)))
        };
        let refusal = |pairs| ask(pairs).unwrap_err().to_string();
        assert!(check("data", "nfs", None).is_err());
        assert_eq!(ask(&[]), Ok(()));
        let bind = [("type", "none"), ("o", "bind,ro"), ("device", "/srv")];
        assert_eq!(ask(&bind), Ok(()));
        let words = "create data: invalid option: \"speed\"";
        assert_eq!(refusal(&[("speed", "1")]), words);
        let words = "create data: missing required option: \"device\"";
        assert_eq!(refusal(&[("type", "tmpfs")]), words);
        for other in [
            [("type", "tmpfs"), ("o", "size=1m"), ("device", "tmpfs")],
            [("type", "none"), ("o", "bind"), ("device", "srv")],
            [("type", "none"), ("o", "bind,uid=1"), ("device", "/srv")],
        ] {
            let error = ask(&other).unwrap_err();
            assert!(matches!(error, Error::NotImplemented(_)), "{error}");
        }
    }
}
