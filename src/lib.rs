//! skiff: a whole Docker Engine in one file.
//!
//! # Processes
//!
//! ```text
//! skiff (client)          one command, one process
//! skiff -d (daemon)       listeners, routes, engine; a thread a connection
//! skiff-shim  ×N          the monitor of one running container
//!   └ init                built by the monitor, then the user's program
//! ```
//!
//! `main` looks first at the role that it was executed under. The daemon
//! may die at any time: the monitors keep the containers, their output and
//! their clients, and the next daemon on the same root finds them again by
//! their sockets (`shim`, `engine::container`).
//!
//! # Layers
//!
//! The way of a request is a straight line:
//! `cli → client → http ⇄ http → server → engine → store | registry |
//! runtime | shim | network → sys`. `store`, `registry`, `runtime`,
//! `network` and `logs` never know each other; `engine` joins them. Which
//! area may use which stands as a table in `tests/style.rs`, which holds the
//! tree to it.
//!
//! | area | what it is |
//! |---|---|
//! | `sys` | one safe function for each system call; the only `unsafe` |
//! | `derive` | a package of its own: derives `json`'s reading |
//! | `id names json time units signal users wait` | leaves |
//! | `dns` | codec and stub resolver |
//! | `archive` | tar in, beneath a directory |
//! | `http` | HTTP/1.1, both directions, blocking |
//! | `api` | Docker's wire types |
//! | `oci` | references, digests, manifests, configurations |
//! | `store` | what is on the disk |
//! | `registry` | the distribution client |
//! | `runtime` | runs one container |
//! | `logs` | a container's log, written and read |
//! | `shim` | the monitor, and the daemon's side of it |
//! | `network` | the bridge, addresses, a container's files |
//! | `engine` | what Docker means: names, states, policies, events |
//! | `profile` | profiles of the daemon itself, for `go tool pprof` |
//! | `server` | listeners, gate, routes, handlers |
//! | `client`, `cli` | the typed client, the command line |
//! | `daemon` | wiring, from options to the end |

pub mod api;
pub mod archive;
pub mod cli;
pub mod client;
pub mod daemon;
pub mod dns;
pub mod engine;
pub mod http;
pub mod id;
pub mod json;
pub mod logs;
pub mod names;
pub mod network;
pub mod oci;
pub mod profile;
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
