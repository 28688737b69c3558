//! Loaded models: which are in memory, which are in use, and which is unloaded next.
//!
//! A handler [acquires](Models::acquire) a model by name and holds a [`Lease`] while it answers. One model is
//! loaded at a time, in the order of arrival. To make room, idle models are unloaded, the least recently used
//! first. If all are busy, one of them finishes its requests and takes no new ones meanwhile. Nothing is unloaded
//! for a model that could not run anyway.

mod catalog;
pub(crate) mod keep_alive;
mod lease;
mod load;
mod memory;
mod places;
mod resolve;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use mlxk_engine::Engine;
use mlxk_hub::Resolved;
use tokio::sync::Notify;

pub use keep_alive::KeepAlive;
pub(crate) use lease::Lease;

use crate::config::ServerConfig;
use crate::error::ApiError;
use keep_alive::Expiry;
use places::Places;

/// Time between two looks if the last request of a lost engine has ended.
const POLL_LOST: Duration = Duration::from_millis(100);

/// The models of a server. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Models(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: ServerConfig,
    /// Bytes that all models may take together.
    limit_bytes: Option<u64>,
    loaded: Mutex<Vec<Loaded>>,
    /// Held while a model is loaded.
    loading: Arc<tokio::sync::Mutex<()>>,
    /// Notified when a lease has ended or an expiry has changed.
    changed: Notify,
    /// Notified when a model is idle.
    idle: Notify,
}

/// A loaded model.
#[derive(Debug)]
struct Loaded {
    /// Folder of the checkpoint, which identifies the model.
    path: PathBuf,
    /// Full name. Names made by `mlxk cp` and `mlxk create` share the model.
    name: String,
    /// Name of the last request, as its client wrote it.
    called: Option<String>,
    /// Context length that the name of the last request sets.
    named_context: Option<usize>,
    /// Commit of a cached snapshot.
    revision: Option<String>,
    engine: Arc<Engine>,
    /// Places for requests that run or wait.
    places: Places,
    reserved_bytes: u64,
    leases: usize,
    last_used: Instant,
    keep: KeepAlive,
    /// Time at which it is unloaded, unless it is used before.
    expiry: Expiry,
    /// `true` if it takes no new requests, because another model needs its place.
    draining: bool,
}

impl Loaded {
    /// Returns the context length in tokens under the name of the last request.
    fn context(&self) -> usize {
        context_of(&self.engine, self.named_context)
    }

    /// Returns `true` if `mlxk ps` or `/api/ps` shows it under this name, even if the name is gone by now.
    fn is_shown_as(&self, name: &str) -> bool {
        let bare = |name: &str| name.strip_suffix(":latest").unwrap_or(name).to_owned();
        self.name == name || self.called.as_deref().is_some_and(|it| bare(it) == bare(name))
    }
}

/// Returns the context length in tokens of a model whose name may set another one than that of the engine.
fn context_of(engine: &Engine, named: Option<usize>) -> usize {
    named.map_or(engine.context(), |named| named.min(engine.context()))
}

/// Description of a loaded model.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "dialects show different parts of it")]
pub(crate) struct Running {
    /// Full name.
    pub(crate) name: String,
    /// Name of the last request, as its client wrote it.
    pub(crate) called: Option<String>,
    /// Folder of the checkpoint.
    pub(crate) path: PathBuf,
    /// Commit of a cached snapshot.
    pub(crate) revision: Option<String>,
    /// Bytes of its weights.
    pub(crate) weights_bytes: u64,
    /// Bytes that its KV cache occupies now.
    pub(crate) kv_bytes: u64,
    /// Bytes that it may take.
    pub(crate) reserved_bytes: u64,
    /// Context length in tokens: that of the engine, or a smaller one that the name of the last request sets.
    pub(crate) context: usize,
    /// Time at which it is unloaded unless it is used before, or `None` for never.
    pub(crate) expires: Option<SystemTime>,
    /// Name of the device that it runs on.
    pub(crate) device: String,
    /// Bytes that are in the memory of a GPU now.
    pub(crate) gpu_bytes: u64,
    /// Number of requests that use it.
    pub(crate) requests: usize,
    /// Number of further requests that it would take.
    pub(crate) places_left: usize,
}

