//! The one configuration that flags and daemon.json give together.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Error, check, file};
use crate::cli::daemon::{self, Effect, Reload};
use crate::cli::{DaemonOptions, Given};

/// What the daemon runs with, and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    /// What the flags gave.
    flags: Given,
    /// What flags and file gave.
    values: Given,
    /// The file; none if there is none.
    pub(super) file: Option<PathBuf>,
    /// The same, typed and checked.
    pub(super) options: DaemonOptions,
}

impl Configuration {
    /// Joins the file's values to those of the flags, and checks them.
    pub(super) fn load(flags: Given) -> Result<Configuration, Error> {
        let named = flags.options().config_file;
        if ["graph", "data-root"].iter().all(|n| flags.0.contains_key(n)) {
            return Err(Error::Option(
                "cannot specify both \"--graph\" and \"--data-root\" option"
                    .into(),
            ));
        }
        let file = file::find(named.as_deref());
        let mut configuration = Configuration {
            values: flags.clone(),
            options: DaemonOptions::default(),
            flags,
            file,
        };
        for (name, value) in configuration.read()?.0 {
            let held = configuration.values.0.entry(name).or_default();
            match (held, value) {
                // Runtimes may stand in both places.
                (Value::Object(held), Value::Object(more)) => held.extend(more),
                (held, value) => *held = value,
            }
        }
        configuration.finish()
    }

    /// Reads the file again. What cannot change while the daemon runs stays
    /// as it is.
    pub(super) fn reload(&self) -> Result<Configuration, Error> {
        let named = self.options.config_file.as_deref();
        let mut new = self.clone();
        // One that has been named is looked for at its place; of the usual
        // ones, the first may be new.
        new.file = file::find(named);
        let mut given = new.read()?;
        for row in daemon::settings() {
            let name = row.name();
            let value = match (given.0.remove(name), row.reload) {
                (_, Reload::Never) | (None, Reload::IfSet) => continue,
                (Some(value), _) => Some(value),
                (None, Reload::Always) => self.flags.0.get(name).cloned(),
            };
            match value {
                Some(value) => drop(new.values.0.insert(name, value)),
                None => drop(new.values.0.remove(name)),
            }
        }
        new.finish()
    }

    fn read(&self) -> Result<Given, Error> {
        let Some(path) = &self.file else {
            return Ok(Given::default());
        };
        file::read(path, &self.flags).map_err(|e| self.refused(e))
    }

    fn finish(mut self) -> Result<Configuration, Error> {
        self.options = self.values.options();
        // As for dockerd the environment can ask for it too.
        if !self.values.0.contains_key("debug") {
            let asked = |value: OsString| !value.is_empty();
            self.options.debug = env::var_os("DEBUG").is_some_and(asked);
        }
        let single = daemon::settings()
            .filter_map(|row| Some((row, self.values.0.get(row.name())?)))
            .try_for_each(|(row, value)| row.verify(value));
        match single.and_then(|()| check::options(&self.options)) {
            Ok(()) => Ok(self),
            Err(error) if self.file.is_none() => Err(Error::Option(error)),
            Err(error) => Err(self.refused(format!(
                "merged configuration validation from file and command line \
                 flags failed: {error}"
            ))),
        }
    }

    fn refused(&self, error: String) -> Error {
        let path = self.file.as_deref().unwrap_or("".as_ref());
        Error::Option(format!(
            "unable to configure the Docker daemon with file {}: {error}",
            path.display()
        ))
    }

    /// Logs what was asked for and has no effect.
    pub(super) fn log_remarks(&self) {
        for row in daemon::settings() {
            let value = self.values.0.get(row.name());
            if let Some(remark) = value.and_then(|value| row.remark(value)) {
                log::warn!("{remark}");
            }
        }
        for remark in check::remarks(&self.options) {
            log::warn!("{remark}");
        }
        if self.values.0.contains_key("graph") {
            log::warn!(
                "The \"-g / --graph\" flag is deprecated. Please use \
                 \"--data-root\" instead"
            );
        }
    }

