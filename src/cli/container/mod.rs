//! Commands for containers.

pub mod attach;
pub mod create;
pub mod exec;
pub mod inspect;
pub mod kill;
pub mod logs;
pub mod ps;
pub mod restart;
pub mod rm;
pub mod run;
pub mod start;
pub mod stop;
pub mod update;
pub mod wait;

mod detach;
mod each;
mod exit;
mod ports;
mod relay;
mod settings;
