//! A circuit breaker: a candidate that fails is left alone for a while.

use std::time::{Duration, Instant};

/// Failures in a row before a candidate is left alone.
const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// Health of a candidate. After three failures in a row, it is left alone for five seconds. Then one request may try. If
/// that fails, too, the pause doubles, up to five minutes.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    failed: u32,
    /// Times that the pause was doubled.
    pauses: u32,
    closed_until: Option<Instant>,
}

impl Breaker {
    /// Returns `true` if a request may be sent. After a pause, this is so for one request, until its outcome is known.
    pub fn allows(&mut self, now: Instant) -> bool {
        match self.closed_until {
            None => true,
            Some(until) if now >= until => {
                // The others wait for the outcome of this one.
                self.closed_until = Some(now + self.pause());
                true
            }
            Some(_) => false,
        }
    }

    /// Returns `true` if a request may be sent, without taking the one after a pause.
    pub fn is_open(&self, now: Instant) -> bool {
        self.closed_until.is_none_or(|until| now >= until)
    }

    /// Returns `true` after three failures in a row, until a request succeeds.
    pub fn has_tripped(&self) -> bool {
        self.closed_until.is_some()
    }

    /// Notes that a request succeeded.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Notes that a request failed by the candidate's fault.
    pub fn failed(&mut self, now: Instant) {
        self.failed += 1;
        if self.failed >= FAILURES {
            self.closed_until = Some(now + self.pause());
            self.pauses += 1;
        }
    }

    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.pauses.min(8)).min(MAX_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_fails_three_times_is_left_alone_and_then_tried_once() {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        breaker.failed(start);
        breaker.failed(start);
        breaker.succeeded();
        for _ in 0..2 {
            breaker.failed(start);
            assert!(breaker.allows(start), "a success starts counting again");
        }
        breaker.failed(start);
        assert!(!breaker.allows(after(4)) && !breaker.is_open(after(4)));
        assert!(breaker.allows(after(5)));
        assert!(!breaker.allows(after(6)), "one request tries");
        breaker.failed(after(6));
        assert!(!breaker.allows(after(15)), "the pause doubles");
        assert!(breaker.allows(after(16)));
        assert!(breaker.has_tripped(), "nothing has succeeded yet");
        breaker.succeeded();
        assert!(!breaker.has_tripped());
        assert!(breaker.allows(after(16)) && breaker.allows(after(16)));
    }
}
