//! Pauses between tries.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

/// Returns the pause after `failed` failures: `first`, doubled after each further one, plus up to half of it at
/// random, so that many clients do not come back at once. It is at most `most`.
pub fn growing(first: Duration, failed: u32, most: Duration) -> Duration {
    let pause = first.saturating_mul(1 << failed.saturating_sub(1).min(16));
    let chance = RandomState::new().hash_one(0) % 512;
    (pause + pause.mul_f64(chance as f64 / 1024.0)).min(most)
}

/// Parses a `Retry-After` header: seconds, or a date. A date that is over asks for no pause.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
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

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let (first, most) = (Duration::from_millis(100), Duration::from_secs(1));
        for (failed, least) in [(1, 100), (2, 200), (3, 400), (9, 1000)] {
            let pause = growing(first, failed, most);
            assert!((least..=1000).contains(&(pause.as_millis() as u64)), "{failed}: {pause:?}");
        }
    }
}
