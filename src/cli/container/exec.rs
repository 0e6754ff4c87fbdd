//! `exec`.

use super::relay::{End, Framing, Proxy, Relay, window_size};
use super::settings::environment;
use crate::api::exec::{ExecConfig, ExecStart};
use crate::cli::command::{Command, With, Words};
use crate::cli::error::Error;
use crate::cli::flag::{Flag, Order, Table};
use crate::cli::session::Session;
use crate::sys::tty;

/// `exec`.
pub static COMMAND: Command = Command {
    paths: &["container exec", "exec"],
    usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
    about: "Execute a command in a running container",
    words: Words::AtLeast(2),
    order: Order::FlagsFirst,
    action: &With { flags: FLAGS, run },
};

#[derive(Default)]
struct Typed {
    config: ExecConfig,
    interactive: bool,
    env: Vec<String>,
    env_files: Vec<String>,
}

fn text(into: &mut String, word: &str) -> Result<(), String> {
    word.clone_into(into);
    Ok(())
}

fn push(into: &mut Vec<String>, word: &str) -> Result<(), String> {
    into.push(word.to_owned());
    Ok(())
}

const FLAGS: Table<Typed> = &[&[
    Flag::switch(
        "detach",
        "Detached mode: run command in the background",
        |t: &mut Typed, on| t.config.detach = on,
    )
    .short('d'),
    Flag::value(
        "detach-keys",
        "string",
        "Override the key sequence for detaching a container",
        |t: &mut Typed, word| text(&mut t.config.detach_keys, word),
    ),
    Flag::list(
        "env",
        "list",
        "Set environment variables",
        |t: &mut Typed, word| push(&mut t.env, word),
    )
    .short('e'),
    Flag::list(
        "env-file",
        "list",
        "Read in a file of environment variables",
        |t: &mut Typed, word| push(&mut t.env_files, word),
    ),
    Flag::switch(
        "interactive",
        "Keep STDIN open even if not attached",
        |t: &mut Typed, on| t.interactive = on,
    )
    .short('i'),
    Flag::switch(
        "privileged",
        "Give extended privileges to the command",
        |t: &mut Typed, on| t.config.privileged = on,
    ),
    Flag::switch("tty", "Allocate a pseudo-TTY", |t: &mut Typed, on| {
        t.config.tty = on;
    })
    .short('t'),
    Flag::value(
        "user",
        "string",
        "Username or UID (format: \"<name|uid>[:<group|gid>]\")",
        |t: &mut Typed, word| text(&mut t.config.user, word),
    )
    .short('u'),
    Flag::value(
        "workdir",
        "string",
        "Working directory inside the container",
        |t: &mut Typed, word| text(&mut t.config.working_dir, word),
    )
    .short('w'),
]];

fn run(
    session: &mut Session,
    typed: Typed,
    mut words: Vec<String>,
) -> Result<i32, Error> {
    let Typed { mut config, interactive, env, env_files } = typed;
    let name = words.remove(0);
    config.cmd = Some(words);
    config.env =
        environment::variables(&env_files, &env).map_err(Error::text)?;
    if !config.detach {
        config.attach_stdin = interactive;
        config.attach_stdout = true;
        config.attach_stderr = true;
    }
    if config.detach_keys.is_empty() {
        config.detach_keys = session.config().detach_keys.clone();
    }
    let has_input = config.attach_stdin && config.tty;
    if has_input && !tty::is_terminal(std::io::stdin()) {
        return Err(Error::text("the input device is not a TTY"));
    }
    if config.tty
        && let Some(size) = window_size()
    {
        let size = [u32::from(size.rows), u32::from(size.cols)];
        config.console_size = Some(size);
    }
    let client = session.client()?;
    // Before the exec: what does not run is told in its own words.
    client.container(&name)?;
    let id = client.exec_create(&name, &config)?;
    let how = ExecStart {
        detach: config.detach,
        tty: config.tty,
        console_size: config.console_size,
    };
    if config.detach {
        client.exec_start(&id, &how)?;
        return Ok(0);
    }
    let framing = match config.tty {
        true => Framing::Terminal,
        false => Framing::Frames,
    };
    let stream = client.exec_attach(&id, &how)?;
    let keys = &config.detach_keys;
    let stdin = config.attach_stdin;
    let mut relay =
        Relay::begin(&id, framing, Proxy::Off, stdin, keys)?.of_exec();
    relay.resize(client);
    match relay.run(stream, client)? {
        End::Closed => {
            let ended = client.exec(&id)?;
            Ok(ended.exit_code.unwrap_or(0) & 0xff)
        }
        End::Detached => Err(Error::text("read escape sequence")),
        End::Signal(signal) => Ok(128 + signal),
    }
}
