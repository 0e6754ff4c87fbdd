//! The addresses that clients call: bound at the start, left at the end.

use std::time::{Duration, Instant};

use super::Error;
use crate::cli::DaemonOptions;
use crate::server::accept::Accepting;
use crate::server::listen::{self, Host};

/// Where clients look for the daemon if nobody says else.
const SOCKET: &str = "unix:///var/run/docker.sock";
/// How long requests may go on when the daemon ends.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Binds every address of the options.
pub(super) fn bind(
    options: &DaemonOptions,
) -> Result<Vec<listen::Listener>, Error> {
    let usual = [SOCKET.to_string()];
    let hosts = match options.hosts.is_empty() {
        true => &usual[..],
        false => &options.hosts[..],
    };
    let mut listeners = Vec::new();
    for text in hosts {
        let failed = |e| Error::Listen(text.clone(), e);
        let host = Host::parse(text).map_err(failed)?;
        if let listen::Address::Tcp { host: name, .. } = &host.address
            && !is_loopback(name)
        {
            log::warn!(
                "[DEPRECATION NOTICE] API is accessible on {text} without \
                 encryption. Access to the remote API is equivalent to root \
                 access on the host."
            );
        }
        listeners.extend(listen::bind(&host, &options.group).map_err(failed)?);
    }
    Ok(listeners)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Takes no more clients, and gives those inside a moment to end.
pub(super) fn stop(accepting: &mut [Accepting]) {
    let deadline = Instant::now() + LAST_REQUESTS;
    for listener in accepting {
        let left = listener.stop(deadline);
        if left > 0 {
            log::warn!("{}: {left} requests are cut", listener.address());
        }
    }
}
