//! skiff: a whole Docker Engine in one file.
//!
//! The way of a request is a straight line:
//! `cli → client → http ⇄ http → server → engine → store | registry |
//! runtime | shim | network → sys`. `store`, `registry`, `runtime`,
//! `network` and `logs` never know each other; `engine` joins them.

pub mod api;
pub mod archive;
pub mod cli;
pub mod client;
pub mod daemon;
pub mod dns;
pub mod engine;
pub mod http;
pub mod id;
pub mod logs;
pub mod names;
pub mod network;
pub mod oci;
pub mod proxy;
pub mod registry;
pub mod runtime;
pub mod server;
pub mod shim;
pub mod signal;
pub mod store;
#[allow(unsafe_code)]
pub mod sys;
pub mod time;
pub mod units;
pub mod users;
pub mod wait;
