//! What the daemon and a monitor tell each other, as JSON. Unknown fields
//! are passed over and missing ones have their empty value, so that builds
//! of neighbouring versions understand each other.

use std::path::PathBuf;

use serde::Serialize;

use crate::json::{self, FromJson, Value};
use crate::logs;
use crate::runtime::{Spec, StartError};
use crate::time::Timestamp;

/// All that a monitor needs to make its container.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default)]
pub struct Start {
    /// The container's id.
    pub id: String,
    /// The container.
    pub spec: Spec,
    /// The container's run directory: holds the control socket, the state
    /// and the exit record. Emptied and removed by the engine.
    pub run_dir: PathBuf,
    /// Where the output is kept.
    pub log: logs::Config,
    /// What the program's standard input is.
    pub stdin: Stdin,
    /// Whether to wait for [`super::Launch::proceed`] between building the
    /// root and running the program, while the network is made.
    pub wait_for_network: bool,
}

/// What the program's standard input is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum Stdin {
    /// `/dev/null` (a terminal can never be typed on).
    #[default]
    Closed,
    /// A pipe that stays open while clients come and go (`OpenStdin`).
    Open,
    /// A pipe that ends with the first client's input (`StdinOnce`).
    Once,
}

/// How output is sent to a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(rename_all = "lowercase")]
pub enum Framing {
    /// As it is: a terminal, or one stream only.
    Raw,
    /// With a head of eight bytes before each piece.
    #[default]
    Multiplexed,
}

/// The streams that a client takes part in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct Streams {
    /// What it sends is the program's input.
    pub stdin: bool,
    /// It gets the program's output.
    pub stdout: bool,
    /// It gets the program's error output.
    pub stderr: bool,
}

/// An attachment without its socket and early bytes, which travel beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub(super) struct Attach {
    pub streams: Streams,
    pub framing: Framing,
    pub detach_keys: Vec<u8>,
    pub greeting: Vec<u8>,
}

/// All that a monitor needs to begin a program beside the container's own.
#[derive(Clone, Debug, Default, Serialize, FromJson)]
#[serde(default)]
pub struct StartExec {
    /// The id of the exec.
    pub id: String,
    /// What the daemon keeps with it, for a later one.
    pub label: String,
    /// The program: of it only the process, the terminal and the filter
    /// count.
    pub spec: Spec,
    /// What its standard input is.
    pub stdin: Stdin,
}

/// From the daemon. `Start` and `Proceed` come over the start socket only,
/// `Attach` over both.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request {
    Start(Box<Start>),
    Proceed,
    Attach(Attach),
    Monitor,
    /// Of the container's terminal, or that of an exec.
    Resize {
        rows: u16,
        cols: u16,
        exec: String,
    },
    /// To the container's first process, or to an exec's.
    Signal {
        number: i32,
        exec: String,
    },
    /// Begin a program beside the container's own. The client that is
    /// attached to it comes beside, if there is one.
    Exec {
        start: Box<StartExec>,
        /// How that client is attached.
        attach: Attach,
    },
    /// Tell what has become of one.
    ExecState {
        id: String,
    },
    Pause,
    Resume,
    /// Of a newer version.
    Unknown,
}

impl FromJson for Request {
    fn kind() -> &'static str {
        "Request"
    }

    fn zero() -> Request {
        Request::Unknown
    }

    fn fill(&mut self, mut value: Value) -> json::Result<()> {
        *self = match json::tag(&mut value, "request")?.as_str() {
            "start" => Request::Start(json::from_value(value)?),
            "proceed" => Request::Proceed,
            "attach" => Request::Attach(json::from_value(value)?),
            "monitor" => Request::Monitor,
            "resize" => Request::Resize {
                rows: json::field(&mut value, "rows")?,
                cols: json::field(&mut value, "cols")?,
                exec: optional(&mut value, "exec")?,
            },
            "signal" => {
                let number = json::field(&mut value, "number")?;
                let exec = optional(&mut value, "exec")?;
                Request::Signal { number, exec }
            }
            "exec" => Request::Exec {
                start: Box::new(json::field(&mut value, "start")?),
                attach: json::field(&mut value, "attach")?,
            },
            "exec_state" => {
                Request::ExecState { id: json::field(&mut value, "id")? }
            }
            "pause" => Request::Pause,
            "resume" => Request::Resume,
            _ => Request::Unknown,
        };
        Ok(())
    }
}

