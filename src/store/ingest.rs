//! Blobs on their way: the compressed bytes are kept in `ingest/HEX` while
//! they are unpacked, so that a download that broke off, or a daemon that
//! did, goes on where it was.
//!
//! The file is not synced, and is not trusted: its bytes go through the
//! digest again. If that fails in the end, they are thrown away and all is
//! fetched once more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::unpack::{Keep, NewLayer, Source};
use super::{Error, Result, Store, record, take};
use crate::oci::Digest;

/// How long bytes of a download wait for somebody to go on with it.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A blob that is fetched and unpacked.
#[derive(Debug)]
pub struct Ingest {
    store: Store,
    digest: Digest,
    size: u64,
    already: u64,
    /// `None` if another one writes the file of the same blob now: then
    /// this one keeps nothing.
    path: Option<PathBuf>,
}

/// Opens the rest of a blob from an offset on.
pub type Open<'a> = dyn FnMut(u64) -> io::Result<Box<dyn Read + 'a>> + 'a;

/// Removes what nobody came back for.
pub(super) fn sweep(root: &Path) {
    let dir = root.join("ingest");
    for name in record::names(&dir) {
        let path = dir.join(&name);
        let modified = fs::metadata(&path).and_then(|m| m.modified());
        let age = modified.ok().and_then(|modified| {
            SystemTime::now().duration_since(modified).ok()
        });
        let is_old = age.is_some_and(|age| age > MAX_AGE);
        if is_old || Digest::from_hex(&name).is_none() {
            let _ = fs::remove_file(path);
        }
    }
}

impl Store {
    /// Begins, or goes on with, the blob of a layer.
    pub fn ingest(&self, digest: &Digest, size: u64) -> Result<Ingest> {
        let is_free = take(&self.0.ingesting).insert(*digest);
        let mut ingest = Ingest {
            store: self.clone(),
            digest: *digest,
            size,
            already: 0,
            path: None,
        };
        if is_free {
            let path = self.path("ingest").join(digest.hex());
            let length = fs::metadata(&path).map(|meta| meta.len());
            ingest.already = length.unwrap_or(0);
            if ingest.already > size {
                fs::remove_file(&path).map_err(Error::io("remove", &path))?;
                ingest.already = 0;
            }
            ingest.path = Some(path);
        }
        Ok(ingest)
    }
}

impl Ingest {
    /// Returns how many bytes are here from an earlier time.
    pub fn already(&self) -> u64 {
        self.already
    }

    /// Unpacks the blob. `open` is called with the offset from which on
    /// bytes are wanted: once with [`Ingest::already`], unless that is all
    /// of it, and once more with 0 if the bytes from earlier are found to
    /// be wrong. Its reader gives the rest of the blob.
    ///
    /// # Errors
    /// [`Error::Read`] is what the reader said; the bytes that came are
    /// kept for the next time. [`Error::Digest`] and [`Error::Size`] are
    /// for a blob that is not the one that was asked for; nothing is kept.
    pub fn unpack(mut self, open: &mut Open<'_>) -> Result<NewLayer> {
        let mut result = self.attempt(open);
        let is_other =
            matches!(result, Err(Error::Digest { .. } | Error::Size { .. }));
        if is_other && self.already > 0 {
            log::warn!("{}: the bytes from earlier are wrong", self.digest);
            self.already = 0;
            result = self.attempt(open);
        }
        let mut layer = result?;
        layer.ingest = Some(self);
        Ok(layer)
    }

    fn attempt(&mut self, open: &mut Open<'_>) -> Result<NewLayer> {
        let writer = self.store.begin_layer()?;
        let mut source = Source::new(self.input(open)?, Some(self.size));
        if let Some(path) = &self.path {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(path)
                .map_err(Error::io("open", path))?;
            let path = path.clone();
            source.keep = Some(Keep { file, path, length: self.already });
        }
        let result = writer.unpack_source(&mut source, Some(&self.digest));
        match result {
            Ok(layer) => Ok(layer),
            // Only a source that broke off is worth going on with.
            Err(error @ Error::Read(_)) => Err(error),
            Err(error) => {
                self.forget();
                Err(error)
            }
        }
    }

    /// Chains the bytes from earlier and those that `open` will give.
    fn input<'a, 'b>(
        &self,
        open: &'a mut Open<'b>,
    ) -> Result<impl Read + use<'a, 'b>> {
        let earlier = match &self.path {
            Some(path) if self.already > 0 => {
                let file = File::open(path).map_err(Error::io("open", path))?;
                Some(file.take(self.already))
            }
            _ => None,
        };
        Ok(Input {
            earlier,
            open: (self.already < self.size).then_some(open),
            offset: self.already,
            rest: None,
        })
    }

    /// Throws the bytes away.
    pub(super) fn forget(&self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.path.is_some() {
            take(&self.store.0.ingesting).remove(&self.digest);
        }
    }
}

/// The whole blob: the file first, then the rest, opened when it is due.
struct Input<'a, 'b> {
    earlier: Option<io::Take<File>>,
    open: Option<&'a mut Open<'b>>,
    offset: u64,
    rest: Option<Box<dyn Read + 'b>>,
}

