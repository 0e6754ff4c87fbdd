//! What lets the daemon be watched: metrics on an address of their own, and
//! in debug mode the routes for whoever debugs it.

use std::sync::Arc;

use super::Error;
use crate::cli::DaemonOptions;
use crate::engine::Engine;
use crate::server::inherited::Inherited;
use crate::server::listen::{self, Binder, Host, Listener};
use crate::server::{Access, Server, Settings, routes};

/// How many clients read the metrics at once.
const WORKERS: usize = 8;

/// Binds the address for metrics, if there is one.
pub(super) fn bind(options: &DaemonOptions) -> Result<Vec<Listener>, Error> {
    let address = options.metrics_addr.as_str();
    if address.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |e| Error::Listen(format!("metrics address {address}"), e);
    let host = Host::parse(&format!("tcp://{address}"));
    let host = host.map_err(|e| failed(listen::Error::Address(e)))?;
    let mut binder = Binder::new("", Inherited::default());
    binder.bind(&host).map_err(failed)?;
    let mut listeners = binder.finish();
    for listener in &mut listeners {
        listener.workers = WORKERS;
        listener.access = Access::Read;
    }
    Ok(listeners)
}

/// Makes the server of the API and that of its metrics.
pub(super) fn servers(
    engine: &Arc<Engine>,
    settings: Settings,
) -> (Server<Arc<Engine>>, Server<Arc<Engine>>) {
    let tables: &[_] = match settings.debug {
        true => &[routes::ROUTES, routes::DEBUG],
        false => &[routes::ROUTES],
    };
    let api = Server::of_tables(engine.clone(), tables, settings.clone());
    let metrics = Server::new(engine.clone(), routes::METRICS, settings);
    let metrics = metrics.showing(api.statistics());
    (api, metrics)
}
