//! `GET /debug/pprof/profile`: who uses the processors.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{number, profile, refuse};
use crate::engine::Engine;
use crate::profile;
use crate::server::{Error, Exchange, Waited};
use crate::sys::sampling::Profile;
use crate::wait::EventFd;

/// The seconds of a profile if none are named, and the most.
const SECONDS: i64 = 30;
const MOST_SECONDS: i64 = 300;

/// Takes samples for so many seconds; a client that leaves ends it.
pub fn cpu(_: &Arc<Engine>, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    let seconds = match number(exchange.query(), "seconds") {
        ..=0 => SECONDS,
        seconds if seconds > MOST_SECONDS => {
            let words = "profile duration exceeds the limit of 300 seconds";
            return refuse(exchange, 400, words);
        }
        seconds => seconds,
    };
    let failed = |e: &dyn std::fmt::Display| {
        format!("Could not enable CPU profiling: {e}")
    };
    let running = match Profile::start() {
        Ok(Some(running)) => running,
        Ok(None) => {
            let words = failed(&"cpu profiling already in use");
            return refuse(exchange, 500, &words);
        }
        Err(error) => return refuse(exchange, 500, &failed(&error)),
    };
    let (began, start) = (SystemTime::now(), Instant::now());
    let never =
        EventFd::open().map_err(|e| Error::new(500, format!("wait: {e}")))?;
    let time = Duration::from_secs(seconds.unsigned_abs());
    if exchange.wait_with_peer(never.as_fd(), Some(time))? == Waited::HungUp {
        return Err(Error::hung_up());
    }
    let took = start.elapsed();
    let found = profile::cpu(&running.stop(), began, took);
    profile(exchange, "profile", &found)
}
