//! The handlers: each parses, makes one call of the engine, and answers.

pub mod ping;
