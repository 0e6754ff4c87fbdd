//! `POST /containers/{id}/start`.

use std::sync::Arc;

use serde_json::Value;

use crate::engine::{Engine, HostChanges};
use crate::json;
use crate::server::exchange::MAX_JSON;
use crate::server::version::since;
use crate::server::{Access, Error, Exchange};

/// Bodies up to this length (`null`, `{}` with a line feed) say nothing, as
/// in Docker.
const LEAST: usize = 7;

/// Starts a container; before API 1.24 a host configuration comes with it.
pub fn start(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let body = exchange.body_bytes(MAX_JSON)?;
    let changes = match body.trim_ascii().len() {
        0..=LEAST => HostChanges::new(),
        _ => changes(exchange, &body)?,
    };
    engine.start_with(exchange.var("id"), changes)?;
    exchange.empty(204)
}

fn changes(exchange: &Exchange<'_>, body: &[u8]) -> Result<HostChanges, Error> {
    if exchange.speaks(since::BARE_START) {
        return Err(Error::bad_request(
            "starting container with non-empty request body was deprecated \
             since API v1.22 and removed in v1.24",
        ));
    }
    // It can make a container that owns the host.
    exchange.require(Access::Full)?;
    exchange.check_json()?;
    match json::from_slice(body) {
        Ok(Value::Object(changes)) => Ok(changes),
        Ok(_) => Err(Error::bad_request("invalid JSON: not an object")),
        Err(e) => Err(Error::bad_request(format!("invalid JSON: {e}"))),
    }
}
