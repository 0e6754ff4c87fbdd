//! `GET` and `POST /debug/pprof/symbol`.

use std::sync::Arc;

use super::text;
use crate::engine::Engine;
use crate::server::{Error, Exchange};

/// The most bytes of addresses.
const MAX_BODY: u64 = 1 << 20;

/// Says that names can be asked for, which Go's tool wants to hear, and gives
/// none: they stand in the file of symbols beside the program.
pub fn symbol(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    exchange.body_bytes(MAX_BODY)?;
    text(exchange, "num_symbols: 1\n")
}
