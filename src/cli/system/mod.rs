//! Commands for the engine as a whole.

pub mod dial_stdio;
pub mod events;
pub mod info;
pub mod inspect;
pub mod version;
