//! Files of containers: archive, copy, changes, export, and commit.

use std::io::Write;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::api::container::Config;
use crate::api::files::{CommitResponse, CopyConfig, PathStat};
use crate::engine::{CommitOptions, Engine, PutOptions, Top};
use crate::server::{Error, Exchange};

/// The media type of a tar.
const TAR: &str = "application/x-tar";

/// The header that tells what stands at the path.
const STAT: &str = "X-Docker-Container-Path-Stat";

/// The most bytes of an archive that is put.
const MOST_PUT: u64 = 1 << 40;

/// The path, which must be there.
fn path(exchange: &Exchange<'_>) -> Result<String, Error> {
    match exchange.query().text("path") {
        "" => Err(Error::bad_request("bad parameter: path cannot be empty")),
        path => Ok(path.to_string()),
    }
}

fn encoded(stat: &PathStat) -> String {
    let json = serde_json::to_vec(stat).unwrap_or_default();
    STANDARD.encode(json)
}

/// `HEAD /containers/{id}/archive`.
pub fn stat(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let path = path(exchange)?;
    let stat = engine.stat_path(exchange.var("id"), &path)?;
    exchange.set_header(STAT, encoded(&stat));
    exchange.empty(200)
}

/// `GET /containers/{id}/archive`.
pub fn get(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let path = path(exchange)?;
    let id = exchange.var("id");
    engine.get_archive(id, &path, Top::Included, |stat| {
        exchange.set_header(STAT, encoded(stat));
        Ok::<_, Error>(exchange.stream(TAR))
    })
}

/// `PUT /containers/{id}/archive`.
pub fn put(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let path = path(exchange)?;
    let query = exchange.query();
    let options = PutOptions {
        keeps_kinds: query.flag("noOverwriteDirNonDir"),
        to_user: query.flag("copyUIDGID"),
    };
    exchange.limit_body(MOST_PUT)?;
    let id = exchange.var("id");
    engine.put_archive(id, &path, options, &mut exchange.body())?;
    exchange.empty(200)
}

/// `POST /containers/{id}/copy`, which old clients know.
pub fn copy(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let asked: CopyConfig = exchange.json_body()?.unwrap_or_default();
    if asked.resource.is_empty() {
        return Err(Error::bad_request("Path cannot be empty"));
    }
    let id = exchange.var("id");
    engine.get_archive(id, &asked.resource, Top::LeftOut, |_| {
        Ok::<_, Error>(exchange.stream(TAR))
    })
}

/// `GET /containers/{id}/changes`.
pub fn changes(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let changes = engine.changes(exchange.var("id"))?;
    exchange.json(200, &changes)
}

/// `GET /containers/{id}/export`.
pub fn export(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let id = exchange.var("id");
    engine.container(id)?;
    let mut out = exchange.stream("application/octet-stream");
    engine.export(id, &mut out)?;
    out.flush().map_err(Error::lost)
}

/// `POST /commit`.
pub fn commit(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let config: Option<Config> = exchange.json_body()?;
    let query = exchange.query();
    let options = CommitOptions {
        container: query.text("container").into(),
        repo: query.text("repo").into(),
        tag: query.text("tag").into(),
        comment: query.text("comment").into(),
        author: query.text("author").into(),
        changes: query.all("changes").map(String::from).collect(),
        pause: query.text("pause").is_empty() || query.flag("pause"),
        config,
    };
    if options.container.is_empty() {
        return Err(Error::bad_request("invalid name or ID supplied: \"\""));
    }
    let id = engine.commit(&options)?;
    exchange.json(201, &CommitResponse { id })
}
