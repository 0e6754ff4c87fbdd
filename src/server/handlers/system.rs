//! `GET /version` and `GET /info`.

use std::sync::{Arc, OnceLock};

use crate::engine::Engine;
use crate::server::{Error, Exchange, JSON};

/// Answers what this engine is. That never changes, and clients ask often:
/// the text is made once.
pub fn version(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    static TEXT: OnceLock<Vec<u8>> = OnceLock::new();
    let text = TEXT.get_or_init(|| {
        let mut text = serde_json::to_vec(&engine.version())
            .expect("plain data has a JSON form");
        text.push(b'\n');
        text
    });
    exchange.bytes(200, JSON, text)
}

/// Answers how this engine and its host are.
pub fn info(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    exchange.json(200, &engine.info()?)
}
