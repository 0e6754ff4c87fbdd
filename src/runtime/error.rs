//! Why a container could not be made or started, in the words in which
//! Docker 28 answers `POST /containers/{id}/start`.

use std::fmt;

use serde::Serialize;

use crate::json::FromJson;

/// The words before everything that goes wrong in creating a container.
const RUNTIME: &str = "failed to create task for container: failed to create \
    shim task: OCI runtime create failed: runc create failed: ";

/// The words behind them once it is about the container's process.
const PROCESS: &str = "unable to start container process: ";

/// The words before what another runtime says.
const FOREIGN: &str =
    "failed to create task for container: failed to create shim task: ";

/// The same for a further program of a running container.
const EXEC: &str = "OCI runtime exec failed: exec failed: ";

/// The words added where a directory meets a file.
const MISMATCH: &str = ": Are you trying to mount a directory onto a file (or \
    vice-versa)? Check if the specified host path exists and is the expected \
    type";

/// The result of the steps of a start.
pub type Result<T> = std::result::Result<T, StartError>;

/// A failed start. Prints the complete text of the API's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct StartError {
    /// What it means for the exit code and the answer's status.
    pub kind: StartErrorKind,
    /// The complete text.
    pub message: String,
    /// The failed system call as strace prints it, for the log.
    #[serde(default)]
    pub detail: String,
}

/// What a failed start means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum StartErrorKind {
    /// The program is not there: exit code 127, status 400.
    NotFound,
    /// The program cannot be executed: exit code 126, status 400.
    NotExecutable,
    /// A directory meets a file: exit code 127, status 400.
    Mismatch,
    /// All else: exit code 128, status 500.
    Other,
}

impl StartErrorKind {
    /// The exit code that the container gets.
    pub fn exit_code(self) -> i32 {
        match self {
            StartErrorKind::NotFound | StartErrorKind::Mismatch => 127,
            StartErrorKind::NotExecutable => 126,
            StartErrorKind::Other => 128,
        }
    }

    /// Reads the kind from the text, as Docker does: the Docker client does
    /// the same again with the answer.
    fn of(detail: &str) -> StartErrorKind {
        let detail = detail.to_lowercase();
        let has = |words: &str| detail.contains(words);
        if has("permission denied") {
            StartErrorKind::NotExecutable
        } else if has("not a directory") {
            StartErrorKind::Mismatch
        } else if has("executable file not found")
            || has("no such file or directory")
        {
            StartErrorKind::NotFound
        } else {
            StartErrorKind::Other
        }
    }
}

impl StartError {
    /// Makes the error of something that fails before the container's
    /// process runs; `detail` is what runc says behind "unable to start
    /// container process".
    pub fn create(detail: &str) -> StartError {
        let kind = StartErrorKind::of(detail);
        let more = match kind {
            StartErrorKind::Mismatch => MISMATCH,
            _ => "",
        };
        let message = format!("{RUNTIME}{PROCESS}{detail}: unknown{more}");
        StartError { kind, message, detail: String::new() }
    }

    /// Makes the error of a configuration that makes no sense.
    pub fn runtime(detail: &str) -> StartError {
        StartError::plain(format!("{RUNTIME}{detail}: unknown"))
    }

    /// Makes the error of what another runtime says of a step.
    pub fn foreign(step: &str, said: &str) -> StartError {
        let kind = StartErrorKind::of(said);
        let front = if step == "create" { FOREIGN } else { "" };
        let more = match kind {
            StartErrorKind::Mismatch => MISMATCH,
            _ => "",
        };
        let message =
            format!("{front}OCI runtime {step} failed: {said}: unknown{more}");
        StartError { kind, message, detail: String::new() }
    }

    /// Makes the error of something that fails while the root is built.
    pub fn init(detail: impl fmt::Display) -> StartError {
        StartError::create(&format!("error during container init: {detail}"))
    }

    /// Makes an error whose text is passed on as it is.
    pub fn plain(message: impl fmt::Display) -> StartError {
        StartError {
            kind: StartErrorKind::Other,
            message: message.to_string(),
            detail: String::new(),
        }
    }

    /// Makes the error of a further program from that of a container.
    pub fn of_exec(mut self) -> StartError {
        if let Some(rest) = self.message.strip_prefix(RUNTIME) {
            self.message = format!("{EXEC}{rest}");
        }
        self
    }

    /// Adds the failed system call, for the log.
    pub fn with(mut self, error: &crate::sys::Error) -> StartError {
        self.detail = error.to_string();
        self
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for StartError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_the_engine() {
        let error = StartError::create(
            "exec: \"nosuchcommand\": executable file not found in $PATH",
        );
        assert_eq!(error.kind, StartErrorKind::NotFound);
        assert_eq!(
            error.to_string(),
            "failed to create task for container: failed to create shim task: \
             OCI runtime create failed: runc create failed: unable to start \
             container process: exec: \"nosuchcommand\": executable file not \
             found in $PATH: unknown"
        );
        let error = StartError::create("exec: \"/etc\": permission denied");
        assert_eq!(error.kind.exit_code(), 126);
        assert!(
            error.message.ends_with("\"/etc\": permission denied: unknown")
        );
    }

    #[test]
    fn a_directory_on_a_file_gets_dockers_hint() {
        let error = StartError::init("mount x: not a directory");
        assert_eq!(error.kind, StartErrorKind::Mismatch);
        assert!(error.message.ends_with("is the expected type"));
    }
}
