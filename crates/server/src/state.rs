//! State that all handlers share.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::backends::Backends;
use crate::config::ServerConfig;
use crate::error::{ApiError, Kind};
use crate::metrics::Metrics;
use crate::models::Models;
use crate::{ollama, responses};

/// State that all handlers share.
pub(crate) type Shared = Arc<State>;

/// The server behind its routes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) config: ServerConfig,
    pub(crate) models: Models,
    pub(crate) backends: Backends,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) started: Instant,
    /// `true` if only this machine can reach the server.
    pub(crate) is_local: bool,
    /// Names of this machine in its network.
    pub(crate) names: Vec<String>,
    /// Capabilities of models, for Ollama's clients.
    pub(crate) capabilities: ollama::Known,
    /// Responses that later requests may continue.
    pub(crate) responses: Arc<responses::Store>,
    /// Progress of the shutdown.
    pub(crate) phase: watch::Sender<Phase>,
    /// Places for requests that download, upload or create models.
    pub(crate) changes: Arc<Semaphore>,
}

/// Number of models that may be downloaded, uploaded or created at once.
pub(crate) const MAX_CHANGES: usize = 8;

/// Stages of a server's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The server takes requests.
    Running,
    /// It takes no new requests; running ones may end.
    Draining,
    /// Running requests are cancelled.
    Ending,
}

impl State {
    /// Refuses changes to the models on this machine if the network can reach the server without a key.
    pub(crate) fn may_change_models(&self) -> Result<(), ApiError> {
        if self.is_local || self.config.api_key.is_some() {
            return Ok(());
        }
        let message = "This server is open to the network and has no API key, so clients cannot change \
                       models; set `MLXK_API_KEY` when you start it";
        Err(ApiError::new(Kind::Forbidden, message))
    }

    /// Takes a place for a long change to a model. Fails if all places are taken.
    pub(crate) fn take_change(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        self.is_open()?;
        Arc::clone(&self.changes).try_acquire_owned().map_err(|_| {
            let message = format!(
                "{MAX_CHANGES} models are being downloaded, uploaded or created already, which is the \
                 limit; try again later"
            );
            ApiError::new(Kind::Busy, message)
        })
    }

    /// Refuses new work if the server is stopping.
    pub(crate) fn is_open(&self) -> Result<(), ApiError> {
        if *self.phase.borrow() == Phase::Running { Ok(()) } else { Err(ApiError::stopping()) }
    }
}
