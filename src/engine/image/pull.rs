//! `POST /images/create?fromImage=…`.
//!
//! 1. [`Engine::pull`] finds the manifest and the configuration: what is
//!    wrong with the name or the image is known before the answer begins.
//! 2. [`Pull::step`] brings the layers in, several at a time, and tells how
//!    far they are.
//! 3. The image's record comes last, then its name.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::download::{Downloads, Phase, User};
use super::resolve::{self, Found};
use crate::api::progress::Message;
use crate::engine::{Engine, Error, Result};
use crate::oci::{Descriptor, Digest, Platform, Reference};
use crate::registry::{self, Cancel, Credentials, Repository};
use crate::wait::{self, EventFd, Ready, Waiter};

/// How often a client is told of a transfer.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a pull rests after it was woken.
const PAUSE: Duration = Duration::from_millis(2);
/// Stack of the thread that finds a manifest, bytes.
const STACK: usize = 512 << 10;

/// What is shared by all pulls.
#[derive(Debug)]
pub struct Pulls {
    /// Guards the client of the settings as they are now.
    client: Mutex<registry::Client>,
    downloads: Downloads,
}

impl Pulls {
    /// Makes the registry client.
    pub fn new(settings: registry::Settings) -> Pulls {
        let client = Mutex::new(registry::Client::new(settings));
        Pulls { client, downloads: Downloads::default() }
    }

    /// Asks registries by new settings from now on.
    pub fn reload(&self, settings: registry::Settings) {
        *self.lock() = registry::Client::new(settings);
    }

    fn client(&self) -> registry::Client {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, registry::Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is to be pulled.
#[derive(Clone, Debug, Default)]
pub struct PullOptions {
    /// The image, perhaps with its tag or digest.
    pub name: String,
    /// The tag or digest, if the name does not carry it.
    pub tag: String,
    /// The platform that it is for; `None`: the host's.
    pub platform: Option<Platform>,
    /// What the client proves itself with.
    pub credentials: Option<Credentials>,
}

/// A pull whose image is known. [`Pull::step`] brings it on.
pub struct Pull {
    engine: Arc<Engine>,
    wanted: Reference,
    options: PullOptions,
    found: Found,
    stage: Stage,
    /// Notified when a download goes on.
    wake: Arc<EventFd>,
    /// The layers that have to be brought.
    layers: Vec<Layer>,
    /// When the client was last told of bytes.
    told_at: Instant,
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Begin,
    Transfer,
    Done,
}

/// Answers a pull however the thread that asks the registry ends.
struct Answer(Arc<Waiter<Result<Found>>>);

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.give(Err(Error::Internal("the pull has failed inside".into())));
    }
}

/// One layer of a pull.
struct Layer {
    blob: Descriptor,
    diff_id: Digest,
    user: Option<User>,
    told: Told,
    /// Held until the image holds it, so that nobody removes it.
    kept: Option<Arc<crate::store::Layer>>,
}

/// What a client was told of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    Downloading(u64),
    Complete,
}

/// Whether it is time to tell a client of bytes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bytes {
    Told,
    Untold,
}

impl Engine {
    /// Finds an image in its registry; gives up when `client` hangs up.
    pub fn pull(
        self: &Arc<Engine>,
        options: PullOptions,
        client: BorrowedFd<'_>,
    ) -> Result<Pull> {
        let wanted = resolve::wanted(&options.name, &options.tag)?;
        let cancel = Cancel::new();
        let answer = Waiter::open().map_err(|e| Error::internal("pull", e))?;
        let repository = self.repository(&wanted, &options, &cancel)?;
        let job = {
            let answer = Answer(Arc::clone(&answer));
            let (wanted, platform) = (wanted.clone(), options.platform.clone());
            move || {
                answer.0.give(resolve::find(
                    &repository,
                    &wanted,
                    platform.as_ref(),
                ))
            }
        };
        std::thread::Builder::new()
            .name("manifest".into())
            .stack_size(STACK)
            .spawn(job)
            .map_err(|e| Error::internal("start a thread", e))?;
        let ready = wait::first_ready(&[answer.as_fd()], Some(client), None);
        if !matches!(ready, Ok(Ready::Fd(_))) {
            cancel.cancel();
            return Err(Error::Internal("context canceled".into()));
        }
        match answer.value() {
            Some(Ok(found)) => {
                let found = found.clone();
                let wake =
                    EventFd::open().map_err(|e| Error::internal("pull", e))?;
                Ok(Pull {
                    engine: Arc::clone(self),
                    wanted,
                    options,
                    found,
                    stage: Stage::Begin,
                    wake: Arc::new(wake),
                    layers: Vec::new(),
                    told_at: Instant::now(),
                })
            }
            Some(Err(error)) => Err(error.clone()),
            None => Err(Error::Internal("context canceled".into())),
        }
    }

