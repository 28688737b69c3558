//! Limits of a request: time, tries, and a handle to cancel it. Also the names under which others follow it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mlxk_http::Connections;

use crate::error::{ProviderError, Result};
use crate::trace::Trace;

const CONNECT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// Limits of a request.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Limit for connecting.
    pub connect: Duration,
    /// Limit for the next byte, or `None` for that of the deadline.
    pub silence: Option<Duration>,
    /// Limit for the complete answer, including all tries; `None` if only silence is limited.
    pub deadline: Option<Duration>,
    /// Most repetitions if a request fails for a reason that passes by itself. Once an event has arrived, a request is
    /// never repeated.
    pub retries: u32,
    /// Handle to cancel the request from another thread.
    pub cancel: Option<Cancel>,
    /// Names of the request in the logs of others, which are passed on to a server.
    pub trace: Option<Trace>,
}

impl Default for Limits {
    /// Two repetitions, and silence of at most two minutes.
    fn default() -> Self {
        let silence = Some(Duration::from_mins(2));
        Self { connect: CONNECT, silence, deadline: None, retries: 2, cancel: None, trace: None }
    }
}

impl Limits {
    /// For questions that a running server answers at once.
    pub const SHORT: Self = Self {
        connect: CONNECT,
        silence: None,
        deadline: Some(Duration::from_secs(10)),
        retries: 0,
        cancel: None,
        trace: None,
    };

    /// Two repetitions, and a complete answer within `deadline`.
    pub fn within(deadline: Duration) -> Self {
        Self { silence: None, deadline: Some(deadline), ..Self::default() }
    }

    /// One try, and a complete answer within `deadline`.
    pub const fn once(deadline: Duration) -> Self {
        Self { deadline: Some(deadline), ..Self::SHORT }
    }

    /// One try of work that reports its progress: only silence is limited.
    pub const fn progress(silence: Duration) -> Self {
        Self { silence: Some(silence), deadline: None, ..Self::SHORT }
    }

    /// Adds a handle to cancel the request.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &Cancel) -> Self {
        self.cancel = Some(cancel.clone());
        self
    }

    /// Returns an error if the request was cancelled.
    pub(crate) fn check(&self) -> Result<()> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => Err(ProviderError::Cancelled),
            _ => Ok(()),
        }
    }

    /// Sleeps, or returns an error as soon as the request is cancelled.
    pub(crate) fn sleep(&self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        loop {
            self.check()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL));
        }
    }
}

/// Cancels requests from another thread, even while they wait for a server. Clones cancel the same ones.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    cancelled: AtomicBool,
    running: Mutex<Vec<Connections>>,
}

impl Cancel {
    /// Cancels the requests that have this handle, and those that will get it.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        self.running().drain(..).for_each(|connections| connections.cancel());
    }

    /// Returns `true` if [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Also ends these connections when it is used. Only one request uses them.
    pub(crate) fn watch(&self, connections: &Connections) {
        let mut running = self.running();
        // One exchange after another is the usual case, so the finished ones can go.
        running.retain(|it| !it.is_unused());
        running.push(connections.clone());
        drop(running);
        if self.is_cancelled() {
            connections.cancel();
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Vec<Connections>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
