//! One host.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mlxk_providers::{Dialect, Factory, Provider};
use mlxk_router::Breaker;

use super::address::Address;
use super::queue::{Queue, Try};

/// A host that answers for a model.
pub(crate) struct Host {
    /// The address as the operator wrote it, without settings. Lists, metrics and logs name the host by it.
    pub(crate) address: String,
    pub(crate) dialect: Dialect,
    pub(crate) provider: Arc<dyn Provider>,
    /// Name of the model there.
    pub(crate) model: String,
    /// Requests that the host gets at once.
    pub(crate) limit: usize,
    is_draining: AtomicBool,
    breaker: Mutex<Breaker>,
    running: AtomicUsize,
    pub(crate) answers: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("address", &self.address)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Prepares a host. The model is called as here if the address does not name it.
    pub(super) fn new(address: &str, name: &str, factory: &Factory) -> Result<Self, String> {
        let Address { mut config, written, limit, is_draining } = Address::parse(address)?;
        config.model.get_or_insert_with(|| name.to_owned());
        let client = factory.client(&config).map_err(|error| error.to_string())?;
        Ok(Self {
            address: written,
            dialect: config.provider,
            provider: client.provider,
            model: client.model,
            limit,
            is_draining: is_draining.into(),
            breaker: Mutex::default(),
            running: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Returns the host and port in its address, if there is one.
    pub(crate) fn name(&self) -> Option<&str> {
        let (_, rest) = self.address.split_once("://")?;
        rest.split('/').next()
    }

    /// Returns the number of running requests.
    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Returns `true` if the host works, as far as its last answers say. After too many failures, only an answer does.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.breaker().has_tripped()
    }

    /// Returns `true` if the host has answered or failed since this server started.
    pub(crate) fn was_asked(&self) -> bool {
        self.answers.load(Ordering::Relaxed) + self.failures.load(Ordering::Relaxed) > 0
    }

    /// Returns `true` if a request may go to the host: it works, or it is time to try it again.
    pub(crate) fn may_be_asked(&self) -> bool {
        self.breaker().is_open(Instant::now())
    }

    /// Returns `true` if the host gets no new requests.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    /// Keeps new requests away from the host, or lets them in again. Running ones end as usual.
    pub(crate) fn drain(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::Relaxed);
    }

    /// Takes a place for a request until it is dropped.
    pub(super) fn take(self: &Arc<Self>, queue: &Arc<Queue>) -> Try<Place> {
        if self.is_draining() {
            return Try::Nowhere;
        }
        let free = |running| (running < self.limit).then_some(running + 1);
        if self.running.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            return Try::Full;
        }
        let place = Place { host: Arc::clone(self), queue: Arc::clone(queue) };
        // After failures, only one request tries.
        if self.breaker().allows(Instant::now()) { Try::Got(place) } else { Try::Nowhere }
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
pub(super) struct Place {
    pub(super) host: Arc<Host>,
    /// Requests that wait for it.
    queue: Arc<Queue>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.host.running.fetch_sub(1, Ordering::Relaxed);
        self.queue.wake();
    }
}
