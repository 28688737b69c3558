//! Tries again what failed for a reason that passes by itself.

use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::collect::Collect;
use crate::error::{ProviderError, Result};
use crate::limits::Limits;
use crate::provider::OnEvent;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// Runs `attempt` until it succeeds, as often as the limits allow. It gets the limits of one try, and sets its second
/// argument once it must not be repeated.
pub(crate) fn retrying<T>(
    limits: &Limits,
    mut attempt: impl FnMut(&Limits, &mut bool) -> Result<T>,
) -> Result<T> {
    let started = Instant::now();
    let mut failed = 0;
    loop {
        let left = limits.deadline.map(|deadline| deadline.saturating_sub(started.elapsed()));
        let one = Limits { deadline: left, ..limits.clone() };
        let mut has_begun = false;
        let error = match attempt(&one, &mut has_begun) {
            Err(error) if !has_begun && error.is_passing() && failed < limits.retries => error,
            Err(error) => return Err(in_all(error, limits)),
            answer => return answer,
        };
        failed += 1;
        let asked = match &error {
            ProviderError::RateLimited { wait, .. } => *wait,
            _ => None,
        };
        let pause = asked.unwrap_or_else(|| mlxk_http::growing(FIRST_PAUSE, failed, MAX_PAUSE));
        let left = limits.deadline.map(|deadline| deadline.saturating_sub(started.elapsed()));
        if left.is_some_and(|left| left <= pause) {
            return Err(error);
        }
        limits.sleep(pause)?;
    }
}

/// Runs `attempt` until it has an answer, but not again once an event was passed on.
pub(crate) fn answering(
    limits: &Limits,
    on_event: &mut OnEvent<'_>,
    mut attempt: impl FnMut(&Limits, &mut Collect<'_, '_>) -> Result<()>,
) -> Result<Answer> {
    retrying(limits, |limits, has_begun| {
        let mut collect = Collect::new(on_event);
        let outcome = attempt(limits, &mut collect);
        *has_begun = collect.has_begun;
        outcome.map(|()| collect.answer)
    })
}

/// Returns the error with the time for all tries.
fn in_all(error: ProviderError, limits: &Limits) -> ProviderError {
    match (error, limits.deadline) {
        (ProviderError::Deadline { address, events, .. }, Some(deadline)) => {
            let seconds = crate::endpoint::seconds(deadline);
            ProviderError::Deadline { address, seconds, events }
        }
        (error, _) => error,
    }
}
