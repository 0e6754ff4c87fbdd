//! From a container's `LogConfig` to what its monitor writes and sends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Record;
use crate::dns;
use crate::engine::pattern::Pattern;
use crate::engine::{Engine, Error, Result};
use crate::id;
use crate::logs::{self, Form, Remote};
use crate::units;

/// The size of a file where none was asked for (`local`, and the copies of
/// drivers that keep nothing themselves).
const FILE_SIZE: u64 = 20_000_000;

/// How many files are kept where no number was asked for.
const FILES: u32 = 5;

/// Bytes that wait for a logging service where no other number was asked
/// for.
const ROOM: u64 = 1 << 20;

/// How long the look-up of a logging service's name may take.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Where the journal listens.
const JOURNAL: &str = "/run/systemd/journal/socket";

/// Reads Go's words for true and false; empty is false.
pub fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Checks a tag's template.
pub fn check_tag(text: &str) -> std::result::Result<(), String> {
    expand(text, |name| FIELDS.contains(&name).then(String::new)).map(|_| ())
}

/// Checks a regular expression.
pub fn check_pattern(text: &str) -> std::result::Result<(), String> {
    match Pattern::parse(text) {
        Ok(_) => Ok(()),
        Err(why) => Err(format!("error parsing regexp: {why}")),
    }
}

/// Checks the address of a syslog service.
pub fn check_address(text: &str) -> std::result::Result<(), String> {
    let form = "syslog-address should be in form proto://address, got ";
    match text.split_once("://") {
        None if text.is_empty() => Ok(()),
        None => Err(format!("{form}{text}")),
        Some(("tcp+tls", _)) => Err("this engine does not speak TLS to \
             syslog services: tcp+tls is not supported"
            .into()),
        Some(("udp" | "tcp" | "unix" | "unixgram", rest))
            if !rest.is_empty() =>
        {
            Ok(())
        }
        Some(("udp" | "tcp" | "unix" | "unixgram", _)) => {
            Err(format!("{form}{text}"))
        }
        Some((scheme, _)) => Err(format!("unsupported scheme: '{scheme}'")),
    }
}

/// Reads a facility, by its name or number.
pub fn facility(text: &str) -> Option<u32> {
    const NAMES: [&str; 24] = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
        "uucp", "cron", "authpriv", "ftp", "", "", "", "", "local0", "local1",
        "local2", "local3", "local4", "local5", "local6", "local7",
    ];
    if text.is_empty() {
        return Some(3 << 3);
    }
    let by_name = NAMES.iter().position(|name| *name == text);
    let number = by_name.or_else(|| text.parse().ok().filter(|n| *n < 24))?;
    Some((number as u32) << 3)
}

/// Reads a form of syslog messages.
pub fn form(text: &str) -> Option<Form> {
    Some(match text {
        "" => Form::Local,
        "rfc3164" => Form::Rfc3164,
        "rfc5424" => Form::Rfc5424,
        "rfc5424micro" => Form::Rfc5424Micro,
        _ => return None,
    })
}

/// What a tag's template may name.
const FIELDS: [&str; 8] = [
    "ID",
    "FullID",
    "Name",
    "ImageID",
    "ImageFullID",
    "ImageName",
    "Command",
    "DaemonName",
];

/// Replaces `{{.Name}}` and the like.
fn expand(
    template: &str,
    value: impl Fn(&str) -> Option<String>,
) -> std::result::Result<String, String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((text, inside)) = rest.split_once("{{") {
        let unclosed = || "template: log-tag:1: unclosed action".to_string();
        let (inside, after) = inside.split_once("}}").ok_or_else(unclosed)?;
        let name = inside.trim();
        let found = name.strip_prefix('.').and_then(&value);
        out.push_str(text);
        out.push_str(&found.ok_or_else(|| {
            format!("template: log-tag:1: can't evaluate field {name}")
        })?);
        rest = after;
    }
    Ok(out + rest)
}