    /// Writes what was given as JSON, without credentials.
    pub(super) fn shown(&self) -> String {
        let mut whole = Map::new();
        for row in daemon::settings() {
            let Some(value) = self.values.0.get(row.name()) else { continue };
            let value = match row.key {
                "" => continue,
                "http-proxy" | "https-proxy" | "no-proxy" => {
                    file::mask(value.as_str().unwrap_or_default()).into()
                }
                _ => value.clone(),
            };
            if matches!(row.effect, Effect::Sets(_)) {
                whole.insert(row.key.into(), value);
            }
        }
        Value::Object(whole).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sys::testing::TempDir;

    fn load(text: &str, words: &[&str]) -> Result<Configuration, String> {
        let dir = TempDir::new("configuration");
        let path = dir.path().join("daemon.json");
        fs::write(&path, text).unwrap();
        let mut words: Vec<_> = words.iter().map(Into::into).collect();
        words.extend(["--config-file".into(), path.clone().into()]);
        let mut flags = Given::default();
        flags.read(&words).unwrap();
        Configuration::load(flags).map_err(|e| {
            e.to_string().replace(&path.display().to_string(), "FILE")
        })
    }

    #[test]
    fn the_file_and_the_flags_make_one_configuration() {
        let text = r#"{"debug": true, "labels": ["a=b"], "mtu": 1400,
            "runtimes": {"y": {"path": "/y"}}}"#;
        let words = ["--live-restore=false", "--add-runtime=x=/x"];
        let options = load(text, &words).unwrap().options;
        assert!(options.debug && !options.live_restore);
        assert_eq!(options.labels, ["a=b"]);
        assert_eq!(options.mtu, 1400);
        assert_eq!(options.runtimes.as_object().unwrap().len(), 2);
    }

    #[test]
    fn bad_values_of_the_file_are_told_with_its_name() {
        let table = [
            (r#"{"labels": ["a"]}"#, "bad attribute format: a"),
            (r#"{"mtu": -1}"#, "invalid default MTU: -1"),
            (r#"{"log-level": "x"}"#, "invalid logging level: x"),
            (
                r#"{"labels": ["a=1", "a=2"]}"#,
                "conflict labels for a=2 and a=1",
            ),
            (r#"{"dns": ["x"]}"#, "IP address is not correctly formatted: x"),
        ];
        for (text, error) in table {
            assert_eq!(
                load(text, &[]).unwrap_err(),
                format!(
                    "unable to configure the Docker daemon with file FILE: \
                     merged configuration validation from file and command \
                     line flags failed: {error}"
                )
            );
        }
    }

    #[test]
    fn only_what_can_change_changes() {
        let dir = TempDir::new("configuration");
        let path = dir.path().join("daemon.json");
        let write = |text: &str| fs::write(&path, text).unwrap();
        write(r#"{"labels": ["a=b"], "mtu": 1400}"#);
        let mut flags = Given::default();
        let words = ["--config-file".into(), path.clone().into()];
        flags.read(&words).unwrap();
        let first = Configuration::load(flags).unwrap();
        write(
            r#"{"labels": ["c=d"], "mtu": 1300,
            "max-concurrent-downloads": 7, "features": {"x": true}}"#,
        );
        let second = first.reload().unwrap().options;
        assert_eq!(second.labels, ["c=d"]);
        assert_eq!(second.mtu, 1400);
        assert_eq!(second.max_concurrent_downloads, 7);
        write("{");
        assert!(first.reload().is_err());
        write("{}");
        let third = first.reload().unwrap().options;
        assert_eq!(third.labels, ["a=b"], "labels stay if none are given");
        assert_eq!(third.max_concurrent_downloads, 3);
        assert!(third.features.is_null());
    }
}
