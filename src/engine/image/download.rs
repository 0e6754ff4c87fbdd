//! Downloads of layers, each shared by all pulls that want it.
//!
//! ```text
//! pull A ─┐                    ┌─ thread: registry → store
//! pull B ─┼─ Arc<Download> ────┤  counts bytes, wakes the pulls
//! pull C ─┘                    └─ ends with a phase: Complete or Failed
//! ```
//!
//! A download ends when its last pull gives up: each pull holds a [`User`],
//! and the last one dropped cancels it. At most three downloads transfer at
//! a time for each pull, as with Docker.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::oci::{Descriptor, Digest};
use crate::registry::{self, Cancel, Repository};
use crate::store::{self, NewLayer, Store};
use crate::wait::EventFd;

/// Stack of a download's thread, bytes: the codecs need some.
const STACK: usize = 512 << 10;

/// The downloads that go on, by the digest of the blob.
#[derive(Debug, Default)]
pub struct Downloads(Mutex<BTreeMap<Digest, Weak<Download>>>);

/// One layer on its way from a registry to the store.
#[derive(Debug)]
pub struct Download {
    /// The layer as the registry has it.
    pub blob: Digest,
    /// Bytes that have come.
    current: AtomicU64,
    /// How far it is.
    phase: Mutex<Phase>,
    /// Who has to be woken when something changes.
    wakes: Mutex<Vec<Weak<EventFd>>>,
    /// How many pulls want it.
    users: AtomicUsize,
    cancel: Cancel,
}

/// How far a download is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Bytes come and are unpacked.
    Transferring,
    /// The layer is in the store.
    Complete,
    /// It failed, and why.
    Failed(String),
}

/// A pull's share of a download.
#[derive(Debug)]
pub struct User(Arc<Download>);

impl User {
    /// Returns the download.
    pub fn download(&self) -> &Download {
        &self.0
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.cancel.cancel();
        }
    }
}

impl Download {
    /// Returns how many bytes have come.
    pub fn current(&self) -> u64 {
        self.current.load(Ordering::Relaxed)
    }

    /// Returns how far it is.
    pub fn phase(&self) -> Phase {
        lock(&self.phase).clone()
    }

    fn set_phase(&self, phase: Phase) {
        *lock(&self.phase) = phase;
        self.wake();
    }

    fn wake(&self) {
        for wake in lock(&self.wakes).iter().filter_map(Weak::upgrade) {
            wake.notify();
        }
    }
}

impl Downloads {
    /// Joins the download of a layer, or starts it. `wake` is notified
    /// whenever something changes. `open` opens the repository, with a
    /// handle that cancels; `diff_id` is what the unpacked layer must be.
    pub fn join(
        &self,
        store: &Store,
        open: &dyn Fn(&Cancel) -> registry::Result<Repository>,
        blob: &Descriptor,
        diff_id: Digest,
        wake: &Arc<EventFd>,
    ) -> io::Result<User> {
        let mut going = lock(&self.0);
        going.retain(|_, download| download.strong_count() > 0);
        if let Some(user) =
            going.get(&blob.digest).and_then(|weak| share(weak, wake))
        {
            return Ok(user);
        }
        let cancel = Cancel::new();
        let repository = open(&cancel).map_err(io::Error::other)?;
        let download = Arc::new(Download {
            blob: blob.digest,
            current: AtomicU64::new(0),
            phase: Mutex::new(Phase::Transferring),
            wakes: Mutex::new(vec![Arc::downgrade(wake)]),
            users: AtomicUsize::new(1),
            cancel,
        });
        going.insert(blob.digest, Arc::downgrade(&download));
        let user = User(Arc::clone(&download));
        let (store, size) = (store.clone(), blob.size);
        let work = move || bring(&store, &repository, download, size, diff_id);
        let thread = std::thread::Builder::new().name("download".into());
        thread.stack_size(STACK).spawn(work)?;
        Ok(user)
    }
}

/// Brings one layer into the store; the download ends with how that went.
fn bring(
    store: &Store,
    repository: &Repository,
    download: Arc<Download>,
    size: u64,
    diff_id: Digest,
) {
    let mut ending = Ending::of(download);
    let download = &ending.download;
    let outcome = transfer(store, repository, download, size, diff_id);
    ending.phase = match outcome {
        Ok(()) => Phase::Complete,
        Err(text) => Phase::Failed(text),
    };
}

/// Brings a download to its last phase however its thread ends: nobody
/// waits for one whose thread has panicked.
struct Ending {
    download: Arc<Download>,
    phase: Phase,
}

impl Ending {
    fn of(download: Arc<Download>) -> Ending {
        let phase = Phase::Failed("the download has failed inside".into());
        Ending { download, phase }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.download.set_phase(self.phase.clone());
    }
}

/// Joins a download that still has a user; one that was given up is on its
/// way out and cannot be joined.
fn share(weak: &Weak<Download>, wake: &Arc<EventFd>) -> Option<User> {
    let download = weak.upgrade()?;
    if matches!(download.phase(), Phase::Failed(_)) {
        return None;
    }
    let mut users = download.users.load(Ordering::Acquire);
    loop {
        if users == 0 {
            return None;
        }
        match download.users.compare_exchange(
            users,
            users + 1,
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => break,
            Err(now) => users = now,
        }
    }
    lock(&download.wakes).push(Arc::downgrade(wake));
    wake.notify();
    Some(User(download))
}

/// Fetches and unpacks one layer. The error is for the client.
fn transfer(
    store: &Store,
    repository: &Repository,
    download: &Arc<Download>,
    size: u64,
    diff_id: Digest,
) -> Result<(), String> {
    let explain = |error: store::Error| error.to_string();
    let ingest = store.ingest(&download.blob, size).map_err(explain)?;
    let mut open = |offset| -> io::Result<Box<dyn Read>> {
        download.current.store(offset, Ordering::Relaxed);
        let inner = repository
            .blob(&download.blob, size, offset)
            .map_err(io::Error::other)?;
        Ok(Box::new(Counted { inner, download: Arc::clone(download) }))
    };
    let layer = ingest.unpack(&mut open).map_err(explain)?;
    layer.expect(&diff_id).and_then(NewLayer::commit).map_err(explain)?;
    Ok(())
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    download: Arc<Download>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.download.current.fetch_add(n as u64, Ordering::Relaxed);
        self.download.wake();
        Ok(n)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_ends_though_its_thread_panics() {
        let wake = Arc::new(EventFd::open().unwrap());
        let download = Arc::new(Download {
            blob: Digest::of_bytes(b""),
            current: AtomicU64::new(0),
            phase: Mutex::new(Phase::Transferring),
            wakes: Mutex::new(vec![Arc::downgrade(&wake)]),
            users: AtomicUsize::new(1),
            cancel: Cancel::new(),
        });
        let ending = Ending::of(Arc::clone(&download));
        let thread = std::thread::spawn(move || {
            let _ending = ending;
            std::panic::resume_unwind(Box::new("as if"));
        });
        assert!(thread.join().is_err());
        assert!(matches!(download.phase(), Phase::Failed(_)));
        assert!(wake.drain());
        assert!(share(&Arc::downgrade(&download), &wake).is_none());
    }
}
