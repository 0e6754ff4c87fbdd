//! HTTP/1.1 over blocking streams, for both directions: heads (httparse),
//! chunks, bodies, queries, the three kinds of stream, and the client's
//! exchange with upgrade. What a request means is left to `server`,
//! `client` and `registry`.
//!
//! Parsing is strict where leniency lets two readers of one stream disagree
//! (RFC 9112 §11.2): see [`head`] and [`chunk`].

pub mod body;
pub mod chunk;
pub mod client;
pub mod connect;
pub mod error;
pub mod head;
pub mod input;
pub mod query;
mod session;
pub mod stream;
mod target;
pub mod tls;

pub use error::{Error, Phase, Result, reason};
pub use stream::Stream;
