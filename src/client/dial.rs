//! The bare stream to a daemon, for a client on another machine.

use std::io::{self, Read, Write};

use super::Client;
use super::error::{Error, Result};
use crate::http::client::Timeouts;
use crate::http::connect;
use crate::http::stream::Stream;

/// A connection on which nothing was said.
#[derive(Debug)]
pub struct Dialed(Stream);

impl Client {
    /// Connects to the daemon and leaves the connection to the caller.
    pub fn dial(&mut self) -> Result<Dialed> {
        let address = self.host.address()?;
        let dialed = connect::open(&address, &Timeouts::default());
        let failed =
            |source| Error::of_http(&self.host, "GET", "/_ping", source);
        dialed.map(Dialed).map_err(failed)
    }
}

impl Dialed {
    /// Carries `input` to the daemon and what it says to `output`, until
    /// the daemon has ended. The end of the input is handed on. A TLS
    /// session cannot be shared by two directions: `Unsupported`.
    pub fn relay(
        self,
        mut input: impl Read + Send + 'static,
        mut output: impl Write,
    ) -> io::Result<()> {
        let forth = self.0.try_clone()?;
        std::thread::Builder::new().spawn(move || {
            // A daemon that has gone is seen by the other direction.
            let _ = io::copy(&mut input, &mut &forth);
            let _ = forth.shutdown_write();
        })?;
        let mut piece = vec![0; 64 << 10];
        loop {
            match (&self.0).read(&mut piece)? {
                0 => return Ok(()),
                n => output.write_all(&piece[..n])?,
            }
            output.flush()?;
        }
    }
}
