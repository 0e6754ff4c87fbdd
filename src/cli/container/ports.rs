//! Published ports as `ps` shows them.

use crate::api::network::Port;

/// Shows ports, neighbours as ranges:
/// `0.0.0.0:8000-8001->80-81/tcp, 443/tcp`.
pub fn show(ports: &[Port]) -> String {
    let mut sorted: Vec<&Port> = ports.iter().collect();
    sorted.sort_by(|a, b| {
        (a.private_port, &a.ip, a.public_port, &a.protocol).cmp(&(
            b.private_port,
            &b.ip,
            b.public_port,
            &b.protocol,
        ))
    });
    let mut runs: Vec<Run<'_>> = Vec::new();
    let mut single = Vec::new();
    for port in sorted {
        if port.public_port != 0 && port.public_port != port.private_port {
            single.push(published(port));
            continue;
        }
        let open = runs.iter_mut().find(|run| {
            run.first.ip == port.ip
                && run.first.protocol == port.protocol
                && (run.first.public_port != 0) == (port.public_port != 0)
                && (run.last == port.private_port
                    || run.last.checked_add(1) == Some(port.private_port))
        });
        match open {
            Some(run) => run.last = port.private_port,
            None => runs.push(Run { first: port, last: port.private_port }),
        }
    }
    let mut runs: Vec<_> = runs.iter().map(Run::show).collect();
    runs.sort_by_key(|(order, _)| order.clone());
    let shown = runs.into_iter().map(|(_, text)| text);
    shown.chain(single).collect::<Vec<_>>().join(", ")
}

/// Ports in a row.
struct Run<'a> {
    first: &'a Port,
    last: u16,
}

impl Run<'_> {
    fn show(&self) -> ((u16, String), String) {
        let Run { first, last } = self;
        let range = match first.private_port == *last {
            true => last.to_string(),
            false => format!("{}-{last}", first.private_port),
        };
        let text = match first.public_port {
            0 => format!("{range}/{}", first.protocol),
            _ => {
                let host = host(&first.ip);
                format!("{host}:{range}->{range}/{}", first.protocol)
            }
        };
        ((first.private_port, first.ip.clone()), text)
    }
}

fn published(port: &Port) -> String {
    let Port { public_port, private_port, protocol, .. } = port;
    format!("{}:{public_port}->{private_port}/{protocol}", host(&port.ip))
}

fn host(ip: &str) -> String {
    match ip.contains(':') {
        true => format!("[{ip}]"),
        false => ip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(ip: &str, public_port: u16, private_port: u16) -> Port {
        let protocol = "tcp".to_owned();
        Port { ip: ip.to_owned(), public_port, private_port, protocol }
    }

    #[test]
    fn ports_are_shown_as_docker_shows_them() {
        assert_eq!(show(&[]), "");
        assert_eq!(show(&[port("", 0, 80)]), "80/tcp");
        assert_eq!(
            show(&[port("0.0.0.0", 18080, 80), port("::", 18080, 80)]),
            "0.0.0.0:18080->80/tcp, [::]:18080->80/tcp"
        );
        assert_eq!(
            show(&[port("", 0, 82), port("", 0, 81), port("", 0, 80)]),
            "80-82/tcp"
        );
        assert_eq!(
            show(&[port("1.1.1.1", 80, 80), port("1.1.1.1", 81, 81)]),
            "1.1.1.1:80-81->80-81/tcp"
        );
    }
}
