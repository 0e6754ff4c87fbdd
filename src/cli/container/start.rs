//! `start`.

use super::relay::{End, Framing, Proxy, Relay};
use crate::cli::command::{Command, With, Words};
use crate::cli::error::{Error, Gathered};
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::client::{AttachTo, Condition};
use crate::sys::tty;

/// `start`.
pub static COMMAND: Command = Command {
    paths: &["container start", "start"],
    usage: "[OPTIONS] CONTAINER [CONTAINER...]",
    about: "Start one or more stopped containers",
    words: Words::AtLeast(1),
    order: Order::Mixed,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    attach: bool,
    interactive: bool,
    detach_keys: String,
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "attach",
        "Attach STDOUT/STDERR and forward signals",
        |t: &mut Typed, on| t.attach = on,
    )
    .short('a'),
    Flag::value(
        "detach-keys",
        "string",
        "Override the key sequence for detaching a container",
        |t: &mut Typed, word| {
            word.clone_into(&mut t.detach_keys);
            Ok(())
        },
    ),
    Flag::switch("interactive", "Attach container's STDIN", |t, on| {
        let t: &mut Typed = t;
        t.interactive = on;
    })
    .short('i'),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    names: Vec<String>,
) -> Result<i32, Error> {
    if typed.attach || typed.interactive {
        return match &names[..] {
            [name] => attached(session, typed, name),
            _ => Err(Error::text(
                "you cannot start and attach multiple containers at once",
            )),
        };
    }
    let (mut failed, mut bad) = (Gathered::default(), Vec::new());
    for name in &names {
        match session.client()?.start(name) {
            Ok(()) => session.print_line(name)?,
            Err(error) => {
                failed.push(error);
                bad.push(name.clone());
            }
        }
    }
    if !bad.is_empty() {
        let names = bad.join(", ");
        let text = format!("Error: failed to start containers: {names}");
        failed.push(Error::text(text));
    }
    failed.finish()
}

fn attached(
    session: &mut Session,
    typed: Typed,
    name: &str,
) -> Result<i32, Error> {
    let keys = match typed.detach_keys.is_empty() {
        true => session.config().detach_keys.clone(),
        false => typed.detach_keys,
    };
    let client = session.client()?;
    let container = client.container(name)?;
    let (id, config) = (container.id.as_str(), &container.config);
    let to = AttachTo {
        stdin: typed.interactive && config.open_stdin,
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
    let proxy = if config.tty { Proxy::Off } else { Proxy::On };
    let until = match container.host_config.auto_remove {
        true => Condition::Removed,
        false => Condition::NextExit,
    };
    let stream = client.attach(id, &to)?;
    let waiting = client.wait(id, until)?;
    let mut relay =
        Relay::begin(id, framing, proxy, to.stdin, &to.detach_keys)?;
    client.start(id)?;
    relay.resize(client);
    match relay.run(stream, client)? {
        End::Closed => relay.finish(waiting, client),
        End::Detached => Ok(0),
        End::Signal(signal) => Ok(128 + signal),
    }
}