    fn repository(
        &self,
        wanted: &Reference,
        options: &PullOptions,
        cancel: &Cancel,
    ) -> Result<Repository> {
        self.pulls
            .client()
            .repository(wanted, options.credentials.clone(), cancel)
            .map_err(|e| resolve::registry_error(&e))
    }
}

impl Pull {
    /// Waits until there is something to tell, and returns it; `None` when
    /// the image is there and all was told. Fails when `client` hangs up;
    /// layers that no other client wants end with it.
    pub fn step(
        &mut self,
        client: BorrowedFd<'_>,
    ) -> Result<Option<Vec<Message>>> {
        let mut told = Vec::new();
        match self.stage {
            Stage::Begin => {
                self.begin(&mut told);
                self.stage = Stage::Transfer;
            }
            Stage::Transfer => {
                self.transfer(client, &mut told)?;
                if self.layers.iter().all(|l| l.told == Told::Complete) {
                    self.keep(&mut told)?;
                    self.stage = Stage::Done;
                }
            }
            Stage::Done => return Ok(None),
        }
        Ok(Some(told))
    }

    fn begin(&mut self, told: &mut Vec<Message>) {
        let version = match self.wanted.digest() {
            Some(digest) => digest.to_string(),
            None => self.wanted.tag().unwrap_or("latest").to_string(),
        };
        told.push(Message::of(
            version,
            format!("Pulling from {}", self.wanted.path()),
        ));
        self.layers = self.open_layers(told);
    }

    fn transfer(
        &mut self,
        client: BorrowedFd<'_>,
        told: &mut Vec<Message>,
    ) -> Result<()> {
        self.start_some()?;
        if self.layers.iter().all(|l| l.told == Told::Complete) {
            return Ok(());
        }
        let ready = wait::first_ready(&[self.wake.as_fd()], Some(client), None);
        if let Ok(Ready::HungUp) = ready {
            return Err(Error::Internal("context canceled".into()));
        }
        // A fast transfer wakes often: it is looked at now and then.
        std::thread::sleep(PAUSE);
        self.wake.drain();
        let bytes = match self.told_at.elapsed() >= INTERVAL {
            true => Bytes::Told,
            false => Bytes::Untold,
        };
        if bytes == Bytes::Told {
            self.told_at = Instant::now();
        }
        for layer in &mut self.layers {
            layer.tell(bytes, told)?;
            if layer.told == Told::Complete && layer.kept.is_none() {
                layer.kept = self.engine.store.layer(&layer.diff_id);
            }
        }
        Ok(())
    }

    /// Keeps the image, whose layers are all there, and gives it its names.
    fn keep(&self, told: &mut Vec<Message>) -> Result<()> {
        let failed = |e| Error::internal("keep an image", e);
        let store = &self.engine.store;
        let before = store.find_image(&self.wanted.familiar()).ok();
        let image = store.put_image(&self.found.config).map_err(failed)?;
        let by_digest = self.wanted.name_only().with_digest(self.found.digest);
        let names: &[&Reference] = match self.wanted.digest() {
            Some(_) => &[&by_digest],
            None => &[&by_digest, &self.wanted],
        };
        store.publish(image.id, names).map_err(failed)?;
        told.push(Message::status(format!("Digest: {}", self.found.digest)));
        let name = self.wanted.familiar();
        let status = match before {
            Some(before) if before.id == image.id => {
                format!("Status: Image is up to date for {name}")
            }
            _ => format!("Status: Downloaded newer image for {name}"),
        };
        self.engine.pull_event(&image, &self.wanted);
        told.push(Message::status(status));
        Ok(())
    }

