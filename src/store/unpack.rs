//! A layer in the making, in one pass: bytes → digest of the blob →
//! decompressed → digest of the tar → files and framing in `tmp`.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;

use super::ingest::Ingest;
use super::layer::{Blob, Layer, Staged};
use super::{Error, Result, Store, make_dir};
use crate::archive::framing::{self, Record};
use crate::archive::{
    self,
    extract::{self, Summary},
};
use crate::oci::{Digest, Hasher};
use crate::{id, sys};

const BUFFER: usize = 128 << 10;

/// A place in `tmp` for one layer; removed when dropped.
#[derive(Debug)]
pub struct LayerWriter {
    store: Store,
    path: PathBuf,
}

/// A layer that is unpacked whole but not yet visible; removed when it is
/// dropped without a commit.
#[derive(Debug)]
pub struct NewLayer {
    writer: LayerWriter,
    diff_id: Digest,
    blob: Blob,
    summary: Summary,
    tar_size: u64,
    /// Keeps the blob's bytes until the layer is safe, and others away
    /// from them.
    pub(super) ingest: Option<Ingest>,
}

impl Store {
    /// Begins a layer.
    pub fn begin_layer(&self) -> Result<LayerWriter> {
        let random = id::random();
        let path = self.path("tmp").join(id::short(&random));
        make_dir(&path)?;
        let writer = LayerWriter { store: self.clone(), path };
        for name in ["files", "meta", "meta/replaced"] {
            make_dir(&writer.path.join(name))?;
        }
        // What the root of a layer has when its tar does not say.
        let files = writer.path.join("files");
        let dir =
            sys::fs::open_dir(&files).map_err(Error::sys("open", &files))?;
        sys::fs::chmod(&dir, 0o755).map_err(Error::sys("chmod", &files))?;
        Ok(writer)
    }
}

impl LayerWriter {
    /// Unpacks a layer from its compressed or plain bytes, to their end.
    pub fn unpack(self, blob: impl Read) -> Result<NewLayer> {
        let mut source = Source::new(blob, None);
        self.unpack_source(&mut source, None)
    }

    /// Unpacks from `source`, and checks the blob's digest if one is
    /// expected: a wrong one is told rather than what it led to.
    pub(super) fn unpack_source<R: Read>(
        self,
        source: &mut Source<R>,
        expected: Option<&Digest>,
    ) -> Result<NewLayer> {
        let unpacked = self.extract(source);
        if let Some(failure) = source.failure.take() {
            return Err(failure);
        }
        if let Err(error) = &unpacked {
            let is_local = !matches!(
                error,
                Error::Unpack(
                    archive::Error::Read(_)
                        | archive::Error::Truncated
                        | archive::Error::Header { .. }
                        | archive::Error::Compression(_)
                        | archive::Error::Kind { .. }
                        | archive::Error::Outside { .. }
                )
            );
            if is_local || expected.is_none() {
                return Err(unpacked.expect_err("it was looked at"));
            }
        }
        source.drain()?;
        let blob = source.blob();
        if let Some(expected) = expected
            && blob.digest != *expected
        {
            return Err(Error::Digest {
                what: "filesystem layer",
                expected: *expected,
                actual: blob.digest,
            });
        }
        let (summary, diff_id, tar_size) = unpacked?;
        Ok(NewLayer {
            writer: self,
            diff_id,
            blob,
            summary,
            tar_size,
            ingest: None,
        })
    }

    fn extract<R: Read>(
        &self,
        source: &mut Source<R>,
    ) -> Result<(Summary, Digest, u64)> {
        let open = |name: &str| {
            let path = self.path.join(name);
            sys::fs::open_dir(&path).map_err(Error::sys("open", &path))
        };
        let files = open("files")?;
        let replaced = open("meta/replaced")?;
        let path = self.path.join("meta/framing.gz");
        let out = File::create(&path).map_err(Error::io("create", &path))?;
        let framed = |cause| Error::Unpack(archive::Error::Framing(cause));
        let mut writer =
            framing::Writer::create(BufWriter::new(out)).map_err(framed)?;
        let plain = archive::decompress(source).map_err(Error::Unpack)?;
        let mut tar = BufReader::with_capacity(
            BUFFER,
            Tar { plain, hasher: Hasher::new(), size: 0 },
        );
        let summary = extract::extract_recorded(
            &mut tar,
            files.as_fd(),
            &mut writer as &mut dyn Record,
            replaced.as_fd(),
        )
        .map_err(Error::Unpack)?;
        let mut out = writer.finish().map_err(framed)?;
        out.flush().map_err(Error::io("write", &path))?;
        // Seldom is anything in it.
        let _ = fs::remove_dir(self.path.join("meta/replaced"));
        let tar = tar.into_inner();
        Ok((summary, tar.hasher.finish(), tar.size))
    }
}

impl Drop for LayerWriter {
    fn drop(&mut self) {
        if let Err(error) = self.store.0.trash.discard(&self.path) {
            log::warn!("a layer in the making is left: {error}");
        }
    }
}

