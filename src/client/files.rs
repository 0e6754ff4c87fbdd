//! Files of containers: archives in and out, changes, export, commit.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::{Error, Result};
use super::query::{Query, path_segment};
use super::{Client, Stream, decode};
use crate::api::files::{Change, CommitResponse, PathStat};
use crate::http::client::{Body, Response};

/// Who owns what is put into a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Whom the archive names.
    Archived,
    /// The container's root.
    Root,
}

/// What a commit is to become.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The author.
    pub author: String,
    /// A comment.
    pub comment: String,
    /// Changes in the words of a Dockerfile.
    pub changes: Vec<String>,
    /// Whether the container goes on meanwhile.
    pub no_pause: bool,
    /// The repository; empty: the image has no name.
    pub repository: String,
    /// The tag in it.
    pub tag: String,
}

impl Client {
    /// Tells what stands at a path of a container.
    pub fn stat_path(&mut self, id: &str, path: &str) -> Result<PathStat> {
        let query = Query::new().with("path", path);
        let path = archive(id);
        let response = self.call("HEAD", &path, query, &[], Body::Empty)?;
        let stat = stat(&response);
        self.kept = response.finish();
        stat
    }

    /// Reads what stands at a path of a container, as a tar.
    pub fn copy_out(
        &mut self,
        id: &str,
        path: &str,
    ) -> Result<(Stream, PathStat)> {
        let query = Query::new().with("path", path);
        let path = archive(id);
        let response = self.call("GET", &path, query, &[], Body::Empty)?;
        let stat = stat(&response)?;
        Ok((response, stat))
    }

    /// Unpacks a tar in a directory of a container.
    pub fn copy_in(
        &mut self,
        id: &str,
        directory: &str,
        owner: Owner,
        tar: &mut dyn Read,
    ) -> Result<()> {
        let mut query = Query::new()
            .with("path", directory)
            .with("noOverwriteDirNonDir", true);
        if owner == Owner::Archived {
            query = query.with("copyUIDGID", true);
        }
        let kind = [("Content-Type", "text/plain")];
        let body = Body::Chunked(tar);
        let response = self.call("PUT", &archive(id), query, &kind, body)?;
        self.kept = response.finish();
        Ok(())
    }

    /// Lists what a container has changed of its image's files.
    pub fn changes(&mut self, id: &str) -> Result<Vec<Change>> {
        let path = format!("/containers/{}/changes", path_segment(id));
        let changes: Option<Vec<Change>> = self.get(&path, Query::new())?;
        Ok(changes.unwrap_or_default())
    }

    /// Reads all files of a container, as a tar.
    pub fn export(&mut self, id: &str) -> Result<Stream> {
        let path = format!("/containers/{}/export", path_segment(id));
        self.call("GET", &path, Query::new(), &[], Body::Empty)
    }

    /// Makes an image of a container; returns the image's id.
    pub fn commit(&mut self, id: &str, how: &Commit) -> Result<String> {
        let mut query = Query::new()
            .text("author", &how.author)
            .text("comment", &how.comment)
            .with("container", id)
            .text("repo", &how.repository)
            .text("tag", &how.tag);
        for change in &how.changes {
            query = query.with("changes", change);
        }
        if how.no_pause {
            query = query.with("pause", 0);
        }
        let answer = self.bytes("POST", "/commit", query, Body::Empty)?;
        Ok(decode::<CommitResponse>(&answer)?.id)
    }
}

fn archive(id: &str) -> String {
    format!("/containers/{}/archive", path_segment(id))
}

/// Reads what the daemon tells of a path beside its answer.
fn stat(response: &Response) -> Result<PathStat> {
    let text = response.header("X-Docker-Container-Path-Stat");
    let json = STANDARD.decode(text.unwrap_or_default());
    let stat = json.ok().and_then(|json| decode(&json).ok());
    stat.ok_or_else(|| Error::Daemon {
        status: response.status,
        message: "unable to decode container path stat header".to_owned(),
    })
}
