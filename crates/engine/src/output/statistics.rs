//! Tokens and durations of a request.

use std::time::{Duration, Instant};

use crate::{Timings, Usage};

/// Times that a request starts with.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Duration of loading the model, once per engine.
    pub(crate) load: Duration,
    pub(crate) submitted: Instant,
}

/// Counters and time stamps, from which [`Usage`] and [`Timings`] are made at the end.
pub(crate) struct Statistics {
    clock: Clock,
    prompt_tokens: usize,
    cached_tokens: usize,
    completion_tokens: usize,
    drafted_tokens: usize,
    accepted_tokens: usize,
    started: Option<Instant>,
    first_token: Option<Instant>,
    last_token: Option<Instant>,
}

impl Statistics {
    pub(crate) fn new(prompt_tokens: usize, clock: Clock) -> Self {
        Self {
            clock,
            prompt_tokens,
            cached_tokens: 0,
            completion_tokens: 0,
            drafted_tokens: 0,
            accepted_tokens: 0,
            started: None,
            first_token: None,
            last_token: None,
        }
    }

    /// Records the first step. A request that lost its place and starts again counts from the first time.
    pub(crate) fn start(&mut self, cached_tokens: usize) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
            self.cached_tokens = cached_tokens;
        }
    }

    pub(crate) fn count_token(&mut self) {
        let now = Instant::now();
        self.first_token.get_or_insert(now);
        self.last_token = Some(now);
        self.completion_tokens += 1;
    }

    pub(crate) fn count_draft(&mut self, drafted: usize, accepted: usize) {
        self.drafted_tokens += drafted;
        self.accepted_tokens += accepted;
    }

    /// Returns `true` before the first token.
    pub(crate) fn is_prefilling(&self) -> bool {
        self.first_token.is_none()
    }

    pub(crate) fn cached_tokens(&self) -> usize {
        self.cached_tokens
    }

    pub(crate) fn usage(&self, reasoning_tokens: usize) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            cached_tokens: self.cached_tokens,
            completion_tokens: self.completion_tokens,
            reasoning_tokens,
            drafted_tokens: self.drafted_tokens,
            accepted_tokens: self.accepted_tokens,
        }
    }

    pub(crate) fn timings(&self) -> Timings {
        let between = |from: Option<Instant>, to: Option<Instant>| {
            from.zip(to).map_or(Duration::ZERO, |(from, to)| to.duration_since(from))
        };
        let submitted = Some(self.clock.submitted);
        Timings {
            load: self.clock.load,
            queued: between(submitted, self.started),
            prefill: between(self.started, self.first_token),
            decode: between(self.first_token, self.last_token),
            time_to_first_token: between(submitted, self.first_token),
        }
    }
}
