//! `GET /debug/pprof/heap` and `/debug/pprof/allocs`.

use std::sync::Arc;

use super::{number, profile, text};
use crate::engine::Engine;
use crate::profile::heap::{self as made, View};
use crate::server::{Error, Exchange};
use crate::sys::{heap, memory};

/// Answers what lives in the heap.
pub fn heap(_: &Arc<Engine>, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    answer(exchange, "heap", View::Live)
}

/// Answers what was ever allocated.
pub fn allocs(
    _: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    answer(exchange, "allocs", View::Allocated)
}

fn answer(
    exchange: &mut Exchange<'_>,
    name: &str,
    view: View,
) -> Result<(), Error> {
    let samples = heap::samples();
    if number(exchange.query(), "debug") > 0 {
        return text(exchange, &made::text(&samples, memory::usage()));
    }
    profile(exchange, name, &made::profile(&samples, view))
}
