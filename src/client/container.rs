//! Operations on containers.

use std::os::fd::{AsFd, BorrowedFd};

use super::error::{Error, Result};
use super::query::{Filters, Query, path_segment};
use super::{Client, LONGEST_ANSWER, Stream, decode};
use crate::api::container::{
    CreateRequest, CreateResponse, PrunedContainers, Summary, Top,
    UpdateResponse, WaitResponse,
};
use crate::api::host_config::HostConfig;
use crate::api::inspect;
use crate::http::client::{Body, Response};
use crate::json::{FromJson, Value};

/// Which containers to list.
#[derive(Clone, Debug, Default)]
pub struct ListContainers {
    /// Those that do not run, too.
    pub all: bool,
    /// The newest so many, whatever their state; 0 or less: no bound.
    pub limit: i64,
    /// With their sizes.
    pub size: bool,
    /// Conditions.
    pub filters: Filters,
}

/// What a wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The container does not run (any more).
    NotRunning,
    /// The next time that it ends.
    NextExit,
    /// It is gone.
    Removed,
}

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Removal {
    /// Kill it first if it runs.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
    /// Only the link of this name.
    pub link: bool,
}

/// Which log lines to read.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Go on with what is still to come.
    pub follow: bool,
    /// A time in front of each line.
    pub timestamps: bool,
    /// The driver's extra attributes in front of each line.
    pub details: bool,
    /// How many lines from the end, or `all`.
    pub tail: String,
    /// Not before this time.
    pub since: String,
    /// Not after this time.
    pub until: String,
}

/// A wait that the daemon has begun; the answer comes when it is over.
pub struct Waiting(Response);

impl Waiting {
    /// Tells whether the end has come, without the descriptor being
    /// readable.
    pub fn has_ended(&self) -> bool {
        self.0.has_buffered()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Result<WaitResponse> {
        let body = self.0.read_to_limit(LONGEST_ANSWER).map_err(Error::Http)?;
        decode(&body)
    }
}

impl AsFd for Waiting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Client {
    /// Lists containers, newest first.
    pub fn containers(
        &mut self,
        list: &ListContainers,
    ) -> Result<Vec<Summary>> {
        let mut query = Query::new()
            .flag("all", list.all)
            .flag("size", list.size)
            .filters(&list.filters);
        if list.limit > 0 {
            query = query.with("limit", list.limit);
        }
        self.get("/containers/json", query)
    }

    /// Creates a container.
    pub fn create(
        &mut self,
        request: &CreateRequest,
        name: &str,
        platform: &str,
    ) -> Result<CreateResponse> {
        let query = Query::new().text("name", name).text("platform", platform);
        decode(&self.post_json("/containers/create", query, request)?)
    }

    /// Returns all that is known of a container.
    pub fn container(&mut self, id: &str) -> Result<inspect::Container> {
        self.container_as(id, "json", Query::new())
    }

    fn container_as<T: FromJson>(
        &mut self,
        id: &str,
        what: &str,
        query: Query,
    ) -> Result<T> {
        self.get(&format!("/containers/{}/{what}", path_segment(id)), query)
    }

    fn do_to(&mut self, id: &str, what: &str, query: Query) -> Result<()> {
        self.post(&format!("/containers/{}/{what}", path_segment(id)), query)
    }

    /// Starts a container.
    pub fn start(&mut self, id: &str) -> Result<()> {
        self.do_to(id, "start", Query::new())
    }

    /// Stops a container; without a signal or a time, its own are used.
    pub fn stop(
        &mut self,
        id: &str,
        signal: &str,
        seconds: Option<i64>,
    ) -> Result<()> {
        self.do_to(id, "stop", stop_query(signal, seconds))
    }

    /// Stops a container and starts it again.
    pub fn restart(
        &mut self,
        id: &str,
        signal: &str,
        seconds: Option<i64>,
    ) -> Result<()> {
        self.do_to(id, "restart", stop_query(signal, seconds))
    }

    /// Changes limits and the restart policy; returns warnings.
    pub fn update(
        &mut self,
        id: &str,
        change: &HostConfig,
    ) -> Result<Vec<String>> {
        let path = format!("/containers/{}/update", path_segment(id));
        let answer = self.post_json(&path, Query::new(), change)?;
        let answer: UpdateResponse = decode(&answer)?;
        Ok(answer.warnings.unwrap_or_default())
    }

    /// Sends a signal, by name or number; an empty one is SIGKILL.
    pub fn kill(&mut self, id: &str, signal: &str) -> Result<()> {
        self.do_to(id, "kill", Query::new().text("signal", signal))
    }

    /// Freezes a container.
    pub fn pause(&mut self, id: &str) -> Result<()> {
        self.do_to(id, "pause", Query::new())
    }

    /// Lets a paused container go on.
    pub fn unpause(&mut self, id: &str) -> Result<()> {
        self.do_to(id, "unpause", Query::new())
    }

    /// Gives a container another name.
    pub fn rename(&mut self, id: &str, name: &str) -> Result<()> {
        self.do_to(id, "rename", Query::new().text("name", name))
    }

    /// Lists a container's processes as `ps` does with these options.
    pub fn top(&mut self, id: &str, options: &str) -> Result<Top> {
        let query = Query::new().text("ps_args", options);
        self.container_as(id, "top", query)
    }

    /// Removes the containers that do not run.
    pub fn prune(&mut self, filters: &Filters) -> Result<PrunedContainers> {
        let query = Query::new().filters(filters);
        decode(&self.bytes("POST", "/containers/prune", query, Body::Empty)?)
    }

    /// Returns what a container uses, beside what it used a moment before.
    pub fn stats(&mut self, id: &str) -> Result<Value> {
        self.container_as(id, "stats", Query::new().with("stream", 0))
    }

    /// Sets the size of a container's terminal.
    pub fn resize(&mut self, id: &str, rows: u16, cols: u16) -> Result<()> {
        let query = Query::new().with("h", rows).with("w", cols);
        self.do_to(id, "resize", query)
    }

    /// Removes a container.
    pub fn remove(&mut self, id: &str, how: Removal) -> Result<()> {
        let query = Query::new()
            .flag("force", how.force)
            .flag("link", how.link)
            .flag("v", how.volumes);
        let path = format!("/containers/{}", path_segment(id));
        self.bytes("DELETE", &path, query, Body::Empty).map(drop)
    }

    /// Begins to wait; returns once the daemon does.
    pub fn wait(&mut self, id: &str, until: Condition) -> Result<Waiting> {
        let query = Query::new().text(
            "condition",
            match until {
                Condition::NotRunning => "",
                Condition::NextExit => "next-exit",
                Condition::Removed => "removed",
            },
        );
        let path = format!("/containers/{}/wait", path_segment(id));
        self.call("POST", &path, query, &[], Body::Empty).map(Waiting)
    }

    /// Reads a container's log; framed unless it has a terminal.
    pub fn logs(&mut self, id: &str, which: &Logs) -> Result<Stream> {
        let query = Query::new()
            .flag("stdout", true)
            .flag("stderr", true)
            .flag("follow", which.follow)
            .flag("timestamps", which.timestamps)
            .flag("details", which.details)
            .text("since", &which.since)
            .text("until", &which.until)
            .text("tail", &which.tail);
        let path = format!("/containers/{}/logs", path_segment(id));
        self.call("GET", &path, query, &[], Body::Empty)
    }
}

fn stop_query(signal: &str, seconds: Option<i64>) -> Query {
    let query = Query::new().text("signal", signal);
    match seconds {
        Some(seconds) => query.with("t", seconds),
        None => query,
    }
}
