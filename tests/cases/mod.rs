//! The cases, a file for each thing that they are about.

mod attach;
mod client;
mod container;
mod daemon;
mod docker_cli;
mod dockerd;
mod events;
mod gate;
mod http;
mod image;
mod lifecycle;
mod listeners;
mod load;
mod logs;
mod narrowed;
mod network;
mod process;
mod pull;
mod pull_faults;
mod recovery;
mod routes;
mod ssh;
mod stats;
mod system;
mod systemd;
mod tls;
