//! Keep-alive: time that an idle model stays loaded.

use std::time::{Duration, Instant, SystemTime};

/// Time that a model stays in memory after its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeepAlive {
    /// This long, unless another model needs its place.
    For(Duration),
    /// Until another model needs its place.
    Forever,
    /// Until it is unloaded by name. No other model takes its place.
    Pinned,
}

/// Time at which a model is unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expiry(Option<(Instant, SystemTime)>, bool);

impl Expiry {
    pub(super) const NEVER: Self = Self(None, false);
    pub(super) const NOW: Self = Self(None, true);

    pub(super) fn is_over(self, now: Instant) -> bool {
        self.1 || self.0.is_some_and(|(at, _)| at <= now)
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        self.0.map(|(at, _)| at)
    }

    pub(super) fn wall_clock(self) -> Option<SystemTime> {
        let now = self.1.then(SystemTime::now);
        now.or(self.0.map(|(_, at)| at))
    }
}

impl KeepAlive {
    /// Returns the expiry of a model that was last used at `instant`.
    pub(super) fn from(self, instant: Instant) -> Expiry {
        let Self::For(duration) = self else { return Expiry::NEVER };
        let wall = SystemTime::now().checked_add(duration);
        match instant.checked_add(duration).zip(wall) {
            Some(_) if duration.is_zero() => Expiry::NOW,
            Some(at) => Expiry(Some(at), false),
            None => Expiry::NEVER,
        }
    }

    /// Reads a duration: seconds (`90`), or numbers with units (`1h30m`, `250ms`). A negative one pins the model.
    /// Returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let seconds = match digits.parse::<f64>() {
            Ok(seconds) => seconds,
            Err(_) => with_units(digits)?,
        };
        Self::from_seconds(if negative { -seconds } else { seconds })
    }

    /// Like [`KeepAlive::parse`], for a number of seconds.
    pub fn from_seconds(seconds: f64) -> Option<Self> {
        if seconds.is_nan() {
            return None;
        }
        if seconds < 0.0 {
            return Some(Self::Pinned);
        }
        Some(Duration::try_from_secs_f64(seconds).map_or(Self::Forever, Self::For))
    }
}

/// Returns the seconds of a duration in Go's notation, such as `1h2m3.5s`.
fn with_units(text: &str) -> Option<f64> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 1e-3),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ns", 1e-9),
        ("h", 3600.0),
        ("m", 60.0),
        ("s", 1.0),
    ];
    let (mut rest, mut total) = (text, 0.0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let (unit, seconds) = UNITS.iter().find(|(unit, _)| rest[end..].starts_with(unit))?;
        total += number * seconds;
        rest = &rest[end + unit.len()..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_and_clients_write_them() {
        let seconds = |seconds| Some(KeepAlive::For(Duration::from_secs_f64(seconds)));
        for (text, expected) in [
            ("300", seconds(300.0)),
            ("5m", seconds(300.0)),
            ("1h30m", seconds(5400.0)),
            ("1.5s", seconds(1.5)),
            ("250ms", seconds(0.25)),
            ("0", seconds(0.0)),
            ("-1", Some(KeepAlive::Pinned)),
            ("-1m", Some(KeepAlive::Pinned)),
            ("1e300", Some(KeepAlive::Forever)),
            ("", None),
            ("5 minutes", None),
            ("m", None),
            ("5m3", None),
            ("nan", None),
        ] {
            assert_eq!(KeepAlive::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_kept_for_no_time_goes_at_once() {
        let now = Instant::now();
        assert!(KeepAlive::For(Duration::ZERO).from(now).is_over(now));
        assert!(!KeepAlive::For(Duration::from_secs(1)).from(now).is_over(now));
        assert!(!KeepAlive::Forever.from(now).is_over(now));
        assert!(KeepAlive::For(Duration::ZERO).from(now).wall_clock().is_some());
        assert!(KeepAlive::For(Duration::MAX).from(now).wall_clock().is_none());
    }
}
