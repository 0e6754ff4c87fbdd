//! Plugins: there are none, and none can be installed.

use crate::server::{Error, Exchange};

/// `GET /plugins`.
pub fn list<S>(_: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    let none: [(); 0] = [];
    exchange.json(200, &none)
}

/// Answers for what is asked of one plugin.
pub fn not_found<S>(_: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    let name = exchange.var("name");
    Err(Error::new(404, format!("plugin \"{name}\" not found")))
}

/// Answers for what would bring a plugin here.
pub fn unsupported<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(501, "plugins are not supported by this engine"))
}
