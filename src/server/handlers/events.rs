//! `GET /events`.

use std::io::Write;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::parameter;
use crate::engine::{Engine, EventQuery, Filters, NextEvents};
use crate::server::{Error, Exchange, JSON, Waited};

/// Sends events until the client leaves, or until the time it names.
pub fn events(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let wanted = EventQuery {
        since: parameter::time(query, "since")?,
        until: parameter::time(query, "until")?,
        filters: Filters::parse(query.text("filters"))?,
    };
    if let (Some(since), Some(until)) = (wanted.since, wanted.until)
        && since > until
    {
        return Err(Error::bad_request(format!(
            "`since` time ({}) cannot be after `until` time ({})",
            query.text("since"),
            query.text("until")
        )));
    }
    let mut events = engine.events(wanted)?;
    let mut out = exchange.stream(JSON);
    out.flush()?;
    loop {
        let (list, wait) = match events.take() {
            NextEvents::Some(list, wait) => (list, Some(wait)),
            NextEvents::Last(list) => (list, None),
        };
        for event in list {
            out.json(&*event, "\n")?;
        }
        let Some(wait) = wait else {
            return Ok(());
        };
        if out.wait_with_peer(events.as_fd(), wait)? == Waited::HungUp {
            return Err(Error::hung_up());
        }
    }
}
