//! `GET /containers/{id}/logs`.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::{Condition, Wait};
use crate::engine::{Engine, Error, Result};
use crate::logs::{self, Entry, Follow, Next, Query, Reader, Tail};
use crate::time::Timestamp;
use crate::wait::{self, Ready};

/// Which lines a client wants.
#[derive(Clone, Debug, Default)]
pub struct LogOptions {
    /// Those of standard output.
    pub stdout: bool,
    /// Those of standard error.
    pub stderr: bool,
    /// Also those that come later, until the container ends.
    pub follow: bool,
    /// Only so many of the last; `None`: all.
    pub tail: Option<u64>,
    /// Not those before.
    pub since: Option<Timestamp>,
    /// Not those after.
    pub until: Option<Timestamp>,
}

/// A container's log, line by line.
#[derive(Debug)]
pub struct Logs {
    reader: Reader,
    options: LogOptions,
    /// The end of the container, which ends the following.
    exit: Option<Wait>,
    /// Whether the lines are for a terminal: not framed.
    pub tty: bool,
}

/// What came of a wait for a line.
#[derive(Debug)]
pub enum NextLine {
    /// A line.
    Line(Entry),
    /// There are no more.
    End,
    /// The client has gone.
    HungUp,
}

impl Engine {
    /// Opens a container's log.
    pub fn logs(&self, name: &str, options: LogOptions) -> Result<Logs> {
        if !options.stdout && !options.stderr {
            return Err(Error::Invalid(
                "Bad parameters: you must choose at least one stream".into(),
            ));
        }
        let container = self.container(name)?;
        let snapshot = container.snapshot();
        let record = &snapshot.record;
        let config = self.log_config(record);
        if config.driver == logs::Driver::None {
            return Err(Error::NotImplemented(
                "configured logging driver does not support reading".into(),
            ));
        }
        let exit = match options.follow {
            true => Some(container.wait(Condition::NotRunning)?),
            false => None,
        };
        let query = Query {
            tail: options.tail.map_or(Tail::All, Tail::Last),
            since: options.since,
            until: options.until,
            follow: match options.follow {
                true => Follow::Yes,
                false => Follow::No,
            },
        };
        let reader = Reader::open(&config, query)
            .map_err(|e| Error::internal("read a log", e))?;
        Ok(Logs { reader, options, exit, tty: record.config.tty })
    }
}

impl Logs {
    /// Returns the next line if there is one without waiting, or the end.
    pub fn next_ready(&mut self) -> Result<Option<NextLine>> {
        let failed = |e| Error::internal("read a log", e);
        loop {
            match self.reader.next().map_err(failed)? {
                Next::End => return Ok(Some(NextLine::End)),
                Next::Entry(entry) if self.wants(&entry) => {
                    return Ok(Some(NextLine::Line(entry)));
                }
                Next::Entry(_) => {}
                Next::Wait => return Ok(None),
            }
        }
    }

    /// Returns the next line; waits for it if the log is followed, until
    /// `client` hangs up.
    pub fn next(&mut self, client: BorrowedFd<'_>) -> Result<NextLine> {
        loop {
            if let Some(line) = self.next_ready()? {
                return Ok(line);
            }
            if !self.wait(client)? {
                return Ok(NextLine::HungUp);
            }
        }
    }

    /// Waits for more; false when the client has gone.
    fn wait(&mut self, client: BorrowedFd<'_>) -> Result<bool> {
        let bound: Option<Duration> = self.reader.wait_bound();
        let mut fds = vec![self.reader.as_fd()];
        fds.extend(self.exit.as_ref().map(AsFd::as_fd));
        let ready = wait::first_ready(&fds, Some(client), bound)
            .map_err(|e| Error::internal("wait", e))?;
        match ready {
            Ready::HungUp => return Ok(false),
            // It has ended, and all of its output is in the log.
            Ready::Fd(1) => {
                self.reader.stop_following();
                self.exit = None;
            }
            Ready::Fd(_) | Ready::TimedOut => {}
        }
        Ok(true)
    }

    fn wants(&self, entry: &Entry) -> bool {
        match entry.stream {
            logs::Stream::Stdout => self.options.stdout,
            logs::Stream::Stderr => self.options.stderr,
        }
    }
}
