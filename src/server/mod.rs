//! The server: listeners, the activation gate, one worker thread for each
//! connection, the route table, and the handlers that join HTTP and engine.
//!
//! ```text
//! listen ─▶ accept ─(gate)─▶ connection ─▶ wrapper ─▶ route ─▶ handler
//!             └ budget          └ head, timeouts    └ version, access
//! ```
//!
//! The daemon binds first, starts an accept thread for each listener, gets
//! everything ready, and then opens the gate with a [`Server`]. The first
//! [`accept::Lost`] that arrives ends it.
//!
//! All of it but the table and the handlers is generic over the state that
//! handlers get, so it is tested without an engine.

pub mod accept;
pub mod address;
pub mod budget;
mod connection;
pub mod error;
pub mod exchange;
pub mod gate;
pub mod handlers;
mod handshake;
mod hidden;
mod hijack;
pub mod inherited;
pub mod listen;
mod media_type;
mod origin;
mod relay;
mod reply;
pub mod route;
pub mod routes;
pub mod statistics;
mod unix_socket;
pub mod version;
mod websocket;
mod workers;
mod wrapper;

use std::sync::Arc;
use std::time::Duration;

pub use error::Error;
pub use exchange::{ChunkedWriter, Exchange, Waited};
pub use hijack::{Hijack, Hijacked};
pub use reply::JSON;
pub use route::{Access, Handler, Method, Route};
pub use statistics::Statistics;
pub use version::Version;
pub use websocket::Frames;

/// How long clients are waited for, and who may call.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For a whole head, from its first byte.
    pub head_timeout: Duration,
    /// For each next part of a body.
    pub body_timeout: Duration,
    /// For a client to read a part of an answer that is no stream.
    pub write_timeout: Duration,
    /// Names that clients may call the daemon by, besides its addresses.
    pub allowed_hosts: Vec<String>,
    /// What `Access-Control-Allow-Origin` says; none: no such header.
    pub cors: Option<String>,
    /// Whether the daemon runs in debug mode.
    pub debug: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(600),
            write_timeout: Duration::from_secs(60),
            allowed_hosts: Vec::new(),
            cors: None,
            debug: false,
        }
    }
}

/// What the workers of all listeners share: the state that handlers get, and
/// the routes to them.
pub struct Server<S: 'static> {
    state: S,
    router: route::Router<S>,
    guard: origin::Guard,
    /// The CORS headers of every answer.
    cors: Option<Arc<[u8]>>,
    settings: Settings,
    statistics: Arc<Statistics>,
    /// The statistics that handlers see.
    shown: Arc<Statistics>,
}

impl<S> Server<S> {
    /// Makes a server of a state and a route table.
    ///
    /// # Panics
    ///
    /// If the table is bad; see [`route::Router::new`].
    pub fn new(
        state: S,
        table: &'static [Route<S>],
        settings: Settings,
    ) -> Server<S> {
        Server::of_tables(state, &[table], settings)
    }

    /// Makes a server of a state and several route tables.
    ///
    /// # Panics
    ///
    /// As [`Server::new`].
    pub fn of_tables(
        state: S,
        tables: &[&'static [Route<S>]],
        settings: Settings,
    ) -> Server<S> {
        let mut router = route::Router::new(&[]);
        for table in tables {
            router.add(table);
        }
        let names = router.routes().iter().map(|r| (r.method, r.pattern));
        let statistics = Arc::new(Statistics::new(names.collect()));
        let shown = Arc::clone(&statistics);
        let cors = settings.cors.as_deref();
        Server {
            state,
            router,
            guard: origin::Guard::new(&settings.allowed_hosts, cors),
            cors: cors.map(reply::cors_headers),
            settings,
            statistics,
            shown,
        }
    }

    /// Makes the handlers of this server show what another one counts.
    pub fn showing(self, statistics: Arc<Statistics>) -> Server<S> {
        Server { shown: statistics, ..self }
    }

    /// Returns what this server counts.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.statistics)
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
