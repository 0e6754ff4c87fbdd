//! What ends a command early: the text for standard error and the status.

use std::fmt;
use std::io;

use crate::client;

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Error {
    /// A flag or its value is wrong.
    Flag {
        /// What is wrong.
        text: String,
        /// The command's usage line.
        usage: String,
        /// The command's full name.
        call: String,
    },
    /// Too few or too many words.
    Words {
        /// What is wrong with their number.
        text: String,
        /// The command's usage line.
        usage: String,
        /// The command's full name.
        call: String,
        /// How the hint at the help begins.
        verb: &'static str,
    },
    /// An error in plain words, with the status to exit with.
    Text(String, i32),
    /// The daemon refused, or could not be reached.
    Client(client::Error),
    /// Any error, told as `docker run` and `create` do: with the program's
    /// name and a hint at the help.
    Hinted {
        /// What was wrong.
        text: String,
        /// The program's name.
        program: String,
        /// The command that was called.
        command: &'static str,
        /// The status to exit with.
        status: i32,
    },
    /// Several objects failed, one text each.
    Many(Vec<Error>),
    /// All was said already; only the status is left.
    Status(i32),
    /// Standard output could not be written.
    Output(io::Error),
}

impl Error {
    /// Makes an error in plain words with the exit status 1.
    pub fn text(text: impl Into<String>) -> Error {
        Error::Text(text.into(), 1)
    }

    /// The status to exit with.
    pub fn status(&self) -> i32 {
        match self {
            Error::Flag { .. } => 125,
            Error::Text(_, status) | Error::Status(status) => *status,
            Error::Hinted { status, .. } => *status,
            // Whoever read our output has seen enough.
            Error::Output(error) if is_broken_pipe(error) => 0,
            Error::Words { .. }
            | Error::Client(_)
            | Error::Many(_)
            | Error::Output(_) => 1,
        }
    }

    /// Tells whether there is anything to print.
    pub fn is_silent(&self) -> bool {
        match self {
            Error::Status(_) => true,
            Error::Output(error) => is_broken_pipe(error),
            _ => false,
        }
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Flag { text, usage, call } => write!(
                f,
                "{text}\n\n{usage}\n\nRun '{call} --help' for more information"
            ),
            Error::Words { text, usage, call, verb } => {
                let program = call.split(' ').next().unwrap_or_default();
                write!(
                    f,
                    "{program}: '{call}' {text}\n\n{usage}\n\n\
                     {verb} '{call} --help' for more information"
                )
            }
            Error::Text(text, _) => f.write_str(text),
            Error::Client(error) => error.fmt(f),
            Error::Hinted { text, program, command, .. } => write!(
                f,
                "{program}: {text}\n\n\
                 Run '{program} {command} --help' for more information"
            ),
            Error::Many(errors) => {
                let lines: Vec<_> =
                    errors.iter().map(|error| error.to_string()).collect();
                f.write_str(&lines.join("\n"))
            }
            Error::Status(status) => write!(f, "exit status {status}"),
            Error::Output(error) => write!(f, "write: {error}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<client::Error> for Error {
    fn from(error: client::Error) -> Error {
        Error::Client(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Output(error)
    }
}

/// Gathers the errors of a command that goes on over several objects.
#[derive(Default)]
pub struct Gathered(Vec<Error>);

impl Gathered {
    /// Adds one.
    pub fn push(&mut self, error: impl Into<Error>) {
        self.0.push(error.into());
    }

    /// Returns the status 0, or all that was gathered.
    pub fn finish(mut self) -> Result<i32, Error> {
        match self.0.len() {
            0 => Ok(0),
            1 => Err(self.0.remove(0)),
            _ => Err(Error::Many(self.0)),
        }
    }
}
