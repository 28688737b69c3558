//! Models in memory: which are loaded, who uses them, which has to go.
//!
//! A handler [acquires](Models::acquire) a model by name and holds a [`Lease`] while it answers. One
//! model is loaded at a time; what waits for it waits in the order of arrival. Room is made by
//! unloading models that nobody uses, the least recently used first; a model in use is waited for,
//! and takes no new requests meanwhile. Nothing is unloaded for a model that could not run anyway.

mod catalog;
mod defaults;
mod keep;
mod lease;
mod load;
mod memory;
mod resolve;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use mlxk_engine::Engine;
use mlxk_hub::Resolved;
use tokio::sync::{Notify, Semaphore};

pub use keep::KeepAlive;
pub(crate) use lease::Lease;

use crate::ServerConfig;
use crate::error::ApiError;
use keep::Expiry;

/// The models of a server. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Models(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: ServerConfig,
    /// Bytes that all models may take together.
    limit_bytes: Option<u64>,
    loaded: Mutex<Vec<Loaded>>,
    /// Held by what loads a model.
    loading: Arc<tokio::sync::Mutex<()>>,
    /// A lease has ended, or an expiry has changed.
    changed: Notify,
    /// Wakes what waits for a model to be idle.
    idle: Notify,
}

/// A model in memory.
#[derive(Debug)]
struct Loaded {
    /// The checkpoint, which tells it from others.
    path: PathBuf,
    /// Its full name; derived names share it.
    name: String,
    /// Commit of a cached snapshot.
    revision: Option<String>,
    engine: Arc<Engine>,
    /// Places for requests that run or wait.
    places: Arc<Semaphore>,
    reserved_bytes: u64,
    leases: usize,
    last_used: Instant,
    keep: KeepAlive,
    /// When it goes, unless it is used before.
    expiry: Expiry,
    /// Takes no new requests, because another model needs its place.
    draining: bool,
}

/// A model in memory, described.
#[derive(Clone, Debug)]
#[expect(dead_code, reason = "dialects show different parts of it")]
pub(crate) struct Running {
    /// Full name.
    pub(crate) name: String,
    /// The checkpoint's folder.
    pub(crate) path: PathBuf,
    /// Commit of a cached snapshot.
    pub(crate) revision: Option<String>,
    /// Bytes of its weights.
    pub(crate) weights_bytes: u64,
    /// Bytes that its KV cache occupies now.
    pub(crate) kv_bytes: u64,
    /// Bytes that it may take.
    pub(crate) reserved_bytes: u64,
    /// Tokens of prompt and answer together.
    pub(crate) context: usize,
    /// When it goes, unless it is used before; `None` for never.
    pub(crate) expires: Option<SystemTime>,
    /// What it runs on.
    pub(crate) device: String,
    /// Requests that use it.
    pub(crate) requests: usize,
    /// Places for requests that are left.
    pub(crate) places_left: usize,
}

impl Models {
    /// No models yet. `available_bytes` is what the system can give.
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

    /// The model called `name`, loaded where it has to be; `None` for the server's own. `keep`
    /// changes how long it stays after this request.
    pub(crate) async fn acquire(
        &self,
        name: Option<&str>,
        keep: Option<KeepAlive>,
    ) -> Result<Lease, ApiError> {
        let model = self.resolve(name).await?;
        self.acquire_resolved(model, keep).await
    }

    /// The same for a model that was looked up.
    pub(crate) async fn acquire_resolved(
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
        // On its own, so that a client that leaves does not leave a model half loaded.
        let models = self.clone();
        let task = tokio::spawn(async move {
            let _turn = turn;
            models.load(model, keep).await
        });
        task.await.map_err(|_| ApiError::panicked())?
    }

    /// What is in memory, the most recently used first.
    pub(crate) fn running(&self) -> Vec<Running> {
        let loaded = self.lock();
        let mut models: Vec<&Loaded> = loaded.iter().collect();
        models.sort_by_key(|model| std::cmp::Reverse(model.last_used));
        let running = models.iter().map(|model| Running {
            name: model.name.clone(),
            path: model.path.clone(),
            revision: model.revision.clone(),
            weights_bytes: model.engine.memory().weights_bytes,
            kv_bytes: model.engine.kv_bytes(),
            reserved_bytes: model.reserved_bytes,
            context: model.engine.context(),
            expires: model.expiry.wall_clock(),
            device: model.engine.device().to_owned(),
            requests: model.leases,
            places_left: model.places.available_permits(),
        });
        running.collect()
    }

    /// Lets a model go as soon as nobody uses it. `false` where it is not in memory.
    pub(crate) async fn unload(&self, name: &str) -> Result<bool, ApiError> {
        let known = self.lock().iter().find(|model| model.name == name).map(|m| m.path.clone());
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
            model.keep = KeepAlive::For(std::time::Duration::ZERO);
            model.expiry = Expiry::NOW;
            (model.leases == 0).then(|| loaded.swap_remove(index))
        };
        drop_quietly(gone).await;
        self.0.idle.notify_waiters();
        Ok(true)
    }

    /// Unloads what has expired, as long as the server runs.
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

    /// Ends all engines, once the server answers nobody any more: they bring to the disk what is to
    /// outlast them.
    pub(crate) fn close(&self) {
        if self.0.config.spill.is_some() {
            self.lock().clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Loaded>> {
        // Nothing in here panics half-way through a change.
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease of a model that is in memory and takes requests.
    fn lease(&self, model: &Resolved, keep: Option<KeepAlive>) -> Option<Lease> {
        let mut loaded = self.lock();
        let found = loaded.iter_mut().find(|it| it.path == model.path && !it.draining)?;
        if let Some(keep) = keep {
            found.keep = keep;
        }
        found.leases += 1;
        found.last_used = Instant::now();
        found.expiry = Expiry::NEVER;
        let (engine, places) = (Arc::clone(&found.engine), Arc::clone(&found.places));
        Some(Lease::new(self.clone(), model.clone(), engine, places))
    }

    /// Ends a lease.
    fn release(&self, path: &std::path::Path) {
        let mut loaded = self.lock();
        if let Some(model) = loaded.iter_mut().find(|model| model.path == path) {
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

/// Ends an engine, which waits for the step that it is in, off the threads that serve.
async fn drop_quietly(model: Option<Loaded>) {
    if let Some(model) = model {
        // A panic in there has been reported where it happened.
        let _ = tokio::task::spawn_blocking(move || drop(model)).await;
    }
}
