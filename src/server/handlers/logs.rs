//! `GET /containers/{id}/logs`.

use std::io::{self, Write};
use std::sync::Arc;

use super::parameter;
use crate::api::stream::{self, Stream};
use crate::engine::{Engine, LogEntry, LogOptions, LogStream, NextLine};
use crate::http::query::{self, Query};
use crate::server::version::since;
use crate::server::{ChunkedWriter, Error, Exchange};

/// How many bytes are gathered before they are sent, unless the log ends or
/// has to be waited for.
const BATCH: usize = 32 << 10;

/// Sends the log, framed unless the container has a terminal.
pub fn logs(
    engine: &Arc<Engine>,
    exchange: &mut Exchange<'_>,
) -> Result<(), Error> {
    let query = exchange.query();
    let options = options(query)?;
    let stamps = match query.flag("timestamps") {
        true => Stamps::Yes,
        false => Stamps::No,
    };
    let details = query.flag("details");
    let mut logs = engine.logs(exchange.var("id"), options)?;
    let told = exchange.speaks(since::MULTIPLEXED_TYPE);
    let media = match logs.tty || !told {
        true => stream::RAW,
        false => stream::MULTIPLEXED,
    };
    let mut out = exchange.stream(media);
    out.flush()?;
    let mut batch = Vec::new();
    loop {
        let line = match logs.next_ready()? {
            Some(line) => line,
            None => {
                send(&mut out, &mut batch)?;
                logs.next(out.peer_fd())?
            }
        };
        match line {
            NextLine::Line(entry) => {
                let mut before = match stamps {
                    Stamps::Yes => format!("{} ", entry.time.format_fixed()),
                    Stamps::No => String::new(),
                };
                if details {
                    before.push_str(&attributes(&entry));
                    before.push(' ');
                }
                frame(&mut batch, &entry, logs.tty, &before);
                if batch.len() >= BATCH {
                    send(&mut out, &mut batch)?;
                }
            }
            NextLine::End => return Ok(send(&mut out, &mut batch)?),
            NextLine::HungUp => return Err(Error::hung_up()),
        }
    }
}

fn options(query: &Query) -> Result<LogOptions, Error> {
    let tail = match query.text("tail") {
        "" | "all" => None,
        // As Docker: what is no number is all of it.
        text => text.parse::<i64>().ok().and_then(|n| u64::try_from(n).ok()),
    };
    Ok(LogOptions {
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        follow: query.flag("follow"),
        tail,
        since: parameter::time(query, "since")?,
        until: parameter::time(query, "until")?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stamps {
    Yes,
    No,
}

fn send(out: &mut ChunkedWriter<'_>, batch: &mut Vec<u8>) -> io::Result<()> {
    let sent = out.write_all(batch);
    batch.clear();
    sent
}

/// Writes the attributes of a line as Docker does: sorted and escaped.
fn attributes(entry: &LogEntry) -> String {
    let escape = |text: &str| query::encode(text).replace("%20", "+");
    let pair = |(name, value): (&String, &String)| {
        let mut text = escape(name);
        text.push('=');
        text + &escape(value)
    };
    let mut pairs: Vec<String> = entry.attrs.iter().map(pair).collect();
    pairs.sort();
    pairs.join(",")
}

fn frame(batch: &mut Vec<u8>, entry: &LogEntry, tty: bool, before: &str) {
    if !tty {
        let stream = match entry.stream {
            LogStream::Stdout => Stream::Stdout,
            LogStream::Stderr => Stream::Stderr,
        };
        let size = u32::try_from(before.len() + entry.line.len());
        // A line is bounded by the log's reader, far below 4 GiB.
        batch.extend(stream::head(stream, size.unwrap_or(u32::MAX)));
    }
    batch.extend_from_slice(before.as_bytes());
    batch.extend_from_slice(&entry.line);
}
