//! Role choice: a re-executed role first, then the daemon with `-d`, else
//! the client.

use std::ffi::OsString;

use skiff::cli::{self, Role};
use skiff::sys::environment;
use skiff::{daemon, logs, shim};

fn main() {
    let words: Vec<OsString> = std::env::args_os().collect();
    if words.first().is_some_and(|name| name == shim::ROLE) {
        shim::main();
    }
    if words.first().is_some_and(|name| name == logs::COMPRESSOR) {
        logs::compressor(&words);
    }
    let code = match cli::parse_globals(&words) {
        Role::Daemon(flags) => daemon::run(*flags),
        Role::Client(invocation) => {
            if invocation.globals.debug {
                let _ = environment::set("DEBUG", "1");
            }
            cli::run(*invocation)
        }
        Role::Done(code) => code,
    };
    std::process::exit(code);
}