impl NewLayer {
    /// Returns the digest of the plain tar. A caller that knows what it
    /// must be compares it before [`NewLayer::commit`].
    pub fn diff_id(&self) -> Digest {
        self.diff_id
    }

    /// Returns digest and length of the bytes that were unpacked.
    pub fn blob(&self) -> Blob {
        self.blob
    }

    /// Returns the bytes of the layer's files.
    pub fn size(&self) -> u64 {
        self.summary.size
    }

    /// Checks the diff id.
    ///
    /// # Errors
    /// [`Error::Digest`]; nothing of the layer is left then.
    pub fn expect(self, diff_id: &Digest) -> Result<NewLayer> {
        if self.diff_id == *diff_id {
            return Ok(self);
        }
        Err(Error::Digest {
            what: "layer",
            expected: *diff_id,
            actual: self.diff_id,
        })
    }

    /// Makes the layer visible, on the disk for good. If another one was
    /// faster with the same layer, that one is it.
    pub fn commit(self) -> Result<Arc<Layer>> {
        self.writer.store.commit_layer(&Staged {
            path: self.writer.path.clone(),
            diff_id: self.diff_id,
            size: self.summary.size,
            tar_size: self.tar_size,
            blob: self.blob,
        })
    }
}

impl Drop for NewLayer {
    fn drop(&mut self) {
        // Committed, or of no use: the whole blob was read.
        if let Some(ingest) = &self.ingest {
            ingest.forget();
        }
    }
}

/// The plain tar on its way: hashed and counted.
struct Tar<'a> {
    plain: Box<dyn Read + 'a>,
    hasher: Hasher,
    size: u64,
}

impl Read for Tar<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

/// The bytes of a blob on their way: hashed, counted, bounded, and written
/// to a file too where they are to be kept.
pub(super) struct Source<R> {
    input: R,
    hasher: Hasher,
    size: u64,
    limit: Option<u64>,
    /// Takes the bytes beyond its length.
    pub keep: Option<Keep>,
    /// What ended the stream, if it was not the blob's own content.
    pub failure: Option<Error>,
}

/// A file that keeps the bytes of a blob.
pub(super) struct Keep {
    pub file: File,
    pub path: PathBuf,
    pub length: u64,
}

impl<R: Read> Source<R> {
    pub fn new(input: R, limit: Option<u64>) -> Source<R> {
        Source {
            input,
            hasher: Hasher::new(),
            size: 0,
            limit,
            keep: None,
            failure: None,
        }
    }

    fn drain(&mut self) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        loop {
            match self.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => {
                    let failure = self.failure.take();
                    return Err(failure.unwrap_or(Error::Read(cause)));
                }
            }
        }
        match self.limit {
            // Worth going on with: what came may well be right.
            Some(expected) if self.size < expected => {
                let text = format!(
                    "the blob ended after {} of {expected} bytes",
                    self.size
                );
                let kind = io::ErrorKind::UnexpectedEof;
                Err(Error::Read(io::Error::new(kind, text)))
            }
            _ => Ok(()),
        }
    }

    fn blob(&self) -> Blob {
        Blob { digest: self.hasher.clone().finish(), size: self.size }
    }

    fn fail(&mut self, failure: Error) -> io::Error {
        let shown = io::Error::other(failure.to_string());
        self.failure = Some(failure);
        shown
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = match self.input.read(buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Err(e),
            Err(cause) => return Err(self.fail(Error::Read(cause))),
        };
        let bytes = &buffer[..count];
        let before = self.size;
        self.size += count as u64;
        if let Some(expected) = self.limit
            && self.size > expected
        {
            let actual = self.size;
            return Err(self.fail(Error::Size { expected, actual }));
        }
        self.hasher.update(bytes);
        let kept = match &mut self.keep {
            Some(keep) => keep.append(before, bytes),
            None => Ok(()),
        };
        match kept {
            Ok(()) => Ok(count),
            Err(failure) => Err(self.fail(failure)),
        }
    }
}

impl Keep {
    /// Writes bytes that begin at `offset`, but for those it has already.
    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        let known = self.length.saturating_sub(offset);
        let known = usize::try_from(known).unwrap_or(usize::MAX);
        let Some(new) = bytes.get(known..) else { return Ok(()) };
        self.file.write_all(new).map_err(Error::io("write", &self.path))?;
        self.length += new.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::sys::testing::TempDir;

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let temp = TempDir::new("store-drop");
        let store = Store::open(temp.path()).unwrap();
        let writer = store.begin_layer().unwrap();
        let new = writer.unpack(&tar_of("f", b"x")[..]).unwrap();
        drop(new);
        let writer = store.begin_layer().unwrap();
        assert!(writer.unpack(&b"no tar at all, but long enough"[..]).is_err());
        for below in ["tmp", "trash", "layers", "ingest"] {
            assert!(names_in(temp.path(), below).is_empty(), "{below}");
        }
        assert_eq!(names_in(temp.path(), "l"), ["empty"]);
    }
}
