//! `POST /images/create`: pull, or import.

use std::sync::Arc;

use super::parameter;
use crate::api::progress::Message;
use crate::engine::{Engine, ImportOptions, PullOptions};
use crate::server::{Error, Exchange, JSON};

/// The most bytes of an import.
const MOST_IMPORTED: u64 = 1 << 40;

/// Pulls with `fromImage`, imports with `fromSrc`.
pub fn create(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    match (query.text("fromImage"), query.text("fromSrc")) {
        ("", "") => Err(Error::bad_request("fromImage or fromSrc is needed")),
        ("", _) => import(engine, exchange),
        _ => pull(engine, exchange),
    }
}

/// What is wrong with the name is answered with its status; what goes wrong
/// later is the last message.
fn pull(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let options = PullOptions {
        name: query.text("fromImage").into(),
        tag: query.text("tag").into(),
        platform: parameter::platform(query)?,
        credentials: parameter::credentials(exchange),
    };
    let mut pull = engine.pull(options, exchange.peer_fd())?;
    let mut out = exchange.stream(JSON);
    loop {
        match pull.step(out.peer_fd()) {
            Ok(Some(messages)) => {
                for message in &messages {
                    out.json(message, "\r\n")?;
                }
            }
            Ok(None) => return Ok(()),
            Err(error) => {
                log::info!("pull: {error}");
                out.json(&Message::error(error.to_string()), "\r\n")?;
                return Ok(());
            }
        }
    }
}

fn import(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let options = ImportOptions {
        source: query.text("fromSrc").into(),
        repo: query.text("repo").into(),
        tag: query.text("tag").into(),
        message: query.text("message").into(),
        changes: query.all("changes").map(String::from).collect(),
        platform: parameter::platform(query)?,
    };
    exchange.limit_body(MOST_IMPORTED)?;
    let message = engine.import(&options, &mut exchange.body())?;
    exchange.stream(JSON).json(&message, "\r\n")?;
    Ok(())
}
