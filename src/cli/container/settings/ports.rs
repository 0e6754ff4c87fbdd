//! Ports: `-p` and `--expose`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::api::container::Empty;
use crate::api::network::PortBinding;

/// Ports that a container shows, and where the host shows them.
pub type Exposed = BTreeMap<String, Empty>;
/// Where the host shows each of the container's ports.
pub type Bindings = BTreeMap<String, Option<Vec<PortBinding>>>;

/// Reads all `-p` and `--expose`.
pub fn read(
    publish: &[String],
    expose: &[String],
) -> Result<(Exposed, Bindings), String> {
    let (mut exposed, mut bindings) = (Exposed::new(), Bindings::new());
    for word in publish {
        let word = match word.contains('=') {
            true => long_form(word)?,
            false => word.clone(),
        };
        for (port, binding) in published(&word)? {
            exposed.insert(port.clone(), Empty {});
            let list = bindings.entry(port).or_insert_with(|| Some(Vec::new()));
            list.get_or_insert_default().push(binding);
        }
    }
    for word in expose {
        if word.contains(':') {
            return Err(format!("invalid port format for --expose: {word}"));
        }
        let (ports, protocol) = protocol(word);
        let (low, high) = range(ports).map_err(|reason| {
            format!(
                "invalid range format for --expose: {word}, error: {reason}"
            )
        })?;
        for port in low..=high {
            exposed.insert(format!("{port}/{protocol}"), Empty {});
        }
    }
    Ok((exposed, bindings))
}

/// Turns `published=8080,target=80,protocol=udp` into the short form.
fn long_form(word: &str) -> Result<String, String> {
    let (mut published, mut target) = ("", "");
    let mut protocol = "tcp";
    for field in word.split(',') {
        match field.split_once('=') {
            Some(("published", value)) => published = value,
            Some(("target", value)) => target = value,
            Some(("protocol", value)) => protocol = value,
            Some(("mode", _)) => {}
            _ => return Err(format!("invalid field {field}")),
        }
    }
    match published.is_empty() {
        true => Ok(format!("{target}/{protocol}")),
        false => Ok(format!("{published}:{target}/{protocol}")),
    }
}

fn protocol(word: &str) -> (&str, String) {
    let (port, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    let protocol = if protocol.is_empty() { "tcp" } else { protocol };
    (port, protocol.to_lowercase())
}

/// Reads `[ip:][host]:container[/protocol]`, each port perhaps a range.
fn published(word: &str) -> Result<Vec<(String, PortBinding)>, String> {
    let (ports, protocol) = protocol(word);
    let mut parts = ports.rsplitn(3, ':');
    let container = parts.next().unwrap_or_default();
    let host = parts.next().unwrap_or_default();
    let ip = parts.next().unwrap_or_default();
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
    let ip = bare.unwrap_or(ip);
    if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
        return Err(format!("invalid IP address: {ip}"));
    }
    if container.is_empty() {
        return Err(format!("no port specified: {word}<empty>"));
    }
    let (low, high) = range(container)
        .map_err(|_| format!("invalid containerPort: {container}"))?;
    let hosts = match host.is_empty() {
        true => None,
        false => {
            Some(range(host).map_err(|_| format!("invalid hostPort: {host}"))?)
        }
    };
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("invalid proto: {protocol}"));
    }
    if let Some((first, last)) = hosts
        && last - first != high - low
        && low != high
    {
        return Err(format!(
            "invalid ranges specified for container and host Ports: \
             {container} and {host}"
        ));
    }
    let bind = |port: u16| {
        let host_port = match hosts {
            None => String::new(),
            Some((first, last)) if low == high && first != last => {
                format!("{first}-{last}")
            }
            Some((first, _)) => (first + (port - low)).to_string(),
        };
        let binding = PortBinding { host_ip: ip.to_owned(), host_port };
        (format!("{port}/{protocol}"), binding)
    };
    Ok((low..=high).map(bind).collect())
}

/// Reads a port or a range of them.
fn range(word: &str) -> Result<(u16, u16), String> {
    if word.is_empty() {
        return Err("empty string specified for ports".to_owned());
    }
    let number = |word: &str| {
        let wide: Result<u64, _> = word.parse();
        match (word.parse::<u16>(), wide) {
            (Ok(port), _) => Ok(port),
            (Err(_), Ok(_)) => Err(format!(
                "strconv.ParseUint: parsing \"{word}\": value out of range"
            )),
            _ => Err(format!(
                "strconv.ParseUint: parsing \"{word}\": invalid syntax"
            )),
        }
    };
    let (low, high) = word.split_once('-').unwrap_or((word, word));
    let (low, high) = (number(low)?, number(high)?);
    match high < low {
        true => Err(format!("invalid range specified for port: {word}")),
        false => Ok((low, high)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(publish: &[&str], expose: &[&str]) -> Result<String, String> {
        let own = |words: &[&str]| {
            words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
        };
        let (exposed, bindings) = read(&own(publish), &own(expose))?;
        let mut out = exposed.into_keys().collect::<Vec<_>>().join(" ");
        for (port, list) in bindings {
            for binding in list.unwrap() {
                out.push_str(&format!(
                    " | {}:{}->{port}",
                    binding.host_ip, binding.host_port
                ));
            }
        }
        Ok(out)
    }

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        let cases = [
            ("80", "80/tcp | :->80/tcp"),
            ("8080:80", "80/tcp | :8080->80/tcp"),
            ("8080:80/UDP", "80/udp | :8080->80/udp"),
            ("127.0.0.1::80", "80/tcp | 127.0.0.1:->80/tcp"),
            ("[::1]:1:2", "2/tcp | ::1:1->2/tcp"),
            ("::1:1:2", "2/tcp | ::1:1->2/tcp"),
            ("8000-8001:80", "80/tcp | :8000-8001->80/tcp"),
            ("5-6:7-8", "7/tcp 8/tcp | :5->7/tcp | :6->8/tcp"),
            ("published=1,target=2,protocol=udp", "2/udp | :1->2/udp"),
        ];
        for (word, expected) in cases {
            assert_eq!(shown(&[word], &[]).as_deref(), Ok(expected), "{word}");
        }
        assert_eq!(
            shown(&[], &["80", "1-2/udp"]).as_deref(),
            Ok("1/udp 2/udp 80/tcp")
        );
    }

    #[test]
    fn bad_ports_are_refused_in_dockers_words() {
        let cases = [
            ("80:foo", "invalid containerPort: foo"),
            ("99999:80", "invalid hostPort: 99999"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("1:2/foo", "invalid proto: foo"),
            (
                "1-2:3-5",
                "invalid ranges specified for container and host Ports: 3-5 \
                 and 1-2",
            ),
        ];
        for (word, error) in cases {
            assert_eq!(shown(&[word], &[]).unwrap_err(), error);
        }
        assert_eq!(
            shown(&[], &["foo"]).unwrap_err(),
            "invalid range format for --expose: foo, error: \
             strconv.ParseUint: parsing \"foo\": invalid syntax"
        );
    }
}
