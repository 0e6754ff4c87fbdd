//! Images: list, inspect, remove.

use std::sync::Arc;

use crate::engine::{Engine, Filters, Force, ImageListOptions};
use crate::server::{Error, Exchange};

/// `GET /images/json`.
pub fn list(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let mut filters = Filters::parse(query.text("filters"))?;
    // Up to API 1.24 a name could be asked for by a parameter of its own.
    let name = query.text("filter");
    if !name.is_empty() && !exchange.speaks(25) {
        filters.add("reference", name);
    }
    let options = ImageListOptions {
        all: query.flag("all"),
        shared_size: query.flag("shared-size"),
        filters,
    };
    let mut rows = engine.images(&options)?;
    if !exchange.speaks(44) {
        rows.iter_mut().for_each(|row| row.virtual_size = row.size);
    }
    exchange.json(200, &rows)
}

/// `GET /images/{name}/json`.
pub fn inspect(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let mut image = engine.inspect_image(exchange.var("name"))?;
    if !exchange.speaks(44) {
        image.virtual_size = image.size;
    }
    exchange.json(200, &image)
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