impl Models {
    /// Returns an empty set of models. `available_bytes` is the memory that the system can give.
    pub(crate) fn new(config: ServerConfig, available_bytes: Option<u64>) -> Self {
        let limit_bytes = config.memory_limit_bytes.or(available_bytes);
        Self(Arc::new(Inner {
            config,
            limit_bytes,
            loaded: Mutex::default(),
            loading: Arc::default(),
            changed: Notify::new(),
            idle: Notify::new(),
        }))
    }

    /// Returns the model called `name`, or the server's own if it is `None`. Loads it if necessary. `keep` is for
    /// [`Lease::honor_keep`].
    pub(crate) async fn acquire(
        &self,
        name: Option<&str>,
        keep: Option<KeepAlive>,
    ) -> Result<Lease, ApiError> {
        let model = self.resolve(name).await?;
        self.acquire_resolved(model, name, keep).await
    }

    /// Like [`Models::acquire`], for a model that was looked up already. `called` is its name in the request.
    pub(crate) async fn acquire_resolved(
        &self,
        model: Resolved,
        called: Option<&str>,
        keep: Option<KeepAlive>,
    ) -> Result<Lease, ApiError> {
        let lease = self.acquire_uncalled(model, keep).await?;
        if let Some(called) = called.map(str::trim).filter(|name| !name.is_empty()) {
            self.call(&lease, called);
        }
        Ok(lease)
    }

    /// Notes the name by which a client calls a model.
    fn call(&self, lease: &Lease, called: &str) {
        let mut loaded = self.lock();
        if let Some(model) = loaded.iter_mut().find(|model| model.path == lease.path()) {
            model.called = Some(called.to_owned());
        }
    }

    async fn acquire_uncalled(
        &self,
        model: Resolved,
        keep: Option<KeepAlive>,
    ) -> Result<Lease, ApiError> {
        if let Some(lease) = self.lease(&model, keep) {
            return Ok(lease);
        }
        let turn = Arc::clone(&self.0.loading).lock_owned().await;
        if let Some(lease) = self.lease(&model, keep) {
            return Ok(lease);
        }
        self.remove_lost();
        // In a task of its own, so that the load goes on if the client leaves.
        let models = self.clone();
        let task = tokio::spawn(async move {
            let _turn = turn;
            models.load(model, keep).await
        });
        task.await.map_err(|_| ApiError::panicked())?
    }

