//! What a command works with: the client, the configuration, the streams.

use std::cell::OnceCell;
use std::io::{self, Write};

use super::config::Config;
use super::endpoint;
use super::error::Error;
use super::globals::Globals;
use crate::client::Client;

/// One run of the client.
pub struct Session {
    /// The program's own name, for messages.
    pub program: String,
    /// The flags in front of the command.
    pub globals: Globals,
    config: OnceCell<Config>,
    client: Option<Client>,
}

impl Session {
    /// Makes a session; nothing is opened yet.
    pub fn new(program: String, globals: Globals) -> Session {
        Session { program, globals, config: OnceCell::new(), client: None }
    }

    /// Returns the client's configuration.
    pub fn config(&self) -> &Config {
        self.config.get_or_init(|| Config::load(&self.globals))
    }

    /// Returns the client, looking for the daemon's place on the first call.
    pub fn client(&mut self) -> Result<&mut Client, Error> {
        if self.client.is_none() {
            let place = endpoint::resolve(&self.globals, self.config())?;
            let headers = self.config().http_headers.clone();
            let version = std::env::var("DOCKER_API_VERSION").ok();
            let version = version.filter(|version| !version.is_empty());
            let version = version.map(|v| v.trim_start_matches('v').to_owned());
            let headers = headers.into_iter().collect();
            self.client = Some(Client::new(place.host, version, headers));
        }
        Ok(self.client.as_mut().expect("it was just made"))
    }

    /// Prints to standard output, which is flushed at the end of the run.
    pub fn print(&self, text: &str) -> Result<(), Error> {
        Ok(io::stdout().write_all(text.as_bytes())?)
    }

    /// Prints a line, and does not wait with it.
    pub fn print_line(&self, line: &str) -> Result<(), Error> {
        let mut out = io::stdout();
        out.write_all(format!("{line}\n").as_bytes())?;
        Ok(out.flush()?)
    }

    /// Prints a line to standard error.
    pub fn warn(&self, line: &str) {
        // Nobody is left to be told about a failure to tell.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Writes out what was printed.
    pub fn flush(&self) -> Result<(), Error> {
        Ok(io::stdout().flush()?)
    }
}
