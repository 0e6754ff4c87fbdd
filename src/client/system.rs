//! The daemon itself: version, information, events.

use super::error::Result;
use super::query::{Filters, Query};
use super::{Client, Stream};
use crate::http::client::Body;

impl Client {
    /// Returns the daemon's version, as it came.
    pub fn server_version(&mut self) -> Result<Vec<u8>> {
        self.bytes("GET", "/version", Query::new(), Body::Empty)
    }

    /// Returns what the daemon tells of itself and its host, as it came.
    pub fn info(&mut self) -> Result<Vec<u8>> {
        self.bytes("GET", "/info", Query::new(), Body::Empty)
    }

    /// Follows events; past ones too with `since`, an end with `until`.
    pub fn events(
        &mut self,
        since: &str,
        until: &str,
        filters: &Filters,
    ) -> Result<Stream> {
        let query = Query::new()
            .text("since", since)
            .text("until", until)
            .filters(filters);
        self.call("GET", "/events", query, &[], Body::Empty)
    }
}
