//! The handlers: each parses, makes one call of the engine, and answers.

pub mod absent;
pub mod attach;
pub mod container;
pub mod debug;
pub mod events;
pub mod exec;
pub mod files;
pub mod image;
pub mod image_create;
pub mod life;
pub mod logs;
pub mod metrics;
mod parameter;
pub mod ping;
pub mod plugin;
pub mod start;
pub mod stats;
pub mod swarm;
pub mod system;
pub mod volume;
pub mod wait;
