//! Identifiers that are unique to a request.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Returns `prefix` and 24 hexadecimal digits. One identifier does not reveal another.
pub(crate) fn fresh(prefix: &str) -> String {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    // Every `RandomState` has fresh keys, derived from the system's randomness.
    let random = RandomState::new().hash_one(number);
    format!("{prefix}{random:016x}{:08x}", number as u32)
}

/// Returns the seconds since 1970.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs())
}
