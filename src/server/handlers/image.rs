//! Images: list, inspect, remove.

use std::sync::Arc;

use super::parameter;
use crate::engine::{Engine, Filters, Force, ImageListOptions};
use crate::server::{Error, Exchange};

/// `GET /images/json`.
pub fn list(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let mut filters = Filters::parse(query.text("filters"))?;
    let name = query.text("filter");
    if !name.is_empty() {
        filters.add("reference", name);
    }
    let options = ImageListOptions {
        all: query.flag("all"),
        shared_size: query.flag("shared-size"),
        filters,
    };
    exchange.json(200, &engine.images(&options)?)
}

/// `GET /images/{name}/json`.
pub fn inspect(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let platform = parameter::platform(exchange.query())?;
    if platform.is_some() && exchange.query().flag("manifests") {
        return Err(Error::bad_request(
            "conflicting options: manifests and platform options cannot both \
             be set",
        ));
    }
    let name = exchange.var("name");
    exchange.json(200, &engine.inspect_image(name, platform.as_ref())?)
}

/// `DELETE /images/{name}`.
pub fn remove(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let force = match exchange.query().flag("force") {
        true => Force::Yes,
        false => Force::No,
    };
    let done = engine.remove_image(exchange.var("name"), force)?;
    exchange.json(200, &done)
}
