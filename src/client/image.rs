//! Operations on images.

use std::io::Read;

use super::error::Result;
use super::query::{Filters, Query, path_segment};
use super::{Client, Stream, decode};
use crate::api::image::{Deleted, Summary};
use crate::http::client::Body;

/// Which images to list.
#[derive(Clone, Debug, Default)]
pub struct ListImages {
    /// Those between the named ones, too.
    pub all: bool,
    /// Conditions.
    pub filters: Filters,
}

/// Where an imported archive comes from.
pub enum ImageSource<'a> {
    /// The client sends it.
    Reader(&'a mut dyn Read),
    /// The daemon fetches it.
    Url(&'a str),
}

/// How an image is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImageRemoval {
    /// Even when stopped containers use it.
    pub force: bool,
    /// Its nameless parents stay.
    pub no_prune: bool,
}

impl Client {
    /// Lists images.
    pub fn images(&mut self, list: &ListImages) -> Result<Vec<Summary>> {
        let query = Query::new().flag("all", list.all).filters(&list.filters);
        self.get("/images/json", query)
    }

    /// Pulls an image; the answer is a stream of progress messages. `auth`
    /// is the value of the header with the registry's credentials.
    pub fn pull(
        &mut self,
        name: &str,
        tag: &str,
        platform: &str,
        auth: &str,
    ) -> Result<Stream> {
        let query = Query::new()
            .with("fromImage", name)
            .text("tag", tag)
            .text("platform", &platform.to_lowercase());
        let auth = [("X-Registry-Auth", auth)];
        self.call("POST", "/images/create", query, &auth, Body::Empty)
    }

    /// Imports an archive as an image; the answer is a stream of progress
    /// messages.
    pub fn import(
        &mut self,
        source: ImageSource<'_>,
        repository: &str,
        message: &str,
        changes: &[String],
        platform: &str,
    ) -> Result<Stream> {
        let mut query = Query::new()
            .text("message", message)
            .text("platform", &platform.to_lowercase());
        for change in changes {
            query = query.with("changes", change);
        }
        let (query, body) = match source {
            ImageSource::Url(url) => (query.with("fromSrc", url), Body::Empty),
            ImageSource::Reader(reader) => {
                (query.with("fromSrc", "-"), Body::Chunked(reader))
            }
        };
        let query = query.text("repo", repository);
        let text = [("Content-Type", "text/plain")];
        let headers: &[_] = match body {
            Body::Empty => &[],
            _ => &text,
        };
        self.call("POST", "/images/create", query, headers, body)
    }

    /// Removes an image, or one of its names.
    pub fn remove_image(
        &mut self,
        name: &str,
        how: ImageRemoval,
    ) -> Result<Vec<Deleted>> {
        let query =
            Query::new().flag("force", how.force).flag("noprune", how.no_prune);
        let path = format!("/images/{}", path_segment(name));
        decode(&self.bytes("DELETE", &path, query, Body::Empty)?)
    }
}
