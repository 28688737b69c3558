//! Counters of the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use mlxk_engine::Done;

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) responses: [AtomicU64; 5],
    pub(crate) answers: AtomicU64,
    pub(crate) failures: AtomicU64,
    /// Prompts that were shortened to fit the context.
    pub(crate) truncated: AtomicU64,
    pub(crate) prompt_tokens: AtomicU64,
    pub(crate) cached_tokens: AtomicU64,
    pub(crate) completion_tokens: AtomicU64,
    pub(crate) prefill_us: AtomicU64,
    pub(crate) decode_us: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) time_to_first_token: Histogram,
    pub(crate) time_per_token: Histogram,
}

impl Metrics {
    pub(crate) fn responded(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.responses[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn answered(&self, done: &Done) {
        let add = |counter: &AtomicU64, count: u64| counter.fetch_add(count, Ordering::Relaxed);
        let (usage, timings) = (&done.usage, &done.timings);
        add(&self.answers, 1);
        add(&self.prompt_tokens, usage.prompt_tokens as u64);
        add(&self.cached_tokens, usage.cached_tokens as u64);
        add(&self.completion_tokens, usage.completion_tokens as u64);
        add(&self.prefill_us, timings.prefill.as_micros() as u64);
        add(&self.decode_us, timings.decode.as_micros() as u64);
        if usage.completion_tokens > 0 {
            self.time_to_first_token.add(timings.time_to_first_token);
        }
        if let Some(rate) = timings.decode_tokens_per_second(usage) {
            self.time_per_token.add(Duration::from_secs_f64(1.0 / rate));
        }
    }

    /// Counts the tokens of texts that were turned into vectors or ranked.
    pub(crate) fn embedded(&self, tokens: usize) {
        self.prompt_tokens.fetch_add(tokens as u64, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

/// Upper bounds of the buckets in milliseconds. Longer durations fall into one more, open bucket.
pub(crate) const BOUNDS_MS: [u64; 12] =
    [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 60_000];

/// Number of durations per bucket.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    pub(crate) counts: [AtomicU64; BOUNDS_MS.len() + 1],
    pub(crate) sum_us: AtomicU64,
}

impl Histogram {
    fn add(&self, duration: Duration) {
        let us = duration.as_micros() as u64;
        let bucket = BOUNDS_MS.partition_point(|&bound| bound * 1000 < us);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}
