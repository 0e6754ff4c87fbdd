//! The versions from which on an operation behaves in a new way: the minor
//! number, for `Exchange::speaks`.

/// `POST /containers/{id}/kill` of one that does not run fails (409);
/// before, it was no error.
pub const KILL_NEEDS_A_RUN: u16 = 20;

/// `POST /containers/{id}/start` takes no host configuration any more.
pub const BARE_START: u16 = 24;

/// Errors are JSON; before, they are plain text.
pub const JSON_ERRORS: u16 = 24;

/// `POST /containers/{id}/wait` sends its head at once.
pub const EARLY_WAIT_HEAD: u16 = 30;

/// Exec takes the size of its terminal.
pub const EXEC_SIZE: u16 = 42;

/// A prune of volumes takes those without a name of their own only.
pub const PRUNE_ANONYMOUS: u16 = 42;

/// An attached websocket has binary frames.
pub const BINARY_FRAMES: u16 = 28;

/// An attached websocket has the streams that it asks for, not all.
pub const WEBSOCKET_STREAMS: u16 = 42;

/// Attach and logs tell by their media type that they are framed.
pub const MULTIPLEXED_TYPE: u16 = 42;
