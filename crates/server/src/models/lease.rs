//! The use of a model: it stays in memory as long as a lease of it lives.

use std::sync::Arc;

use mlxk_engine::{Engine, Request};
use mlxk_hub::Resolved;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Models, defaults};
use crate::error::{ApiError, Kind};

/// A model in use.
#[derive(Debug)]
pub(crate) struct Lease {
    models: Models,
    model: Resolved,
    engine: Option<Arc<Engine>>,
    places: Arc<Semaphore>,
}

impl Lease {
    pub(super) fn new(
        models: Models,
        model: Resolved,
        engine: Arc<Engine>,
        places: Arc<Semaphore>,
    ) -> Self {
        Self { models, model, engine: Some(engine), places }
    }

    /// What answers.
    pub(crate) fn engine(&self) -> Arc<Engine> {
        Arc::clone(self.engine.as_ref().expect("it is taken in drop only"))
    }

    /// Its full name.
    pub(crate) fn name(&self) -> &str {
        &self.model.name
    }

    /// What it is.
    #[expect(dead_code, reason = "for dialects that describe models")]
    pub(crate) fn model(&self) -> &Resolved {
        &self.model
    }

    /// Fills in what a request leaves open and the model's name, or the server, says.
    pub(crate) fn fill(&self, request: &mut Request) {
        defaults::fill(request, &self.model.overrides, self.models.0.config.max_tokens);
    }

    /// The system prompt that the model's name brings along; an empty one is none.
    pub(crate) fn system(&self) -> Option<&str> {
        self.model.overrides.system.as_deref().filter(|text| !text.is_empty())
    }

    /// Places for `count` requests, until they are dropped; an error where too many wait.
    pub(crate) fn take_places(&self, count: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let config = &self.models.0.config;
        let most = config.parallel + config.queue;
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Arc::clone(&self.places).try_acquire_many_owned(count).map_err(|_| {
            let message = format!(
                "The model `{}` is busy: it runs {} requests at once and lets {} wait",
                self.model.name, config.parallel, config.queue
            );
            let kind = if count as usize > most { Kind::BadRequest } else { Kind::Busy };
            ApiError::new(kind, message)
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The models hold the last reference, so that no engine ends on this thread.
        self.engine = None;
        self.models.release(&self.model.path);
    }
}
