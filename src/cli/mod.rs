//! The command line: what is typed becomes a request, what is answered
//! becomes text.
//!
//! Commands and their flags are data ([`command`], [`flag`]); parser, help
//! and completion are derived from it. [`parse_globals`] reads the words in
//! front of the command and says whether they ask for the daemon or for the
//! client; [`run`] carries a client's command out.

pub mod commands;
pub mod completion;
pub mod config;
pub mod daemon;
pub mod endpoint;
pub mod error;
pub mod flag;
pub mod format;
pub mod globals;
pub mod session;
pub mod value;

mod command;
mod container;
mod credentials;
mod help;
mod image;
mod progress;
mod prune;
mod system;
mod volume;

use std::ffi::OsString;
use std::io::Write;

pub use daemon::{DaemonOptions, Given};
pub use error::Error;
pub use globals::Globals;

use command::{Call, Found};
use flag::Order;
use session::Session;

/// The name under which the program is the daemon without being told.
const DAEMON: &str = "dockerd";

/// What the words of the command line ask for.
#[derive(Debug)]
pub enum Role {
    /// The daemon, with what its flags give.
    Daemon(Box<Given>),
    /// The client, with a command.
    Client(Box<Invocation>),
    /// Nothing more: it was answered or refused already, with this status.
    Done(i32),
}

/// A client's command that has not been looked at yet.
#[derive(Debug)]
pub struct Invocation {
    /// The name that the program was called by, without its directory.
    pub program: String,
    /// The flags in front of the command.
    pub globals: Globals,
    /// The command and its words.
    pub words: Vec<OsString>,
}

/// Reads the words of the whole command line, the program's name first.
/// Errors are printed here.
pub fn parse_globals(words: &[OsString]) -> Role {
    let (program, words) = match words.split_first() {
        Some((program, words)) => (program_name(program), words),
        None => ("skiff".to_owned(), words),
    };
    // The daemon's flags contain all that stand in front of a command, so
    // one reading tells whether `-d` is among them.
    let mut given = Given::default();
    if program == DAEMON {
        given.0.insert("daemon", true.into());
    }
    let read = given.read(words);
    let options = given.options();
    if options.daemon {
        return match read {
            Ok(_) if options.version => show(&globals::version_line()),
            Ok(rest) if rest.is_empty() => Role::Daemon(Box::new(given)),
            Ok(_) => fail(&Error::text(format!(
                "{program}: the daemon accepts no arguments\n\n\
                 See '{program} -d --help'"
            ))),
            Err(flag::Error::Help) => show(&daemon::help(&program)),
            Err(error) => fail(&Error::Flag {
                text: error.to_string(),
                usage: format!("Usage:  {program} -d [OPTIONS]"),
                call: format!("{program} -d"),
            }),
        };
    }
    let mut globals = Globals::default();
    let order = Order::FlagsFirst;
    match flag::parse(globals::FLAGS, order, words, &mut globals) {
        Ok(rest) => {
            let words = rest.into_iter().map(OsString::from).collect();
            Role::Client(Box::new(Invocation { program, globals, words }))
        }
        Err(flag::Error::Help) => show(&commands::help(&program)),
        Err(error) => fail(&Error::Flag {
            text: error.to_string(),
            usage: format!("Usage:  {program} [OPTIONS] COMMAND [ARG...]"),
            call: program,
        }),
    }
}

/// Carries a client's command out; returns the status to exit with. What it
/// prints is out when this returns.
pub fn run(invocation: Invocation) -> i32 {
    let Invocation { program, globals, words } = invocation;
    if globals.version {
        return done(&globals::version_line());
    }
    if let Err(error) = globals.check() {
        return report(&error);
    }
    let mut session = Session::new(program.clone(), globals);
    // Help that nobody asked for does not go where output is expected.
    let Some(first) = words.first() else {
        session.warn(commands::help(&program).trim_end());
        return 0;
    };
    let (commands, groups) = (commands::ALL, commands::GROUPS);
    let (words, is_help) = match first == "help" {
        true => (&words[1..], true),
        false => (&words[..], false),
    };
    match command::find(commands, groups, words) {
        Found::Command(command, path, skip) => {
            let call = Call { command, program, path };
            if is_help {
                return done(&help::command(&call));
            }
            let words = &words[skip..];
            let ended = command.action.run(&mut session, &call, words);
            match ended.and_then(|status| session.flush().map(|()| status)) {
                Ok(status) => status,
                Err(error) => report(&error),
            }
        }
        Found::Group(group) => {
            let text = help::group(&program, group, commands);
            match is_help || words.len() > 1 {
                true => done(&text),
                false => {
                    session.warn(text.trim_end());
                    0
                }
            }
        }
        Found::NotInGroup(group, name) => report(&Error::text(format!(
            "{program}: unknown command: {program} {} {}\n\n\
             Usage:  {program} {}\n\n\
             Run '{program} {} --help' for more information",
            group.name, name, group.name, group.name,
        ))),
        Found::Nothing if words.is_empty() => done(&commands::help(&program)),
        Found::Nothing => {
            let name = words[0].to_string_lossy();
            report(&Error::text(commands::not_found(&program, &name)))
        }
    }
}

fn program_name(word: &OsString) -> String {
    let path = std::path::Path::new(word);
    let name = path.file_name().unwrap_or(word);
    name.to_string_lossy().into_owned()
}

fn show(text: &str) -> Role {
    Role::Done(done(text))
}

fn fail(error: &Error) -> Role {
    Role::Done(report(error))
}

/// Prints a text; 0, or the status of the failed write.
fn done(text: &str) -> i32 {
    let mut out = std::io::stdout();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => 0,
        Err(error) => report(&error.into()),
    }
}

/// Prints an error; returns its status.
fn report(error: &Error) -> i32 {
    if !error.is_silent() {
        // Nobody is left to be told about a failure to tell.
        let _ = writeln!(std::io::stderr(), "{error}");
    }
    error.status()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(words: &str) -> String {
        let words: Vec<OsString> =
            words.split(' ').map(OsString::from).collect();
        match parse_globals(&words) {
            Role::Daemon(given) => {
                format!("daemon {:?}", given.options().hosts)
            }
            Role::Client(call) => {
                format!("client {:?} {:?}", call.globals.hosts, call.words)
            }
            Role::Done(status) => format!("done {status}"),
        }
    }

    #[test]
    fn the_daemon_is_asked_for_among_the_first_flags_only() {
        let cases = [
            ("/x/skiff -d -H unix:///s", "daemon [\"unix:///s\"]"),
            ("skiff --data-root /r -d", "daemon []"),
            ("skiff --daemon=\"true\" -D", "daemon []"),
            ("skiff -c x -d", "daemon []"),
            ("/usr/bin/dockerd -H unix:///s", "daemon [\"unix:///s\"]"),
            ("dockerd -d=false ps", "client [] [\"ps\"]"),
            ("skiff -d=false ps -a", "client [] [\"ps\", \"-a\"]"),
            ("skiff -H s run -d b", "client [\"s\"] [\"run\", \"-d\", \"b\"]"),
            ("skiff --data-root /r ps", "done 125"),
            ("skiff -d ps", "done 1"),
            ("skiff -d --nosuch", "done 125"),
        ];
        for (words, expected) in cases {
            assert_eq!(role(words), expected, "{words}");
        }
    }
}
