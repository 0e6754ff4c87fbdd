//! The route table: every operation of the API, with its handler.

use std::sync::Arc;

use super::handlers::{
    attach, container, events, image, image_create, logs, ping, stats, system,
    wait,
};
use super::route::Access::{Control, Full, Read};
use super::route::Method::{Delete, Get, Head, Post};
use super::route::Route;
use crate::engine::Engine;

type Line = Route<Arc<Engine>>;

/// All routes.
pub static ROUTES: &[Line] = &[
    // The system.
    Line::new(Get, "/_ping", Read, ping::ping),
    Line::new(Head, "/_ping", Read, ping::ping),
    Line::new(Get, "/version", Read, system::version),
    Line::new(Get, "/info", Read, system::info),
    Line::new(Get, "/events", Read, events::events),
    // Images.
    Line::new(Get, "/images/json", Read, image::list),
    Line::new(Post, "/images/create", Full, image_create::create),
    Line::new(Get, "/images/{name*}/json", Read, image::inspect),
    Line::new(Delete, "/images/{name*}", Full, image::remove),
    // Containers.
    Line::new(Get, "/containers/json", Read, container::list),
    Line::new(Get, "/containers/ps", Read, container::list),
    Line::new(Post, "/containers/create", Full, container::create),
    Line::new(Get, "/containers/{id}/json", Read, container::inspect),
    Line::new(Get, "/containers/{id}/logs", Read, logs::logs),
    Line::new(Get, "/containers/{id}/stats", Read, stats::stats).since(17),
    Line::new(Post, "/containers/{id}/start", Control, container::start),
    Line::new(Post, "/containers/{id}/stop", Control, container::stop),
    Line::new(Post, "/containers/{id}/restart", Control, container::restart),
    Line::new(Post, "/containers/{id}/kill", Control, container::kill),
    Line::new(Post, "/containers/{id}/wait", Read, wait::wait),
    Line::new(Post, "/containers/{id}/attach", Full, attach::attach),
    Line::new(Post, "/containers/{id}/resize", Full, container::resize),
    Line::new(Delete, "/containers/{id*}", Full, container::remove),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::route::Router;

    #[test]
    fn the_table_is_sound() {
        let _ = Router::new(ROUTES);
    }
}
