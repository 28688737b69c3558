//! Formats sizes, times and counts for people.

use std::time::{Duration, SystemTime};

use mlxk_hub::QuantizationSummary;
pub(crate) use mlxk_hub::human as size;

/// Formats a size like `1.2KB`, as MLX-Knife does in lists of models.
pub(crate) fn compact_size(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes}B") } else { size(bytes).replace(' ', "") }
}

/// Formats the age of a time like `3h ago`, or as a date after a month.
pub(crate) fn age(time: SystemTime) -> String {
    let seconds = time.elapsed().unwrap_or_default().as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..45 => "just now".into(),
        45..90 => "1m ago".into(),
        90..2700 => format!("{minutes}m ago"),
        2700..5400 => "1h ago".into(),
        5400..86_400 => format!("{hours}h ago"),
        86_400..129_600 => "1d ago".into(),
        129_600..2_592_000 => format!("{days}d ago"),
        _ => utc(time).map_or_else(|| format!("{days}d ago"), |text| text[..10].to_owned()),
    }
}

/// Formats a quantization like `4-bit`, `4-bit mixed` or `mxfp4`.
pub(crate) fn quantization(quantization: &QuantizationSummary) -> String {
    let mode = match quantization.mode.as_str() {
        "affine" => format!("{}-bit", quantization.bits),
        mode => mode.to_owned(),
    };
    if quantization.mixed { format!("{mode} mixed") } else { mode }
}

/// Formats a time like `2026-01-31T12:00:00Z`. Returns `None` for times outside the calendar.
pub(crate) fn utc(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Formats a number of things like `1 model` or `3 models`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Formats a duration like `0.123 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_as_lists_have_them() {
        let ago = |seconds| age(SystemTime::now() - Duration::from_secs(seconds));
        for (seconds, text) in [
            (0, "just now"),
            (60, "1m ago"),
            (1500, "25m ago"),
            (3600, "1h ago"),
            (7200, "2h ago"),
            (100_000, "1d ago"),
            (200_000, "2d ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        assert_eq!(
            (age(old), utc(old).unwrap()),
            ("2026-01-02".into(), "2026-01-02T03:04:05Z".into())
        );
    }

    #[test]
    fn sizes_without_spaces() {
        assert_eq!(
            [0, 999, 1234, 5_600_000_000].map(compact_size),
            ["0B", "999B", "1.2KB", "5.6GB"]
        );
    }
}
