//! `GET /containers/{id}/stats`.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::Engine;
use crate::server::{Error, Exchange, JSON, Waited};

/// The time between two samples.
const PERIOD: Duration = Duration::from_secs(1);

/// Sends a sample each second until the client leaves or the container is
/// gone; with `stream=0` one that has another to be compared with; with
/// `one-shot` beside it one alone, at once.
pub fn stats(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let streams = query.get("stream").is_none() || query.flag("stream");
    let one_shot = query.flag("one-shot");
    if streams && one_shot {
        return Err(Error::bad_request(
            "cannot have stream=true and one-shot=true",
        ));
    }
    let mut samples = engine.stats(exchange.var("id"))?;
    if !streams {
        if !one_shot && engine.is_sampled(&samples) {
            engine.next_stats(&mut samples);
            let waited =
                exchange.wait_with_peer(samples.as_fd(), Some(PERIOD))?;
            if waited == Waited::HungUp {
                return Err(Error::hung_up());
            }
        }
        return exchange.json(200, &engine.next_stats(&mut samples));
    }
    let mut out = exchange.stream(JSON);
    loop {
        out.json(&engine.next_stats(&mut samples), "\n")?;
        match out.wait_with_peer(samples.as_fd(), Some(PERIOD))? {
            Waited::HungUp => return Err(Error::hung_up()),
            Waited::Ready if samples.is_over() => return Ok(()),
            Waited::Ready | Waited::TimedOut => {}
        }
    }
}