impl Engine {
    /// Returns how a container's log is kept, for those who read it.
    pub(super) fn log_config(&self, record: &Record) -> logs::Config {
        let log = &record.host_config.log_config;
        let options = &log.config;
        let of = |key: &str| options.get(key).map_or("", String::as_str);
        let directory = self.store.container_dir(&record.id);
        let sends = matches!(log.driver.as_str(), "syslog" | "journald");
        let key = |name: &str| match sends {
            true => format!("cache-{name}"),
            false => name.to_string(),
        };
        let keeps = match log.driver.as_str() {
            "none" => false,
            _ => !sends || truth(of("cache-disabled")) != Some(true),
        };
        let path = match log.driver.as_str() {
            "json-file" => self.log_path(record),
            "local" => directory.join("container.log"),
            _ => directory.join("container-cached.log"),
        };
        let is_plain = log.driver == "json-file";
        let files = of(&key("max-file")).parse().ok();
        let compresses = match of(&key("compress")) {
            "" => !is_plain,
            text => truth(text) == Some(true),
        };
        let max_file = files.unwrap_or(match of(&key("max-size")) {
            // Docker's default, for who knows the size.
            text if is_plain && !text.is_empty() => 1,
            _ => FILES,
        });
        let max_size = match of(&key("max-size")) {
            "" if is_plain => logs::default_size(&directory, max_file),
            "" => Some(FILE_SIZE),
            text => units::parse_decimal_size(text)
                .and_then(|size| u64::try_from(size).ok()),
        };
        logs::Config {
            driver: match keeps {
                true => logs::Driver::JsonFile,
                false => logs::Driver::None,
            },
            max_size,
            max_file,
            compress: compresses && max_file > 1,
            ..logs::Config::json_file(path)
        }
    }

    /// Returns how a container's output is logged, for its monitor.
    pub(super) fn log_target(&self, record: &Record) -> Result<logs::Config> {
        let log = &record.host_config.log_config;
        let mut config = self.log_config(record);
        let of = |key: &str| log.config.get(key).map_or("", String::as_str);
        let failed = |why: String| {
            Error::Internal(format!(
                "failed to create task for container: failed to initialize \
                 logging driver: {why}"
            ))
        };
        config.attrs = attributes(record);
        let sends = matches!(log.driver.as_str(), "syslog" | "journald");
        let template = match of("tag") {
            "" if sends => "{{.ID}}",
            text => text,
        };
        let tag = self.tag(template, record).map_err(failed)?;
        if !sends {
            if !tag.is_empty() {
                config.attrs.insert("tag".into(), tag);
            }
            return Ok(config);
        }
        let room = units::parse_size(of("max-buffer-size"));
        let room = room.and_then(|n| u64::try_from(n).ok()).unwrap_or(ROOM);
        let mut remote = Remote { tag, room, ..Remote::default() };
        if log.driver == "journald" {
            remote.form = Form::Journal;
            remote.protocol = "unixgram".into();
            remote.address = JOURNAL.into();
            remote.fields = self.fields(record, &remote.tag, &config.attrs);
        } else {
            remote.form = form(of("syslog-format")).unwrap_or_default();
            remote.facility = facility(of("syslog-facility")).unwrap_or(24);
            remote.hostname = self.host.name();
            (remote.protocol, remote.address) =
                address(of("syslog-address")).map_err(failed)?;
        }
        config.remote = Some(remote);
        Ok(config)
    }

    fn tag(
        &self,
        template: &str,
        record: &Record,
    ) -> std::result::Result<String, String> {
        expand(template, |name| {
            Some(match name {
                "ID" => id::short(&record.id).to_string(),
                "FullID" => record.id.clone(),
                "Name" => record.name.clone(),
                "ImageID" => record.image.short(),
                "ImageFullID" => record.image.to_string(),
                "ImageName" => record.config.image.clone(),
                "Command" => {
                    let mut words = vec![record.path.clone()];
                    words.extend(record.args.iter().cloned());
                    words.join(" ")
                }
                "DaemonName" => "docker".into(),
                _ => return None,
            })
        })
    }