impl Read for Input<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(earlier) = &mut self.earlier {
            let count = earlier.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.earlier = None;
        }
        if let Some(open) = self.open.take() {
            self.rest = Some(open(self.offset)?);
        }
        match &mut self.rest {
            Some(rest) => rest.read(buffer),
            None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::sys::testing::TempDir;

    /// Gives `good` bytes, then an error.
    struct Broken<'a>(&'a [u8]);

    impl Read for Broken<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(io::ErrorKind::ConnectionReset.into()),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn a_wrong_digest_leaves_nothing() {
        let temp = TempDir::new("store-digest");
        let store = Store::open(temp.path()).unwrap();
        let good = gzip(&tar_of("f", &noise(10_000)));
        let wanted = Digest::of_bytes(&good);
        let mut evil = good.clone();
        let middle = evil.len() / 2;
        evil[middle] ^= 1;
        let other = gzip(&tar_of("f", b"other"));
        let longer = [&good[..], b"tail"].concat();
        for (bytes, size) in [
            (&evil, evil.len()),
            (&other, other.len()),
            (&longer, good.len()),
            (&longer, longer.len()),
        ] {
            let ingest = store.ingest(&wanted, size as u64).unwrap();
            let error = ingest
                .unpack(&mut |_| Ok(Box::new(&bytes[..])))
                .expect_err("it is not what was asked for");
            assert!(
                matches!(error, Error::Digest { .. } | Error::Size { .. }),
                "{error}"
            );
            for below in ["tmp", "trash", "layers", "ingest"] {
                assert!(names_in(temp.path(), below).is_empty(), "{below}");
            }
        }
        let ingest = store.ingest(&wanted, good.len() as u64).unwrap();
        let new = ingest.unpack(&mut |_| Ok(Box::new(&good[..]))).unwrap();
        let error = new.expect(&wanted).unwrap_err();
        assert!(matches!(error, Error::Digest { what: "layer", .. }));
        assert!(names_in(temp.path(), "ingest").is_empty());
    }

    #[test]
    fn a_download_goes_on_where_it_broke_off() {
        let temp = TempDir::new("store-resume");
        let tar = tar_of("f", &noise(400_000));
        let blob = gzip(&tar);
        let digest = Digest::of_bytes(&blob);
        let size = blob.len() as u64;
        let store = Store::open(temp.path()).unwrap();
        let ingest = store.ingest(&digest, size).unwrap();
        assert_eq!(ingest.already(), 0);
        let error = ingest
            .unpack(&mut |_| Ok(Box::new(Broken(&blob[..150_000]))))
            .unwrap_err();
        assert!(matches!(error, Error::Read(_)), "{error}");
        // A stream that just ends is the same.
        let ingest = store.ingest(&digest, size).unwrap();
        assert_eq!(ingest.already(), 150_000);
        let error = ingest
            .unpack(&mut |at| Ok(Box::new(&blob[at as usize..200_000])))
            .unwrap_err();
        assert!(matches!(error, Error::Read(_)), "{error}");
        drop(store);
        let store = Store::open(temp.path()).unwrap();
        let ingest = store.ingest(&digest, size).unwrap();
        assert_eq!(ingest.already(), 200_000);
        let mut offsets = Vec::new();
        let layer = ingest
            .unpack(&mut |at| {
                offsets.push(at);
                Ok(Box::new(&blob[at as usize..]))
            })
            .unwrap()
            .commit()
            .unwrap();
        assert_eq!(offsets, [200_000]);
        assert_eq!(layer.diff_id, Digest::of_bytes(&tar));
        assert!(names_in(temp.path(), "ingest").is_empty());
        let mut again = Vec::new();
        store.write_layer_tar(&layer, &mut again).unwrap();
        assert!(again == tar);
    }

    #[test]
    fn wrong_bytes_from_earlier_are_fetched_again() {
        let temp = TempDir::new("store-refetch");
        let blob = gzip(&tar_of("f", &noise(50_000)));
        let digest = Digest::of_bytes(&blob);
        let size = blob.len() as u64;
        let store = Store::open(temp.path()).unwrap();
        let path = temp.path().join("ingest").join(digest.hex());
        // Zeros, as a power cut leaves them; the right length of them; more.
        for length in [20_000, blob.len(), blob.len() + 1] {
            fs::write(&path, vec![0; length]).unwrap();
            let ingest = store.ingest(&digest, size).unwrap();
            let mut offsets = Vec::new();
            let new = ingest
                .unpack(&mut |at| {
                    offsets.push(at);
                    Ok(Box::new(&blob[at as usize..]))
                })
                .unwrap();
            assert_eq!(offsets.last(), Some(&0), "{length}");
            assert_eq!(new.blob().digest, digest);
            drop(new);
            assert!(!path.exists());
        }
        // All of it is here already: nothing is opened.
        fs::write(&path, &blob).unwrap();
        let ingest = store.ingest(&digest, size).unwrap();
        ingest.unpack(&mut |_| panic!("opened")).unwrap();
    }
}
