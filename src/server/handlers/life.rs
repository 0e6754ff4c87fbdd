//! Containers: pause, rename, prune and top.

use std::sync::Arc;

use crate::engine::{Engine, Filters};
use crate::server::{Error, Exchange};

/// `POST /containers/{id}/pause`.
pub fn pause(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    engine.pause(exchange.var("id"))?;
    exchange.empty(204)
}

/// `POST /containers/{id}/unpause`.
pub fn unpause(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    engine.unpause(exchange.var("id"))?;
    exchange.empty(204)
}

/// `POST /containers/{id}/rename`.
pub fn rename(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    engine.rename(exchange.var("id"), exchange.query().text("name"))?;
    exchange.empty(204)
}

/// `POST /containers/prune`.
pub fn prune(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let filters = Filters::parse(exchange.query().text("filters"))?;
    exchange.json(200, &engine.prune(&filters)?)
}

/// `GET /containers/{id}/top`.
pub fn top(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let options = exchange.query().text("ps_args");
    exchange.json(200, &engine.top(exchange.var("id"), options)?)
}
