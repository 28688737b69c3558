//! Leases: a model stays in memory as long as a lease of it exists.

use std::sync::Arc;

use mlxk_engine::Engine;
use mlxk_hub::{Overrides, Resolved};
use tokio::sync::OwnedSemaphorePermit;

use super::{KeepAlive, Models, Places};
use crate::blocking::blocking;
use crate::error::{ApiError, Kind};

/// A model in use.
#[derive(Debug)]
pub(crate) struct Lease {
    models: Models,
    model: Resolved,
    engine: Option<Arc<Engine>>,
    places: Places,
    /// Wish of the request about how long the model stays.
    keep: Option<KeepAlive>,
}

impl Lease {
    pub(super) fn new(
        models: Models,
        model: Resolved,
        engine: Arc<Engine>,
        places: Places,
        keep: Option<KeepAlive>,
    ) -> Self {
        Self { models, model, engine: Some(engine), places, keep }
    }

    /// Makes the model stay as long as the request wishes. A request that is refused must not change it.
    pub(crate) fn honor_keep(&self) {
        if let Some(keep) = self.keep {
            self.models.keep(&self.model.path, keep);
        }
    }

    /// Returns the engine that answers.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.engine.as_ref().expect("the engine is only taken in drop"))
    }

    /// Returns the full name of the model.
    pub(crate) fn name(&self) -> &str {
        &self.model.name
    }

    /// Returns the folder of the checkpoint, which identifies the model.
    pub(super) fn path(&self) -> &std::path::Path {
        &self.model.path
    }

    /// Returns what the model's name says about answers (`mlxk cp`, `mlxk create`).
    pub(crate) fn overrides(&self) -> &Overrides {
        &self.model.overrides
    }

    /// Returns the limit of answers that do not set one.
    pub(crate) fn default_max_tokens(&self) -> Option<usize> {
        self.models.0.config.max_tokens
    }

    /// Returns the system prompt of the model's name, unless it is empty.
    pub(crate) fn system(&self) -> Option<&str> {
        self.model.overrides.system.as_deref().filter(|text| !text.is_empty())
    }

    /// Runs work of the model's template or tokenizer, which may be hostile, on a thread that may block. A model has
    /// only [`Places::TEXT`] of them at a time, so that others always find one. Waiting ends if the future is
    /// dropped.
    pub(crate) async fn text_work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let place = Arc::clone(&self.places.text).acquire_owned().await;
        let place = place.map_err(|_| ApiError::stopping())?;
        // The work goes on if the client leaves, and keeps its place until it has ended.
        blocking(move || {
            let _place = place;
            work()
        })
        .await
    }

    /// Takes places in the queue for `count` requests, until they are dropped. Fails if too many wait.
    pub(crate) fn take_places(&self, count: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let config = &self.models.0.config;
        let most = config.parallel + config.queue;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Arc::clone(&self.places.queue).try_acquire_many_owned(count).map_err(|_| {
            let message = format!(
                "The model `{}` is busy: it runs {} at once and lets {} wait",
                self.model.name,
                if config.parallel == 1 {
                    "1 request".to_owned()
                } else {
                    format!("{} requests", config.parallel)
                },
                config.queue
            );
            let kind = if count as usize > most { Kind::BadRequest } else { Kind::Busy };
            ApiError::new(kind, message)
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // `Models` drops the last reference, so that no engine ends on a serving thread.
        if let Some(engine) = self.engine.take() {
            let pointer = Arc::as_ptr(&engine);
            drop(engine);
            self.models.release(pointer);
        }
    }
}
