//! Operations on volumes.

use super::error::Result;
use super::query::{Filters, Query, path_segment};
use super::{Client, decode};
use crate::api::volume::{CreateVolume, PrunedVolumes, Volume, VolumeList};
use crate::http::client::Body;

impl Client {
    /// Makes a volume.
    pub fn create_volume(&mut self, wanted: &CreateVolume) -> Result<Volume> {
        decode(&self.post_json("/volumes/create", Query::new(), wanted)?)
    }

    /// Lists volumes.
    pub fn volumes(&mut self, filters: &Filters) -> Result<VolumeList> {
        self.get("/volumes", Query::new().filters(filters))
    }

    /// Removes a volume; with force it need not be there.
    pub fn remove_volume(&mut self, name: &str, force: bool) -> Result<()> {
        let query = Query::new().flag("force", force);
        let path = format!("/volumes/{}", path_segment(name));
        self.bytes("DELETE", &path, query, Body::Empty).map(drop)
    }

    /// Removes volumes that no container uses.
    pub fn prune_volumes(
        &mut self,
        filters: &Filters,
    ) -> Result<PrunedVolumes> {
        let query = Query::new().filters(filters);
        decode(&self.bytes("POST", "/volumes/prune", query, Body::Empty)?)
    }
}
