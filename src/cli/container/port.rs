//! `port`.

use crate::cli::command::{Command, NO_FLAGS, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::Order;
use crate::cli::session::Session;

/// `port`.
pub static COMMAND: Command = Command {
    paths: &["container port", "port"],
    usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
    about: "List port mappings or a specific mapping for the container",
    words: Words::Between(1, 2),
    order: Order::Mixed,
    action: &With { flags: &[NO_FLAGS], run },
};

fn run(
    session: &mut Session,
    (): (),
    words: Vec<String>,
) -> Result<i32, Error> {
    let container = session.client()?.container(&words[0])?;
    let wanted = words.get(1).map(|port| match port.contains('/') {
        true => port.clone(),
        false => format!("{port}/tcp"),
    });
    let mut lines = Vec::new();
    for (port, bindings) in &container.network_settings.ports {
        if wanted.as_ref().is_some_and(|wanted| wanted != port) {
            continue;
        }
        for binding in bindings.iter().flatten() {
            let host = match binding.host_ip.contains(':') {
                true => format!("[{}]", binding.host_ip),
                false => binding.host_ip.clone(),
            };
            let at = format!("{host}:{}", binding.host_port);
            lines.push(match wanted {
                Some(_) => at,
                None => format!("{port} -> {at}"),
            });
        }
    }
    if let (Some(wanted), true) = (&wanted, lines.is_empty()) {
        return Err(Error::text(format!(
            "no public port '{wanted}' published for {}",
            words[0]
        )));
    }
    lines.sort();
    for line in lines {
        session.print_line(&line)?;
    }
    Ok(0)
}
