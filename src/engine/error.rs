//! What the engine answers when it cannot do as asked.

use std::fmt;

/// The class of an error; the server turns it into a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The object is in the wished state already (304).
    NotModified,
    /// The request itself is wrong (400).
    BadRequest,
    /// Credentials are missing or wrong (401).
    Unauthorized,
    /// The caller may not do this (403).
    Forbidden,
    /// There is no such object (404).
    NotFound,
    /// The object's state does not allow it (409).
    Conflict,
    /// Something failed inside (500).
    Internal,
    /// Not built (501).
    NotImplemented,
    /// Cannot be done now (503).
    Unavailable,
}

/// An error of an operation. Its text is Docker's exact wording, because
/// clients read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No container of that name, id or prefix.
    NoSuchContainer(String),
    /// No image of that name, id or prefix.
    NoSuchImage(String),
    /// Several objects have ids that begin so.
    AmbiguousPrefix(String),
    /// The name is taken by another container.
    NameInUse {
        /// The name, without its slash.
        name: String,
        /// The id of its owner.
        owner: String,
    },
    /// The container has to run for this.
    NotRunning(String),
    /// Nothing to do: already started, or already stopped.
    NotModified,
    /// The request is invalid; the text says in what way.
    Invalid(String),
    /// The state of things does not allow it; the text says why.
    Conflict(String),
    /// Credentials are missing or refused.
    Unauthorized(String),
    /// It may not be done here; the text says why.
    Forbidden(String),
    /// The thing itself, or a part of it, does not exist.
    NotFound(String),
    /// A container's program cannot be found (exit code 127) or may not be
    /// executed (126); the text carries Docker's prefix.
    CannotExec {
        /// The exit code that clients show for it.
        code: i32,
        /// The whole text.
        message: String,
    },
    /// Not built into this engine.
    NotImplemented(String),
    /// Cannot be done now.
    Unavailable(String),
    /// Something failed inside.
    Internal(String),
}

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error of something that failed inside, with the object or
    /// step that it failed for.
    pub fn internal(
        step: impl fmt::Display,
        cause: impl fmt::Display,
    ) -> Error {
        Error::Internal(format!("{step}: {cause}"))
    }

    /// Returns the class.
    pub fn kind(&self) -> Kind {
        match self {
            Error::NotModified => Kind::NotModified,
            Error::AmbiguousPrefix(_)
            | Error::Invalid(_)
            | Error::CannotExec { .. } => Kind::BadRequest,
            Error::Unauthorized(_) => Kind::Unauthorized,
            Error::Forbidden(_) => Kind::Forbidden,
            Error::NoSuchContainer(_)
            | Error::NoSuchImage(_)
            | Error::NotFound(_) => Kind::NotFound,
            Error::NameInUse { .. }
            | Error::NotRunning(_)
            | Error::Conflict(_) => Kind::Conflict,
            Error::NotImplemented(_) => Kind::NotImplemented,
            Error::Unavailable(_) => Kind::Unavailable,
            Error::Internal(_) => Kind::Internal,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchContainer(name) => {
                write!(f, "No such container: {name}")
            }
            Error::NoSuchImage(name) => write!(f, "No such image: {name}"),
            Error::AmbiguousPrefix(prefix) => {
                write!(f, "Multiple IDs found with provided prefix: {prefix}")
            }
            Error::NameInUse { name, owner } => write!(
                f,
                "Conflict. The container name \"/{name}\" is already in use \
                 by container \"{owner}\". You have to remove (or rename) \
                 that container to be able to reuse that name."
            ),
            Error::NotRunning(id) => {
                write!(f, "container {id} is not running")
            }
            Error::NotModified => f.write_str("not modified"),
            Error::CannotExec { message: text, .. }
            | Error::Invalid(text)
            | Error::Conflict(text)
            | Error::Unauthorized(text)
            | Error::Forbidden(text)
            | Error::NotFound(text)
            | Error::NotImplemented(text)
            | Error::Unavailable(text)
            | Error::Internal(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_dockers() {
        let error = Error::NameInUse { name: "web".into(), owner: "4f".into() };
        assert_eq!(
            error.to_string(),
            "Conflict. The container name \"/web\" is already in use by \
             container \"4f\". You have to remove (or rename) that container \
             to be able to reuse that name."
        );
        assert_eq!(error.kind(), Kind::Conflict);
        assert_eq!(
            Error::NoSuchContainer("x".into()).to_string(),
            "No such container: x"
        );
    }
}
