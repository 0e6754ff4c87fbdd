//! Inspecting any kind of object: the answer as the daemon wrote it.

use super::Client;
use super::error::Result;
use super::query::{Query, path_segment};
use crate::http::client::Body;

/// A kind of object that can be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
    /// A plugin.
    Plugin,
}

/// Whether a container's sizes are counted, which takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// They are.
    With,
    /// They are not.
    Without,
}

impl Client {
    /// Returns an object's description, as it came. `sizes` has an effect on
    /// containers only.
    pub fn inspect(
        &mut self,
        kind: Object,
        name: &str,
        sizes: Sizes,
    ) -> Result<Vec<u8>> {
        let name = path_segment(name);
        let (path, query) = match kind {
            Object::Container => (
                format!("/containers/{name}/json"),
                Query::new().flag("size", sizes == Sizes::With),
            ),
            Object::Image => (format!("/images/{name}/json"), Query::new()),
            Object::Network => (format!("/networks/{name}"), Query::new()),
            Object::Volume => (format!("/volumes/{name}"), Query::new()),
            Object::Plugin => (format!("/plugins/{name}/json"), Query::new()),
        };
        self.bytes("GET", &path, query, Body::Empty)
    }
}
