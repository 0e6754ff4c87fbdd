//! `run`.

use super::create::{self, Wish};
use super::exit;
use super::relay::{End, Framing, Proxy, Relay, window_size};
use super::settings::{self, SHARED, Settings};
use crate::api::container::CreateRequest;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::{AttachTo, Condition};
use crate::sys::tty;

/// `run`.
pub static COMMAND: Command = Command {
    paths: &["container run", "run"],
    usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    about: "Create and run a new container from an image",
    words: Words::AtLeast(1),
    order: Order::FlagsFirst,
    action: &With { flags: FLAGS, run },
};

const FLAGS: Table<Settings> =
    &[SHARED[0], SHARED[1], SHARED[2], SHARED[3], SHARED[4], OWN];

const OWN: &[Flag<Settings>] = &[
    Flag::switch(
        "detach",
        "Run container in background and print container ID",
        |t: &mut Settings, on| t.detach = on,
    )
    .short('d'),
    Flag::value(
        "detach-keys",
        "string",
        "Override the key sequence for detaching a container",
        |t: &mut Settings, word| {
            word.clone_into(&mut t.detach_keys);
            Ok(())
        },
    ),
    Flag::switch(
        "sig-proxy",
        "Proxy received signals to the process (default true)",
        |t: &mut Settings, on| t.no_sig_proxy = !on,
    ),
];

fn run(
    session: &mut Session,
    typed: Settings,
    words: Vec<String>,
) -> Result<i32, Error> {
    let program = session.program.clone();
    // Docker's client names itself, and its help, in front of whatever
    // keeps a container from running.
    let hinted = |error: Error| match error {
        Error::Status(_) | Error::Output(_) | Error::Hinted { .. } => error,
        error => {
            let text = error.to_string();
            let status = match error.status() {
                1 => 125,
                status => status,
            };
            let program = program.clone();
            Error::Hinted { text, program, command: "run", status }
        }
    };
    create::check_pull(&typed.pull).map_err(|t| hinted(Error::text(t)))?;
    let (wish, detach) = (Wish::of(&typed), typed.detach);
    let proxy = if typed.no_sig_proxy { Proxy::Off } else { Proxy::On };
    let has_attach = !typed.attach.is_empty();
    let keys = match typed.detach_keys.is_empty() {
        true => session.config().detach_keys.clone(),
        false => typed.detach_keys.clone(),
    };
    let mut request = settings::build(typed, &words)
        .map_err(|text| hinted(Error::text(text)))?;
    if detach && has_attach {
        return Err(Error::text(
            "conflicting options: cannot specify both --attach and --detach",
        ));
    }
    check_input(&request)?;
    wish.check_needs(session)?;
    if let Some(size) = window_size() {
        let size = [u32::from(size.rows), u32::from(size.cols)];
        request.host_config.console_size = size;
    }
    let plan = Plan::of(&request, proxy, keys);
    let id = create::create(session, request, &wish).map_err(hinted)?;
    match plan.attaches() {
        true => plan.attached(session, &id).map_err(hinted),
        false => {
            let started = session.client()?.start(&id);
            // Whoever asked can look at what did not start, too.
            session.print_line(&id)?;
            started.map(|()| 0).map_err(|e| hinted(refused(e)))
        }
    }
}

/// Refuses `-it` when our input is no terminal.
fn check_input(request: &CreateRequest) -> Result<(), Error> {
    let wants = request.config.tty && request.config.attach_stdin;
    match wants && !tty::is_terminal(std::io::stdin()) {
        true => Err(Error::text("the input device is not a TTY")),
        false => Ok(()),
    }
}

/// The error of a container that could not be started.
fn refused(error: crate::client::Error) -> Error {
    let text = error.to_string();
    let status = exit::of_refusal(&text);
    Error::Text(text, status)
}

/// What is done with a container once it is created.
struct Plan {
    to: AttachTo,
    framing: Framing,
    proxy: Proxy,
    until: Condition,
}

impl Plan {
    fn of(request: &CreateRequest, proxy: Proxy, keys: String) -> Plan {
        let config = &request.config;
        Plan {
            to: AttachTo {
                stdin: config.attach_stdin,
                stdout: config.attach_stdout,
                stderr: config.attach_stderr,
                detach_keys: keys,
            },
            framing: match config.tty {
                true => Framing::Terminal,
                false => Framing::Frames,
            },
            proxy,
            until: match request.host_config.auto_remove {
                true => Condition::Removed,
                false => Condition::NextExit,
            },
        }
    }

    fn attaches(&self) -> bool {
        self.to.stdin || self.to.stdout || self.to.stderr
    }

    /// Attaches, begins to wait, starts: in this order, so that neither a
    /// byte nor the end can be missed.
    fn attached(self, session: &mut Session, id: &str) -> Result<i32, Error> {
        let client = session.client()?;
        let attached = client.attach(id, &self.to)?;
        let waiting = client.wait(id, self.until)?;
        let keys = &self.to.detach_keys;
        let mut relay =
            Relay::begin(id, self.framing, self.proxy, self.to.stdin, keys)?;
        if let Err(error) = client.start(id) {
            drop(relay);
            if self.until == Condition::Removed {
                // The daemon removes it; not before that are we done.
                let _ = waiting.finish();
            }
            return Err(refused(error));
        }
        relay.resize(client);
        match relay.run(attached, client)? {
            End::Closed => relay.finish(waiting, client),
            End::Detached => Ok(0),
            End::Signal(signal) => Ok(128 + signal),
        }
    }
}
