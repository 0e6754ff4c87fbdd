//! `GET /version` and `GET /info`.

use std::sync::Arc;

use crate::engine::Engine;
use crate::server::{Error, Exchange};

/// Answers what this engine is.
pub fn version(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    exchange.json(200, &engine.version())
}

/// Answers how this engine and its host are.
pub fn info(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    exchange.json(200, &engine.info()?)
}
