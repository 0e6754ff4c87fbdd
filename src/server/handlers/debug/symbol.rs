//! `GET` and `POST /debug/pprof/symbol`.

use std::sync::Arc;

use super::text;
use crate::engine::Engine;
use crate::server::{Error, Exchange};

/// The most bytes of addresses.
const MAX_BODY: u64 = 1 << 20;

/// Says that names could be asked for, and of each address that it has none
/// here: they stand in the file of symbols beside the program.
pub fn symbol(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    exchange.body_bytes(MAX_BODY)?;
    text(exchange, "num_symbols: 1\n")
}
