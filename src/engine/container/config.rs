//! A container's configuration: what the client asked for, completed by
//! the image's.

use std::collections::BTreeMap;

use crate::api::container::{Config, Empty};
use crate::engine::{Error, Result};
use crate::oci::ContainerConfig;
use crate::signal;

/// Completes `config` with what the image says, as Docker merges them.
pub fn merge(config: &mut Config, image: &ContainerConfig) {
    if config.user.is_empty() {
        config.user.clone_from(&image.user);
    }
    for port in image.exposed_ports.iter().flat_map(BTreeMap::keys) {
        config.exposed_ports.entry(port.clone()).or_insert(Empty {});
    }
    merge_env(config, image.env.as_deref().unwrap_or_default());
    if let Some(theirs) = &image.labels {
        let ours = config.labels.get_or_insert_default();
        for (key, value) in theirs {
            ours.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&image.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&image.entrypoint);
        }
    }
    if let Some(theirs) = &image.healthcheck {
        let ours = config.healthcheck.get_or_insert_default();
        if ours.test.is_empty() {
            ours.test.clone_from(&theirs.test);
        }
        for (ours, theirs) in [
            (&mut ours.interval, theirs.interval),
            (&mut ours.timeout, theirs.timeout),
            (&mut ours.start_period, theirs.start_period),
            (&mut ours.start_interval, theirs.start_interval),
            (&mut ours.retries, theirs.retries),
        ] {
            if *ours == 0 {
                *ours = theirs;
            }
        }
    }
    if config.working_dir.is_empty() {
        config.working_dir.clone_from(&image.working_dir);
    }
    if let Some(theirs) = &image.volumes {
        let ours = config.volumes.get_or_insert_default();
        for path in theirs.keys() {
            ours.entry(path.clone()).or_insert(Empty {});
        }
    }
    if config.stop_signal.is_empty() {
        config.stop_signal.clone_from(&image.stop_signal);
    }
    if config.stop_timeout.is_none() {
        config.stop_timeout = image.stop_timeout;
    }
    if config.shell.is_none() {
        config.shell.clone_from(&image.shell);
    }
}

/// Adds the image's variables that the client did not set itself.
fn merge_env(config: &mut Config, image: &[String]) {
    if image.is_empty() {
        return;
    }
    let key = |var: &str| var.split('=').next().unwrap_or("").to_string();
    let ours = config.env.get_or_insert_default();
    let set: Vec<String> = ours.iter().map(|var| key(var)).collect();
    ours.extend(image.iter().filter(|v| !set.contains(&key(v))).cloned());
}

/// Brings a merged configuration into the form in which Docker keeps it,
/// and refuses what makes no sense. Returns the program and its arguments.
pub fn finish(config: &mut Config) -> Result<(String, Vec<String>)> {
    if config.volumes.as_ref().is_some_and(BTreeMap::is_empty) {
        config.volumes = None;
    }
    // `--entrypoint ""` resets the image's.
    if config.entrypoint.as_deref() == Some(&[String::new()][..]) {
        config.entrypoint = None;
    }
    for var in config.env.iter().flatten() {
        if var.is_empty() || var.starts_with('=') {
            let text = format!("invalid environment variable: {var}");
            return Err(Error::Invalid(text));
        }
    }
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return Err(Error::Invalid(format!(
            "the working directory '{}' is invalid, it needs to be an \
             absolute path",
            config.working_dir
        )));
    }
    if !config.stop_signal.is_empty()
        && signal::parse(&config.stop_signal).is_none()
    {
        return Err(Error::Invalid(format!(
            "invalid signal: {}",
            config.stop_signal
        )));
    }
    let entrypoint = config.entrypoint.as_deref().unwrap_or_default();
    let cmd = config.cmd.as_deref().unwrap_or_default();
    let mut words = entrypoint.iter().chain(cmd).cloned();
    match words.next() {
        Some(path) => Ok((path, words.collect())),
        None => Err(Error::Invalid("no command specified".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(list: &[&str]) -> Option<Vec<String>> {
        Some(list.iter().map(|w| w.to_string()).collect())
    }

    #[test]
    fn the_clients_words_win_over_the_images() {
        let image = ContainerConfig {
            cmd: words(&["sh"]),
            entrypoint: words(&["/init"]),
            env: words(&["A=image", "B=image"]),
            working_dir: "/srv".into(),
            ..Default::default()
        };
        let mut config =
            Config { env: words(&["A=mine"]), ..Default::default() };
        merge(&mut config, &image);
        assert_eq!(config.env, words(&["A=mine", "B=image"]));
        assert_eq!(config.working_dir, "/srv");
        let (path, args) = finish(&mut config).unwrap();
        assert_eq!((path.as_str(), args), ("/init", vec!["sh".to_string()]));

        let mut config = Config { cmd: words(&["date"]), ..Default::default() };
        merge(&mut config, &image);
        let (path, args) = finish(&mut config).unwrap();
        assert_eq!((path.as_str(), args), ("/init", vec!["date".to_string()]));

        let mut config =
            Config { entrypoint: words(&["id"]), ..Default::default() };
        merge(&mut config, &image);
        let (path, args) = finish(&mut config).unwrap();
        assert_eq!((path.as_str(), args.len()), ("id", 0));
    }

    #[test]
    fn an_empty_entrypoint_resets_the_images() {
        let image = ContainerConfig {
            entrypoint: words(&["/init"]),
            ..Default::default()
        };
        let mut config = Config {
            entrypoint: words(&[""]),
            cmd: words(&["date"]),
            ..Default::default()
        };
        merge(&mut config, &image);
        assert_eq!(finish(&mut config).unwrap().0, "date");
        assert_eq!(config.entrypoint, None);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_dockers_words() {
        let table = [
            (Config::default(), "no command specified"),
            (
                Config { env: words(&["=x"]), ..Default::default() },
                "invalid environment variable: =x",
            ),
            (
                Config { working_dir: "srv".into(), ..Default::default() },
                "the working directory 'srv' is invalid, it needs to be an \
                 absolute path",
            ),
            (
                Config { stop_signal: "FOO".into(), ..Default::default() },
                "invalid signal: FOO",
            ),
        ];
        for (mut config, text) in table {
            assert_eq!(finish(&mut config).unwrap_err().to_string(), text);
        }
    }
}