    /// The fields of each message to the journal.
    fn fields(
        &self,
        record: &Record,
        tag: &str,
        attrs: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        // The journal's rule for names: capitals, digits, underscores.
        let sanitize = |key: &String| {
            let fits = |c: char| match c.is_ascii_alphanumeric() {
                true => c.to_ascii_uppercase(),
                false => '_',
            };
            let name: String = key.chars().map(fits).collect();
            name.trim_start_matches('_').to_string()
        };
        let mut fields: BTreeMap<String, String> = attrs
            .iter()
            .map(|(key, value)| (sanitize(key), value.clone()))
            .collect();
        let own = [
            ("CONTAINER_ID", id::short(&record.id)),
            ("CONTAINER_ID_FULL", &record.id),
            ("CONTAINER_NAME", &record.name),
            ("CONTAINER_TAG", tag),
            ("IMAGE_NAME", &record.config.image),
            ("SYSLOG_IDENTIFIER", tag),
        ];
        fields.extend(own.map(|(k, v)| (k.to_string(), v.to_string())));
        fields
    }
}

/// The labels and variables that stand beside each line.
fn attributes(record: &Record) -> BTreeMap<String, String> {
    let options = &record.host_config.log_config.config;
    let of = |key: &str| options.get(key).map_or("", String::as_str);
    let mut attrs = BTreeMap::new();
    let mut add = |list: &str, pattern: &str, pairs: Vec<(&str, &str)>| {
        let listed: Vec<&str> = of(list).split(',').collect();
        let pattern = match of(pattern) {
            "" => None,
            text => Pattern::parse(text).ok(),
        };
        for (key, value) in pairs {
            let fits = pattern.as_ref().is_some_and(|p| p.fits(key));
            if fits || listed.contains(&key) && !of(list).is_empty() {
                attrs.insert(key.to_string(), value.to_string());
            }
        }
    };
    let labels = record.config.labels.iter().flatten();
    let labels = labels.map(|(k, v)| (k.as_str(), v.as_str())).collect();
    add("labels", "labels-regex", labels);
    let env = record.config.env.iter().flatten();
    let env = env.filter_map(|word| word.split_once('=')).collect();
    add("env", "env-regex", env);
    attrs
}

/// Takes the address of a syslog service apart, and looks its name up.
fn address(text: &str) -> std::result::Result<(String, String), String> {
    let Some((protocol, rest)) = text.split_once("://") else {
        let local = ["/dev/log", "/var/run/syslog", "/var/run/log"];
        let there = |path: &&str| std::path::Path::new(path).exists();
        let path = local.into_iter().find(there).unwrap_or("/dev/log");
        return Ok(("unixgram".into(), path.into()));
    };
    if protocol.starts_with("unix") {
        return Ok((protocol.into(), rest.into()));
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (rest, "514"),
    };
    let port: u16 =
        port.parse().map_err(|_| format!("address {rest}: invalid port"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = dns::resolve(host, Instant::now() + LOOK_UP);
    let lost = || format!("dial {protocol}: lookup {host}: no such host");
    let ip = found.ok().and_then(|all| all.first().copied());
    let ip = ip.ok_or_else(lost)?;
    Ok((protocol.into(), std::net::SocketAddr::new(ip, port).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_name_what_there_is() {
        let value = |name: &str| (name == "ID").then(|| "x".to_string());
        assert_eq!(expand("a/{{ .ID }}/b", value), Ok("a/x/b".into()));
        assert!(expand("{{.ID", value).is_err());
        assert!(check_tag("{{.Nosuch}}").is_err());
        assert!(check_tag("{{.Name}}/{{.FullID}}").is_ok());
    }

    #[test]
    fn addresses_have_a_protocol_and_a_port() {
        let of = |text| address(text).unwrap();
        let pair = |a: &str, b: &str| (a.to_string(), b.to_string());
        assert_eq!(of("udp://127.0.0.1"), pair("udp", "127.0.0.1:514"));
        assert_eq!(of("tcp://[::1]:99"), pair("tcp", "[::1]:99"));
        assert_eq!(of("unix:///a/b"), pair("unix", "/a/b"));
        assert!(address("tcp://127.0.0.1:x").is_err());
        assert_eq!(facility("local7"), Some(23 << 3));
        assert_eq!(facility("24"), None);
    }
}