    /// Returns the loaded models, the most recently used first.
    pub(crate) fn running(&self) -> Vec<Running> {
        let loaded = self.lock();
        let mut models: Vec<&Loaded> = loaded.iter().collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.last_used));
        let running = models.iter().map(|model| Running {
            name: model.name.clone(),
            called: model.called.clone(),
            path: model.path.clone(),
            revision: model.revision.clone(),
            weights_bytes: model.engine.memory().weights_bytes,
            kv_bytes: model.engine.kv_bytes(),
            reserved_bytes: model.reserved_bytes,
            context: model.context(),
            // A model in use stays for its time after the request.
            expires: match model.leases {
                0 => model.expiry.wall_clock(),
                _ => model.keep.from(Instant::now()).wall_clock(),
            },
            device: model.engine.device().to_owned(),
            gpu_bytes: model.engine.gpu_bytes(),
            requests: model.leases,
            places_left: model.places.queue.available_permits(),
        });
        running.collect()
    }

    /// Unloads a model as soon as its requests have ended. Returns `false` if it is not loaded.
    pub(crate) async fn unload(&self, name: &str) -> Result<bool, ApiError> {
        let known =
            self.lock().iter().find(|model| model.is_shown_as(name)).map(|m| m.path.clone());
        let path = match known {
            Some(path) => path,
            None => self.resolve(Some(name)).await?.path,
        };
        let gone = {
            let mut loaded = self.lock();
            let Some(index) = loaded.iter().position(|model| model.path == path) else {
                return Ok(false);
            };
            let model = &mut loaded[index];
            model.keep = KeepAlive::For(Duration::ZERO);
            model.expiry = Expiry::NOW;
            (model.leases == 0).then(|| loaded.swap_remove(index))
        };
        drop_quietly(gone).await;
        self.0.idle.notify_waiters();
        Ok(true)
    }

    /// Unloads expired models as long as the server runs.
    pub(crate) async fn expire(&self) {
        loop {
            let changed = self.0.changed.notified();
            let now = Instant::now();
            let (gone, next) = {
                let mut loaded = self.lock();
                let gone: Vec<Loaded> = loaded
                    .extract_if(.., |model| model.leases == 0 && model.expiry.is_over(now))
                    .collect();
                let idle = loaded.iter().filter(|model| model.leases == 0);
                (gone, idle.filter_map(|model| model.expiry.deadline()).min())
            };
            for model in gone {
                tracing::info!(model = model.name, "unloaded");
                drop_quietly(Some(model)).await;
                self.0.idle.notify_waiters();
            }
            match next {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at.into(), changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// Ends all engines when the server no longer answers. They write their prefix caches to disk. A driver of a GPU
    /// that is still in use when the process ends may crash.
    pub(crate) fn close(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Loaded>> {
        // No code that holds this lock panics in the middle of a change.
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a lease of a model if it is loaded and takes requests.
    fn lease(&self, model: &Resolved, keep: Option<KeepAlive>) -> Option<Lease> {
        let mut loaded = self.lock();
        let is_it =
            |it: &&mut Loaded| it.path == model.path && !it.draining && !it.engine.is_lost();
        let found = loaded.iter_mut().find(is_it)?;
        found.leases += 1;
        found.last_used = Instant::now();
        found.named_context = model.overrides.parameters.ctx;
        found.expiry = Expiry::NEVER;
        let (engine, places) = (Arc::clone(&found.engine), found.places.clone());
        Some(Lease::new(self.clone(), model.clone(), engine, places, keep))
    }

    /// Changes how long a model stays.
    fn keep(&self, path: &std::path::Path, keep: KeepAlive) {
        if let Some(model) = self.lock().iter_mut().find(|model| model.path == path) {
            model.keep = keep;
        }
    }

    /// Takes out models whose device stopped working. Each ends when the last request has told its failure.
    fn remove_lost(&self) {
        let lost: Vec<Loaded> =
            self.lock().extract_if(.., |model| model.engine.is_lost()).collect();
        for model in lost {
            tracing::warn!(model = model.name, device = model.engine.device(), "lost its device");
            tokio::spawn(async move {
                while Arc::strong_count(&model.engine) > 1 {
                    tokio::time::sleep(POLL_LOST).await;
                }
                drop_quietly(Some(model)).await;
            });
        }
    }

    /// Ends a lease of an engine.
    fn release(&self, engine: *const Engine) {
        let mut loaded = self.lock();
        let is_it = |model: &&mut Loaded| Arc::as_ptr(&model.engine) == engine;
        if let Some(model) = loaded.iter_mut().find(is_it) {
            model.leases -= 1;
            model.last_used = Instant::now();
            if model.leases == 0 {
                model.expiry = model.keep.from(model.last_used);
                self.0.idle.notify_waiters();
            }
        }
        drop(loaded);
        self.0.changed.notify_one();
    }
}

/// Ends an engine off the threads that serve: it waits for the step that it computes.
async fn drop_quietly(model: Option<Loaded>) {
    if let Some(model) = model {
        // A panic in the engine has been logged where it happened.
        let _ = tokio::task::spawn_blocking(move || drop(model)).await;
    }
}
