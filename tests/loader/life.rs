//! Containers from create to removal, one after the other on each
//! connection. The engine has to have the image `busybox`.

use std::io::{self, Write};
use std::time::Instant;

use super::address::Stream;
use super::tally::Tally;
use super::{Plan, read_answer};

const CREATE: &str = r#"{"Image": "busybox", "Cmd": ["true"]}"#;

/// Lets containers live until the time is over.
pub fn drive_life(plan: &Plan, mut stream: Stream, most: u64) -> Tally {
    let mut tally = Tally::default();
    let mut buffer = Vec::with_capacity(64 * 1024);
    let begin = Instant::now();
    let mut before = begin;
    while before - begin < plan.time && tally.requests < most {
        let lived = live(&mut stream, &mut buffer);
        let now = Instant::now();
        match lived {
            Ok(()) => tally.count(now - before),
            Err(error) => {
                tally.fail(&error.to_string());
                break;
            }
        }
        before = now;
    }
    tally.time = begin.elapsed();
    tally
}

fn live(stream: &mut Stream, buffer: &mut Vec<u8>) -> io::Result<()> {
    ask(stream, buffer, "POST", "/containers/create", CREATE)?;
    let text = String::from_utf8_lossy(buffer).into_owned();
    let id = text.split("\"Id\":\"").nth(1).and_then(|rest| rest.get(..64));
    let id = id.ok_or_else(|| io::Error::other("create gave no id"))?;
    let path = format!("/containers/{id}");
    ask(stream, buffer, "POST", &format!("{path}/start"), "")?;
    ask(stream, buffer, "POST", &format!("{path}/wait"), "")?;
    ask(stream, buffer, "DELETE", &path, "")
}

fn ask(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<()> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    match read_answer(stream, buffer)? {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "{method} {path}: {}",
            String::from_utf8_lossy(buffer)
        ))),
    }
}
