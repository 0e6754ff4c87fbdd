//! Commands for images.

pub mod images;
pub mod import;
pub mod inspect;
pub mod pull;
pub mod rmi;
