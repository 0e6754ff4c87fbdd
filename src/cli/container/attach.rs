//! `attach`.

use super::relay::{End, Framing, Proxy, Relay};
use crate::api::inspect::State;
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::{AttachTo, Condition};
use crate::sys::tty;

/// `attach`.
pub static COMMAND: Command = Command {
    paths: &["container attach", "attach"],
    usage: "[OPTIONS] CONTAINER",
    about: "Attach local standard input, output, and error streams to a \
            running container",
    words: Words::Exactly(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    no_stdin: bool,
    no_proxy: bool,
    detach_keys: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::value(
        "detach-keys",
        "string",
        "Override the key sequence for detaching a container",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.detach_keys);
            Ok(())
        },
    ),
    Flag::switch("no-stdin", "Do not attach STDIN", |t: &mut Typed, on| {
        t.no_stdin = on;
    }),
    Flag::switch(
        "sig-proxy",
        "Proxy all received signals to the process (default true)",
        |t: &mut Typed, on| t.no_proxy = !on,
    ),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    words: Vec<String>,
) -> Result<i32, Error> {
    let keys = match typed.detach_keys.is_empty() {
        true => session.config().detach_keys.clone(),
        false => typed.detach_keys,
    };
    let name = words[0].as_str();
    let client = session.client()?;
    let container = client.container(name)?;
    check(&container.state)?;
    let config = &container.config;
    let to = AttachTo {
        stdin: !typed.no_stdin && config.open_stdin,
        stdout: true,
        stderr: true,
        detach_keys: keys,
    };
    if config.tty && to.stdin && !tty::is_terminal(std::io::stdin()) {
        return Err(Error::text("the input device is not a TTY"));
    }
    let framing = match config.tty {
        true => Framing::Terminal,
        false => Framing::Frames,
    };
    // A terminal brings its signals itself.
    let proxy = match typed.no_proxy || config.tty {
        true => Proxy::Off,
        false => Proxy::On,
    };
    let waiting = client.wait(name, Condition::NotRunning)?;
    let stream = client.attach(name, &to)?;
    // It may have ended since: then the stream would wait for a next run.
    check(&client.container(name)?.state)?;
    let mut relay =
        Relay::begin(name, framing, proxy, to.stdin, &to.detach_keys)?;
    relay.redraw(client);
    match relay.run(stream, client)? {
        End::Closed => relay.finish(waiting, client),
        End::Detached => Err(Error::text("read escape sequence")),
        End::Signal(signal) => Ok(128 + signal),
    }
}

/// Refuses a container whose program does not run, in Docker's words.
fn check(state: &State) -> Result<(), Error> {
    let refusal = if !state.running {
        "You cannot attach to a stopped container, start it first"
    } else if state.paused {
        "You cannot attach to a paused container, unpause it first"
    } else if state.restarting {
        "You cannot attach to a restarting container, wait until it is running"
    } else {
        return Ok(());
    };
    Err(Error::text(refusal))
}
