//! Progress of all connections together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::http::Tell;

const INTERVAL: Duration = Duration::from_millis(100);

/// Counts the bytes that arrive in any thread.
pub(super) struct Meter<'a> {
    tell: &'a Tell,
    total: u64,
    done: AtomicU64,
    fetched: AtomicU64,
    began: Instant,
    /// Time of the last report, in milliseconds from the beginning.
    reported: AtomicU64,
}

impl<'a> Meter<'a> {
    /// Returns a meter that starts at `done` of `total` bytes.
    pub(super) fn new(tell: &'a Tell, done: u64, total: u64) -> Self {
        tell.advance(done, total);
        Self {
            tell,
            total,
            done: done.into(),
            fetched: 0.into(),
            began: Instant::now(),
            reported: 0.into(),
        }
    }

    /// Counts bytes that arrived.
    pub(super) fn arrived(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let now = self.began.elapsed().as_millis() as u64;
        let last = self.reported.load(Ordering::Relaxed);
        let due = now >= last + INTERVAL.as_millis() as u64 || done >= self.total;
        if due
            && self
                .reported
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.tell.advance(done.min(self.total), self.total);
        }
    }

    /// Uncounts bytes that have to be fetched once more.
    pub(super) fn lost(&self, bytes: u64) {
        self.done.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns all bytes that were fetched, including those that were lost.
    pub(super) fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }
}
