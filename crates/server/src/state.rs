//! What all handlers share.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::ServerConfig;
use crate::error::{ApiError, Kind};
use crate::metrics::Metrics;
use crate::models::Models;

/// What all handlers share.
pub(crate) type Shared = Arc<State>;

/// The server behind its routes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: ServerConfig,
    pub(crate) models: Models,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) started: Instant,
    /// Whether only this machine can reach the server.
    pub(crate) is_local: bool,
    /// How far the server has come.
    pub(crate) phase: watch::Sender<Phase>,
    /// Places for requests that fetch, upload or make models.
    pub(crate) changes: Arc<Semaphore>,
}

/// Models that are fetched, uploaded or made at once.
pub(crate) const MAX_CHANGES: usize = 8;

/// How far the server has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// It serves.
    Running,
    /// It takes no new requests.
    Draining,
    /// What runs is cancelled.
    Ending,
}

impl State {
    /// Refuses what changes the models on this machine where anybody could ask for it.
    pub(crate) fn may_change_models(&self) -> Result<(), ApiError> {
        if self.is_local || self.config.api_key.is_some() {
            return Ok(());
        }
        let message = "This server is open to the network without a key, so it changes no models; \
                       start it with `MLXK_API_KEY`";
        Err(ApiError::new(Kind::Forbidden, message))
    }

    /// A place for a request that takes long to change a model.
    pub(crate) fn take_change(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.is_open()?;
        Arc::clone(&self.changes).try_acquire_owned().map_err(|_| {
            let message = format!(
                "{MAX_CHANGES} models are being fetched, uploaded or made already, which is all that \
                 this server does at once"
            );
            ApiError::new(Kind::Busy, message)
        })
    }

    /// Refuses new work once the server is asked to stop.
    pub(crate) fn is_open(&self) -> Result<(), ApiError> {
        if *self.phase.borrow() == Phase::Running { Ok(()) } else { Err(ApiError::stopping()) }
    }
}
