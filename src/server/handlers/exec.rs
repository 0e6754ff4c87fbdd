//! `/containers/{id}/exec` and `/exec/{id}/…`.

use std::sync::Arc;

use super::parameter;
use crate::api::exec::{ExecConfig, ExecCreateResponse, ExecStart};
use crate::engine::{Connection, Engine, ExecOptions, Framing};
use crate::server::version::since;
use crate::server::{Error, Exchange, Hijack, Hijacked};

/// `POST /containers/{id}/exec`.
pub fn create(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let mut config: ExecConfig = exchange.json_body()?.unwrap_or_default();
    if !exchange.speaks(since::EXEC_SIZE) {
        config.console_size = None;
    }
    let id = engine.exec_create(exchange.var("id"), config)?;
    exchange.json(201, &ExecCreateResponse { id })
}

/// `POST /exec/{id}/start`: detached, or on the client's own connection.
pub fn start(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let body: ExecStart = exchange.json_body()?.unwrap_or_default();
    let sized = body.tty && exchange.speaks(since::EXEC_SIZE);
    let options = ExecOptions {
        framing: match body.tty {
            true => Framing::Raw,
            false => Framing::Multiplexed,
        },
        size: body.console_size.filter(|_| sized),
    };
    let started = engine.exec_start(exchange.var("id"), options)?;
    if body.detach {
        engine.exec_detached(started)?;
        return exchange.empty(200);
    }
    let framing = match options.framing {
        Framing::Raw => Hijack::Raw,
        Framing::Multiplexed => Hijack::Multiplexed,
    };
    engine.exec_attached(started, || {
        let Hijacked { socket, early, head } = exchange.hijack(framing)?;
        Ok(Connection { socket, early, greeting: head })
    })
}

/// `POST /exec/{id}/resize`.
pub fn resize(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let (rows, columns) = parameter::size(exchange.query())?;
    engine.exec_resize(exchange.var("id"), rows, columns)?;
    exchange.empty(200)
}

/// `GET /exec/{id}/json`.
pub fn inspect(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let found = engine.exec_inspect(exchange.var("id"))?;
    exchange.json(200, &found)
}
