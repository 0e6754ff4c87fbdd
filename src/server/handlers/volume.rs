//! Volumes.

use std::sync::Arc;

use crate::api::volume::CreateVolume;
use crate::engine::{AnonymousOnly, Engine, Filters, Force};
use crate::server::version::since;
use crate::server::{Error, Exchange};

/// `GET /volumes`.
pub fn list(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let filters = Filters::parse(exchange.query().text("filters"))?;
    exchange.json(200, &engine.list_volumes(&filters)?)
}

/// `GET /volumes/{name}`.
pub fn inspect(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    exchange.json(200, &engine.inspect_volume(exchange.var("name"))?)
}

/// `POST /volumes/create`.
pub fn create(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let wanted: Option<CreateVolume> = exchange.json_body()?;
    exchange.json(201, &engine.create_volume(wanted.unwrap_or_default())?)
}

/// `DELETE /volumes/{name}`.
pub fn remove(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let force = match exchange.query().flag("force") {
        true => Force::Yes,
        false => Force::No,
    };
    engine.remove_volume(exchange.var("name"), force)?;
    exchange.empty(204)
}

/// `POST /volumes/prune`.
pub fn prune(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let filters = Filters::parse(exchange.query().text("filters"))?;
    let anonymous = match exchange.speaks(since::PRUNE_ANONYMOUS) {
        true => AnonymousOnly::Yes,
        false => AnonymousOnly::No,
    };
    exchange.json(200, &engine.prune_volumes(&filters, anonymous)?)
}
