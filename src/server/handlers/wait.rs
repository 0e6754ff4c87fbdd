//! `POST /containers/{id}/wait`.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use crate::api::container::{WaitError, WaitResponse};
use crate::engine::{Condition, Engine};
use crate::server::version::since;
use crate::server::{Error, Exchange, JSON, Waited};

/// Answers when the container has got so far. Newer clients start it when
/// they have the head, which goes out at once.
pub fn wait(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let condition = Condition::parse(exchange.query().text("condition"))?;
    let wait = engine.wait(exchange.var("id"), condition)?;
    if exchange.speaks(since::EARLY_WAIT_HEAD) {
        let mut out = exchange.stream(JSON);
        out.flush()?;
        if out.wait_with_peer(wait.as_fd(), None)? == Waited::HungUp {
            return Err(Error::hung_up());
        }
        out.json(&answer(wait.outcome()), "\n")?;
        return Ok(());
    }
    if exchange.wait_with_peer(wait.as_fd(), None)? == Waited::HungUp {
        return Err(Error::hung_up());
    }
    exchange.json(200, &answer(wait.outcome()))
}

fn answer(exit: Option<&crate::engine::Exit>) -> WaitResponse {
    let code = exit.map_or(-1, |exit| i64::from(exit.code));
    let error = exit.and_then(|exit| exit.error.clone());
    WaitResponse {
        error: error.map(|message| WaitError { message }),
        status_code: code,
    }
}
