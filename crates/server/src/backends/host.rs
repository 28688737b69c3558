//! One host.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mlxk_providers::{Config, Dialect, Factory, Provider};
use mlxk_router::Breaker;

/// Requests that a host gets at once. Its own queue is for those of others.
const MOST: usize = 256;

/// A host that answers for a model.
pub(crate) struct Host {
    /// Dialect and address, as metrics and logs name it.
    pub(crate) label: String,
    pub(crate) dialect: Dialect,
    pub(crate) provider: std::sync::Arc<dyn Provider>,
    /// Name of the model there.
    pub(crate) model: String,
    breaker: Mutex<Breaker>,
    running: AtomicUsize,
    pub(crate) answers: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("label", &self.label)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Prepares a host. The model is called as here if the address does not name it.
    pub(super) fn new(address: &str, name: &str, factory: &Factory) -> Result<Self, String> {
        let mut config = Config::from_url(address).map_err(|error| error.to_string())?;
        config.model.get_or_insert_with(|| name.to_owned());
        let client = factory.client(&config).map_err(|error| error.to_string())?;
        Ok(Self {
            label: client.provider.label(),
            dialect: config.provider,
            provider: client.provider,
            model: client.model,
            breaker: Mutex::default(),
            running: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Returns the number of running requests.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Returns `true` if requests may be sent.
    pub(crate) fn is_healthy(&self) -> bool {
        self.breaker().is_open(Instant::now())
    }

    /// Takes a place for a request until it is dropped. Returns `None` if the host is full, or rests after failures.
    pub(super) fn take(self: &std::sync::Arc<Self>) -> Option<Place> {
        let free = |running| (running < MOST).then_some(running + 1);
        self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        let place = Place(std::sync::Arc::clone(self));
        self.breaker().allows(Instant::now()).then_some(place)
    }

    pub(super) fn succeeded(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.breaker().succeeded();
    }

    /// Notes a failure. One that is the request's own fault says nothing about the host.
    pub(super) fn failed(&self, by_host: bool) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if by_host {
            self.breaker().failed(Instant::now());
        } else {
            // It answered, so it is there.
            self.breaker().succeeded();
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place for a request on a host.
pub(super) struct Place(pub(super) std::sync::Arc<Host>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