/// From the monitor.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub(super) enum Reply {
    /// The container's first process exists; its network namespace is the
    /// message's descriptor.
    Created { pid: i32, start_time: u64 },
    /// The program runs.
    Started { state: State },
    /// The container could not be made; all is undone.
    Failed { error: StartError },
    /// Answer to `Monitor`.
    State { state: State },
    /// The container has ended.
    Exit { exit: Exit },
    /// A program beside the container's own has begun, or has ended.
    Exec { exec: ExecState },
    /// A client has pressed its detach keys.
    Detached { exec: String },
    /// Memory has run out in the container.
    Oom,
    /// What was asked for is done.
    Done,
    /// It is not, and why.
    Refused { message: String },
    /// Of a newer version.
    Unknown,
}

impl FromJson for Reply {
    fn kind() -> &'static str {
        "Reply"
    }

    fn zero() -> Reply {
        Reply::Unknown
    }

    fn fill(&mut self, mut value: Value) -> json::Result<()> {
        let tag = json::tag(&mut value, "reply")?;
        let from = &mut value;
        *self = match tag.as_str() {
            "created" => Reply::Created {
                pid: json::field(from, "pid")?,
                start_time: json::field(from, "start_time")?,
            },
            "started" => Reply::Started { state: json::field(from, "state")? },
            "failed" => Reply::Failed { error: json::field(from, "error")? },
            "state" => Reply::State { state: json::field(from, "state")? },
            "exit" => Reply::Exit { exit: json::field(from, "exit")? },
            "exec" => Reply::Exec { exec: json::field(from, "exec")? },
            "detached" => Reply::Detached { exec: optional(from, "exec")? },
            "oom" => Reply::Oom,
            "done" => Reply::Done,
            "refused" => {
                Reply::Refused { message: json::field(from, "message")? }
            }
            _ => Reply::Unknown,
        };
        Ok(())
    }
}

fn optional(value: &mut Value, name: &str) -> json::Result<String> {
    json::from_value(json::take(value, name))
}

/// A running container, as its monitor knows it; also `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct State {
    /// The version of the protocol that the monitor speaks.
    pub version: u16,
    /// The boot of the machine that all this belongs to.
    pub boot_id: String,
    /// The container's id.
    pub id: String,
    /// Its first process.
    pub pid: i32,
    /// That process's start (`/proc/PID/stat`, field 22), which tells it
    /// from a later one with the same number.
    pub start_time: u64,
    /// The monitor's own process.
    pub shim_pid: i32,
    /// When the program began.
    pub started_at: Timestamp,
    /// The programs beside it, for a daemon that comes anew.
    pub execs: Vec<ExecState>,
}

/// A program beside the container's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, FromJson)]
#[serde(default)]
pub struct ExecState {
    /// The id of the exec.
    pub id: String,
    /// What the daemon keeps with it, for a later one.
    pub label: String,
    /// Its process.
    pub pid: i32,
    /// Its exit code, once it has ended.
    pub exit_code: Option<i32>,
    /// When it ended.
    pub ended_at: Timestamp,
}

/// How a container ended; also `exit.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, FromJson)]
pub struct Exit {
    /// Docker's exit code: the program's, or 128 and the signal.
    pub code: i32,
    /// The signal that killed it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// Whether the kernel killed something for want of memory.
    #[serde(default)]
    pub oom: bool,
    /// When.
    pub at: Timestamp,
    /// Lines that the log's disk refused.
    #[serde(default)]
    pub dropped_lines: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_passed_over() {
        let json = "{\"request\":\"resize\",\"rows\":2,\"cols\":3,\"dpi\":4}";
        let request: Request = json::from_slice(json.as_bytes()).unwrap();
        assert!(matches!(request, Request::Resize { rows: 2, cols: 3, .. }));
        let json = "{\"request\":\"checkpoint\",\"dir\":\"/x\"}";
        let request: Request = json::from_slice(json.as_bytes()).unwrap();
        assert!(matches!(request, Request::Unknown));
        let json = "{\"reply\":\"exit\",\"exit\":{\"code\":3,\"at\":\
                    \"2024-01-01T00:00:00Z\",\"new\":1}}";
        let Reply::Exit { exit } = json::from_slice(json.as_bytes()).unwrap()
        else {
            panic!("no exit");
        };
        assert_eq!((exit.code, exit.signal, exit.oom), (3, None, false));
    }

    #[test]
    fn a_start_message_may_lack_fields() {
        let json = "{\"request\":\"start\",\"id\":\"x\"}";
        let Request::Start(start) = json::from_slice(json.as_bytes()).unwrap()
        else {
            panic!("no start");
        };
        assert_eq!(start.stdin, Stdin::Closed);
    }
}
