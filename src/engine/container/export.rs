//! `GET /containers/{id}/export`.

use std::io::Write;

use crate::archive::pack::{Form, Pack};
use crate::archive::{self, write};
use crate::engine::{Engine, Error, Result};

impl Engine {
    /// Writes a container's file system as a tar, without what is mounted
    /// in it.
    pub fn export(
        &self,
        name: &str,
        out: &mut (dyn Write + Send),
    ) -> Result<()> {
        let container = self.container(name)?;
        let record = container.snapshot().record.clone();
        self.container_event(&record, "export", &[]);
        self.with_layers(&record, |root| {
            let nothing = |_: &[u8], _: &_| false;
            let mut pack = Pack::new(Form::Plain, &nothing);
            pack.tree(root, None, b"", out)
                .and_then(|()| {
                    let end = write::end(out).and_then(|()| out.flush());
                    end.map_err(archive::Error::Read)
                })
                .map_err(|e| Error::internal("export", e))
        })
    }
}
