//! Places that a model has for its requests.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Places of one model. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Requests that run or wait.
    pub(super) queue: Arc<Semaphore>,
    /// Threads that run its template and its tokenizer.
    pub(super) text: Arc<Semaphore>,
}

impl Places {
    /// Threads of one model that render and encode. A template may take 1.5 s.
    pub(crate) const TEXT: usize = 4;

    /// Returns places for this many requests.
    pub(super) fn new(requests: usize) -> Self {
        Self {
            queue: Arc::new(Semaphore::new(requests)),
            text: Arc::new(Semaphore::new(Self::TEXT)),
        }
    }
}
