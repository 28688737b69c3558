//! Sizes and times for people.

use std::time::{Duration, SystemTime};

use mlxk_hub::QuantizationSummary;
pub(crate) use mlxk_hub::human as size;

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

/// `4-bit`, `4-bit mixed` or `mxfp4`.
pub(crate) fn quantization(quantization: &QuantizationSummary) -> String {
    let mode = match quantization.mode.as_str() {
        "affine" => format!("{}-bit", quantization.bits),
        mode => mode.to_owned(),
    };
    if quantization.mixed { format!("{mode} mixed") } else { mode }
}

/// `0.123 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.3} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_round_down() {
        let ago = |seconds| age(SystemTime::now() - Duration::from_secs(seconds));
        let texts = [0, 60, 3600, 7200, 200_000].map(ago);
        assert_eq!(texts, ["just now", "1m ago", "60m ago", "2h ago", "2d ago"]);
    }
}
