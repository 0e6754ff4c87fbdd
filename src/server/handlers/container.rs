//! Containers: the operations that answer at once.

use std::sync::Arc;

use super::parameter;
use crate::api::container::{CreateRequest, UpdateResponse};
use crate::api::host_config::HostConfig;
use crate::engine::{
    Engine, Filters, Kind, ListOptions, RemoveOptions, Sizes, StopOptions,
    WithVolumes,
};
use crate::http::query::Query;
use crate::server::version::since;
use crate::server::{Error, Exchange};

/// `POST /containers/create`.
pub fn create(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let name = exchange.query().text("name").to_string();
    let platform = parameter::platform(exchange.query())?;
    let request: CreateRequest = exchange.json_body()?.ok_or_else(|| {
        Error::bad_request(
            "config cannot be empty in order to create a container",
        )
    })?;
    let created = engine.create(&name, platform.as_ref(), request)?;
    exchange.json(201, &created)
}

/// `GET /containers/json`.
pub fn list(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let limit = parameter::integer(query, "limit")?.unwrap_or(0);
    let options = ListOptions {
        all: query.flag("all"),
        limit: usize::try_from(limit).unwrap_or(0),
        sizes: sizes(query),
        filters: Filters::parse(query.text("filters"))?,
    };
    exchange.json(200, &engine.list(&options)?)
}

/// `GET /containers/{id}/json`.
pub fn inspect(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let sizes = sizes(exchange.query());
    exchange.json(200, &engine.inspect(exchange.var("id"), sizes)?)
}

fn sizes(query: &Query) -> Sizes {
    match query.flag("size") {
        true => Sizes::Measured,
        false => Sizes::Left,
    }
}

/// `POST /containers/{id}/stop`.
pub fn stop(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let options = stop_options(exchange)?;
    let client = Some(exchange.peer_fd());
    engine.stop(exchange.var("id"), &options, client)?;
    exchange.empty(204)
}

/// `POST /containers/{id}/restart`.
pub fn restart(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let options = stop_options(exchange)?;
    let client = Some(exchange.peer_fd());
    engine.restart(exchange.var("id"), &options, client)?;
    exchange.empty(204)
}

fn stop_options(exchange: &Exchange<'_>) -> Result<StopOptions, Error> {
    let query = exchange.query();
    Ok(StopOptions {
        signal: query.text("signal").into(),
        timeout: parameter::integer(query, "t")?,
    })
}

/// `POST /containers/{id}/kill`.
pub fn kill(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let signal = exchange.query().text("signal");
    match engine.kill(exchange.var("id"), signal) {
        Err(e)
            if e.kind() == Kind::Conflict
                && !exchange.speaks(since::KILL_NEEDS_A_RUN) =>
        {
            exchange.empty(204)
        }
        done => {
            done?;
            exchange.empty(204)
        }
    }
}

/// `POST /containers/{id}/resize`.
pub fn resize(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let (rows, columns) = parameter::size(exchange.query())?;
    engine.resize(exchange.var("id"), rows, columns)?;
    exchange.empty(200)
}

/// `POST /containers/{id}/update`.
pub fn update(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let change: HostConfig = exchange.json_body()?.unwrap_or_default();
    let warnings = engine.update(exchange.var("id"), change)?;
    let warnings = Some(warnings).filter(|list| !list.is_empty());
    exchange.json(200, &UpdateResponse { warnings })
}

/// `DELETE /containers/{id}`.
pub fn remove(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    if query.flag("link") {
        engine.unlink(exchange.var("id"))?;
        return exchange.empty(204);
    }
    let options = match query.flag("force") {
        true => RemoveOptions::Force,
        false => RemoveOptions::Stopped,
    };
    let volumes = match query.flag("v") {
        true => WithVolumes::Anonymous,
        false => WithVolumes::No,
    };
    engine.remove(exchange.var("id"), options, volumes)?;
    exchange.empty(204)
}
