//! Warnings inside JSON reports, and disturbances that make their figures unreliable.

use serde::Serialize;
use serde_json::Value;

use super::load::UNSTEADY;
use crate::machine::{BUSY_SHARE, busy_warning};
use crate::statistics::Summary;

/// Beginning of the warning about a processor whose speed changed.
const PACE_CHANGED: &str = "The speed of the processor changed";

/// The warnings of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Disturbance {
    /// Warnings in the report, in its own words.
    pub warnings: Vec<String>,
    /// `true` if other programs or a change of the clock speed disturbed the measurement.
    pub disturbed: bool,
}

impl Disturbance {
    /// Reads a report of any command of `mlxk bench`.
    pub fn of(report: &Value) -> Self {
        let machine = &report["machine"];
        let cores = machine["logical_cores"].as_f64().unwrap_or(f64::INFINITY);
        let busy = machine["busy_cores"].as_f64().and_then(|busy| busy_warning(busy, cores));
        let mut warnings: Vec<String> = match report["warnings"].as_array() {
            Some(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let is_busy = busy.is_some();
        if let Some(busy) = busy.filter(|busy| !warnings.contains(busy)) {
            warnings.insert(0, busy);
        }
        let sides = report["sides"].as_array().map_or(&[][..], Vec::as_slice);
        let others =
            sides.iter().filter_map(|side| side["series"]["other_cores"]["median"].as_f64());
        let disturbed = is_busy || is_disturbed(others, cores, &warnings);
        Self { warnings, disturbed }
    }
}

/// Returns `true` if during a measurement other programs took so many of the cores, on the median of some side, or
/// the clock speed changed so much, that figures may suffer.
pub(super) fn is_disturbed(
    mut others: impl Iterator<Item = f64>,
    cores: f64,
    warnings: &[String],
) -> bool {
    others.any(|others| others > BUSY_SHARE * cores)
        || warnings.iter().any(|warning| warning.starts_with(PACE_CHANGED))
}

/// Returns a sentence if the clock speed changed so much that figures may suffer. `paces` are the times that the same
/// arithmetic took.
pub(crate) fn pace_warning(paces: &Summary) -> Option<String> {
    (paces.maximum > (1.0 + UNSTEADY) * paces.minimum).then(|| {
        format!(
            "{PACE_CHANGED}: the same arithmetic took up to {:.0} % longer. It was throttled, or shared with other \
             programs",
            100.0 * (paces.maximum / paces.minimum - 1.0)
        )
    })
}

/// Returns a sentence if the processor was slower in one of the reports, as it is if it is throttled
/// or shared the whole time.
pub fn unlike_pace(base: &Value, now: &Value) -> Option<String> {
    let median = |report: &Value| {
        let samples = report["pace_seconds"]["samples"].as_array()?;
        Some(Summary::of(samples.iter().filter_map(Value::as_f64).collect())?.median)
    };
    let (base, now) = (median(base)?, median(now)?);
    let (share, which) = if now > base { (now / base, "second") } else { (base / now, "first") };
    (share > 1.0 + UNSTEADY).then(|| {
        format!(
            "The processor was slower in the {which} report: the same arithmetic took {:.0} % longer",
            100.0 * (share - 1.0)
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(busy: f64, others: f64, warnings: &[&str]) -> Value {
        json!({"machine": {"logical_cores": 4, "busy_cores": busy}, "warnings": warnings,
            "sides": [{"series": {"other_cores": {"median": others}}}]})
    }

    #[test]
    fn other_programs_and_a_changing_clock_disturb() {
        let told = |busy, others, warnings: &[&str]| {
            Disturbance::of(&report(busy, others, warnings)).disturbed
        };
        assert!(!told(0.1, 0.2, &["Ollama gave different answers to `chat`"]));
        assert!(told(1.3, 0.2, &[]));
        assert!(told(0.1, 1.3, &[]));
        assert!(told(0.1, 0.2, &["The speed of the processor changed: it took longer"]));
        // Reports without a list of warnings have the load of the machine.
        let found = Disturbance::of(&json!({"machine": {"logical_cores": 4, "busy_cores": 2.0}}));
        assert!(found.disturbed && found.warnings[0].contains("2.0 of 4 cores"), "{found:?}");
        assert_eq!(Disturbance::of(&json!({})), Disturbance::default());
    }

    #[test]
    fn a_slower_processor_is_told() {
        let report = |seconds: f64| json!({"pace_seconds": {"samples": [seconds, seconds]}});
        assert_eq!(unlike_pace(&report(1.0), &report(1.05)), None);
        assert_eq!(unlike_pace(&report(1.0), &json!({})), None);
        let told = unlike_pace(&report(1.0), &report(1.5)).unwrap();
        assert!(told.contains("slower in the second report") && told.contains("50 %"), "{told}");
        assert!(unlike_pace(&report(1.5), &report(1.0)).unwrap().contains("first report"));
    }
}
