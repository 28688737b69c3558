//! Times and durations as Ollama writes them.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Duration that Ollama writes for "never": the longest that it knows, 292 years.
const NEVER: Duration = Duration::from_secs(9_223_372_036);

/// Returns the current time in the form of RFC 3339.
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}

/// Returns a time in the form of RFC 3339, or the epoch if it is unknown.
pub(super) fn of(time: Option<SystemTime>) -> String {
    let known = time.and_then(|time| Timestamp::try_from(time).ok());
    known.unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Returns the time at which a model expires, or a far one for `None`.
pub(super) fn end(time: Option<SystemTime>) -> String {
    of(time.or_else(|| SystemTime::now().checked_add(NEVER)))
}

/// Returns nanoseconds. There is at least one, because clients divide by them.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_rfc_3339() {
        let second = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(of(Some(second)), "1970-01-01T00:00:01.5Z");
        assert_eq!(of(None), "1970-01-01T00:00:00Z");
        assert!(end(None).as_str() > "2300" && end(Some(second)) == of(Some(second)));
        assert_eq!(nanoseconds(Duration::ZERO), 1);
        assert_eq!(nanoseconds(Duration::from_micros(3)), 3_000);
    }
}
