//! Trying again: how often, and after how long.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use super::Client;
use crate::{HubError, Result};

const MAX_TRIES: u32 = 6;
/// Where nobody has ever answered, there is probably no network.
const MAX_FIRST_TRIES: u32 = 3;
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// Whoever asks for more is told to come back later.
const MAX_ASKED: Duration = Duration::from_mins(2);
const POLL: Duration = Duration::from_millis(50);

/// The tries of one piece of work.
#[derive(Debug)]
pub(crate) struct Tries<'a> {
    client: &'a Client,
    failed: u32,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client, failed: 0 }
    }

    /// Something went well meanwhile: the count begins anew.
    pub(crate) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next try, as long as the server `asked` or a growing time; gives the error
    /// back where it does not pass by itself or enough tries have failed.
    pub(crate) fn pause(&mut self, error: HubError, asked: Option<Duration>) -> Result<()> {
        if matches!(&error, HubError::Http(error) if error.is_passing()) {
            return self.pause_anyway(error, asked);
        }
        Err(if self.client.cancelled() { HubError::Cancelled } else { error })
    }

    /// Like [`pause`](Self::pause), for an error that the caller has something against.
    pub(crate) fn pause_anyway(&mut self, error: HubError, asked: Option<Duration>) -> Result<()> {
        if self.client.cancelled() {
            return Err(HubError::Cancelled);
        }
        self.failed += 1;
        let most = if self.client.was_answered() { MAX_TRIES } else { MAX_FIRST_TRIES };
        if self.failed >= most || asked.is_some_and(|t| t > MAX_ASKED) {
            return Err(error);
        }
        let pause = asked.unwrap_or_else(|| self.growing());
        if pause >= Duration::from_secs(2) {
            self.client.note(&format!("{error}; trying again in {} s", pause.as_secs()));
        }
        self.client.sleep(pause)
    }

    /// Twice as long after each failure, and up to half as long again by chance, so that many
    /// clients do not come back at once.
    fn growing(&self) -> Duration {
        let pause = self.client.retry_pause().saturating_mul(1 << (self.failed - 1).min(16));
        let chance = RandomState::new().hash_one(0) % 512;
        (pause + pause.mul_f64(chance as f64 / 1024.0)).min(MAX_PAUSE)
    }
}

impl Client {
    /// Sleeps, but not past a cancellation.
    fn sleep(&self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        loop {
            if self.cancelled() {
                return Err(HubError::Cancelled);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(POLL));
        }
    }
}

/// The value of a `Retry-After` header: seconds, or a date.
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_767);
        for (value, seconds) in [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-3", None),
        ] {
            assert_eq!(retry_after(value, now).map(|d| d.as_secs()), seconds, "{value}");
        }
    }
}
