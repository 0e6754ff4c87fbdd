//! Swarm mode: what a node answers that is in no swarm.

use crate::server::{Error, Exchange};

/// Answers for what a manager of a swarm would do.
pub fn manager<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(no_manager())
}

fn no_manager() -> Error {
    Error::new(
        503,
        "This node is not a swarm manager. Use \"docker swarm init\" or \
         \"docker swarm join\" to connect this node to swarm and try again.",
    )
}

/// `POST /swarm/leave`.
pub fn member<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(503, "This node is not part of a swarm"))
}

/// `POST /swarm/init` and `POST /swarm/join`.
pub fn unsupported<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(501, "swarm mode is not supported by this engine"))
}

/// `POST …/update`: the version is checked before anything else.
pub fn update<S>(_: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    let operation = exchange.operation();
    let kind = operation.trim_end_matches("Update").to_ascii_lowercase();
    let text = exchange.query().text("version");
    if text.parse::<u64>().is_ok() {
        return Err(no_manager());
    }
    Err(Error::bad_request(match kind.as_str() {
        "secret" | "config" => format!("invalid {kind} version"),
        _ => format!(
            "invalid {kind} version '{text}': strconv.ParseUint: parsing \
             \"{text}\": invalid syntax"
        ),
    }))
}

/// `PUT /volumes/{name}`: the volumes of a swarm alone can be changed.
pub fn volume<S>(_: &S, _: &mut Exchange<'_>) -> Result<(), Error> {
    Err(Error::new(
        503,
        "volume update only valid for cluster volumes, but swarm is \
         unavailable",
    ))
}

/// `GET /services/{id}/logs` and `GET /tasks/{id}/logs`.
pub fn logs<S>(_: &S, exchange: &mut Exchange<'_>) -> Result<(), Error> {
    let query = exchange.query();
    match query.flag("stdout") || query.flag("stderr") {
        true => Err(no_manager()),
        false => Err(Error::bad_request(
            "Bad parameters: you must choose at least one stream",
        )),
    }
}
