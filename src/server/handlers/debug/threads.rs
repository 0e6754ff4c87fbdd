//! `GET /debug/pprof/goroutine` and `/debug/pprof/threadcreate`.

use std::sync::Arc;

use super::{number, profile, text};
use crate::engine::Engine;
use crate::profile;
use crate::profile::threads::{self, Stacks};
use crate::server::{Error, Exchange};

/// Answers where all threads are.
pub fn goroutine(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let list = threads::list(Stacks::Taken);
    match number(exchange.query(), "debug") {
        0 => {
            let made = profile::threads(&list, "goroutine");
            profile(exchange, "goroutine", &made)
        }
        1 => text(exchange, &threads::text(&list, "goroutine")),
        _ => text(exchange, &threads::long_text(&list)),
    }
}

/// Answers which threads there are. Who created them is not known.
pub fn threadcreate(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let list = threads::list(Stacks::Left);
    match number(exchange.query(), "debug") {
        0 => {
            let made = profile::threads(&list, "threadcreate");
            profile(exchange, "threadcreate", &made)
        }
        _ => text(exchange, &threads::text(&list, "threadcreate")),
    }
}
