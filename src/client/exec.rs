//! Programs executed beside a container's own.

use super::attach::Attached;
use super::error::Result;
use super::query::{Query, path_segment};
use super::{Client, decode};
use crate::api::exec::{
    ExecConfig, ExecCreateResponse, ExecInspect, ExecStart,
};
use crate::http::client::Body;

impl Client {
    /// Prepares a program; returns its id.
    pub fn exec_create(
        &mut self,
        container: &str,
        config: &ExecConfig,
    ) -> Result<String> {
        let path = format!("/containers/{}/exec", path_segment(container));
        let answer = self.post_json(&path, Query::new(), config)?;
        let made: ExecCreateResponse = decode(&answer)?;
        Ok(made.id)
    }

    /// Starts a program that nobody is attached to.
    pub fn exec_start(&mut self, id: &str, how: &ExecStart) -> Result<()> {
        self.post_json(&start_path(id), Query::new(), how).map(drop)
    }

    /// Starts a program, and attaches to it.
    pub fn exec_attach(
        &mut self,
        id: &str,
        how: &ExecStart,
    ) -> Result<Attached> {
        let body = serde_json::to_vec(how).unwrap_or_default();
        let (path, kind) = (start_path(id), "application/json");
        self.upgrade(&path, Query::new(), kind, Body::Bytes(&body))
    }

    /// Sets the size of a program's terminal.
    pub fn exec_resize(
        &mut self,
        id: &str,
        rows: u16,
        cols: u16,
    ) -> Result<()> {
        let query = Query::new().with("h", rows).with("w", cols);
        let path = format!("/exec/{}/resize", path_segment(id));
        self.post(&path, query)
    }

    /// Tells what has become of a program.
    pub fn exec(&mut self, id: &str) -> Result<ExecInspect> {
        let path = format!("/exec/{}/json", path_segment(id));
        self.get(&path, Query::new())
    }
}

fn start_path(id: &str) -> String {
    format!("/exec/{}/start", path_segment(id))
}
