//! The addresses that clients call: bound at the start, left at the end.

use std::time::{Duration, Instant};

use super::{Error, tls};
use crate::cli::DaemonOptions;
use crate::server::accept::Accepting;
use crate::server::inherited::Inherited;
use crate::server::listen::{self, Binder, Host, Listener};

/// Where clients look for the daemon if nobody says else.
const USUAL: &str = "unix://";
/// How long requests may go on when the daemon ends.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// What dockerd says of the API at an open port.
const SAME_AS_ROOT: &str = "\n\x20        Access to the remote API is \
equivalent to root access on the host. Refer\n\x20        to the 'Docker \
daemon attack surface' section in the documentation for\n\x20        more \
information: https://docs.docker.com/go/attack-surface/\nIn future versions \
this will be a hard failure preventing the daemon from starting! Learn more \
at: https://docs.docker.com/go/api-security/";

/// Binds every address of the options; warns of those that are open to
/// other hosts.
pub(super) fn bind(
    options: &DaemonOptions,
    inherited: Inherited,
) -> Result<Vec<Listener>, Error> {
    let usual = [USUAL.to_string()];
    let hosts = match options.hosts.is_empty() {
        true => &usual[..],
        false => &options.hosts[..],
    };
    let mut binder = Binder::new(&options.group, inherited);
    binder.tls = tls::load(options)?;
    for text in hosts {
        let failed = |e| Error::Listen(text.clone(), e);
        let host = Host::parse(text).map_err(listen::Error::Address);
        binder.bind(&host.map_err(failed)?).map_err(failed)?;
    }
    let listeners = binder.finish();
    for listener in &listeners {
        let is_local = listener
            .tcp_address()
            .is_none_or(|at| at.ip().to_canonical().is_loopback());
        if let Some(what) = openness(options, listener)
            && !is_local
        {
            log::warn!(
                "[DEPRECATION NOTICE]: {what} Binding to IP address without \
                 --tlsverify is insecure and gives root access on this \
                 machine to everyone who has access to your network. host={}",
                listener.address()
            );
        }
    }
    Ok(listeners)
}

/// What `/info` says of ports that serve anybody.
pub(super) fn warnings(
    options: &DaemonOptions,
    listeners: &[Listener],
) -> Vec<String> {
    let open = listeners.iter().filter_map(|l| openness(options, l));
    open.map(|what| format!("[DEPRECATION NOTICE]: {what}{SAME_AS_ROOT}"))
        .collect()
}

/// Says how a TCP listener serves whoever can reach it, if it does.
fn openness(options: &DaemonOptions, listener: &Listener) -> Option<String> {
    let at = listener.tcp_address()?;
    match listener.is_encrypted() {
        false => Some(format!(
            "API is accessible on http://{at} without encryption."
        )),
        true if tls::verifies(options) => None,
        true => Some(format!(
            "API is accessible on https://{at} without TLS client verification."
        )),
    }
}

/// Takes no more clients, and gives those inside a moment to end.
pub(super) fn stop(accepting: &mut [Accepting]) {
    let deadline = Instant::now() + LAST_REQUESTS;
    for listener in &mut *accepting {
        listener.close();
    }
    for listener in accepting {
        let left = listener.stop(deadline);
        if left > 0 {
            log::warn!("{}: {left} requests are cut", listener.address());
        }
    }
}
