//! The cases, a file for each thing that they are about.

mod attach;
mod container;
mod daemon;
mod events;
mod http;
mod image;
mod lifecycle;
mod logs;
mod network;
mod process;
mod pull;
mod recovery;
mod system;
