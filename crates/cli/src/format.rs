//! Sizes and times for people.

use std::time::{Duration, SystemTime};

/// `93.4 MB`: decimal units, one digit.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `3h ago`, as lists of models have it.
pub(crate) fn age(time: SystemTime) -> String {
    let seconds = time.elapsed().unwrap_or_default().as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..45 => "just now".into(),
        45..5400 => format!("{}m ago", minutes.max(1)),
        5400..129_600 => format!("{}h ago", hours.max(1)),
        _ => format!("{}d ago", days.max(1)),
    }
}

/// `0.123 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_units() {
        let sizes = [0, 999, 1000, 999_949, 999_950, 93_400_000, 5_000_000_000_000];
        let texts = sizes.map(size);
        let expected = ["0 B", "999 B", "1.0 KB", "999.9 KB", "1.0 MB", "93.4 MB", "5.0 TB"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn ages_round_down() {
        let ago = |seconds| age(SystemTime::now() - Duration::from_secs(seconds));
        let texts = [0, 60, 3600, 7200, 200_000].map(ago);
        assert_eq!(texts, ["just now", "1m ago", "60m ago", "2h ago", "2d ago"]);
    }
}
