//! `POST /containers/{id}/attach` and `GET /containers/{id}/attach/ws`.

use std::sync::Arc;

use crate::engine::{AttachOptions, Connection, Engine, Framing, Streams};
use crate::server::version::since;
use crate::server::{Access, Error, Exchange, Frames, Hijack, Hijacked};

/// Hands the client's connection to the container. The engine has no part
/// in it from then on.
pub fn attach(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let is_live = query.flag("stream");
    let streams = Streams {
        stdin: is_live && query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
    };
    if streams.stdin {
        exchange.require(Access::Full)?;
    }
    let options = AttachOptions {
        streams,
        logs: query.flag("logs"),
        live: is_live,
        detach_keys: query.text("detachKeys").into(),
    };
    let attach = engine.attach(exchange.var("id"), options)?;
    let framing = match attach.framing {
        Framing::Raw => Hijack::Raw,
        Framing::Multiplexed => Hijack::Multiplexed,
    };
    engine.connect_attached(attach, || {
        let Hijacked { socket, early, head } = exchange.hijack(framing)?;
        Ok(Connection { socket, early, greeting: head })
    })
}

/// The same over a WebSocket: what the container prints is not framed but by
/// that, whether it has a terminal or not.
pub fn websocket(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let wants = |name: &str| {
        !exchange.speaks(since::WEBSOCKET_STREAMS) || query.flag(name)
    };
    let is_live = query.flag("stream");
    let options = AttachOptions {
        streams: Streams {
            stdin: is_live && wants("stdin"),
            stdout: wants("stdout"),
            stderr: wants("stderr"),
        },
        logs: query.flag("logs"),
        live: is_live,
        detach_keys: query.text("detachKeys").into(),
    };
    let frames = match exchange.speaks(since::BINARY_FRAMES) {
        true => Frames::Binary,
        false => Frames::Text,
    };
    let mut attach = engine.attach(exchange.var("id"), options)?;
    attach.framing = Framing::Raw;
    engine.connect_attached(attach, || {
        let Hijacked { socket, early, head } = exchange.websocket(frames)?;
        Ok(Connection { socket, early, greeting: head })
    })
}