    /// Tells of each layer, and returns them.
    fn open_layers(&self, told: &mut Vec<Message>) -> Vec<Layer> {
        let at_once = self.engine.settings().concurrent_downloads;
        let store = &self.engine.store;
        // An image that is here already needs no word of its layers.
        let id = Digest::of_bytes(&self.found.config);
        if store.image(&id).is_some() {
            return Vec::new();
        }
        let all = self.found.manifest.layers.iter().zip(&self.found.diff_ids);
        let mut layers: Vec<Layer> = Vec::new();
        for (blob, diff_id) in all {
            let short = blob.digest.short();
            if let Some(layer) = store.layer(diff_id) {
                told.push(Message::step(&short, "Already exists"));
                layers.push(Layer {
                    blob: blob.clone(),
                    diff_id: *diff_id,
                    user: None,
                    told: Told::Complete,
                    kept: Some(layer),
                });
                continue;
            }
            // The same layer may be in an image twice.
            if layers.iter().any(|other| other.diff_id == *diff_id) {
                continue;
            }
            told.push(Message::step(&short, "Pulling fs layer"));
            let ahead =
                layers.iter().filter(|l| l.told != Told::Complete).count();
            if ahead >= at_once {
                told.push(Message::step(&short, "Waiting"));
            }
            layers.push(Layer {
                blob: blob.clone(),
                diff_id: *diff_id,
                user: None,
                told: Told::Nothing,
                kept: None,
            });
        }
        layers
    }

    /// Starts downloads, as long as there are not too many.
    fn start_some(&mut self) -> Result<()> {
        let at_once = self.engine.settings().concurrent_downloads;
        let layers = self.layers.iter();
        let going = layers
            .filter(|l| l.user.is_some() && l.told != Told::Complete)
            .count();
        let (client, downloads) =
            (self.engine.pulls.client(), &self.engine.pulls.downloads);
        let open = |cancel: &Cancel| {
            let credentials = self.options.credentials.clone();
            client.repository(&self.wanted, credentials, cancel)
        };
        let store = &self.engine.store;
        let layers = self.layers.iter_mut();
        let waiting =
            layers.filter(|l| l.user.is_none() && l.told != Told::Complete);
        for layer in waiting.take(at_once.saturating_sub(going)) {
            let (blob, diff_id) = (&layer.blob, layer.diff_id);
            let user = downloads
                .join(store, &open, blob, diff_id, &self.wake)
                .map_err(|e| Error::internal("start a download", e))?;
            layer.user = Some(user);
        }
        Ok(())
    }
}

impl Layer {
    /// Tells what has changed since the last time.
    fn tell(&mut self, bytes: Bytes, told: &mut Vec<Message>) -> Result<()> {
        let Some(user) = &self.user else {
            return Ok(());
        };
        let download = user.download();
        let short = self.blob.digest.short();
        let current = download.current();
        match download.phase() {
            Phase::Failed(text) => return Err(Error::Internal(text)),
            Phase::Transferring => {
                let now = Told::Downloading(current);
                if bytes == Bytes::Told && current > 0 && now > self.told {
                    self.told = now;
                    let size = self.blob.size;
                    told.push(Message::transfer(
                        &short,
                        "Downloading",
                        current,
                        size,
                    ));
                }
            }
            Phase::Complete if self.told != Told::Complete => {
                self.told = Told::Complete;
                let size = self.blob.size;
                told.extend([
                    Message::step(&short, "Verifying Checksum"),
                    Message::step(&short, "Download complete"),
                    Message::transfer(&short, "Extracting", size, size),
                    Message::step(&short, "Pull complete"),
                ]);
            }
            Phase::Complete => {}
        }
        Ok(())
    }
}
