//! The floor: a bare responder with a thread for each connection.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::address::{Address, Stream};
use super::tally::Tally;
use super::{Failure, Plan, drive_one};

/// What it answers: a `/_ping` in the form of Docker's.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\n\
    Builder-Version: 1\r\nCache-Control: no-cache, no-store, \
    must-revalidate\r\nContent-Length: 2\r\nContent-Type: text/plain; \
    charset=utf-8\r\nDocker-Experimental: false\r\nOstype: linux\r\n\
    Pragma: no-cache\r\nServer: Floor/1.0 (linux)\r\nSwarm: inactive\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nOK";

/// Serves the plan's address with a bare responder and drives that.
pub fn floor(plan: &Plan) -> Result<Tally, Failure> {
    match &plan.address {
        Address::Unix(path) => {
            let listener = UnixListener::bind(path)?;
            let _guard = Socket(path);
            let accept = move || {
                listener.accept().map(|(stream, _)| Stream::Unix(stream))
            };
            serve(plan.connections, accept);
            Ok(plan.drive(drive_one)?)
        }
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            let accept = move || {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            };
            serve(plan.connections, accept);
            Ok(plan.drive(drive_one)?)
        }
    }
}

/// A socket file that is removed when it is no longer used.
struct Socket<'a>(&'a Path);

impl Drop for Socket<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// Accepts that many connections, each with a thread that ends with it.
fn serve(
    connections: usize,
    accept: impl Fn() -> io::Result<Stream> + Send + 'static,
) {
    std::thread::spawn(move || {
        for _ in 0..connections {
            let Ok(stream) = accept() else { return };
            std::thread::spawn(move || respond(stream));
        }
    });
}

fn respond(mut stream: Stream) {
    let mut buffer = [0; 4096];
    let mut filled = 0;
    while let Ok(got) = stream.read(&mut buffer[filled..]) {
        if got == 0 {
            return;
        }
        filled += got;
        if buffer[..filled].ends_with(b"\r\n\r\n") {
            filled = 0;
            if stream.write_all(ANSWER.as_bytes()).is_err() {
                return;
            }
        }
    }
}
