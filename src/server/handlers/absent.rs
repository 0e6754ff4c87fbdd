//! Operations that are not built, or never will be.

use crate::server::{Error, Exchange};

/// Answers for every operation that is not built yet (501). Its name is
/// that of the route.
pub fn unbuilt<S>(_: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(
        501,
        format!(
            "{} is not implemented by this engine yet",
            exchange.operation()
        ),
    ))
}

/// `GET /networks/{id}`: three networks are there, and cannot be told of
/// yet; a client that looks for anything by that name goes on.
pub fn network<S>(state: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    match exchange.var("id") {
        "bridge" | "host" | "none" => unbuilt(state, exchange),
        id => Err(Error::new(404, format!("network {id} not found"))),
    }
}

/// `POST /session` and `POST /grpc`: only BuildKit asks for them.
pub fn session<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(
        501,
        "BuildKit is not supported by this engine: set DOCKER_BUILDKIT=0 to \
         build with the classic builder",
    ))
}

/// Checkpoints, which Docker has as an experiment only.
pub fn experiment<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(
        501,
        "This experimental feature is disabled by default. Start the Docker \
         daemon in experimental mode in order to enable it.",
    ))
}

/// `GET /images/viz`, which Docker 1.2 had and did not answer any more.
pub fn viz<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(404, "This is now implemented in the client."))
}
